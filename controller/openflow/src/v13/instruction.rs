use nom::number::complete::{be_u8, be_u32, be_u64};

use super::Action;
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// Every table, in requests and deletions (`OFPTT_ALL`).
pub const TABLE_ALL: u8 = 0xff;

/// What a flow entry has done to a packet that it matches (7.2.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// Go on in a later table.
    GotoTable(u8),
    /// Write the metadata that later tables can match.
    WriteMetadata {
        /// Bits to write.
        metadata: u64,
        /// Which bits.
        mask: u64,
    },
    /// Add to the action set.
    WriteActions(Vec<Action>),
    /// Do at once, in order.
    ApplyActions(Vec<Action>),
    /// Empty the action set.
    ClearActions,
    /// Pass through a meter.
    Meter(u32),
    /// An experimenter's instruction, as it came.
    Experimenter {
        /// Who defined it.
        experimenter: u32,
        /// What follows.
        data: Vec<u8>,
    },
    /// An instruction of a type that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Vec<u8>,
    },
}

impl Instruction {
    const fn kind(&self) -> u16 {
        match self {
            Instruction::GotoTable(_) => 1,
            Instruction::WriteMetadata { .. } => 2,
            Instruction::WriteActions(_) => 3,
            Instruction::ApplyActions(_) => 4,
            Instruction::ClearActions => 5,
            Instruction::Meter(_) => 6,
            Instruction::Experimenter { .. } => 0xffff,
            Instruction::Unknown { kind, .. } => *kind,
        }
    }

    pub(super) fn read(input: &[u8]) -> Read<'_, Instruction> {
        let (rest, (kind, body)) = read::sized("instruction length", input)?;
        let (left, instruction) = Instruction::read_body(kind, body)?;
        if !left.is_empty() {
            return Err(Fault::at(left, "instruction length"));
        }
        Ok((rest, instruction))
    }

    fn read_body(kind: u16, body: &[u8]) -> Read<'_, Instruction> {
        match kind {
            1 => {
                let (i, table) = field("table_id", be_u8, body)?;
                let (i, ()) = pad(3, i)?;
                Ok((i, Instruction::GotoTable(table)))
            }
            2 => {
                let (i, ()) = pad(4, body)?;
                let (i, metadata) = field("metadata", be_u64, i)?;
                let (i, mask) = field("metadata_mask", be_u64, i)?;
                Ok((i, Instruction::WriteMetadata { metadata, mask }))
            }
            3 | 4 => {
                let (i, ()) = pad(4, body)?;
                let (i, actions) = Action::read_list(i)?;
                let make =
                    if kind == 3 { Instruction::WriteActions } else { Instruction::ApplyActions };
                Ok((i, make(actions)))
            }
            5 => pad(4, body).map(|(i, ())| (i, Instruction::ClearActions)),
            6 => field("meter_id", be_u32, body).map(|(i, meter)| (i, Instruction::Meter(meter))),
            0xffff => {
                let (data, experimenter) = field("experimenter", be_u32, body)?;
                Ok((&[], Instruction::Experimenter { experimenter, data: data.to_vec() }))
            }
            _ => Ok((&[], Instruction::Unknown { kind, body: body.to_vec() })),
        }
    }

    /// Appends the instruction to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.kind().to_be_bytes());
        write::zeros(2, out);
        match self {
            Instruction::GotoTable(table) => out.extend([*table, 0, 0, 0]),
            Instruction::WriteMetadata { metadata, mask } => {
                write::zeros(4, out);
                out.extend(metadata.to_be_bytes());
                out.extend(mask.to_be_bytes());
            }
            Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => {
                write::zeros(4, out);
                actions.iter().for_each(|action| action.encode(out));
            }
            Instruction::ClearActions => write::zeros(4, out),
            Instruction::Meter(meter) => out.extend(meter.to_be_bytes()),
            Instruction::Experimenter { experimenter, data } => {
                out.extend(experimenter.to_be_bytes());
                out.extend(data);
            }
            Instruction::Unknown { body, .. } => out.extend(body),
        }
        write::fill_length(start, start + 2, out);
    }

    /// Length in bytes.
    pub fn encoded_len(&self) -> usize {
        match self {
            Instruction::GotoTable(_) | Instruction::ClearActions | Instruction::Meter(_) => 8,
            Instruction::WriteMetadata { .. } => 24,
            Instruction::WriteActions(actions) | Instruction::ApplyActions(actions) => {
                8 + Action::list_len(actions)
            }
            Instruction::Experimenter { data, .. } => 8 + data.len(),
            Instruction::Unknown { body, .. } => 4 + body.len(),
        }
    }

    pub(super) fn read_list(input: &[u8]) -> Read<'_, Vec<Instruction>> {
        read::all(Instruction::read, input)
    }

    pub(super) fn list_len(instructions: &[Instruction]) -> usize {
        instructions.iter().map(Instruction::encoded_len).sum()
    }
}
