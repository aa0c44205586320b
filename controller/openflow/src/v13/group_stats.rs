use nom::number::complete::{be_u32, be_u64};

use super::{Bucket, GroupType};
use crate::layout::{Fixed, layout};
use crate::read::{self, Read, field, pad, prefixed};
use crate::write;

layout! {
    /// Counters of a bucket (7.3.5.9).
    #[derive(Default)]
    pub BucketCounter {
        /// Packets.
        packet_count: u64;
        /// Bytes.
        byte_count: u64;
    }
}

/// Counters of a group (7.3.5.9).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct GroupStats {
    /// Which.
    pub group_id: u32,
    /// Flow entries and groups that use it.
    pub ref_count: u32,
    /// Packets.
    pub packet_count: u64,
    /// Bytes.
    pub byte_count: u64,
    /// How long it has lived: whole seconds.
    pub duration_sec: u32,
    /// How long it has lived: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Of each bucket, in order.
    pub buckets: Vec<BucketCounter>,
}

impl GroupStats {
    const FIXED: usize = 40;

    pub(super) fn read(input: &[u8]) -> Read<'_, GroupStats> {
        let (group, rest) = prefixed("group stats length", 0, input)?;
        let (i, ()) = pad(4, group)?;
        let (i, group_id) = field("group_id", be_u32, i)?;
        let (i, ref_count) = field("ref_count", be_u32, i)?;
        let (i, ()) = pad(4, i)?;
        let (i, packet_count) = field("packet_count", be_u64, i)?;
        let (i, byte_count) = field("byte_count", be_u64, i)?;
        let (i, duration_sec) = field("duration_sec", be_u32, i)?;
        let (i, duration_nsec) = field("duration_nsec", be_u32, i)?;
        let (_, buckets) = read::all(BucketCounter::read, i)?;
        Ok((
            rest,
            GroupStats {
                group_id,
                ref_count,
                packet_count,
                byte_count,
                duration_sec,
                duration_nsec,
                buckets,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(4, out);
        out.extend(self.group_id.to_be_bytes());
        out.extend(self.ref_count.to_be_bytes());
        write::zeros(4, out);
        out.extend(self.packet_count.to_be_bytes());
        out.extend(self.byte_count.to_be_bytes());
        out.extend(self.duration_sec.to_be_bytes());
        out.extend(self.duration_nsec.to_be_bytes());
        self.buckets.iter().for_each(|bucket| bucket.write(out));
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.buckets.len() * BucketCounter::LEN
    }
}

/// A group as the switch holds it (7.3.5.10).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupDesc {
    /// What it does.
    pub kind: GroupType,
    /// Which.
    pub group_id: u32,
    /// Its buckets.
    pub buckets: Vec<Bucket>,
}

impl GroupDesc {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, GroupDesc> {
        let (group, rest) = prefixed("group desc length", 0, input)?;
        let (i, ()) = pad(2, group)?;
        let (i, kind) = field("type", GroupType::read, i)?;
        let (i, ()) = pad(1, i)?;
        let (i, group_id) = field("group_id", be_u32, i)?;
        let (_, buckets) = read::all(Bucket::read, i)?;
        Ok((rest, GroupDesc { kind, group_id, buckets }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(2, out);
        self.kind.write(out);
        write::zeros(1, out);
        out.extend(self.group_id.to_be_bytes());
        self.buckets.iter().for_each(|bucket| bucket.encode(out));
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + Bucket::list_len(&self.buckets)
    }
}

layout! {
    /// What groups a switch can have (7.3.5.11). Arrays are indexed by group type: ALL, SELECT,
    /// INDIRECT, FAST FAILOVER.
    #[derive(Default)]
    pub GroupFeatures {
        /// Bit `n`: groups of type `n`.
        types: u32;
        /// Weights, liveness, chaining, and whether chains are checked (`OFPGFC_*`).
        capabilities: u32;
        /// How many of each type.
        max_groups: Array [u32; 4];
        /// Bit `n`: actions of type `n` in the buckets of each.
        actions: Array [u32; 4];
    }
}
