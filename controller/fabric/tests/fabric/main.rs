//! The fabric against switches in memory: every behaviour, without a socket or a clock.

mod detours;
mod faults;
mod forwarding;
mod identity;
mod inspection;
mod ipv6;
mod meters;
mod packet;
mod peering;
mod policy;
mod rtmp;
mod spanning;
mod switch;
mod takeover;
mod topology;
mod world;
