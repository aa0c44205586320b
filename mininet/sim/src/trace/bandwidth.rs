use nearcast_machine::Bitrate;
use rand::Rng as _;

/// One column of Table II of Liu et al.: a class of peers by their total bandwidth.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BandwidthClass(u8);

/// Which part of their bandwidth peers contribute: the two scenarios of the paper's section VI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Contribution {
    /// Resource index 1.26.
    Underloaded,
    /// Resource index 0.73: the three lowest classes are free-riders.
    Overloaded,
}

/// Total kbit/s, share in thousandths, contributed kbit/s when underloaded and when overloaded.
/// (The last class is "> 3000" in the paper.)
const TABLE: [(u64, u32, u64, u64); 10] = [
    (256, 100, 240, 0),
    (320, 143, 320, 0),
    (384, 86, 360, 0),
    (448, 125, 400, 200),
    (512, 22, 480, 280),
    (640, 14, 600, 400),
    (768, 66, 720, 600),
    (1024, 281, 920, 720),
    (1500, 14, 1000, 960),
    (3000, 149, 1800, 1000),
];

impl BandwidthClass {
    /// All ten, lowest first.
    pub fn all() -> impl ExactSizeIterator<Item = BandwidthClass> {
        (0..TABLE.len() as u8).map(BandwidthClass)
    }

    /// The highest class that `capacity` reaches; the lowest if it reaches none.
    pub fn of(capacity: Bitrate) -> BandwidthClass {
        BandwidthClass::all()
            .filter(|class| class.capacity() <= capacity)
            .last()
            .unwrap_or(BandwidthClass(0))
    }

    /// Draws a class as often as its share says.
    pub fn draw(rng: &mut nearcast_machine::Rng) -> BandwidthClass {
        let mut left = rng.random_range(0..1_000);
        let class = BandwidthClass::all().find(|class| {
            let share = TABLE[class.index()].1;
            let here = left < share;
            left = left.saturating_sub(share);
            here
        });
        class.expect("the shares make up a thousand")
    }

    /// Its place in the table, from 0.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its total bandwidth.
    pub fn capacity(self) -> Bitrate {
        Bitrate::from_bits_per_sec(TABLE[self.index()].0 * 1_000)
    }

    /// Its share of all peers, between 0 and 1.
    pub fn share(self) -> f64 {
        f64::from(TABLE[self.index()].1) / 1e3
    }

    /// What it uploads in a scenario.
    pub fn upload(self, contribution: Contribution) -> Bitrate {
        let (.., underloaded, overloaded) = TABLE[self.index()];
        Bitrate::from_bits_per_sec(
            1_000
                * match contribution {
                    Contribution::Underloaded => underloaded,
                    Contribution::Overloaded => overloaded,
                },
        )
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    #[test]
    fn the_table_has_the_papers_resource_indices() {
        assert_eq!(TABLE.iter().map(|row| row.1).sum::<u32>(), 1_000);
        let index = |contribution| {
            let mean: f64 = BandwidthClass::all()
                .map(|class| class.share() * class.upload(contribution).bits_per_sec() as f64)
                .sum();
            mean / 600e3
        };
        assert!((index(Contribution::Underloaded) - 1.26).abs() < 0.005);
        assert!((index(Contribution::Overloaded) - 0.73).abs() < 0.0055);
    }

    #[test]
    fn classes_are_drawn_by_their_shares_and_found_by_capacity() {
        let mut rng = Seed::new(1).rng();
        let mut drawn = [0u32; 10];
        (0..100_000).for_each(|_| drawn[BandwidthClass::draw(&mut rng).index()] += 1);
        for class in BandwidthClass::all() {
            let (share, drawn) = (class.share(), f64::from(drawn[class.index()]) / 1e5);
            assert!((share - drawn).abs() < 5.0 * (share / 1e5).sqrt(), "{share} {drawn}");
            assert_eq!(BandwidthClass::of(class.capacity()), class);
        }
        assert_eq!(BandwidthClass::of(Bitrate::from_bits_per_sec(0)).index(), 0);
        assert_eq!(BandwidthClass::of(Bitrate::from_bits_per_sec(1_100_000)).index(), 7);
    }
}
