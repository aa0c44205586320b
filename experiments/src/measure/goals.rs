//! What an experiment must show, computed from what was recorded. The bounds are ratios of things
//! measured in the same run, so they hold on a slow machine as on a fast one.

use super::{Summary, decisions, frame_floor, frame_ratio, packets};
use crate::result::{Goal, LinkTruth, Outcome, Run, System, Trust, Verdict, Viewer, Way};

/// Every goal, judged; each is there once, with the run that did worst where several speak to it.
pub fn goals(outcome: &Outcome) -> Vec<Goal> {
    let mut goals = Vec::new();
    goals.extend(round_trips(outcome));
    goals.push(rate(outcome));
    goals.extend(switched_delay(outcome));
    goals.push(uplink(outcome));
    goals.push(first_switched(outcome));
    goals.push(join(outcome));
    goals.push(no_frame_lost(outcome));
    goals.push(repeated_decisions(outcome));
    goals.push(fidelity(outcome));
    goals
}

fn goal(name: &str, target: &str) -> Goal {
    Goal {
        name: name.to_owned(),
        run: String::new(),
        target: target.to_owned(),
        measured: String::new(),
        verdict: Verdict::NotMeasured,
        why: "this experiment does not measure it".to_owned(),
    }
}

fn ms(nanos: f64) -> f64 {
    nanos / 1e6
}

/// Idle round trips of each pair, over all runs: +1 ms at the median, +2 ms at the 99th percentile.
fn round_trips(outcome: &Outcome) -> Vec<Goal> {
    let mut pairs: Vec<Pair> = Vec::new();
    for run in &outcome.runs {
        for truth in &run.truth {
            let LinkTruth::Rtt { from, to, propagation, rtts, lost } = truth else { continue };
            let above: Vec<f64> =
                rtts.iter().map(|rtt| ms(*rtt as f64 - *propagation as f64)).collect();
            let Some(own) = Summary::of(above.iter().copied()) else { continue };
            let name =
                format!("idle round trip {from} - {to} is {:.0} ms", ms(*propagation as f64));
            let known = pairs.iter().position(|pair| pair.name == name);
            let pair = match known {
                Some(known) => &mut pairs[known],
                None => {
                    pairs.push(Pair { name, ..Pair::default() });
                    pairs.last_mut().expect("it was just put there")
                }
            };
            pair.above.extend(above);
            pair.lost += lost;
            pair.runs += 1;
            if own.p99 >= pair.worst {
                pair.worst = own.p99;
                pair.worst_run = run.label();
            }
        }
    }
    if pairs.is_empty() {
        return vec![goal("idle round trips are those of the links", "+1 ms median, +2 ms p99")];
    }
    pairs.into_iter().filter_map(Pair::judge).collect()
}

/// Round trips between two hosts, ms above propagation.
#[derive(Default)]
struct Pair {
    name: String,
    above: Vec<f64>,
    lost: u64,
    runs: usize,
    worst: f64,
    worst_run: String,
}

impl Pair {
    fn judge(self) -> Option<Goal> {
        let all = Summary::of(self.above)?;
        // A round trip below propagation would be as wrong as one above it.
        let met = all.min > -0.05 && all.median <= 1.0 && all.p99 <= 2.0 && self.lost == 0;
        let mut goal =
            goal(&self.name, "+1 ms at the median, +2 ms at the 99th percentile, none lost");
        goal.run = format!("{} runs", self.runs);
        goal.verdict = Verdict::of(met);
        goal.measured = format!(
            "{:+.2} ms, {:+.2} ms, {} lost ({} pings)",
            all.median, all.p99, self.lost, all.count
        );
        goal.why = format!(
            "the run with the highest 99th percentile: {:+.2} ms, {}",
            self.worst, self.worst_run
        );
        Some(goal)
    }
}

/// A link of 10 Mbit/s carries 9.3 to 10.0 Mbit/s, and drops when its queue is full, not before.
fn rate(outcome: &Outcome) -> Goal {
    let mut worst: Option<(f64, Goal)> = None;
    for run in &outcome.runs {
        for truth in &run.truth {
            let LinkTruth::Rate { from, to, set, carried, bound, deepest, sent, arrived, dropped } =
                truth
            else {
                continue;
            };
            let share = *carried as f64 / *set as f64;
            let at_bound = bound.is_none_or(|bound| *dropped > 0 && *deepest == bound);
            let accounted = sent.saturating_sub(*arrived) == *dropped;
            // To the nearest percent: a first packet that is handed on late makes the rest seem
            // fast.
            let met = (0.93..1.005).contains(&share) && at_bound && accounted;
            let mut goal = goal(
                "a link carries its rate, and a full queue drops at its bound",
                "93 to 100 % of the rate with headers; drops with the queue at its bound, and nowhere else",
            );
            goal.run = run.label();
            goal.verdict = Verdict::of(met);
            goal.measured = format!(
                "{from} to {to}: {:.2} of {:.0} Mbit/s; queue {deepest} of {}; {dropped} dropped, {} missing",
                *carried as f64 / 1e6,
                *set as f64 / 1e6,
                bound.map_or_else(|| "unlimited".to_owned(), |bound| bound.to_string()),
                sent.saturating_sub(*arrived),
            );
            goal.why = match (met, accounted) {
                (true, _) => "the lowest of all runs".to_owned(),
                (false, false) => {
                    "packets are missing that the link did not drop: a socket buffer overflowed"
                        .to_owned()
                }
                (false, true) => doubts(run),
            };
            // A missed one is shown before any that was met.
            let badness = if met { 0.0 } else { 10.0 } - share;
            if worst.as_ref().is_none_or(|(known, _)| badness > *known) {
                worst = Some((badness, goal));
            }
        }
    }
    worst.map_or_else(|| goal("a link carries its rate", "93 to 100 %"), |(_, goal)| goal)
}

/// Delay of switched frames against their own floor, with the direct way's beside it.
fn switched_delay(outcome: &Outcome) -> Vec<Goal> {
    let ratios = |scenario: &str, system, way| {
        let runs =
            outcome.runs.iter().filter(|run| run.scenario == scenario && run.system == system);
        let viewers = runs.flat_map(|run| &run.viewers);
        Summary::of(viewers.flat_map(|viewer| {
            let frames = viewer.settled().iter().filter(|frame| frame.way == way);
            frames.filter_map(|frame| frame_ratio(viewer, frame))
        }))
    };
    let name = "frame delay by the switch, against its own physical minimum";
    let target = "median at most 1.15x, 99th percentile at most 2x (fig3)";
    let mut goal = goal(name, target);
    let Some(switched) = ratios("fig3", System::Assisted, Way::Switch) else { return vec![goal] };
    goal.run = "fig3/assisted".to_owned();
    goal.verdict = Verdict::of(switched.median <= 1.15 && switched.p99 <= 2.0);
    goal.measured =
        format!("{:.3}x, {:.2}x ({} frames)", switched.median, switched.p99, switched.count);
    goal.why = match ratios("fig3", System::Direct, Way::Cdn) {
        Some(direct) => format!(
            "the direct way, against the minimum of its longer path: {:.3}x, {:.2}x",
            direct.median, direct.p99
        ),
        None => "there is no direct run beside it".to_owned(),
    };
    if goal.verdict == Verdict::Missed {
        goal.why
            .push_str("; frames wait in the uplink's queue behind the CDN's copy of earlier ones");
    }
    vec![goal]
}

/// The broadcaster's uplink carries the same, however many viewers there are.
fn uplink(outcome: &Outcome) -> Goal {
    let mut goal = goal(
        "the broadcaster's uplink does not grow with viewers",
        "1 against 8 viewers: at most 1.05x",
    );
    let runs = || {
        let assisted =
            outcome.runs.iter().filter(|run| run.system == System::Assisted && run.complete);
        assisted.filter(|run| run.scenario == "single" && !run.traffic.is_empty())
    };
    let per_second = |run: &Run| {
        let seconds = run.timeline.stream_until_s - run.timeline.stream_from_s;
        run.bytes_from(&run.broadcaster()) as f64 / seconds.max(0.001)
    };
    let few = runs().min_by_key(|run| run.viewers.len());
    let many = runs().max_by_key(|run| run.viewers.len());
    let (Some(few), Some(many)) = (few, many) else { return goal };
    if few.viewers.len() == many.viewers.len() {
        return goal;
    }
    let ratio = per_second(many) / per_second(few);
    goal.run = format!("{} and {}", few.label(), many.label());
    goal.measured = format!(
        "{} against {}: {ratio:.3}x ({:.0} against {:.0} kB/s)",
        few.viewers.len(),
        many.viewers.len(),
        per_second(few) / 1e3,
        per_second(many) / 1e3,
    );
    goal.verdict = match (few.viewers.len(), many.viewers.len()) {
        (1, 8) => Verdict::of(ratio <= 1.05),
        _ => Verdict::NotMeasured,
    };
    goal.why = match goal.verdict {
        Verdict::NotMeasured => "the sweep has not both 1 and 8 viewers".to_owned(),
        _ => "both copies counted: the CDN's by RTMP and the switch's by UDP; what differs is groups of \
              pictures handed over to joiners and repairs"
            .to_owned(),
    };
    goal
}

/// A round trip between broadcaster and viewer, ns.
fn lan_round_trip(viewer: &Viewer) -> Option<f64> {
    let path = viewer.paths.iter().find(|path| path.way == Way::Switch)?;
    Some(2.0 * frame_floor(&path.hops, &[98]) as f64)
}

/// From accepted play (or publish, whichever is later) to the first frame by the switch.
fn first_switched(outcome: &Outcome) -> Goal {
    let mut goal = goal(
        "first frame by the switch after the viewer's play is accepted (or the publish)",
        "at most 3 LAN round trips, the wait for a decodable frame not counted",
    );
    let mut waits: Vec<(f64, f64, String)> = Vec::new();
    for run in
        outcome.runs.iter().filter(|run| run.system == System::Assisted && run.faults.is_empty())
    {
        for viewer in &run.viewers {
            let (Some(played), Some(published)) = (viewer.play_accepted, run.timeline.published)
            else {
                continue;
            };
            let (Some(round_trip), Some(arrived)) =
                (lan_round_trip(viewer), viewer.first_switched_arrival)
            else {
                continue;
            };
            let wait = arrived.saturating_sub(played.max(published)) as f64 / round_trip;
            let decodable = viewer
                .first_switched
                .map_or(0.0, |released| released.saturating_sub(arrived) as f64);
            waits.push((wait, ms(decodable), format!("{} {}", run.label(), viewer.host)));
        }
    }
    let Some(summary) = Summary::of(waits.iter().map(|wait| wait.0)) else { return goal };
    let worst = waits.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    goal.run = worst.map(|worst| worst.2.clone()).unwrap_or_default();
    goal.verdict = Verdict::of(summary.max <= 3.0);
    goal.measured = format!(
        "median {:.2}, most {:.2} LAN round trips ({} viewers)",
        summary.median, summary.max, summary.count
    );
    let decodable = Summary::of(waits.iter().map(|wait| wait.1)).map_or(0.0, |wait| wait.max);
    goal.why = format!(
        "from then until a switched frame was released in order (the wait for the group of pictures): at most {decodable:.0} ms"
    );
    goal
}

/// A viewer that joins what a neighbour has: 5 LAN round trips and the transfer of the group.
fn join(outcome: &Outcome) -> Goal {
    let mut goal = goal(
        "joining a stream that a neighbour has, to the first decodable frame",
        "5 LAN round trips and the transfer time of the group of pictures, from the accepted play",
    );
    let mut shares: Vec<(f64, f64, f64, String)> = Vec::new();
    for run in
        outcome.runs.iter().filter(|run| run.system == System::Assisted && run.faults.is_empty())
    {
        for viewer in run.viewers.iter().filter(|viewer| !viewer.early) {
            let (Some(accepted), Some(first), Some(round_trip)) =
                (viewer.play_accepted, viewer.first_frame, lan_round_trip(viewer))
            else {
                continue;
            };
            let bytes = viewer.join.as_ref().map_or(0, |join| join.bytes);
            let path = viewer.paths.iter().find(|path| path.way == Way::Neighbour);
            let transfer = path.map_or(0, |path| {
                let burst = packets(Way::Neighbour, bytes);
                frame_floor(&path.hops, &burst).saturating_sub(frame_floor(&path.hops, &burst[..1]))
            });
            let allowed = 5.0 * round_trip + transfer as f64;
            let took = first.saturating_sub(accepted) as f64;
            shares.push((
                took / allowed,
                ms(took),
                ms(allowed),
                format!("{} {}", run.label(), viewer.host),
            ));
        }
    }
    let worst = shares.iter().max_by(|a, b| a.0.total_cmp(&b.0));
    let Some((share, took, allowed, who)) = worst.cloned() else { return goal };
    let joins = shares.len();
    let middle = Summary::of(shares.iter().map(|share| share.1)).map_or(0.0, |joins| joins.median);
    let direct = outcome.runs.iter().filter(|run| run.system == System::Direct);
    let direct = Summary::of(direct.flat_map(Run::late_starts).map(|nanos| ms(nanos as f64)));
    goal.run = who;
    goal.verdict = Verdict::of(share <= 1.0);
    goal.measured = format!(
        "worst {took:.0} ms of {allowed:.0} ms allowed; median {middle:.0} ms ({joins} joins)"
    );
    goal.why = direct.map_or_else(
        || "no direct viewer joined late to compare with".to_owned(),
        |direct| format!("directly: median {:.0} ms, most {:.0} ms", direct.median, direct.max),
    );
    goal
}

/// No frame lost, repeated or out of order at any player, whatever was broken.
fn no_frame_lost(outcome: &Outcome) -> Goal {
    let mut goal = goal("no frame lost, repeated or out of order at an assisted viewer", "0");
    let mut wrong = 0;
    let mut seen = 0;
    let mut who = Vec::new();
    for run in outcome.runs.iter().filter(|run| run.system == System::Assisted) {
        for viewer in &run.viewers {
            seen += viewer.frames.len();
            let witness =
                viewer.witness.as_ref().map_or(0, |w| w.missing + w.repeated + w.differing);
            let bad = viewer.lost + viewer.repeated + viewer.disordered + witness;
            if bad > 0 {
                who.push(format!("{} {}", run.label(), viewer.host));
            }
            wrong += bad;
        }
    }
    if seen == 0 {
        return goal;
    }
    goal.run = if who.is_empty() { "all assisted runs".to_owned() } else { who.join(", ") };
    goal.verdict = Verdict::of(wrong == 0);
    goal.measured = format!("{wrong} of {seen} frames");
    let faults = outcome.runs.iter().map(|run| run.faults.len()).sum::<usize>();
    goal.why = format!(
        "{faults} faults were injected; pictures were compared with the clip's by checksum where the player is FFmpeg"
    );
    goal
}

/// Two runs of the same seed and scenario: the same sequence of controller decisions.
fn repeated_decisions(outcome: &Outcome) -> Goal {
    let mut goal = goal(
        "the same seed and scenario twice: the same sequence of controller decisions",
        "identical",
    );
    for (index, first) in outcome.runs.iter().enumerate() {
        let same = |run: &&Run| {
            run.scenario == first.scenario
                && run.system == first.system
                && run.viewers.len() == first.viewers.len()
                && run.complete
                && first.complete
                && run.faults.is_empty()
        };
        let Some(second) = outcome.runs[index + 1..].iter().find(same) else { continue };
        let (Some(a), Some(b)) = (&first.controller, &second.controller) else { continue };
        let compared = decisions::compare(&a.decisions, &b.decisions);
        goal.run = first.label();
        goal.verdict = Verdict::of(compared.is_ok());
        match compared {
            Ok(count) => {
                goal.measured = format!("{count} decisions, identical");
                goal.why =
                    "compared without their times, serial numbers included; hosts that answer \
                     offers made together may do so in any order"
                        .to_owned();
            }
            Err((index, left, right)) => {
                goal.measured = format!("they differ from decision {index} on");
                goal.why = format!("`{left}` against `{right}`");
            }
        }
        break;
    }
    goal
}

fn fidelity(outcome: &Outcome) -> Goal {
    let mut goal =
        goal("the emulation kept its promises (fidelity monitor)", "trusted in every run");
    if outcome.runs.is_empty() {
        return goal;
    }
    let doubtful: Vec<&Run> =
        outcome.runs.iter().filter(|run| run.fidelity.verdict == Trust::Doubtful).collect();
    goal.run = if doubtful.is_empty() {
        "all".to_owned()
    } else {
        doubtful.iter().map(|run| run.label()).collect::<Vec<_>>().join(", ")
    };
    goal.measured =
        format!("{} of {} runs trusted", outcome.runs.len() - doubtful.len(), outcome.runs.len());
    goal.verdict = Verdict::of(doubtful.is_empty());
    goal.why = doubtful
        .first()
        .map_or_else(|| "nothing spoke against any of them".to_owned(), |run| doubts(run));
    goal
}

fn doubts(run: &Run) -> String {
    match run.fidelity.reasons.as_slice() {
        [] => "the fidelity monitor saw nothing unusual".to_owned(),
        reasons => reasons.join("; "),
    }
}
