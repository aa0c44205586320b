//! A broadcaster, viewers and a CDN seed on a network of virtual time: links with rate, delay, loss
//! and a bounded queue, a switch that copies, a relay that numbers nothing.

mod clip;
mod epochs;
mod faults;
mod handover;
mod hostile;
mod link;
mod ways;
mod world;
