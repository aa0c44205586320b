use rand::SeedableRng;

/// The generator of every machine: small, fast, and the same on every platform.
pub type Rng = rand_pcg::Pcg64Mcg;

/// Where a machine's randomness comes from. A run has one seed; every node derives its own from it
/// by name, so that adding a node does not change what the others draw.
///
/// ```
/// use nearcast_machine::Seed;
/// let run = Seed::new(7);
/// assert_eq!(run.derive("hv1"), run.derive("hv1"));
/// assert_ne!(run.derive("hv1"), run.derive("hv2"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The seed of a whole run.
    pub fn new(run: u64) -> Seed {
        Seed(blake3::derive_key("nearcast 2026 run seed", &run.to_le_bytes()))
    }

    /// A seed as good as the randomness it is made of: for keys that nobody may guess.
    pub fn from_entropy(bytes: [u8; 32]) -> Seed {
        Seed(bytes)
    }

    /// The seed of the part called `name`.
    pub fn derive(self, name: &str) -> Seed {
        Seed(*blake3::keyed_hash(&self.0, name.as_bytes()).as_bytes())
    }

    /// A generator that starts here.
    pub fn rng(self) -> Rng {
        let mut state = [0; 16];
        state.copy_from_slice(&self.0[..16]);
        Rng::from_seed(state)
    }
}
