//! What the controller and a peer say to each other: an [`Offer`] to carry a stream by the switch,
//! its [`Withdraw`]al, and the peer's [`Answer`]. `docs/architecture.md`, "Offers".
//!
//! Each is one UDP datagram to port [`PORT`], which chunks use as well; a first byte of
//! [`MAGIC`] tells these messages from those. All integers are big-endian:
//!
//! ```text
//! magic 0x9e | version 1 | type | peering id u64 | generation u32 | ...
//!   type 1  Offer     role u8 | lease u16 s | group 4 B | alias 4 B | n u8 | name n B | m u8 | m x 4 B
//!   type 2  Withdraw  reason u8
//!   type 3  Answer    role u8 | accept u8
//! ```

use std::net::Ipv4Addr;

use nearcast_machine::Span;
use nom::IResult;
use nom::Parser;
use nom::bytes::complete::take;
use nom::error::{Error as NomError, ErrorKind};
use nom::multi::count;
use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

pub use crate::Role;
use crate::{Error, StreamName};

/// The UDP port of everything that peers and the controller say to a peer.
pub const PORT: u16 = 7935;

/// The first byte of every message of this module. Chunk datagrams begin with another.
pub const MAGIC: u8 = 0x9e;

/// The version of the format that this module reads and writes.
pub const VERSION: u8 = 1;

/// The most holders an offer can name.
pub const HOLDERS_MAX: usize = 16;

/// A message of this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Controller to peer.
    Offer(Offer),
    /// Controller to peer.
    Withdraw(Withdraw),
    /// Peer to controller.
    Answer(Answer),
}

/// The controller's offer to one host: from now on this stream can travel by the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which peering. Unique per controller for as long as it runs.
    pub peering: u64,
    /// Rises whenever the peering's members or addresses change; the highest one holds.
    pub generation: u32,
    /// The stream that is to travel.
    pub stream: StreamName,
    /// What the addressed host does in it.
    pub role: Role,
    /// Where the broadcaster sends chunks, and where viewers see them come from.
    pub group: Ipv4Addr,
    /// The address under which the others know the addressed host.
    pub alias: Ipv4Addr,
    /// Aliases of who has the stream, nearest first; at most [`HOLDERS_MAX`], more are not sent.
    pub holders: Vec<Ipv4Addr>,
    /// How long the offer holds if it is not renewed; whole seconds travel, at most 65535.
    pub lease: Span,
}

/// The end of a peering, for one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdraw {
    /// Which peering.
    pub peering: u64,
    /// The generation that ends; earlier ones end with it.
    pub generation: u32,
    /// Why.
    pub reason: Reason,
}

/// Why a peering ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The broadcaster stopped publishing.
    Unpublished,
    /// The viewer stopped playing.
    Stopped,
    /// A host moved, or its port went down.
    Moved,
    /// The host did not answer renewals.
    Silent,
    /// The controller ends peerings altogether.
    Shutdown,
    /// The switch cannot carry it, or no longer.
    Unsupported,
}

/// What a peer says to an offer. A repeated offer is answered again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Which peering.
    pub peering: u64,
    /// The generation that is answered.
    pub generation: u32,
    /// The role the peer was offered.
    pub role: Role,
    /// Whether it takes part.
    pub accept: bool,
}

impl Message {
    /// Reads a datagram. It must hold one message and nothing after it.
    ///
    /// # Errors
    /// [`Error::Malformed`] names the field and its offset.
    pub fn parse(datagram: &[u8]) -> Result<Message, Error> {
        let malformed = |what, rest: &[u8]| Error::Malformed {
            what,
            offset: (datagram.len() - rest.len()) as u64,
        };
        match message(datagram) {
            Ok(([], message)) => Ok(message),
            Ok((rest, _)) => Err(malformed("what follows the peering message", rest)),
            Err(nom::Err::Error(e) | nom::Err::Failure(e)) => {
                Err(malformed("a peering message", e.input))
            }
            Err(nom::Err::Incomplete(_)) => Err(malformed("a peering message", &[])),
        }
    }

    /// Writes the datagram.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.encoded_len());
        let (kind, peering, generation) = match self {
            Message::Offer(m) => (1, m.peering, m.generation),
            Message::Withdraw(m) => (2, m.peering, m.generation),
            Message::Answer(m) => (3, m.peering, m.generation),
        };
        out.extend([MAGIC, VERSION, kind]);
        out.extend(peering.to_be_bytes());
        out.extend(generation.to_be_bytes());
        match self {
            Message::Offer(offer) => offer.encode_rest(&mut out),
            Message::Withdraw(withdraw) => out.push(withdraw.reason.code()),
            Message::Answer(answer) => out.extend([role_code(answer.role), answer.accept.into()]),
        }
        out
    }

    /// How many bytes [`encode`](Message::encode) writes.
    pub fn encoded_len(&self) -> usize {
        const HEADER: usize = 3 + 8 + 4;
        HEADER
            + match self {
                Message::Offer(offer) => {
                    let name = offer.stream.as_str().len();
                    1 + 2 + 4 + 4 + 1 + name + 1 + 4 * offer.holders.len().min(HOLDERS_MAX)
                }
                Message::Withdraw(_) => 1,
                Message::Answer(_) => 2,
            }
    }
}

impl Offer {
    fn encode_rest(&self, out: &mut Vec<u8>) {
        let lease = self.lease.as_nanos() / 1_000_000_000;
        out.push(role_code(self.role));
        out.extend(u16::try_from(lease).unwrap_or(u16::MAX).to_be_bytes());
        out.extend(self.group.octets());
        out.extend(self.alias.octets());
        let name = self.stream.as_str();
        // A stream name is at most 255 bytes long from its construction on.
        out.push(name.len() as u8);
        out.extend(name.as_bytes());
        let holders = &self.holders[..self.holders.len().min(HOLDERS_MAX)];
        out.push(holders.len() as u8);
        out.extend(holders.iter().flat_map(|holder| holder.octets()));
    }
}

impl Reason {
    const ALL: [Reason; 6] = [
        Reason::Unpublished,
        Reason::Stopped,
        Reason::Moved,
        Reason::Silent,
        Reason::Shutdown,
        Reason::Unsupported,
    ];

    fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Reason> {
        Reason::ALL.get(usize::from(code)).copied()
    }
}

fn role_code(role: Role) -> u8 {
    match role {
        Role::Broadcaster => 0,
        Role::Viewer => 1,
    }
}

fn role(input: &[u8]) -> IResult<&[u8], Role> {
    checked(input, be_u8, |code| match code {
        0 => Some(Role::Broadcaster),
        1 => Some(Role::Viewer),
        _ => None,
    })
}

fn address(input: &[u8]) -> IResult<&[u8], Ipv4Addr> {
    be_u32.map(Ipv4Addr::from).parse(input)
}

/// What `parser` reads, if `meaning` finds one in it; the error stands at its first byte.
fn checked<'a, T, U>(
    input: &'a [u8],
    mut parser: impl Parser<&'a [u8], Output = T, Error = NomError<&'a [u8]>>,
    meaning: impl FnOnce(T) -> Option<U>,
) -> IResult<&'a [u8], U> {
    let (rest, raw) = parser.parse(input)?;
    match meaning(raw) {
        Some(value) => Ok((rest, value)),
        None => Err(nom::Err::Error(NomError::new(input, ErrorKind::Verify))),
    }
}

fn message(input: &[u8]) -> IResult<&[u8], Message> {
    let (input, ()) = checked(input, be_u8, |byte| (byte == MAGIC).then_some(()))?;
    let (input, ()) = checked(input, be_u8, |byte| (byte == VERSION).then_some(()))?;
    let (input, kind) = checked(input, be_u8, |kind| (1..=3).contains(&kind).then_some(kind))?;
    let (input, (peering, generation)) = (be_u64, be_u32).parse(input)?;
    match kind {
        1 => offer(input, peering, generation),
        2 => {
            let (input, reason) = checked(input, be_u8, Reason::from_code)?;
            Ok((input, Message::Withdraw(Withdraw { peering, generation, reason })))
        }
        _ => {
            let (input, role) = role(input)?;
            let (input, accept) = checked(input, be_u8, |byte| (byte < 2).then_some(byte == 1))?;
            Ok((input, Message::Answer(Answer { peering, generation, role, accept })))
        }
    }
}

fn offer(input: &[u8], peering: u64, generation: u32) -> IResult<&[u8], Message> {
    let (input, role) = role(input)?;
    let (input, lease) = be_u16.map(|secs| Span::from_secs(secs.into())).parse(input)?;
    let (input, (group, alias)) = (address, address).parse(input)?;
    let (input, length) = be_u8(input)?;
    let (input, stream) = checked(input, take(length), canonical_name)?;
    let (input, holders) =
        checked(input, be_u8, |n| (usize::from(n) <= HOLDERS_MAX).then_some(usize::from(n)))?;
    let (input, holders) = count(address, holders).parse(input)?;
    let offer = Offer { peering, generation, stream, role, group, alias, holders, lease };
    Ok((input, Message::Offer(offer)))
}

/// A name that reads back as it was written: two spellings of one name would be two hashes.
fn canonical_name(bytes: &[u8]) -> Option<StreamName> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.parse().ok().filter(|name: &StreamName| name.as_str() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn roles() -> impl Strategy<Value = Role> {
        prop_oneof![Just(Role::Broadcaster), Just(Role::Viewer)]
    }

    fn addresses() -> impl Strategy<Value = Ipv4Addr> {
        any::<u32>().prop_map(Ipv4Addr::from)
    }

    fn messages() -> impl Strategy<Value = Message> {
        let names = "[a-z/]{1,20}[a-z]/[^/?\\pC]{1,60}"
            .prop_filter_map("a name", |text| text.parse::<StreamName>().ok());
        let ids = (any::<u64>(), any::<u32>(), roles());
        let holders = prop::collection::vec(addresses(), 0..=HOLDERS_MAX);
        let addresses = (addresses(), addresses());
        prop_oneof![
            (ids, names, addresses, holders, any::<u16>()).prop_map(
                |((peering, generation, role), stream, (group, alias), holders, lease)| {
                    let lease = Span::from_secs(lease.into());
                    Message::Offer(Offer {
                        peering,
                        generation,
                        stream,
                        role,
                        group,
                        alias,
                        holders,
                        lease,
                    })
                }
            ),
            (any::<u64>(), any::<u32>(), 0..Reason::ALL.len()).prop_map(
                |(peering, generation, reason)| {
                    let reason = Reason::ALL[reason];
                    Message::Withdraw(Withdraw { peering, generation, reason })
                }
            ),
            (any::<u64>(), any::<u32>(), roles(), any::<bool>()).prop_map(
                |(peering, generation, role, accept)| {
                    Message::Answer(Answer { peering, generation, role, accept })
                }
            ),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(message in messages()) {
            let datagram = message.encode();
            prop_assert_eq!(datagram.len(), message.encoded_len());
            prop_assert_eq!(Message::parse(&datagram), Ok(message));
        }

        #[test]
        fn a_cut_or_lengthened_datagram_is_malformed(message in messages(), extra in any::<u8>()) {
            let mut datagram = message.encode();
            for end in 0..datagram.len() {
                prop_assert!(Message::parse(&datagram[..end]).is_err());
            }
            datagram.push(extra);
            prop_assert!(Message::parse(&datagram).is_err());
        }

        #[test]
        fn whatever_reads_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut datagram = vec![MAGIC, VERSION];
            datagram.extend(bytes);
            if let Ok(message) = Message::parse(&datagram) {
                prop_assert_eq!(message.encode(), datagram);
            }
        }
    }

    #[test]
    fn errors_name_the_offset() {
        let answer = Answer { peering: 1, generation: 2, role: Role::Viewer, accept: true };
        let mut datagram = Message::Answer(answer).encode();
        datagram[15] = 9;
        let what = "a peering message";
        assert_eq!(Message::parse(&datagram), Err(Error::Malformed { what, offset: 15 }));
    }
}
