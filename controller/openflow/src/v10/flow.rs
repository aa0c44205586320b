use super::{Action, Match, NO_BUFFER, port_number};
use crate::layout::{Fixed, layout, open_enum};
use crate::read::Read;
use crate::{Header, VERSION_10};

/// Bits of [`FlowMod::flags`] (`OFPFF_*`).
pub mod flow_flags {
    /// Tell the controller when the entry goes.
    pub const SEND_FLOW_REM: u16 = 1 << 0;
    /// Refuse the entry if it overlaps another of the same priority.
    pub const CHECK_OVERLAP: u16 = 1 << 1;
    /// The entry is for when the controller is lost.
    pub const EMERG: u16 = 1 << 2;
}

open_enum! {
    /// What a flow-mod does to the table (`OFPFC_*`).
    FlowCommand: u16 {
        /// Add, replacing an entry of the same match and priority.
        Add = 0,
        /// Change the actions of all entries that the match covers.
        Modify = 1,
        /// Change the actions of the entry of exactly this match and priority.
        ModifyStrict = 2,
        /// Delete all entries that the match covers.
        Delete = 3,
        /// Delete the entry of exactly this match and priority.
        DeleteStrict = 4,
    }
}

/// A change to the flow table (5.3.3). Start from [`FlowMod::add`] or [`FlowMod::delete`]. The
/// actions are in a vector, or borrowed, or in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FlowMod<A = Vec<Action>> {
    /// Which packets.
    pub matching: Match,
    /// The controller's mark on the entry.
    pub cookie: u64,
    /// What to do.
    pub command: FlowCommand,
    /// Seconds without a packet after which the entry goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds after which the entry goes; 0 for never.
    pub hard_timeout: u16,
    /// Higher wins; an entry without wildcards wins over all.
    pub priority: u16,
    /// A packet held by the switch to run through the entry, or [`NO_BUFFER`].
    pub buffer_id: u32,
    /// In deletions: only entries that output to this port, unless [`port_number::NONE`].
    pub out_port: u16,
    /// See [`flow_flags`].
    pub flags: u16,
    /// What is done to the packets; nothing drops them.
    pub actions: A,
}

layout! {
    /// What a flow-mod begins with.
    Head {
        matching: Match;
        cookie: u64;
        command: FlowCommand;
        idle_timeout: u16;
        hard_timeout: u16;
        priority: u16;
        buffer_id: u32;
        out_port: u16;
        flags: u16;
    }
}

impl FlowMod {
    /// Deletes every entry, until told otherwise.
    pub fn delete() -> FlowMod {
        FlowMod { command: FlowCommand::Delete, ..FlowMod::add(Vec::new()) }
    }

    /// Deletes the entry of exactly one match and priority.
    pub fn delete_strict() -> FlowMod {
        FlowMod { command: FlowCommand::DeleteStrict, ..FlowMod::add(Vec::new()) }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, FlowMod> {
        let (i, head) = Head::read(input)?;
        let (i, actions) = Action::read_list(i)?;
        Ok((
            i,
            FlowMod {
                matching: head.matching,
                cookie: head.cookie,
                command: head.command,
                idle_timeout: head.idle_timeout,
                hard_timeout: head.hard_timeout,
                priority: head.priority,
                buffer_id: head.buffer_id,
                out_port: head.out_port,
                flags: head.flags,
                actions,
            },
        ))
    }
}

impl<A> FlowMod<A> {
    /// Adds an entry that does `actions` to every packet, until told otherwise.
    pub const fn add(actions: A) -> FlowMod<A> {
        FlowMod {
            matching: Match::any(),
            cookie: 0,
            command: FlowCommand::Add,
            idle_timeout: 0,
            hard_timeout: 0,
            priority: 0x8000,
            buffer_id: NO_BUFFER,
            out_port: port_number::NONE,
            flags: 0,
            actions,
        }
    }

    /// For these packets.
    pub fn matching(self, matching: Match) -> FlowMod<A> {
        FlowMod { matching, ..self }
    }

    /// At this priority.
    pub fn priority(self, priority: u16) -> FlowMod<A> {
        FlowMod { priority, ..self }
    }

    /// Marked with this cookie.
    pub fn cookie(self, cookie: u64) -> FlowMod<A> {
        FlowMod { cookie, ..self }
    }

    /// Until `seconds` have passed without a packet.
    pub fn idle_timeout(self, seconds: u16) -> FlowMod<A> {
        FlowMod { idle_timeout: seconds, ..self }
    }

    /// And send the packet held under this number through it.
    pub fn buffer(self, buffer_id: u32) -> FlowMod<A> {
        FlowMod { buffer_id, ..self }
    }

    /// With these [`flow_flags`] besides those it has.
    pub fn flags(self, flags: u16) -> FlowMod<A> {
        FlowMod { flags: self.flags | flags, ..self }
    }
}

impl<A: AsRef<[Action]>> FlowMod<A> {
    /// Appends a whole message to `out`.
    ///
    /// # Panics
    /// If it is longer than 65535 bytes.
    pub fn encode_message(&self, xid: u32, out: &mut Vec<u8>) {
        Header::of(VERSION_10, 14, self.encoded_len(), xid).encode(out);
        self.encode(out);
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let head = Head {
            matching: self.matching,
            cookie: self.cookie,
            command: self.command,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            priority: self.priority,
            buffer_id: self.buffer_id,
            out_port: self.out_port,
            flags: self.flags,
        };
        head.write(out);
        Action::encode_list(self.actions.as_ref(), out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Head::LEN + Action::list_len(self.actions.as_ref())
    }
}

open_enum! {
    /// Why an entry went (`OFPRR_*`).
    FlowRemovedReason: u8 {
        /// No packet for the idle timeout.
        IdleTimeout = 0,
        /// The hard timeout passed.
        HardTimeout = 1,
        /// A flow-mod deleted it.
        Delete = 2,
    }
}

layout! {
    /// An entry went, and had asked to tell (5.4.2).
    pub FlowRemoved {
        /// Its match.
        matching: Match;
        /// The controller's mark.
        cookie: u64;
        /// Its priority.
        priority: u16;
        /// Why it went.
        reason: FlowRemovedReason, pad 1;
        /// How long it lived: whole seconds.
        duration_sec: u32;
        /// How long it lived: nanoseconds beyond those.
        duration_nsec: u32;
        /// Its idle timeout in seconds.
        idle_timeout: u16, pad 2;
        /// Packets it matched.
        packet_count: u64;
        /// Bytes it matched.
        byte_count: u64;
    }
}
