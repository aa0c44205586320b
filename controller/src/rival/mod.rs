//! The other controller, over TCP or TLS.
//!
//! Each of the two serves, to whoever connects, its claim, several times in a lease, and what it
//! knows of its streams as it changes; and reads the other's by a connection of its own. So what is
//! believed always comes from the end that was asked for, whose certificate names a controller;
//! nothing is read from those that connect, and with TLS they too have to show a controller's
//! certificate before they are told anything.
//!
//! What is told is lines of JSON: the version, then claims for ever, and in between
//!
//! ```text
//! {"version":1}
//! {"claim":{"rank":51283,"master":true,"generation":117323}}
//! "begin"                       all that is known follows
//! {"update":{...}}
//! "end"
//! {"update":{...}}              and what changes from then on
//! ```
//!
//! Of another version only claims are understood, which is enough to agree on who decides.

mod duel;
mod follower;
mod hear;
mod tell;

use std::net::SocketAddr;
use std::time::Duration;

use nearcast_fabric::{Claim, Update};
use nearcast_machine::Span;
use serde::{Deserialize, Serialize};

pub(crate) use duel::Duel;
pub(crate) use hear::Heard;
pub(crate) use tell::Asked;

/// Of what is told besides claims.
const VERSION: u32 = 1;
/// Claims in a lease: four may be late or lost.
const BEATS: u32 = 5;
/// Bytes of a line: an update, and what is around it.
const LINE: usize = Update::MAX + 64;
/// How long connecting, TLS, and writing what is due may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The other controller and how the two know of each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rival {
    /// Where our claim is served.
    pub listen: SocketAddr,
    /// Where the other's is.
    pub controller: SocketAddr,
    /// The higher one goes first when both start.
    pub priority: u8,
    /// How long the other is not heard before it counts as gone.
    pub takeover: Span,
}

/// What one controller says to the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Version(u32),
    Claim(Claim),
    /// What was told before is forgotten; all that is known follows.
    Begin,
    Update(Update),
    /// That was all.
    End,
}

impl Line {
    /// With the newline.
    fn encode(&self) -> String {
        let mut line = serde_json::to_string(self).expect("every key in it is text");
        line.push('\n');
        line
    }
}

/// How often a claim is made.
fn beat(lease: Span) -> Duration {
    Duration::from(lease / u64::from(BEATS))
}
