//! OpenFlow 1.0.2 and 1.3.5 on the wire: nom in, `encode` out, and nothing else.
//!
//! [`Framer`] cuts a byte stream into messages by their header; [`v10::Message`] and
//! [`v13::Message`] give each its meaning; [`Hello`] says which of them to use; [`Reassembly`] puts
//! answers in several parts together.
//!
//! No input panics, and no length that was read sizes an allocation before it was checked against
//! the bytes that are there. What the codec does not know (an experimenter's match field, a new
//! statistic) is kept as it came, so that a message that parses encodes back to its own bytes. Lost
//! is only what has no meaning:
//!
//! - padding, and flags of multipart and statistics messages but for "more", come back as zero;
//! - text (names of ports and tables, descriptions) ends at its first zero byte, or one byte before
//!   its field does; bytes in it that are no UTF-8 are replaced.
//!
//! ```
//! use rust_openflow::v13::{Action, Body, FlowMod, Instruction, Match, Message};
//! use rust_openflow::Framer;
//!
//! let entry = FlowMod::add()
//!     .table(2)
//!     .priority(100)
//!     .matching(Match::new().eth_dst([2, 0, 0, 0, 0, 1]))
//!     .instruction(Instruction::ApplyActions(vec![Action::output(7)]));
//! let message = Message::new(42, Body::FlowMod(entry));
//!
//! let mut wire = Vec::new();
//! message.encode(&mut wire);
//!
//! let mut framer = Framer::new();
//! framer.push(&wire);
//! let frame = framer.next_frame().expect("a sound header").expect("a whole message");
//! assert_eq!(Message::parse(&frame), Ok(message));
//! ```

mod error;
mod errors;
mod framer;
mod header;
mod hello;
mod layout;
mod mac;
mod messages;
mod read;
mod reassembly;
pub mod v10;
pub mod v13;
mod write;

pub use error::Error;
pub use framer::Framer;
pub use header::{Header, VERSION_10, VERSION_13};
pub use hello::{Hello, HelloElement};
pub use mac::{Mac, ParseMacError};
pub use reassembly::{Answer, Reassembly, ReassemblyError, ReassemblyLimits};

/// The examples of the README are held to what they say.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
