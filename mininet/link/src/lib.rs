//! One emulated link as a machine, and the userspace driver that runs all links of a topology on
//! TAP devices.
//!
//! **The model** is [`Pipe`]: one direction of a link, with a queue, a transmitter and a wire. It
//! is sans-IO ([`nearcast_machine::Machine`]) and generic over what it carries, so that a simulator
//! passes sizes and the driver passes frames. [`LinkParams`] says how it behaves. With
//! `default-features = false` the crate is this alone.
//!
//! **The driver** (feature `driver`) is one process for all links of a topology, the binary
//! `nearcast-link`: two TAP devices and two pipes per link, one `epoll`, one absolute timer. It
//! works on kernels without `sch_netem`. A TAP lives as long as the process holds it, also after it
//! was moved to another network namespace, so that whatever ends the process cleans up after it.
//!
//! **The control socket** speaks one line of JSON per [`Request`] and reply; [`Client`] is its Rust
//! side, and any language with Unix sockets and JSON can be another.

mod model;
pub use model::{
    Counters, Delivery, GilbertElliott, Input, LinkParams, Packet, ParamError, Pipe, Probability,
    Queue, Reorder,
};

#[cfg(feature = "driver")]
mod control;
#[cfg(feature = "driver")]
pub use control::{
    Client, ClientError, Done, InterfaceName, LinkInfo, LinkName, LinkStats, Listing, NameError,
    PROTOCOL, PipeStats, Process, Request, Stats, Timing, Version, Which,
};

#[cfg(feature = "driver")]
mod driver;
#[cfg(feature = "driver")]
pub use driver::{Driver, DriverError, Options, Realtime};
