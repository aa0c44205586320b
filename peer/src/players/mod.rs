//! Where any player opens a stream, by RTMP or HTTP, whatever way the stream has come.
//!
//! [`doors`] lets players in, [`stage`] gives them their places, [`record`] takes one to write a
//! file; whose stream it is, is behind the [`House`].

mod doors;
mod flv;
mod http_flv;
mod record;
mod rtmp;
mod stage;

pub(crate) use stage::{Admission, House, Stage};
