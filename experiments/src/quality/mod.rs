//! How good a received stream looks: PSNR against what the encoder was given.
//!
//! [`Timeline`] knows which picture of a clip is shown when and in which layer it is, [`Received`]
//! which pictures of it a recording holds, told by the stamps in it; [`compare`] decodes the
//! recording with FFmpeg as it came, concealment included, and scores it layer by layer (Liu et al.
//! VI: Q1 of I and P pictures, Q2 of reference B, Q3 of plain B, Q of all).

mod compare;
mod received;
mod score;
mod timeline;

pub use compare::{Picture, QualityError, compare};
pub use received::Received;
pub use score::{Quality, Score, psnr};
pub use timeline::Timeline;
