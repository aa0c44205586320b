//! Topologies as data: hosts with roles and addresses, switches, and links with their parameters,
//! read from TOML files whose values carry their units.
//!
//! A file may leave a number of hosts open (`viewers`) and name several settings of its links; a
//! [`Choice`] closes both. What comes out is a checked [`Topology`]: names and addresses are
//! unique, links end where there is something, interface names fit the kernel's 15 characters. A
//! mistake is answered with file, line and field.
//!
//! ```
//! use nearcast_machine::Span;
//! use nearcast_topologies::{Choice, Topology};
//!
//! let choice = Choice::setting("fig3").with_count("viewers", 2);
//! let single = Topology::named("single", &choice)?;
//! let path = single.path("hb", "hv1").expect("they are connected");
//! assert_eq!(path.propagation(), Span::from_millis(16));
//! # Ok::<(), nearcast_topologies::Error>(())
//! ```

mod builtin;
mod error;
mod file;
mod path;
mod source;
mod topology;

pub use builtin::{MININET_CLASSES, names};
pub use error::Error;
pub use file::Choice;
pub use path::{Hop, Path};
pub use source::Source;
pub use topology::{Host, Link, Network, Role, Switch, TAG_LENGTH, Topology};
