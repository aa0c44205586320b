//! The fabric against switches in memory: every behaviour, without a socket or a clock.

mod faults;
mod forwarding;
mod inspection;
mod packet;
mod peering;
mod rtmp;
mod spanning;
mod switch;
mod topology;
mod world;
