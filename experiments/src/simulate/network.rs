//! What lies between the access links of a simulation's peers.

use nearcast_link::Probability;
use nearcast_machine::{Rng, Span};
use nearcast_sim::{Delays, Network, NodeSpec, Place, Signalling};
use rand::Rng as _;

/// The network between access links: it delays and loses, and has room for everything.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Core {
    /// One-way delay between any two.
    pub delay: Span,
    /// Peers lie at random points of a square; so much more delay for two that are as far apart as
    /// its side is long, and on average 0.52 of it.
    pub spread: Span,
    /// The chance that a chunk is lost, after it has used its sender's uplink.
    pub loss: Probability,
    /// The chance that any other message is lost.
    pub signalling_loss: Probability,
}

impl Core {
    /// What is wrong with it, if anything.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        let most = Span::from_secs(10);
        if self.delay > most || self.spread > most {
            return Err("delay and spread are 10s at most");
        }
        if self.is_instant() && self.signalling_loss > Probability::NEVER {
            return Err(
                "signalling_loss: without a delay signalling is there at once, and not lost",
            );
        }
        Ok(())
    }

    /// Whether signalling is there at once, as in the paper.
    fn is_instant(&self) -> bool {
        self.delay + self.spread == Span::ZERO
    }

    /// As the simulator has it, whose nodes take together what comes within `step`.
    pub(super) fn network(&self, step: Span) -> Network {
        Network {
            delays: match self.spread {
                Span::ZERO => Delays::Uniform(self.delay),
                spread => Delays::Plane { least: self.delay, per_unit: spread },
            },
            loss: self.loss,
            signalling: match self.is_instant() {
                true => Signalling::Instant,
                false => Signalling::Delayed { loss: self.signalling_loss },
            },
            moderation: step,
        }
    }

    /// Gives each node a place, if places matter.
    pub(super) fn place(&self, nodes: &mut [NodeSpec], rng: &mut Rng) {
        if self.spread == Span::ZERO {
            return;
        }
        for node in nodes {
            let [x, y] = [(); 2].map(|()| rng.random_range(0.0..1.0));
            node.place = Place::Point { x, y };
        }
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Seed;

    use super::*;

    #[test]
    fn peers_are_half_the_spread_apart_on_average() {
        let core = Core { spread: Span::from_millis(100), ..Core::default() };
        let mut nodes: Vec<NodeSpec> = (0..2000).map(|n| NodeSpec::new(n.to_string())).collect();
        core.place(&mut nodes, &mut Seed::new(1).rng());
        let points = nodes.iter().map(|node| match node.place {
            Place::Point { x, y } => [f64::from(x), f64::from(y)],
            Place::Site(_) => panic!("no point"),
        });
        let points: Vec<[f64; 2]> = points.collect();
        let apart = points.chunks(2).map(|pair| {
            let [[x1, y1], [x2, y2]] = [pair[0], pair[1]];
            (x1 - x2).hypot(y1 - y2)
        });
        let mean = apart.sum::<f64>() / 1000.0;
        // The standard deviation of a distance in the unit square is 0.248.
        assert!((mean - 0.5214).abs() < 5.0 * 0.248 / 1000f64.sqrt(), "{mean}");
        let network = core.network(Span::ZERO);
        assert!(matches!(network.signalling, Signalling::Delayed { .. }), "it takes its time");
    }

    #[test]
    fn what_cannot_be_lost_is_told() {
        let signalling_loss = Probability::new(0.1).expect("a chance");
        let core = Core { signalling_loss, ..Core::default() };
        assert!(core.check().is_err_and(|why| why.starts_with("signalling_loss: ")));
        assert_eq!(Core { delay: Span::from_millis(1), ..core }.check(), Ok(()));
        assert_eq!(Core::default().network(Span::ZERO), Network::default(), "the paper's");
    }
}
