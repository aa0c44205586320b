//! Turning what was recorded into numbers: order statistics, the least delay that physics allows,
//! stalls and losses, and the monitors that say whether a run can be believed.

mod decisions;
mod fidelity;
mod flood;
mod floor;
mod goals;
mod playback;
mod processes;
mod stats;

pub use fidelity::{Drops, LATE, Monitor, Watched, judge};
pub use flood::{Drain, FLOOD_FRAME, Flooded, flood};
pub use floor::{CHUNK_OVERHEAD, frame_floor, frame_ratio, packets, propagation};
pub use goals::goals;
pub use playback::{Playback, TOLERANCE, playback, settled};
pub use processes::Usage;
pub use stats::Summary;
