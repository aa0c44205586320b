use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One line that says what is being done and how long all of it will still take.
pub(crate) struct Progress {
    bar: ProgressBar,
    run: String,
    /// Estimated time of the runs that are over, and of the present one.
    done: Duration,
    current: Duration,
    began: Instant,
}

impl Progress {
    /// For work of about `total`.
    pub(crate) fn new(total: Duration) -> Progress {
        let bar = ProgressBar::new(total.as_secs().max(1));
        let style = "{elapsed_precise} {bar:30} about {prefix} left  {wide_msg}";
        bar.set_style(ProgressStyle::with_template(style).expect("a template"));
        let progress = Progress {
            bar,
            run: String::new(),
            done: Duration::ZERO,
            current: Duration::ZERO,
            began: Instant::now(),
        };
        progress.tick();
        progress
    }

    /// The next run begins.
    pub(crate) fn begin(&mut self, run: String, estimate: Duration) {
        self.done += std::mem::replace(&mut self.current, estimate);
        self.began = Instant::now();
        self.run = run;
        self.phase("building the network");
    }

    /// What is being done now. Where there is no terminal, each is a line.
    pub(crate) fn phase(&self, phase: &str) {
        if self.bar.is_hidden() {
            eprintln!("{}: {phase}", self.run);
        }
        self.bar.set_message(format!("{}: {phase}", self.run));
        self.tick();
    }

    /// Time has passed.
    pub(crate) fn tick(&self) {
        let passed = self.done + self.began.elapsed().min(self.current);
        self.bar.set_position(passed.as_secs());
        let left = self.bar.length().unwrap_or(0).saturating_sub(passed.as_secs());
        self.bar.set_prefix(format!("{}:{:02}", left / 60, left % 60));
    }

    /// A line above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
