use std::path::PathBuf;

use nearcast_machine::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::name::{InterfaceName, LinkName};
use crate::model::{Counters, LinkParams};

/// The version of the control protocol. Fields and operations may be added to it, and are not taken
/// away or given another meaning without it changing.
pub const PROTOCOL: u32 = 1;

/// One line to the control socket: a JSON object whose `op` names the operation.
///
/// Every request is answered by one line, in order: `{"ok":true, ...}` with the fields of the
/// reply's type, or `{"ok":false,"error":"..."}` with a sentence for people.
///
/// ```
/// use nearcast_link::Request;
/// let line = r#"{"op":"add","name":"hb-s1","a":"hb-eth0","b":"s1-eth1",
///     "a_to_b":{"rate":"4Mbit/s","delay":"8ms"},"b_to_a":{"rate":"4Mbit/s","delay":"8ms"}}"#;
/// assert!(matches!(serde_json::from_str(line), Ok(Request::Add { .. })));
/// ```
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    clippy::large_enum_variant,
    reason = "one exists at a time, for as long as its answer takes"
)]
pub enum Request {
    /// Makes a link between two new TAP devices, in the network namespace the process runs in. They
    /// can be moved to others afterwards. Answered by [`Done`].
    Add {
        /// The link's name, unique in the process.
        name: LinkName,
        /// The interface at one end.
        a: InterfaceName,
        /// The interface at the other.
        b: InterfaceName,
        /// From `a` to `b`; a perfect wire if left out.
        #[serde(default)]
        a_to_b: LinkParams,
        /// From `b` to `a`; a perfect wire if left out.
        #[serde(default)]
        b_to_a: LinkParams,
    },
    /// Changes the parameters named, and leaves the others as they are; `null` puts a parameter
    /// back to its default. Answered by [`Done`].
    Set {
        /// The link.
        name: LinkName,
        /// Which of its directions.
        #[serde(default)]
        direction: Which,
        /// Some of the fields of [`LinkParams`].
        params: Map<String, Value>,
    },
    /// Plugs the cable in: carrier on at both ends. Answered by [`Done`].
    Up {
        /// The link.
        name: LinkName,
    },
    /// Pulls the cable: carrier off at both ends, and what was on its way is lost. Answered by
    /// [`Done`].
    Down {
        /// The link.
        name: LinkName,
    },
    /// Takes the link and its two interfaces away. Answered by [`Done`].
    Remove {
        /// The link.
        name: LinkName,
    },
    /// Asks for [`Stats`].
    Stats {
        /// Whether the timing figures begin anew after this reply, so that the next one covers a
        /// window; the counters never do.
        #[serde(default)]
        reset_timing: bool,
    },
    /// Writes what leaves the link to a file (classic pcap, nanoseconds, Ethernet) until told
    /// `null`. Answered by [`Done`], after `null` only once the file is complete.
    Pcap {
        /// The link.
        name: LinkName,
        /// Which of its directions.
        #[serde(default)]
        direction: Which,
        /// Where to; an existing file is replaced.
        path: Option<PathBuf>,
    },
    /// Asks for a [`Listing`].
    List {},
    /// Asks for the [`Version`].
    Version {},
    /// Ends the process, after the answer [`Done`].
    Quit {},
}

/// Which directions of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// Both.
    #[default]
    Both,
    /// From `a` to `b`.
    AToB,
    /// From `b` to `a`.
    BToA,
}

impl Which {
    /// Whether it covers the direction that begins at the `end`-th interface.
    pub(crate) fn covers(self, end: usize) -> bool {
        match self {
            Which::Both => true,
            Which::AToB => end == 0,
            Which::BToA => end == 1,
        }
    }
}

/// It was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Done {}

/// What all links did, and how well the process kept time.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Stats {
    /// Each link, by name.
    pub links: Vec<LinkStats>,
    /// How late packets left their links.
    pub timing: Timing,
    /// The process itself.
    pub process: Process,
}

/// What one link did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkStats {
    /// The link.
    pub name: LinkName,
    /// Whether the cable is plugged in.
    pub up: bool,
    /// One direction.
    pub a_to_b: PipeStats,
    /// The other.
    pub b_to_a: PipeStats,
}

/// What one direction of a link did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct PipeStats {
    /// What the model counted.
    #[serde(flatten)]
    pub counters: Counters,
    /// Frames not taken in because the process held too much already. No topology asks for these: a
    /// run in which there are any cannot be trusted.
    pub overrun: u64,
    /// Frames that left the link and that the kernel did not take: the interface at the far end is
    /// down, gone, or out of buffers.
    pub refused: u64,
    /// Frames missing from the capture because the disk did not keep up.
    pub uncaptured: u64,
}

/// How much later than due packets were handed to the kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Timing {
    /// How many packets this is about.
    pub released: u64,
    /// Half of them were at most this late, in nanoseconds, to 3 %.
    pub p50_ns: u64,
    /// All but a hundredth were at most this late, in nanoseconds, to 3 %.
    pub p99_ns: u64,
    /// The latest, in nanoseconds.
    pub max_ns: u64,
}

/// The process that runs the links.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Process {
    /// Since it started.
    pub uptime: Span,
    /// CPU time it used in user space.
    pub user: Span,
    /// CPU time the kernel used on its behalf.
    pub system: Span,
    /// Whether it is scheduled in real time.
    pub realtime: bool,
    /// Bytes of frames it holds now.
    pub held_bytes: u64,
}

/// All links, by name.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Listing {
    /// Each link.
    pub links: Vec<LinkInfo>,
}

/// What one link is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct LinkInfo {
    /// The link.
    pub name: LinkName,
    /// The interface at one end, as it was named when it was made.
    pub a: InterfaceName,
    /// The interface at the other.
    pub b: InterfaceName,
    /// Whether the cable is plugged in.
    pub up: bool,
    /// Whether both interfaces still exist: one is gone when somebody deleted it, or the network
    /// namespace it was moved to.
    pub whole: bool,
    /// Parameters of one direction.
    pub a_to_b: LinkParams,
    /// Parameters of the other.
    pub b_to_a: LinkParams,
    /// Where it is captured to, if it is.
    pub pcap: Option<PathBuf>,
}

/// What is answering.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Of the program.
    pub version: String,
    /// Of the protocol: [`PROTOCOL`].
    pub protocol: u32,
}

/// The line that answers a request; with its newline.
pub(crate) fn reply_line<T: Serialize>(outcome: Result<&T, &str>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Reply<'a, T> {
        ok: bool,
        #[serde(flatten)]
        body: Option<&'a T>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<&'a str>,
    }
    let reply = Reply { ok: outcome.is_ok(), body: outcome.ok(), error: outcome.err() };
    let mut line = serde_json::to_vec(&reply).expect("replies hold nothing that JSON cannot");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_what_a_script_would_write() {
        for (line, request) in [
            (r#"{"op":"stats"}"#, Request::Stats { reset_timing: false }),
            (r#"{"op":"list"}"#, Request::List {}),
            (r#"{"op":"quit"}"#, Request::Quit {}),
            (
                r#"{"op":"pcap","name":"l","path":null}"#,
                Request::Pcap {
                    name: "l".parse().expect("a name"),
                    direction: Which::Both,
                    path: None,
                },
            ),
        ] {
            assert_eq!(serde_json::from_str::<Request>(line).expect(line), request);
        }
    }

    #[test]
    fn a_bad_request_is_told_what_was_wrong() {
        for (line, says) in [
            ("", "EOF"),
            ("[]", "missing field `op`"),
            (r#"{"op":"destroy"}"#, "unknown variant `destroy`, expected one of `add`, `set`"),
            (r#"{"op":"add","name":"l","a":"x"}"#, "missing field `b`"),
            (r#"{"op":"add","name":"l","a":"x%d","b":"y"}"#, "`x%d` is no interface name"),
            (r#"{"op":"up","name":"l","force":true}"#, "unknown field `force`"),
            (
                r#"{"op":"add","name":"l","a":"x","b":"y","a_to_b":{"rate":"fast"}}"#,
                "rate: `fast` is not a rate such as",
            ),
            (r#"{"op":"set","name":"l","direction":"up","params":{}}"#, "expected one of `both`"),
        ] {
            let error = serde_json::from_str::<Request>(line).expect_err(line).to_string();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn replies_are_one_line() {
        assert_eq!(reply_line(Ok(&Done {})), b"{\"ok\":true}\n");
        assert_eq!(
            reply_line::<Done>(Err("no\nsuch")),
            b"{\"ok\":false,\"error\":\"no\\nsuch\"}\n"
        );
        let version = Version { version: "1.2.3".to_owned(), protocol: 1 };
        assert_eq!(
            reply_line(Ok(&version)),
            b"{\"ok\":true,\"version\":\"1.2.3\",\"protocol\":1}\n"
        );
    }
}
