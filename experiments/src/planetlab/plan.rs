//! What a scenario becomes on the command line, and in the peers' settings.

use nearcast_machine::{Seed, Span};

use super::result::{ClassFacts, Flavour, Scale};
use super::scenario::{MeshScenario, PEERS_MAX, REPEAT_MAX};
use crate::Failure;

/// What the command line changes of a scenario.
#[derive(Debug, Clone, Default, PartialEq, clap::Args)]
pub struct Wishes {
    /// So many peers, in an experiment of the mesh
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=i64::from(PEERS_MAX)))]
    pub peers: Option<u32>,
    /// How long they stay, such as 120s, in an experiment of the mesh; joins take a tenth of it
    #[arg(long)]
    pub duration: Option<Span>,
    /// So many runs of each system, in an experiment of the mesh
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(REPEAT_MAX)))]
    pub repeat: Option<u32>,
    /// Of so many peers of each class the video is judged, in an experiment of the mesh [default:
    /// 2]
    #[arg(long, value_parser = clap::value_parser!(u32).range(0..=i64::from(PEERS_MAX)))]
    pub judged: Option<u32>,
}

impl Wishes {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        *self == Wishes::default()
    }

    /// As they were said.
    pub(super) fn words(&self) -> String {
        let Wishes { peers, duration, repeat, judged } = self;
        let number = |name: &str, value: &Option<u32>| {
            value.map(|value| format!(" --{name} {value}")).unwrap_or_default()
        };
        let duration = duration.map(|span| format!(" --duration {span}")).unwrap_or_default();
        [number("peers", peers), duration, number("repeat", repeat), number("judged", judged)]
            .concat()
    }
}

/// Peers of each class whose video is judged.
const JUDGED: u32 = 2;

/// A scenario as it is run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Plan {
    pub(super) scenario: MeshScenario,
    pub(super) seed: Seed,
    pub(super) judged: u32,
    /// The playback lag, and how often a neighbour is replaced: the paper's 30 s, and in a run too
    /// short for that a fifth of it.
    pub(super) lag: Span,
    /// From when on after its join a peer counts for the table: the 100 s in which the paper's
    /// peers were stable, and in a run too short for that a third of it.
    pub(super) settled: Span,
    /// N_min and N_max: the paper's 10 and 20 of 100, and among few no more than there are.
    pub(super) neighbours: [u16; 2],
}

impl Plan {
    /// The scenario as the command line wants it; `quick` is for tests.
    ///
    /// # Errors
    /// What cannot be, in words.
    pub(super) fn new(
        scenario: MeshScenario,
        wishes: &Wishes,
        systems: &[Flavour],
        quick: bool,
        seed: u64,
    ) -> Result<Plan, Failure> {
        let small = quick.then_some((8, Span::from_secs(30), 1, 1));
        let peers = wishes.peers.or(small.map(|small| small.0)).unwrap_or(scenario.peers);
        let duration = wishes.duration.or(small.map(|small| small.1)).unwrap_or(scenario.duration);
        let repeat = wishes.repeat.or(small.map(|small| small.2)).unwrap_or(scenario.repeat);
        let mut scenario = MeshScenario { peers, repeat, ..scenario }.lasting(duration);
        if !systems.is_empty() {
            scenario.systems = systems.to_vec();
        }
        scenario.check().map_err(|what| format!("{}: {what}", scenario.name))?;
        let of = |most: u16, part: u32| most.min(u16::try_from(part).unwrap_or(u16::MAX)).max(1);
        Ok(Plan {
            seed: Seed::new(seed),
            judged: wishes.judged.or(small.map(|small| small.3)).unwrap_or(JUDGED),
            lag: Span::from_secs(30).min(duration / 5),
            settled: Span::from_secs(100).min(duration / 3),
            neighbours: [of(10, peers / 2), of(20, peers)],
            scenario,
        })
    }

    /// The settings file of every peer; what it does not name is the paper's. The paper's client
    /// keeps to its upload limit and gives way to nobody, whatever a busy machine does to round
    /// trips.
    pub(super) fn settings(&self) -> String {
        let Plan { lag, neighbours: [least, most], .. } = self;
        format!(
            "lag = \"{lag}\"\nadapt = \"{lag}\"\ndelay_target = \"0s\"\n\
             neighbours_min = {least}\nneighbours_max = {most}\n"
        )
    }

    /// From the first join to the end.
    pub(super) fn length(&self) -> Span {
        self.scenario.joins + self.scenario.duration
    }

    /// What a result says of it.
    pub(super) fn scale(&self) -> Scale {
        let scenario = &self.scenario;
        let classes = scenario.classes.iter().map(|class| ClassFacts {
            name: class.name.clone(),
            upload_kbit: class.upload.bits_per_sec() as f64 / 1e3,
        });
        Scale {
            peers: scenario.peers,
            joins_s: scenario.joins.as_secs_f64(),
            duration_s: scenario.duration.as_secs_f64(),
            lag_s: self.lag.as_secs_f64(),
            settled_s: self.settled.as_secs_f64(),
            repeat: scenario.repeat,
            neighbours: self.neighbours,
            classes: classes.collect(),
            mean_upload_kbit: scenario.mean_upload_kbit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(wishes: &Wishes, quick: bool) -> Plan {
        let scenario = MeshScenario::find("planetlab-underloaded").expect("sound").expect("ours");
        Plan::new(scenario, wishes, &[], quick, 1).expect("it can be")
    }

    #[test]
    fn the_papers_length_has_the_papers_settings() {
        let plan = plan(&Wishes { peers: Some(100), ..Wishes::default() }, false);
        assert_eq!((plan.lag, plan.neighbours), (Span::from_secs(30), [10, 20]));
        assert_eq!(plan.settled, Span::from_secs(100));
        assert_eq!(plan.length(), Span::from_secs(1320));
    }

    #[test]
    fn a_short_run_of_few_is_scaled_and_says_so() {
        let wishes = Wishes { duration: Some(Span::from_secs(60)), ..Wishes::default() };
        let plan = plan(&wishes, true);
        assert_eq!((plan.scenario.peers, plan.scenario.repeat), (8, 1));
        assert_eq!((plan.lag, plan.settled), (Span::from_secs(12), Span::from_secs(20)));
        assert_eq!(plan.neighbours, [4, 8]);
        assert_eq!(
            plan.settings(),
            "lag = \"12s\"\nadapt = \"12s\"\ndelay_target = \"0s\"\n\
             neighbours_min = 4\nneighbours_max = 8\n"
        );
        assert_eq!(wishes.words(), " --duration 60s");
    }
}
