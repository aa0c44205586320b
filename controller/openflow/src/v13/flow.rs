use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::{Instruction, Match, NO_BUFFER, TABLE_ALL, group_number, port_number};
use crate::layout::{Fixed, open_enum};
use crate::read::{Read, field, pad};
use crate::write;

/// Bits of [`FlowMod::flags`] (`OFPFF_*`).
pub mod flow_flags {
    /// Tell the controller when the entry goes.
    pub const SEND_FLOW_REM: u16 = 1 << 0;
    /// Refuse the entry if it overlaps another of the same priority.
    pub const CHECK_OVERLAP: u16 = 1 << 1;
    /// Start the counters anew.
    pub const RESET_COUNTS: u16 = 1 << 2;
    /// Do not count packets.
    pub const NO_PKT_COUNTS: u16 = 1 << 3;
    /// Do not count bytes.
    pub const NO_BYT_COUNTS: u16 = 1 << 4;
}

open_enum! {
    /// What a flow-mod does to the table (`OFPFC_*`).
    FlowCommand: u8 {
        /// Add, replacing an entry of the same match and priority.
        Add = 0,
        /// Change the instructions of all entries that the match covers.
        Modify = 1,
        /// Change the instructions of the entry of exactly this match and priority.
        ModifyStrict = 2,
        /// Delete all entries that the match covers.
        Delete = 3,
        /// Delete the entry of exactly this match and priority.
        DeleteStrict = 4,
    }
}

/// A change to a flow table (7.3.4.1). Start from [`FlowMod::add`] or [`FlowMod::delete`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowMod {
    /// The controller's mark on the entry.
    pub cookie: u64,
    /// On changes and deletions: which bits of the cookie must agree.
    pub cookie_mask: u64,
    /// Which table; [`TABLE_ALL`] in deletions.
    pub table_id: u8,
    /// What to do.
    pub command: FlowCommand,
    /// Seconds without a packet after which the entry goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds after which the entry goes; 0 for never.
    pub hard_timeout: u16,
    /// Higher wins.
    pub priority: u16,
    /// A packet held by the switch to run through the entry, or [`NO_BUFFER`].
    pub buffer_id: u32,
    /// In deletions: only entries that output to this port.
    pub out_port: u32,
    /// In deletions: only entries that use this group.
    pub out_group: u32,
    /// See [`flow_flags`].
    pub flags: u16,
    /// Which packets.
    pub matching: Match,
    /// What is done to them; nothing drops them.
    pub instructions: Vec<Instruction>,
}

impl FlowMod {
    const FIXED: usize = 40;

    fn with_command(command: FlowCommand) -> FlowMod {
        FlowMod {
            cookie: 0,
            cookie_mask: 0,
            table_id: 0,
            command,
            idle_timeout: 0,
            hard_timeout: 0,
            priority: 0x8000,
            buffer_id: NO_BUFFER,
            out_port: port_number::ANY,
            out_group: group_number::ANY,
            flags: 0,
            matching: Match::new(),
            instructions: Vec::new(),
        }
    }

    /// Adds an entry to table 0 that drops everything, until told otherwise.
    pub fn add() -> FlowMod {
        FlowMod::with_command(FlowCommand::Add)
    }

    /// Deletes every entry of every table, until told otherwise.
    pub fn delete() -> FlowMod {
        FlowMod { table_id: TABLE_ALL, ..FlowMod::with_command(FlowCommand::Delete) }
    }

    /// Deletes the entry of exactly one match, priority and table.
    pub fn delete_strict() -> FlowMod {
        FlowMod::with_command(FlowCommand::DeleteStrict)
    }

    /// In this table.
    pub fn table(mut self, table: u8) -> FlowMod {
        self.table_id = table;
        self
    }

    /// At this priority.
    pub fn priority(mut self, priority: u16) -> FlowMod {
        self.priority = priority;
        self
    }

    /// Marked with this cookie; a deletion is held to entries that have it.
    pub fn cookie(mut self, cookie: u64) -> FlowMod {
        self.cookie = cookie;
        if self.command != FlowCommand::Add {
            self.cookie_mask = u64::MAX;
        }
        self
    }

    /// For these packets.
    pub fn matching(mut self, matching: Match) -> FlowMod {
        self.matching = matching;
        self
    }

    /// With one more instruction.
    pub fn instruction(mut self, instruction: Instruction) -> FlowMod {
        self.instructions.push(instruction);
        self
    }

    /// Until `seconds` have passed without a packet.
    pub fn idle_timeout(mut self, seconds: u16) -> FlowMod {
        self.idle_timeout = seconds;
        self
    }

    /// With these [`flow_flags`] besides those it has.
    pub fn flags(mut self, flags: u16) -> FlowMod {
        self.flags |= flags;
        self
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, FlowMod> {
        let (i, cookie) = field("cookie", be_u64, input)?;
        let (i, cookie_mask) = field("cookie_mask", be_u64, i)?;
        let (i, table_id) = field("table_id", be_u8, i)?;
        let (i, command) = field("command", FlowCommand::read, i)?;
        let (i, idle_timeout) = field("idle_timeout", be_u16, i)?;
        let (i, hard_timeout) = field("hard_timeout", be_u16, i)?;
        let (i, priority) = field("priority", be_u16, i)?;
        let (i, buffer_id) = field("buffer_id", be_u32, i)?;
        let (i, out_port) = field("out_port", be_u32, i)?;
        let (i, out_group) = field("out_group", be_u32, i)?;
        let (i, flags) = field("flags", be_u16, i)?;
        let (i, ()) = pad(2, i)?;
        let (i, matching) = Match::read(i)?;
        let (i, instructions) = Instruction::read_list(i)?;
        Ok((
            i,
            FlowMod {
                cookie,
                cookie_mask,
                table_id,
                command,
                idle_timeout,
                hard_timeout,
                priority,
                buffer_id,
                out_port,
                out_group,
                flags,
                matching,
                instructions,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.cookie.to_be_bytes());
        out.extend(self.cookie_mask.to_be_bytes());
        out.push(self.table_id);
        self.command.write(out);
        out.extend(self.idle_timeout.to_be_bytes());
        out.extend(self.hard_timeout.to_be_bytes());
        out.extend(self.priority.to_be_bytes());
        out.extend(self.buffer_id.to_be_bytes());
        out.extend(self.out_port.to_be_bytes());
        out.extend(self.out_group.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        write::zeros(2, out);
        self.matching.encode(out);
        self.instructions.iter().for_each(|instruction| instruction.encode(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.matching.encoded_len() + Instruction::list_len(&self.instructions)
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
        /// Its group was deleted.
        GroupDelete = 3,
    }
}

/// An entry went, and had asked to tell (7.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowRemoved {
    /// The controller's mark.
    pub cookie: u64,
    /// Its priority.
    pub priority: u16,
    /// Why it went.
    pub reason: FlowRemovedReason,
    /// Its table.
    pub table_id: u8,
    /// How long it lived: whole seconds.
    pub duration_sec: u32,
    /// How long it lived: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Its idle timeout in seconds.
    pub idle_timeout: u16,
    /// Its hard timeout in seconds.
    pub hard_timeout: u16,
    /// Packets it matched.
    pub packet_count: u64,
    /// Bytes it matched.
    pub byte_count: u64,
    /// Its match.
    pub matching: Match,
}

impl FlowRemoved {
    const FIXED: usize = 40;

    pub(super) fn read(input: &[u8]) -> Read<'_, FlowRemoved> {
        let (i, cookie) = field("cookie", be_u64, input)?;
        let (i, priority) = field("priority", be_u16, i)?;
        let (i, reason) = field("reason", FlowRemovedReason::read, i)?;
        let (i, table_id) = field("table_id", be_u8, i)?;
        let (i, duration_sec) = field("duration_sec", be_u32, i)?;
        let (i, duration_nsec) = field("duration_nsec", be_u32, i)?;
        let (i, idle_timeout) = field("idle_timeout", be_u16, i)?;
        let (i, hard_timeout) = field("hard_timeout", be_u16, i)?;
        let (i, packet_count) = field("packet_count", be_u64, i)?;
        let (i, byte_count) = field("byte_count", be_u64, i)?;
        let (i, matching) = Match::read(i)?;
        Ok((
            i,
            FlowRemoved {
                cookie,
                priority,
                reason,
                table_id,
                duration_sec,
                duration_nsec,
                idle_timeout,
                hard_timeout,
                packet_count,
                byte_count,
                matching,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.cookie.to_be_bytes());
        out.extend(self.priority.to_be_bytes());
        self.reason.write(out);
        out.push(self.table_id);
        out.extend(self.duration_sec.to_be_bytes());
        out.extend(self.duration_nsec.to_be_bytes());
        out.extend(self.idle_timeout.to_be_bytes());
        out.extend(self.hard_timeout.to_be_bytes());
        out.extend(self.packet_count.to_be_bytes());
        out.extend(self.byte_count.to_be_bytes());
        self.matching.encode(out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.matching.encoded_len()
    }
}
