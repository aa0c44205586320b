use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::{Instruction, Match, TABLE_ALL, group_number, port_number};
use crate::layout::layout;
use crate::read::{Read, field, pad, prefixed};
use crate::write;

layout! {
    /// What a switch says of itself (7.3.5.1).
    #[derive(Default)]
    pub Desc {
        /// Who made it.
        manufacturer: Text<256>;
        /// The hardware.
        hardware: Text<256>;
        /// The software.
        software: Text<256>;
        /// Serial number.
        serial: Text<32>;
        /// What people call this datapath.
        datapath: Text<256>;
    }
}

/// Asks for flow entries, or for their sum (7.3.5.2, 7.3.5.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowStatsRequest {
    /// Of which table; [`TABLE_ALL`] for all.
    pub table_id: u8,
    /// Only entries that output to this port; [`port_number::ANY`] for all.
    pub out_port: u32,
    /// Only entries that use this group; [`group_number::ANY`] for all.
    pub out_group: u32,
    /// Only entries with this cookie,
    pub cookie: u64,
    /// in these bits.
    pub cookie_mask: u64,
    /// Only entries that this match covers.
    pub matching: Match,
}

impl FlowStatsRequest {
    const FIXED: usize = 32;

    /// Asks for every entry of every table.
    pub fn all() -> FlowStatsRequest {
        FlowStatsRequest {
            table_id: TABLE_ALL,
            out_port: port_number::ANY,
            out_group: group_number::ANY,
            cookie: 0,
            cookie_mask: 0,
            matching: Match::new(),
        }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, FlowStatsRequest> {
        let (i, table_id) = field("table_id", be_u8, input)?;
        let (i, ()) = pad(3, i)?;
        let (i, out_port) = field("out_port", be_u32, i)?;
        let (i, out_group) = field("out_group", be_u32, i)?;
        let (i, ()) = pad(4, i)?;
        let (i, cookie) = field("cookie", be_u64, i)?;
        let (i, cookie_mask) = field("cookie_mask", be_u64, i)?;
        let (i, matching) = Match::read(i)?;
        Ok((i, FlowStatsRequest { table_id, out_port, out_group, cookie, cookie_mask, matching }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend([self.table_id, 0, 0, 0]);
        out.extend(self.out_port.to_be_bytes());
        out.extend(self.out_group.to_be_bytes());
        write::zeros(4, out);
        out.extend(self.cookie.to_be_bytes());
        out.extend(self.cookie_mask.to_be_bytes());
        self.matching.encode(out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.matching.encoded_len()
    }
}

/// A flow entry and its counters (7.3.5.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FlowStats {
    /// Its table.
    pub table_id: u8,
    /// How long it has lived: whole seconds.
    pub duration_sec: u32,
    /// How long it has lived: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Its priority.
    pub priority: u16,
    /// Seconds without a packet after which it goes; 0 for never.
    pub idle_timeout: u16,
    /// Seconds after which it goes; 0 for never.
    pub hard_timeout: u16,
    /// See [`flow_flags`](super::flow_flags).
    pub flags: u16,
    /// The controller's mark.
    pub cookie: u64,
    /// Packets it matched.
    pub packet_count: u64,
    /// Bytes it matched.
    pub byte_count: u64,
    /// Which packets.
    pub matching: Match,
    /// What is done to them.
    pub instructions: Vec<Instruction>,
}

impl FlowStats {
    const FIXED: usize = 48;

    pub(super) fn read(input: &[u8]) -> Read<'_, FlowStats> {
        let (entry, rest) = prefixed("flow stats length", 0, input)?;
        let (i, ()) = pad(2, entry)?;
        let (i, table_id) = field("table_id", be_u8, i)?;
        let (i, ()) = pad(1, i)?;
        let (i, duration_sec) = field("duration_sec", be_u32, i)?;
        let (i, duration_nsec) = field("duration_nsec", be_u32, i)?;
        let (i, priority) = field("priority", be_u16, i)?;
        let (i, idle_timeout) = field("idle_timeout", be_u16, i)?;
        let (i, hard_timeout) = field("hard_timeout", be_u16, i)?;
        let (i, flags) = field("flags", be_u16, i)?;
        let (i, ()) = pad(4, i)?;
        let (i, cookie) = field("cookie", be_u64, i)?;
        let (i, packet_count) = field("packet_count", be_u64, i)?;
        let (i, byte_count) = field("byte_count", be_u64, i)?;
        let (i, matching) = Match::read(i)?;
        let (_, instructions) = Instruction::read_list(i)?;
        Ok((
            rest,
            FlowStats {
                table_id,
                duration_sec,
                duration_nsec,
                priority,
                idle_timeout,
                hard_timeout,
                flags,
                cookie,
                packet_count,
                byte_count,
                matching,
                instructions,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(2, out);
        out.extend([self.table_id, 0]);
        out.extend(self.duration_sec.to_be_bytes());
        out.extend(self.duration_nsec.to_be_bytes());
        out.extend(self.priority.to_be_bytes());
        out.extend(self.idle_timeout.to_be_bytes());
        out.extend(self.hard_timeout.to_be_bytes());
        out.extend(self.flags.to_be_bytes());
        write::zeros(4, out);
        out.extend(self.cookie.to_be_bytes());
        out.extend(self.packet_count.to_be_bytes());
        out.extend(self.byte_count.to_be_bytes());
        self.matching.encode(out);
        self.instructions.iter().for_each(|instruction| instruction.encode(out));
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.matching.encoded_len() + Instruction::list_len(&self.instructions)
    }
}

layout! {
    /// Counters over flow entries together (7.3.5.3).
    #[derive(Default)]
    pub AggregateStats {
        /// Packets.
        packet_count: u64;
        /// Bytes.
        byte_count: u64;
        /// Entries.
        flow_count: u32, pad 4;
    }
}

layout! {
    /// Counters of a table (7.3.5.4).
    #[derive(Default)]
    pub TableStats {
        /// Which.
        table_id: u8, pad 3;
        /// Entries in it.
        active_count: u32;
        /// Packets looked up.
        lookup_count: u64;
        /// Packets that found an entry.
        matched_count: u64;
    }
}

layout! {
    /// Counters of a port (7.3.5.6). All bits set: not counted.
    #[derive(Default)]
    pub PortStats {
        /// Which.
        number: u32, pad 4;
        /// Packets received.
        rx_packets: u64;
        /// Packets sent.
        tx_packets: u64;
        /// Bytes received.
        rx_bytes: u64;
        /// Bytes sent.
        tx_bytes: u64;
        /// Packets dropped on receipt.
        rx_dropped: u64;
        /// Packets dropped before sending.
        tx_dropped: u64;
        /// Packets received broken.
        rx_errors: u64;
        /// Packets that could not be sent.
        tx_errors: u64;
        /// Of those received broken: misaligned.
        rx_frame_err: u64;
        /// Of those received broken: overrun.
        rx_over_err: u64;
        /// Of those received broken: checksum.
        rx_crc_err: u64;
        /// Collisions.
        collisions: u64;
        /// How long it has been there: whole seconds.
        duration_sec: u32;
        /// How long it has been there: nanoseconds beyond those.
        duration_nsec: u32;
    }
}

layout! {
    /// Asks for queues' counters (7.3.5.8).
    pub QueueStatsRequest {
        /// Of which port; [`port_number::ANY`] for all.
        port: u32;
        /// Which queue; [`QUEUE_ALL`](super::QUEUE_ALL) for all.
        queue_id: u32;
    }
}

layout! {
    /// Counters of a queue (7.3.5.8).
    #[derive(Default)]
    pub QueueStats {
        /// Its port.
        port: u32;
        /// Which queue of it.
        queue_id: u32;
        /// Bytes sent.
        tx_bytes: u64;
        /// Packets sent.
        tx_packets: u64;
        /// Packets dropped because it was full.
        tx_errors: u64;
        /// How long it has been there: whole seconds.
        duration_sec: u32;
        /// How long it has been there: nanoseconds beyond those.
        duration_nsec: u32;
    }
}
