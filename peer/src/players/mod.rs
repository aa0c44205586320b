//! Where any player opens a stream, by RTMP or HTTP, whatever way the stream has come.
//!
//! [`stage`] gives players their places, [`record`] takes one to write a file; whose stream it is, is
//! behind the [`House`].

mod flv;
mod http_flv;
mod record;
mod rtmp;
mod stage;

pub(crate) use http_flv::play as play_http_flv;
pub(crate) use record::record;
pub(crate) use rtmp::Player;
pub(crate) use stage::{Admission, House, Stage, play_without_player};
