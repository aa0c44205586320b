use nom::number::complete::{be_u16, be_u32};

use super::{Action, port_number};
use crate::layout::{Fixed, open_enum};
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// Groups that are none (`OFPG_*`).
pub mod group_number {
    /// The highest number that a group can have.
    pub const MAX: u32 = 0xffff_ff00;
    /// All groups, in deletions.
    pub const ALL: u32 = 0xffff_fffc;
    /// Any group, in requests and deletions of flow entries.
    pub const ANY: u32 = 0xffff_ffff;
}

open_enum! {
    /// What a group-mod does (`OFPGC_*`).
    GroupCommand: u16 {
        /// Makes a new group.
        Add = 0,
        /// Changes a group.
        Modify = 1,
        /// Deletes groups, and the flow entries that use them.
        Delete = 2,
    }
}

open_enum! {
    /// What a group does with a packet (`OFPGT_*`, 5.6.1).
    GroupType: u8 {
        /// Copies it to every bucket.
        All = 0,
        /// Hands it to one bucket of the switch's choice.
        Select = 1,
        /// Hands it to its only bucket.
        Indirect = 2,
        /// Hands it to the first bucket that is alive.
        FastFailover = 3,
    }
}

/// Actions for a copy of the packet (7.3.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Bucket {
    /// Its share, in groups of type SELECT.
    pub weight: u16,
    /// The port whose state says whether it is alive, in groups of type FAST FAILOVER.
    pub watch_port: u32,
    /// The group whose state says so.
    pub watch_group: u32,
    /// What is done to the copy.
    pub actions: Vec<Action>,
}

impl Bucket {
    const FIXED: usize = 16;

    /// A bucket of a group that copies: no weight, nothing watched.
    pub fn of(actions: Vec<Action>) -> Bucket {
        Bucket { weight: 0, watch_port: port_number::ANY, watch_group: group_number::ANY, actions }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, Bucket> {
        let (_, length) = field("bucket length", be_u16, input)?;
        let Some((bucket, rest)) = input.split_at_checked(length.into()) else {
            return Err(Fault::at(input, "bucket length"));
        };
        let i = bucket.get(2..).ok_or_else(|| Fault::at(input, "bucket length"))?;
        let (i, weight) = field("weight", be_u16, i)?;
        let (i, watch_port) = field("watch_port", be_u32, i)?;
        let (i, watch_group) = field("watch_group", be_u32, i)?;
        let (i, ()) = pad(4, i)?;
        let (_, actions) = Action::read_list(i)?;
        Ok((rest, Bucket { weight, watch_port, watch_group, actions }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(2, out);
        out.extend(self.weight.to_be_bytes());
        out.extend(self.watch_port.to_be_bytes());
        out.extend(self.watch_group.to_be_bytes());
        write::zeros(4, out);
        self.actions.iter().for_each(|action| action.encode(out));
        write::fill_length(start, start, out);
    }

    fn encoded_len(&self) -> usize {
        Self::FIXED + Action::list_len(&self.actions)
    }

    pub(super) fn list_len(buckets: &[Bucket]) -> usize {
        buckets.iter().map(Bucket::encoded_len).sum()
    }
}

/// A change to the groups (7.3.4.2).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupMod {
    /// What to do.
    pub command: GroupCommand,
    /// What the group does.
    pub kind: GroupType,
    /// Which group; [`group_number::ALL`] in deletions.
    pub group_id: u32,
    /// Its buckets; none in deletions.
    pub buckets: Vec<Bucket>,
}

impl GroupMod {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, GroupMod> {
        let (i, command) = field("command", GroupCommand::read, input)?;
        let (i, kind) = field("type", GroupType::read, i)?;
        let (i, ()) = pad(1, i)?;
        let (i, group_id) = field("group_id", be_u32, i)?;
        let (i, buckets) = read::all(Bucket::read, i)?;
        Ok((i, GroupMod { command, kind, group_id, buckets }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.command.write(out);
        self.kind.write(out);
        write::zeros(1, out);
        out.extend(self.group_id.to_be_bytes());
        self.buckets.iter().for_each(|bucket| bucket.encode(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + Bucket::list_len(&self.buckets)
    }
}
