//! Who comes and goes: read from CSV, or generated to fit what was published of a real day.
//!
//! A trace is a CSV file of sessions. Lines that begin with `#` are comments; the first other line
//! names the columns, in any order:
//!
//! | column | |
//! | --- | --- |
//! | `id` | who, 1 to 64 bytes of UTF-8 without a comma, not beginning with `#`; may come again after leaving |
//! | `arrival_s` | seconds since the start of the trace, 0 to 366 days, to the nanosecond |
//! | `departure_s` | likewise, after the arrival |
//! | `capacity_kbit_s` | the peer's bandwidth in kbit/s, 0 to 10^9; may be left out |
//!
//! [`Day::cctv3`] generates such a trace with the published properties of the day of the PPLive
//! channel CCTV3 that the LayerP2P paper is simulated with (Liu et al., section VI.A; the trace
//! itself is not public), and [`Fit`] holds a trace against them.

mod bandwidth;
mod day;
mod error;
mod fit;
mod lengths;
mod read;
mod session;
mod write;

pub use bandwidth::{BandwidthClass, Contribution};
pub use day::{Crowd, Day, DayError};
pub use error::{Fault, TraceError};
pub use fit::{Check, ClassShare, Fit, FlashCrowd};
pub use lengths::{Lengths, LogNormal};
pub use read::{MAX_LINE, MAX_SESSIONS};
pub use session::{Session, Trace};
