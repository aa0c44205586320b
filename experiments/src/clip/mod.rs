//! The clip that is broadcast: encoded once, in three temporal layers, and kept.

mod facts;
mod layered;
mod pictures;
mod recipe;

pub use layered::LayeredClip;
pub(crate) use pictures::FRAMECRC;
pub use pictures::Pictures;
pub use recipe::{Clip, ClipError};
