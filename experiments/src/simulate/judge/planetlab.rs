//! Liu et al. V.C: a hundred peers on PlanetLab. "Close to the full rate" is taken for 90 % of it,
//! "about" for five points around.

use super::*;

pub(super) fn judge(result: &Simulations, run: &SimRun) -> Vec<Goal> {
    match (result.overloaded, run.system.as_str()) {
        (false, _) => underloaded(result, run),
        (true, "layerp2p") => layered(result, run),
        (true, "single-layer") => vec![goal(
            run,
            "about 80 % of the chunks of every layer for everyone (figure 11)",
            "75 to 85 %",
            alike(run, 0.75..=0.85),
        )],
        (true, _) => {
            let ratios = everyone(run).into_iter().find(|(group, _)| *group == Group::High);
            vec![goal(
                run,
                "institutional peers: about 90 % of the chunks (figure 11)",
                "85 to 95 %",
                ratios.map(|(_, ratio)| (percent(ratio), (0.85..=0.95).contains(&ratio))),
            )]
        }
    }
}

fn underloaded(result: &Simulations, run: &SimRun) -> Vec<Goal> {
    let close = 0.9 * result.full_kbit;
    vec![
        goal(
            run,
            "peers of both types play close to the full rate (figure 6)",
            ">= 95 % of them above 558 kbit/s",
            at_least(0.95, share(result, run.sessions.iter(), |kbit| kbit >= close)),
        ),
        goal(
            run,
            "a high received chunk ratio of all layers (figure 7)",
            ">= 95 %",
            at_least(0.95, lowest(run.sessions.iter())),
        ),
    ]
}

fn layered(result: &Simulations, run: &SimRun) -> Vec<Goal> {
    let above = |group, least: f64| share(result, of(run, group), |kbit| kbit > least);
    let below = share(result, of(run, Group::FreeRiders), |kbit| kbit < 200.0);
    vec![
        goal(
            run,
            "institutional peers above 550 kbit/s (figure 10)",
            "> 70 %",
            at_least(0.7, above(Group::High, 550.0)),
        ),
        goal(
            run,
            "residential peers above 400 kbit/s (figure 10)",
            "> 70 %",
            at_least(0.7, above(Group::Low, 400.0)),
        ),
        goal(run, "free-riders below 200 kbit/s (figure 10)", "> 90 %", at_least(0.9, below)),
        goal(
            run,
            "residential peers: layer 1 (figure 11)",
            "> 95.8 %",
            at_least(0.958, ratio(of(run, Group::Low), 0)),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::super::synthetic::{session, simulations};
    use super::super::judge;
    use super::*;

    #[test]
    fn rates_and_ratios_are_held_against_the_paper_s() {
        let mut result = simulations();
        (result.paper, result.full_kbit) = (Some(Paper::Planetlab), 600.0);
        let verdicts = |result: &Simulations| -> Vec<Verdict> {
            judge(result).iter().map(|goal| goal.verdict).collect()
        };
        assert_eq!(verdicts(&result), [Verdict::Met; 4]);
        // A free-rider that gets 60 % plays 360 kbit/s.
        result.runs[0].sessions.push(session(0, 0, 0.6));
        result.runs[0].sessions.push(session(300, 300, 0.5));
        result.runs[0].sessions.push(session(300, 300, 0.5));
        let [met, missed] = [Verdict::Met, Verdict::Missed];
        assert_eq!(verdicts(&result), [met, missed, missed, missed]);
        result.runs[0].system = "single-layer".to_owned();
        assert_eq!(verdicts(&result), [missed]);
        result.runs[0].sessions = vec![session(300, 300, 0.8), session(700, 700, 0.79)];
        assert_eq!(verdicts(&result), [met]);
        result.runs[0].system = "single-incent".to_owned();
        assert_eq!(verdicts(&result), [missed]);
        result.overloaded = false;
        assert_eq!(verdicts(&result), [missed, missed]);
    }
}
