use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nearcast_machine::Time;
use tokio::time::Instant;

/// CLOCK_REALTIME: the one clock of all machines here, since capture times travel between hosts.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// When `time` will be on the timer's clock. The machines tolerate a step of the wall clock: it
/// only makes a timer early or late once.
pub(crate) fn instant(time: Time) -> Instant {
    Instant::now() + Duration::from(time.since(now()))
}
