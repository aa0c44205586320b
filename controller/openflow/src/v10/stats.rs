use super::{Action, Match, port_number};
use crate::layout::{Fixed, layout};
use crate::read::{Read, prefixed};
use crate::write;

/// Every table, in requests.
pub const TABLE_ALL: u8 = 0xff;
/// The entries for when the controller is lost, in requests.
pub const TABLE_EMERGENCY: u8 = 0xfe;

layout! {
    /// What a switch says of itself (5.3.5).
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

layout! {
    /// Asks for flow entries, or for their sum (5.3.5).
    pub FlowStatsRequest {
        /// Only entries that this match covers.
        matching: Match;
        /// Of which table; [`TABLE_ALL`] for all.
        table_id: u8, pad 1;
        /// Only entries that output to this port; [`port_number::NONE`] for all.
        out_port: u16;
    }
}

impl FlowStatsRequest {
    /// Asks for every entry of every table.
    pub const fn all() -> FlowStatsRequest {
        FlowStatsRequest {
            matching: Match::any(),
            table_id: TABLE_ALL,
            out_port: port_number::NONE,
        }
    }
}

/// A flow entry and its counters (5.3.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct FlowStats {
    /// Its table.
    pub table_id: u8,
    /// Which packets.
    pub matching: Match,
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
    /// The controller's mark.
    pub cookie: u64,
    /// Packets it matched.
    pub packet_count: u64,
    /// Bytes it matched.
    pub byte_count: u64,
    /// What is done to the packets.
    pub actions: Vec<Action>,
}

layout! {
    /// What a flow entry begins with, after its length.
    Head [lead 2] {
        table_id: u8, pad 1;
        matching: Match;
        duration_sec: u32;
        duration_nsec: u32;
        priority: u16;
        idle_timeout: u16;
        hard_timeout: u16, pad 6;
        cookie: u64;
        packet_count: u64;
        byte_count: u64;
    }
}

impl FlowStats {
    pub(super) fn read(input: &[u8]) -> Read<'_, FlowStats> {
        let (entry, rest) = prefixed("flow stats length", 0, input)?;
        let (i, head) = Head::read(entry)?;
        let (_, actions) = Action::read_list(i)?;
        Ok((
            rest,
            FlowStats {
                table_id: head.table_id,
                matching: head.matching,
                duration_sec: head.duration_sec,
                duration_nsec: head.duration_nsec,
                priority: head.priority,
                idle_timeout: head.idle_timeout,
                hard_timeout: head.hard_timeout,
                cookie: head.cookie,
                packet_count: head.packet_count,
                byte_count: head.byte_count,
                actions,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let head = Head {
            table_id: self.table_id,
            matching: self.matching,
            duration_sec: self.duration_sec,
            duration_nsec: self.duration_nsec,
            priority: self.priority,
            idle_timeout: self.idle_timeout,
            hard_timeout: self.hard_timeout,
            cookie: self.cookie,
            packet_count: self.packet_count,
            byte_count: self.byte_count,
        };
        head.write(out);
        Action::encode_list(&self.actions, out);
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Head::LEN + Action::list_len(&self.actions)
    }
}

layout! {
    /// Counters over flow entries together (5.3.5).
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
    /// A table and its counters (5.3.5).
    #[derive(Default)]
    pub TableStats {
        /// Which; lower ones are looked up first.
        table_id: u8, pad 3;
        /// What people call it; at most 31 bytes.
        name: Text<32>;
        /// The wildcards that it supports; see [`wildcard`](super::wildcard).
        wildcards: u32;
        /// Entries that it can hold.
        max_entries: u32;
        /// Entries in it.
        active_count: u32;
        /// Packets looked up.
        lookup_count: u64;
        /// Packets that found an entry.
        matched_count: u64;
    }
}

layout! {
    /// Asks for ports' counters (5.3.5).
    pub PortStatsRequest {
        /// Of which port; [`port_number::NONE`] for all.
        port: u16, pad 6;
    }
}

layout! {
    /// Counters of a port (5.3.5). All bits set: not counted.
    #[derive(Default)]
    pub PortStats {
        /// Which.
        number: u16, pad 6;
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
    }
}

layout! {
    /// Asks for queues' counters (5.3.5).
    pub QueueStatsRequest {
        /// Of which port; [`port_number::ALL`] for all.
        port: u16, pad 2;
        /// Which queue; [`QUEUE_ALL`](super::QUEUE_ALL) for all.
        queue_id: u32;
    }
}

layout! {
    /// Counters of a queue (5.3.5).
    #[derive(Default)]
    pub QueueStats {
        /// Its port.
        port: u16, pad 2;
        /// Which queue of it.
        queue_id: u32;
        /// Bytes sent.
        tx_bytes: u64;
        /// Packets sent.
        tx_packets: u64;
        /// Packets dropped because it was full.
        tx_errors: u64;
    }
}
