//! What peers contribute: the paper's tables, and scenarios' own.

use nearcast_machine::{Bitrate, Rng, Span};
use nearcast_sim::trace::{BandwidthClass, Contribution};
use rand::seq::SliceRandom;
use serde::Deserialize;

/// A class of peers.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Its share of all peers, between 0 and 1.
    pub share: f64,
    /// What each contributes.
    pub upload: Bitrate,
    /// The bandwidth that it has; what it contributes, if that is all that is known.
    #[serde(default)]
    pub capacity: Option<Bitrate>,
}

/// Table II of Liu et al.
pub(super) fn table(contribution: Contribution) -> Vec<Class> {
    let class = |class: BandwidthClass| Class {
        share: class.share(),
        upload: class.upload(contribution),
        capacity: Some(class.capacity()),
    };
    BandwidthClass::all().map(class).collect()
}

/// What is wrong with them, if anything.
pub(super) fn check(classes: &[Class]) -> Result<(), String> {
    if classes.iter().any(|class| !(0.0..=1.0).contains(&class.share)) {
        return Err("class: shares are between 0 and 1".to_owned());
    }
    let sum: f64 = classes.iter().map(|class| class.share).sum();
    if (sum - 1.0).abs() > 1e-6 {
        return Err(format!("class: shares make {sum} together, and must make 1"));
    }
    Ok(())
}

/// What one peer has and gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Means {
    pub(super) capacity: Bitrate,
    pub(super) upload: Bitrate,
}

impl Class {
    fn means(&self) -> Means {
        Means { capacity: self.capacity.unwrap_or(self.upload), upload: self.upload }
    }
}

/// What a peer of a known bandwidth has and gives: as the highest class that it reaches, or as the
/// lowest if it reaches none.
pub(super) fn reached(classes: &[Class], capacity: Bitrate) -> Option<Means> {
    let all = || classes.iter().map(Class::means);
    let highest = all().filter(|means| means.capacity <= capacity).max_by_key(|m| m.capacity);
    highest.or_else(|| all().min_by_key(|means| means.capacity))
}

/// So many peers, of each class as many as its share says (to the nearest, by largest remainders),
/// in random order.
pub(super) fn dealt(classes: &[Class], peers: u32, rng: &mut Rng) -> Vec<Means> {
    let exact = |class: &Class| class.share * f64::from(peers);
    let mut counts: Vec<u32> = classes.iter().map(|class| exact(class).floor() as u32).collect();
    let mut order: Vec<usize> = (0..classes.len()).collect();
    let rest = |at: usize| exact(&classes[at]).fract();
    order.sort_by(|&a, &b| rest(b).total_cmp(&rest(a)));
    let missing = peers.saturating_sub(counts.iter().sum()) as usize;
    for at in order.into_iter().cycle().take(missing) {
        counts[at] += 1;
    }
    let of = |(class, count): (&Class, u32)| (0..count).map(|_| class.means()).collect::<Vec<_>>();
    let mut dealt: Vec<Means> = classes.iter().zip(counts).flat_map(of).collect();
    dealt.shuffle(rng);
    dealt
}

/// Makes `share` of all peers free-riders: those who would contribute least, at random among
/// equals. Others who would contribute nothing contribute what the least of those do who would.
pub(super) fn free_riders(peers: &mut [Means], share: f64, rng: &mut Rng) {
    let mut order: Vec<usize> = (0..peers.len()).collect();
    order.shuffle(rng);
    order.sort_by_key(|&at| peers[at].upload);
    let least = order.iter().map(|&at| peers[at].upload).find(|upload| upload.bits_per_sec() > 0);
    let free = (share * peers.len() as f64).round() as usize;
    for (rank, at) in order.into_iter().enumerate() {
        let upload = &mut peers[at].upload;
        *upload = match rank < free {
            true => Bitrate::default(),
            false => (*upload).max(least.unwrap_or_default()),
        };
    }
}

/// Scales what all contribute so that they have `index` times the full rate together while they are
/// there, each counted for as long as it stays.
///
/// # Errors
/// If nobody contributes anything.
pub(super) fn scale(
    peers: &mut [Means],
    stays: &[Span],
    full_kbit: f64,
    index: f64,
) -> Result<(), String> {
    let now = index_of(peers, stays, full_kbit);
    if now <= 0.0 {
        return Err("resource_index: nobody contributes anything that could be scaled".to_owned());
    }
    for peer in peers {
        let scaled = peer.upload.bits_per_sec() as f64 * index / now;
        peer.upload = Bitrate::from_bits_per_sec(scaled.round() as u64);
    }
    Ok(())
}

/// The resource index: mean upload over the full rate, each peer counted for as long as it stays.
pub(super) fn index_of(peers: &[Means], stays: &[Span], full_kbit: f64) -> f64 {
    let stays = || stays.iter().map(|stay| stay.as_secs_f64());
    let given = peers.iter().zip(stays()).map(|(p, stay)| p.upload.bits_per_sec() as f64 * stay);
    given.sum::<f64>() / 1e3 / full_kbit / stays().sum::<f64>().max(f64::MIN_POSITIVE)
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    fn kbit(kbit: u64) -> Bitrate {
        Bitrate::from_bits_per_sec(kbit * 1000)
    }

    fn planetlab() -> Vec<Class> {
        let class = |share, upload| Class { share, upload: kbit(upload), capacity: None };
        vec![class(0.1, 0), class(0.3, 300), class(0.6, 700)]
    }

    fn count(peers: &[Means], upload: u64) -> usize {
        peers.iter().filter(|peer| peer.upload == kbit(upload)).count()
    }

    #[test]
    fn shares_are_exact_and_the_order_is_random() {
        let mut rng = Seed::new(1).rng();
        let dealt_20 = dealt(&planetlab(), 20, &mut rng);
        assert_eq!([0, 300, 700].map(|upload| count(&dealt_20, upload)), [2, 6, 12]);
        assert_eq!(dealt(&planetlab(), 7, &mut rng).len(), 7);
        assert!(dealt_20.windows(2).filter(|pair| pair[0] != pair[1]).count() > 3, "in an order");
        let peers = dealt(&table(Contribution::Overloaded), 1000, &mut rng);
        assert_eq!([0, 720, 1000].map(|upload| count(&peers, upload)), [329, 281, 149]);
    }

    #[test]
    fn a_bandwidth_is_of_the_highest_class_that_it_reaches() {
        let of = |kbits: u64| {
            let means = reached(&table(Contribution::Overloaded), kbit(kbits)).expect("a class");
            [means.capacity, means.upload].map(|rate| rate.bits_per_sec() / 1000)
        };
        assert_eq!([0, 256, 447].map(of), [[256, 0], [256, 0], [384, 0]]);
        assert_eq!([448, 1023, 9_000_000].map(of), [[448, 200], [768, 600], [3000, 1000]]);
        assert_eq!(reached(&[], kbit(1)), None);
        // What a class of one's own contributes is all that is known of it, whatever their order.
        let upload = |kbits| reached(&planetlab(), kbit(kbits)).expect("a class").upload;
        assert_eq!([299, 300, 700].map(upload), [kbit(0), kbit(300), kbit(700)]);
    }

    #[test]
    fn free_riders_are_those_who_would_give_least_and_the_rest_is_scaled() {
        let mut rng = Seed::new(1).rng();
        let mut peers = dealt(&planetlab(), 100, &mut rng);
        free_riders(&mut peers, 0.25, &mut rng);
        assert_eq!([0, 300, 700].map(|upload| count(&peers, upload)), [25, 15, 60]);
        free_riders(&mut peers, 0.0, &mut rng);
        assert_eq!([0, 300, 700].map(|upload| count(&peers, upload)), [0, 40, 60]);
        let stays: Vec<Span> = (0..100).map(|n| Span::from_secs(10 + n)).collect();
        scale(&mut peers, &stays, 620.0, 0.5).expect("they give something");
        assert!((index_of(&peers, &stays, 620.0) - 0.5).abs() < 1e-6);
        free_riders(&mut peers, 1.0, &mut rng);
        assert!(scale(&mut peers, &stays, 620.0, 0.5).is_err());
    }

    #[test]
    fn classes_that_cannot_be_are_refused() {
        let with = |share| {
            let mut classes = planetlab();
            classes[0].share = share;
            check(&classes)
        };
        assert!(with(0.1).is_ok());
        assert!(with(0.2).is_err() && with(-0.1).is_err() && with(f64::NAN).is_err());
    }
}
