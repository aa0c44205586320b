//! What came of it.

use std::fmt;

use crate::Way;
use crate::audience::Seen;
use crate::cpu::Spent;

/// One way for some seconds.
#[derive(Debug, Clone)]
pub(crate) struct Turn {
    pub(crate) way: Way,
    pub(crate) receivers: usize,
    pub(crate) spent: Spent,
    pub(crate) seen: Seen,
}

impl Turn {
    /// How many receivers one core would serve.
    fn receivers_per_core(&self) -> f64 {
        self.receivers as f64 / self.spent.cores()
    }

    /// Messages of nginx, chunks of ours, for each second of CPU time.
    fn per_core(&self) -> f64 {
        self.seen.came as f64 / self.spent.cpu.as_secs_f64()
    }

    /// How much of the stream came, of 1, to all and to the one who got least; nothing where as
    /// much is asked for as is served.
    fn share(&self) -> Option<(f64, f64)> {
        let due = match self.way {
            Way::Nginx => self.seen.units,
            Way::Push | Way::Mesh => self.seen.chunks,
            Way::Pull => return None,
        };
        let each = self.seen.came as f64 / self.receivers as f64;
        Some((each / due as f64, self.seen.least as f64 / due as f64))
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen { bytes, compared, wrong, .. } = self.seen;
        write!(f, "{:18}{:5} receivers", self.way.name(), self.receivers)?;
        write!(f, "  {:5.1} % of a core", 100.0 * self.spent.cores())?;
        write!(f, "  {:8.0} /s a core", self.per_core())?;
        write!(f, "  {:6.1} Mbit/s", bytes as f64 * 8e-6 / self.spent.time.as_secs_f64())?;
        if let Some((all, least)) = self.share() {
            write!(f, "  came {:.1} % (least {:.1} %)", 100.0 * all, 100.0 * least)?;
        }
        write!(f, "  compared {compared}, wrong {wrong}")
    }
}

/// All turns.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Turn>);

/// The middle one, the least and the greatest.
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let (&least, &most) = (values.first()?, values.last()?);
        let median = (values[(values.len() - 1) / 2] + values[values.len() / 2]) / 2.0;
        Some(Spread { median, least, most })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = if self.most < 100.0 { 2 } else { 0 };
        let Spread { median, least, most } = self;
        write!(f, "{median:.digits$} ({least:.digits$} .. {most:.digits$})")
    }
}

impl Report {
    pub(crate) fn add(&mut self, turn: Turn) {
        self.0.push(turn);
    }

    fn of(&self, way: Way) -> impl Iterator<Item = &Turn> {
        self.0.iter().filter(move |turn| turn.way == way)
    }

    /// Prints medians, and in brackets least and most over the rounds.
    pub(crate) fn print(&self, bitrate: u64) {
        println!("a stream of {} kbit/s, RTMP's framing included", bitrate / 1000);
        for way in Way::ALL {
            let Some(per_core) = Spread::of(self.of(way).map(Turn::per_core)) else { continue };
            println!("{}", way.name());
            let what = if way == Way::Nginx { "messages" } else { "chunks" };
            println!("    {what} a second and core     {per_core}");
            if way == Way::Pull {
                continue;
            }
            let receivers = Spread::of(self.of(way).map(Turn::receivers_per_core));
            receivers.iter().for_each(|spread| println!("    receivers a core           {spread}"));
            let cost = |turn: &Turn| 1e6 / turn.receivers_per_core();
            let cost = Spread::of(self.of(way).map(cost));
            cost.iter().for_each(|spread| println!("    us a receiver and second   {spread}"));
            // Of the same round: the machine is another one from minute to minute.
            let pairs = self.of(way).zip(self.of(Way::Nginx));
            let ratio = |(ours, nginx): (&Turn, &Turn)| {
                ours.receivers_per_core() / nginx.receivers_per_core()
            };
            if way != Way::Nginx
                && let Some(ratio) = Spread::of(pairs.map(ratio))
            {
                println!("    receivers, of nginx's      {ratio}");
            }
        }
    }

    /// Whether what was counted is what should have been served.
    pub(crate) fn is_sound(&self) -> bool {
        let mut sound = true;
        for turn in &self.0 {
            let Seen { compared, wrong, .. } = turn.seen;
            let lost = turn.share().is_some_and(|(all, _)| all < 0.98);
            if wrong > 0 || compared == 0 || lost {
                eprintln!("not sound: {turn}");
                sound = false;
            }
        }
        sound
    }
}
