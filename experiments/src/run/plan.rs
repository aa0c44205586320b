use std::time::Duration;

use crate::result::System;
use crate::scenario::{FaultPlan, Scenario};

/// One run that is to be made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Spec {
    /// With all times as they will be.
    pub scenario: Scenario,
    /// How viewers get the stream.
    pub system: System,
    /// How many there are.
    pub viewers: u32,
    /// 0, or 1 for the second run with the same seed.
    pub repeat: u32,
}

/// What a run takes besides its scenario's duration, as measured on two cores: building the world
/// and starting the programs, measuring the links, taking everything down.
const AROUND: Duration = Duration::from_secs(9);

impl Spec {
    /// A name for its folder.
    pub(super) fn label(&self) -> String {
        let mut label = format!("{}-{}-{}", self.scenario.name, self.system.name(), self.viewers);
        for fault in &self.scenario.faults {
            label.push('-');
            label.push_str(&fault.what.name().replace(' ', "-"));
        }
        if self.repeat > 0 {
            label.push_str("-again");
        }
        label
    }

    /// About how long it takes.
    pub(super) fn estimate(&self) -> Duration {
        Duration::from(self.scenario.duration) + AROUND
    }
}

/// What is left of scenarios after the command line has had its say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Selection {
    /// Every time a third.
    pub quick: bool,
    /// Only these systems; the scenario's if empty.
    pub systems: Vec<System>,
    /// These numbers of viewers; the scenario's if empty.
    pub viewers: Vec<u32>,
}

/// The runs of one scenario.
pub(super) fn runs(scenario: &Scenario, selection: &Selection) -> Vec<Spec> {
    let scenario = if selection.quick { scenario.clone().quick() } else { scenario.clone() };
    let viewers = if selection.viewers.is_empty() { &scenario.viewers } else { &selection.viewers };
    let wanted =
        |system: &System| selection.systems.is_empty() || selection.systems.contains(system);
    let systems: Vec<System> = scenario.systems.iter().copied().filter(wanted).collect();
    let mut all = Vec::new();
    for viewers in viewers {
        for system in &systems {
            for scenario in one_fault_each(&scenario) {
                all.push(Spec { scenario, system: *system, viewers: *viewers, repeat: 0 });
            }
        }
    }
    all
}

/// Each fault in a run of its own, so that it meets a whole peering.
fn one_fault_each(scenario: &Scenario) -> Vec<Scenario> {
    if scenario.faults.len() < 2 {
        return vec![scenario.clone()];
    }
    let only = |fault: &FaultPlan| Scenario { faults: vec![*fault], ..scenario.clone() };
    scenario.faults.iter().map(only).collect()
}

/// A second run, with the same seed, of the assisted run with two viewers (or else of the smallest
/// one): do the controller's decisions repeat?
pub(super) fn repetition(specs: &[Spec]) -> Option<Spec> {
    let assisted = specs
        .iter()
        .filter(|spec| spec.system == System::Assisted && spec.scenario.faults.is_empty());
    let spec = assisted.min_by_key(|spec| (spec.viewers < 2, spec.viewers))?;
    Some(Spec { repeat: 1, ..spec.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_narrows_what_a_scenario_asks_for() {
        let single = Scenario::find("single").expect("it is there");
        assert_eq!(runs(&single, &Selection::default()).len(), 8);
        let selection =
            Selection { quick: true, systems: vec![System::Assisted], viewers: vec![2, 8] };
        let specs = runs(&single, &selection);
        let labels: Vec<String> = specs.iter().map(Spec::label).collect();
        assert_eq!(labels, ["single-assisted-2", "single-assisted-8"]);
        assert_eq!(specs[0].scenario.duration, single.duration / 3);
        let fallback =
            runs(&Scenario::find("fallback").expect("it is there"), &Selection::default());
        assert!(fallback.len() == 4 && fallback.iter().all(|spec| spec.scenario.faults.len() == 1));
        assert_eq!(repetition(&fallback), None, "a fault is no time to compare decisions");
        let again = repetition(&specs).expect("one is assisted");
        assert_eq!(again.label(), "single-assisted-2-again");
    }
}
