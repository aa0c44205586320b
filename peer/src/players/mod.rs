//! Where any player opens a stream, by RTMP or HTTP, whatever way the stream has come.
//!
//! [`stage`] gives players their places; whose stream it is, is behind the [`House`].

mod http_flv;
mod rtmp;
mod stage;

pub(crate) use http_flv::play as play_http_flv;
pub(crate) use rtmp::Player;
pub(crate) use stage::{Admission, House, Stage, play_without_player};
