use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

/// What kinds of programs have used of the processors up to now.
#[derive(Debug, Clone)]
pub struct Usage {
    at: Instant,
    /// By kind and process number, s; a process that has ended used what it did.
    seconds: BTreeMap<(String, u32), f64>,
}

impl Usage {
    /// Of these processes, given by their kind and number. Those that are not there are left out.
    pub fn now<'a>(processes: impl IntoIterator<Item = (&'a str, u32)>) -> Usage {
        let of = |(kind, pid): (&str, u32)| {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            Some(((kind.to_owned(), pid), ticks(&stat)? as f64 / ticks_per_second()))
        };
        Usage { at: Instant::now(), seconds: processes.into_iter().filter_map(of).collect() }
    }

    /// The mean since `before`, by kind, in processors: 0.5 is half of one.
    pub fn since(&self, before: &Usage) -> BTreeMap<String, f64> {
        let passed = self.at.duration_since(before.at).as_secs_f64().max(1e-3);
        let mut shares = BTreeMap::new();
        for (process, seconds) in &self.seconds {
            let used = seconds - before.seconds.get(process).copied().unwrap_or(0.0);
            *shares.entry(process.0.clone()).or_default() += used / passed;
        }
        shares
    }
}

/// Time in user mode and in the kernel (proc_pid_stat(5), fields 14 and 15).
fn ticks(stat: &str) -> Option<u64> {
    // The name, field 2, may have spaces and brackets in it.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    Some(fields.next()? + fields.next()?)
}

fn ticks_per_second() -> f64 {
    let known = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK);
    known.ok().flatten().map_or(100.0, |ticks| ticks as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_count_whatever_a_program_is_called() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 9 0 0 0 120 30 5 5 20 0 1 0 99 1 1 1";
        assert_eq!(ticks(stat), Some(150));
        assert_eq!(ticks("7 (short) S 1"), None);
    }

    #[test]
    fn what_this_process_uses_is_seen() {
        let own = std::process::id();
        let before = Usage::now([("own", own)]);
        let mut sum = 0u64;
        // Until the kernel has counted a tick of it.
        let used = loop {
            sum = (0..1_000_000u64).fold(sum, u64::wrapping_add);
            let used = Usage::now([("own", own), ("nobody", u32::MAX)]).since(&before);
            if used["own"] > 0.0 {
                break used;
            }
        };
        assert_eq!(used.len(), 1, "nobody uses nothing: {used:?} {sum}");
    }
}
