//! One direction of a link, decided without a clock or a socket.

mod counters;
mod jitter;
mod loss;
mod params;
mod pipe;
mod probability;

pub use counters::Counters;
pub use params::{GilbertElliott, LinkParams, ParamError, Queue, Reorder};
pub use pipe::{Delivery, Input, Packet, Pipe};
pub use probability::Probability;
