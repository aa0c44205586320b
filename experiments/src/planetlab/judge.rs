//! The paper's numbers (Liu et al. V-C) beside ours.

use super::measures::{Estimate, PAPER_KBIT, QUALITIES, Which};
use super::result::{Flavour, LAYERS, MeshOutcome};
use crate::result::{Goal, Verdict};

const PAPERS: [Flavour; 3] = [Flavour::LayerP2p, Flavour::SingleIncent, Flavour::SingleLayer];

/// Every number of the paper's text for what was run. "Close to the full rate" is taken for 95 %,
/// "similar" for within 5 points, "about" for 5 points or 2 dB to either side.
pub(super) fn judge(outcome: &MeshOutcome) -> Vec<Goal> {
    if outcome.runs.is_empty() {
        return Vec::new();
    }
    let of = Beside { outcome };
    if outcome.overloaded() { of.overloaded() } else { of.underloaded() }
}

struct Beside<'a> {
    outcome: &'a MeshOutcome,
}

/// What was measured, as text, and whether it is as it should be.
type Measured = Option<(String, bool)>;

fn goal(name: String, target: String, measured: Measured) -> Goal {
    let verdict = measured.as_ref().map_or(Verdict::NotMeasured, |(_, met)| Verdict::of(*met));
    Goal {
        name,
        run: String::new(),
        target,
        measured: measured.map_or_else(|| "not measured".to_owned(), |(text, _)| text),
        verdict,
        why: String::new(),
    }
}

impl Beside<'_> {
    fn underloaded(&self) -> Vec<Goal> {
        let mut goals = Vec::new();
        for system in PAPERS {
            let full = self.outcome.full_kbit();
            let rate = self.outcome.rate(system, None);
            let part =
                rate.map(|rate| (format!("{} kbit/s", rate.text(0)), rate.mean >= 0.95 * full));
            goals.push(goal(
                format!("{system}: playback near the full rate (figure 6)"),
                format!("95 % of {full:.0} kbit/s"),
                part,
            ));
        }
        goals.push(self.stable());
        let ratio = |system| self.outcome.ratio(system, None, None);
        let ratios: Vec<f64> = PAPERS.into_iter().filter_map(ratio).map(|e| e.mean).collect();
        let spread = ratios.iter().copied().fold(f64::MIN, f64::max)
            - ratios.iter().copied().fold(f64::MAX, f64::min);
        goals.push(goal(
            "all systems receive a similar part of all chunks (figure 7)".to_owned(),
            "within 5 points".to_owned(),
            (ratios.len() > 1)
                .then(|| (format!("{:.1} points apart", spread * 100.0), spread <= 0.05)),
        ));
        for (class, decibels) in [("institutional", 36.62), ("residential", 35.67)] {
            goals.push(self.at_least("Q", Flavour::LayerP2p, class, decibels, 8));
        }
        for (name, which) in QUALITIES.into_iter().filter(|(name, _)| *name != "Q3") {
            goals.push(self.ahead(name, which));
        }
        goals
    }

    fn overloaded(&self) -> Vec<Goal> {
        let layered = Flavour::LayerP2p;
        let mut goals = vec![
            self.share("institutional", 0.7, 550.0, true),
            self.share("residential", 0.7, 400.0, true),
            self.share("free-riders", 0.9, 200.0, false),
        ];
        let base = self.class("residential", |class| self.outcome.ratio(layered, class, Some(0)));
        goals.push(goal(
            "layerp2p: layer 1 of residential peers (figure 11)".to_owned(),
            "> 95.8 %".to_owned(),
            base.map(|ratio| (percent(&ratio), ratio.mean > 0.958)),
        ));
        goals.push(self.about("every layer", Flavour::SingleLayer, None, 0.80));
        goals.push(self.about(
            "institutional peers",
            Flavour::SingleIncent,
            Some("institutional"),
            0.90,
        ));
        goals.push(self.at_least("Q", layered, "institutional", 30.8, 12));
        goals.push(self.at_least("Q1", layered, "residential", 32.3, 12));
        let free = self.quality(layered, Some("free-riders"), |q| q.q);
        goals.push(goal(
            "layerp2p: Q of free-riders (figure 12)".to_owned(),
            "15.8 dB, or less".to_owned(),
            free.map(|q| (decibels(&q), q.mean <= 15.8 + 2.0)),
        ));
        for (system, class, paper) in [
            (Flavour::SingleLayer, None, 18.2),
            (Flavour::SingleIncent, Some("institutional"), 22.51),
        ] {
            let q = self.quality(system, class, |q| q.q);
            goals.push(goal(
                format!("{system}: Q of {} peers (figure 12)", class.unwrap_or("all")),
                format!("about {paper} dB"),
                q.map(|q| (decibels(&q), (q.mean - paper).abs() <= 2.0)),
            ));
        }
        goals
    }

    fn class<T>(&self, name: &str, of: impl FnOnce(Option<usize>) -> Option<T>) -> Option<T> {
        self.outcome.class(name).and_then(|class| of(Some(class)))
    }

    fn quality(&self, system: Flavour, class: Option<&str>, which: Which) -> Option<Estimate> {
        match class {
            None => self.outcome.quality(system, None, which),
            Some(name) => self.class(name, |class| self.outcome.quality(system, class, which)),
        }
    }

    /// Nine of ten peers play 90 % of the full rate soon after they joined.
    fn stable(&self) -> Goal {
        let enough = 0.9 * self.outcome.full_kbit();
        let runs = self.outcome.runs.iter().filter(|run| run.system == Flavour::LayerP2p);
        let mut times: Vec<f64> = runs
            .flat_map(|run| &run.peers)
            .map(|peer| peer.reached(enough).unwrap_or(f64::INFINITY))
            .collect();
        times.sort_by(f64::total_cmp);
        let most = (!times.is_empty()).then(|| times[(times.len() * 9).div_ceil(10) - 1]);
        let text = |most: f64| match most.is_finite() {
            true => format!("9 of 10 peers within {most:.0} s"),
            false => "fewer than 9 of 10 peers at all".to_owned(),
        };
        goal(
            "layerp2p: stable soon after joining (figure 5)".to_owned(),
            "within 100 s".to_owned(),
            most.map(|most| (text(most), most <= 100.0)),
        )
    }

    /// The part of a class of LayerP2P that plays faster (or slower) than a rate.
    fn share(&self, class: &str, part: f64, kbit: f64, faster: bool) -> Goal {
        let limit = kbit * self.outcome.full_kbit() / PAPER_KBIT;
        let rates = self.class(class, |class| Some(self.outcome.rates(Flavour::LayerP2p, class?)));
        let rates = rates.filter(|rates| !rates.is_empty());
        let share = rates.map(|rates| {
            let such = rates.iter().filter(|rate| (**rate > limit) == faster).count();
            such as f64 / rates.len() as f64
        });
        let than = if faster { "above" } else { "below" };
        goal(
            format!("layerp2p: {class} {than} {kbit:.0} kbit/s (figure 10)"),
            format!("> {:.0} % {than} {limit:.0} kbit/s", part * 100.0),
            share.map(|share| (format!("{:.0} %", share * 100.0), share > part)),
        )
    }

    /// Every layer's ratio is about the paper's.
    fn about(&self, what: &str, system: Flavour, class: Option<&str>, paper: f64) -> Goal {
        let of = |class: Option<usize>| -> Option<Vec<Estimate>> {
            (0..LAYERS).map(|layer| self.outcome.ratio(system, class, Some(layer))).collect()
        };
        let layers = match class {
            None => of(None),
            Some(name) => self.class(name, of),
        };
        goal(
            format!("{system}: {what}, received chunk ratio (figure 11)"),
            format!("about {:.0} %", paper * 100.0),
            layers.map(|layers| {
                let text: Vec<String> = layers.iter().map(percent).collect();
                (text.join(", "), layers.iter().all(|e| (e.mean - paper).abs() <= 0.05))
            }),
        )
    }

    fn at_least(&self, name: &str, system: Flavour, class: &str, paper: f64, figure: u32) -> Goal {
        let which = QUALITIES.iter().find(|(known, _)| *known == name).map(|(_, which)| *which);
        let q = which.and_then(|which| self.quality(system, Some(class), which));
        goal(
            format!("{system}: {name} of {class} peers (figure {figure})"),
            format!("{paper} dB"),
            q.map(|q| {
                // Of another video than the paper's no more can be had.
                let whole = which.zip(self.outcome.whole).and_then(|(which, whole)| which(&whole));
                let of = whole.map(|whole| format!(" (all of our video: {whole:.2} dB)"));
                (decibels(&q) + &of.unwrap_or_default(), q.mean >= paper)
            }),
        )
    }

    /// By how much LayerP2P looks better than the better one of the single-layer systems.
    fn ahead(&self, name: &str, which: Which) -> Goal {
        let mean = |system| self.quality(system, None, which).map(|q| q.mean);
        let others: Option<Vec<f64>> =
            [Flavour::SingleIncent, Flavour::SingleLayer].into_iter().map(mean).collect();
        let best = others.map(|others| others.into_iter().fold(f64::MIN, f64::max));
        let ahead = mean(Flavour::LayerP2p).zip(best).map(|(ours, best)| ours - best);
        goal(
            format!("layerp2p above both single-layer systems in {name} (figure 8)"),
            "> 2 dB".to_owned(),
            ahead.map(|ahead| (format!("{ahead:+.2} dB"), ahead > 2.0)),
        )
    }
}

fn percent(ratio: &Estimate) -> String {
    let hundred = Estimate { mean: ratio.mean * 100.0, half: ratio.half.map(|half| half * 100.0) };
    format!("{} %", hundred.text(1))
}

fn decibels(q: &Estimate) -> String {
    format!("{} dB", q.text(2))
}

#[cfg(test)]
mod tests {
    use super::super::synthetic::outcome;
    use super::*;

    fn verdict(outcome: &MeshOutcome, name: &str) -> Verdict {
        let goals = judge(outcome);
        let found = goals.iter().find(|goal| goal.name.contains(name));
        found.unwrap_or_else(|| panic!("no goal `{name}`")).verdict
    }

    #[test]
    fn what_is_as_in_the_paper_is_met_and_what_is_not_is_missed() {
        let good = outcome();
        for name in [
            "institutional above 550",
            "residential above 400",
            "free-riders below 200",
            "layer 1 of residential",
            "single-layer: every layer",
            "single-incent: institutional",
            "Q of institutional",
            "Q1 of residential",
        ] {
            assert_eq!(verdict(&good, name), Verdict::Met, "{name}");
        }
        let mut bad = outcome();
        for peer in bad.runs.iter_mut().flat_map(|run| &mut run.peers) {
            for sample in &mut peer.series {
                sample.played = sample.played.map(|played| played / 2);
                sample.bytes = sample.bytes.map(|bytes| bytes / 2);
            }
            peer.quality = None;
        }
        for name in
            ["institutional above 550", "layer 1 of residential", "single-layer: every layer"]
        {
            assert_eq!(verdict(&bad, name), Verdict::Missed, "{name}");
        }
        assert_eq!(verdict(&bad, "free-riders below 200"), Verdict::Met);
        assert_eq!(verdict(&bad, "Q of institutional"), Verdict::NotMeasured);
    }

    #[test]
    fn enough_upload_is_judged_by_the_other_half_of_the_paper() {
        let mut plenty = outcome();
        plenty.scale.mean_upload_kbit = 760.0;
        assert_eq!(verdict(&plenty, "layerp2p: playback near the full rate"), Verdict::Missed);
        assert_eq!(verdict(&plenty, "stable soon"), Verdict::Missed, "two of three do not");
        assert_eq!(verdict(&plenty, "single-layer systems in Q1"), Verdict::Missed);
        plenty.runs.retain(|run| run.system == Flavour::LayerP2p);
        assert_eq!(verdict(&plenty, "single-layer systems in Q1"), Verdict::NotMeasured);
        assert!(judge(&MeshOutcome { runs: Vec::new(), ..plenty }).is_empty());
    }
}
