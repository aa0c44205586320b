//! The controller as a process, over loopback: switches that do not keep to the protocol, one that
//! does not read, and what is asked for by HTTP.

mod asked;
mod hostile;
mod north;
#[path = "../../../common/media/tests/support/reserved.rs"]
mod reserved;
mod slow;
mod world;
