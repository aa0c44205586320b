use nom::number::complete::{be_u8, be_u16, be_u32, be_u64};

use super::Experimenter;
use crate::layout::Text;
use crate::read::{self, Fault, Read, field, pad, prefixed};
use crate::write;

/// What a flow table can do (7.3.5.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableFeatures {
    /// Which.
    pub table_id: u8,
    /// What people call it; at most 31 bytes.
    pub name: String,
    /// Bits of the metadata that it can match.
    pub metadata_match: u64,
    /// Bits of the metadata that it can write.
    pub metadata_write: u64,
    /// Deprecated bits.
    pub config: u32,
    /// Entries that it can hold.
    pub max_entries: u32,
    /// What it takes.
    pub properties: Vec<TableProperty>,
}

/// One kind of thing that a table takes. `miss` says whether it is of the table-miss entry, which
/// may take less than the others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum TableProperty {
    /// Instructions.
    Instructions {
        /// Of the table-miss entry.
        miss: bool,
        /// By their types.
        instructions: Vec<FeatureId>,
    },
    /// Tables that an entry can go to.
    NextTables {
        /// Of the table-miss entry.
        miss: bool,
        /// By their numbers.
        tables: Vec<u8>,
    },
    /// Actions in the action set.
    WriteActions {
        /// Of the table-miss entry.
        miss: bool,
        /// By their types.
        actions: Vec<FeatureId>,
    },
    /// Actions done at once.
    ApplyActions {
        /// Of the table-miss entry.
        miss: bool,
        /// By their types.
        actions: Vec<FeatureId>,
    },
    /// Fields that can be matched.
    Match(Vec<OxmId>),
    /// Fields that an entry may leave out.
    Wildcards(Vec<OxmId>),
    /// Fields that the action set can rewrite.
    WriteSetField {
        /// Of the table-miss entry.
        miss: bool,
        /// Which fields.
        fields: Vec<OxmId>,
    },
    /// Fields that can be rewritten at once.
    ApplySetField {
        /// Of the table-miss entry.
        miss: bool,
        /// Which fields.
        fields: Vec<OxmId>,
    },
    /// An experimenter's property, as it came.
    Experimenter {
        /// Of the table-miss entry.
        miss: bool,
        /// What it says.
        property: Experimenter,
    },
    /// A property of a kind that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Vec<u8>,
    },
}

/// The type of an instruction or action.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeatureId {
    /// The type; 0xffff is an experimenter's.
    pub kind: u16,
    /// What an experimenter's says about itself, its number first; else empty.
    pub experimenter: Vec<u8>,
}

/// A match field without its value: the 32 bits of its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OxmId {
    /// Class.
    pub class: u16,
    /// Field number within the class.
    pub field: u8,
    /// Whether it takes a mask.
    pub has_mask: bool,
    /// Length of its payload in bytes.
    pub length: u8,
    /// Whose it is, in the class of experimenters (0xffff), and only there.
    pub experimenter: Option<u32>,
}

const EXPERIMENTER: u16 = 0xffff;

impl FeatureId {
    /// An instruction or action of the specification.
    pub const fn of(kind: u16) -> FeatureId {
        FeatureId { kind, experimenter: Vec::new() }
    }

    fn read(input: &[u8]) -> Read<'_, FeatureId> {
        let (rest, (kind, body)) = read::sized("feature id length", input)?;
        Ok((rest, FeatureId { kind, experimenter: body.to_vec() }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.kind.to_be_bytes());
        write::zeros(2, out);
        out.extend(&self.experimenter);
        write::fill_length(start, start + 2, out);
    }
}

impl OxmId {
    fn read(input: &[u8]) -> Read<'_, OxmId> {
        let (i, class) = field("oxm id", be_u16, input)?;
        let (i, tail) = field("oxm id", be_u8, i)?;
        let (i, length) = field("oxm id", be_u8, i)?;
        let (i, experimenter) = if class == EXPERIMENTER {
            let (i, experimenter) = field("oxm id experimenter", be_u32, i)?;
            (i, Some(experimenter))
        } else {
            (i, None)
        };
        let (field, has_mask) = (tail >> 1, tail & 1 == 1);
        Ok((i, OxmId { class, field, has_mask, length, experimenter }))
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend(self.class.to_be_bytes());
        out.extend([self.field << 1 | u8::from(self.has_mask), self.length]);
        out.extend(self.experimenter.into_iter().flat_map(u32::to_be_bytes));
    }
}

impl TableProperty {
    fn read(input: &[u8]) -> Read<'_, TableProperty> {
        let (rest, (kind, body)) = read::sized("table property length", input)?;
        let padding = write::padding(4 + body.len());
        let rest = rest.get(padding..).ok_or_else(|| Fault::at(rest, "table property padding"))?;
        let miss = kind & 1 == 1;
        let ids = || read::all(FeatureId::read, body).map(|(_, ids)| ids);
        let oxms = || read::all(OxmId::read, body).map(|(_, ids)| ids);
        let property = match kind {
            0 | 1 => TableProperty::Instructions { miss, instructions: ids()? },
            2 | 3 => TableProperty::NextTables { miss, tables: body.to_vec() },
            4 | 5 => TableProperty::WriteActions { miss, actions: ids()? },
            6 | 7 => TableProperty::ApplyActions { miss, actions: ids()? },
            8 => TableProperty::Match(oxms()?),
            10 => TableProperty::Wildcards(oxms()?),
            12 | 13 => TableProperty::WriteSetField { miss, fields: oxms()? },
            14 | 15 => TableProperty::ApplySetField { miss, fields: oxms()? },
            0xfffe | 0xffff => {
                let (_, property) = Experimenter::read(body)?;
                TableProperty::Experimenter { miss, property }
            }
            _ => TableProperty::Unknown { kind, body: body.to_vec() },
        };
        Ok((rest, property))
    }

    fn kind(&self) -> u16 {
        let (kind, miss) = match self {
            TableProperty::Instructions { miss, .. } => (0, *miss),
            TableProperty::NextTables { miss, .. } => (2, *miss),
            TableProperty::WriteActions { miss, .. } => (4, *miss),
            TableProperty::ApplyActions { miss, .. } => (6, *miss),
            TableProperty::Match(_) => (8, false),
            TableProperty::Wildcards(_) => (10, false),
            TableProperty::WriteSetField { miss, .. } => (12, *miss),
            TableProperty::ApplySetField { miss, .. } => (14, *miss),
            TableProperty::Experimenter { miss, .. } => (0xfffe, *miss),
            TableProperty::Unknown { kind, .. } => (*kind, false),
        };
        kind | u16::from(miss)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.kind().to_be_bytes());
        write::zeros(2, out);
        match self {
            TableProperty::Instructions { instructions: ids, .. }
            | TableProperty::WriteActions { actions: ids, .. }
            | TableProperty::ApplyActions { actions: ids, .. } => {
                ids.iter().for_each(|id| id.encode(out));
            }
            TableProperty::NextTables { tables: bytes, .. }
            | TableProperty::Unknown { body: bytes, .. } => out.extend(bytes),
            TableProperty::Match(fields)
            | TableProperty::Wildcards(fields)
            | TableProperty::WriteSetField { fields, .. }
            | TableProperty::ApplySetField { fields, .. } => {
                fields.iter().for_each(|id| id.encode(out));
            }
            TableProperty::Experimenter { property, .. } => property.encode(out),
        }
        // The length is of what counts; the padding comes after it (7.3.5.5.2).
        write::fill_length(start, start + 2, out);
        write::align(start, out);
    }

    fn encoded_len(&self) -> usize {
        let body: usize = match self {
            TableProperty::Instructions { instructions: ids, .. }
            | TableProperty::WriteActions { actions: ids, .. }
            | TableProperty::ApplyActions { actions: ids, .. } => {
                ids.iter().map(|id| 4 + id.experimenter.len()).sum()
            }
            TableProperty::NextTables { tables: bytes, .. }
            | TableProperty::Unknown { body: bytes, .. } => bytes.len(),
            TableProperty::Match(fields)
            | TableProperty::Wildcards(fields)
            | TableProperty::WriteSetField { fields, .. }
            | TableProperty::ApplySetField { fields, .. } => {
                fields.iter().map(|id| if id.experimenter.is_some() { 8 } else { 4 }).sum()
            }
            TableProperty::Experimenter { property, .. } => property.encoded_len(),
        };
        (4 + body).next_multiple_of(8)
    }
}

impl TableFeatures {
    const FIXED: usize = 64;
    const NAME: usize = 32;

    pub(super) fn read(input: &[u8]) -> Read<'_, TableFeatures> {
        let (table, rest) = prefixed("table features length", 0, input)?;
        let (i, ()) = pad(2, table)?;
        let (i, table_id) = field("table_id", be_u8, i)?;
        let (i, ()) = pad(5, i)?;
        let (i, name) = field("name", Text::<{ Self::NAME }>::read, i)?;
        let (i, metadata_match) = field("metadata_match", be_u64, i)?;
        let (i, metadata_write) = field("metadata_write", be_u64, i)?;
        let (i, config) = field("config", be_u32, i)?;
        let (i, max_entries) = field("max_entries", be_u32, i)?;
        let (_, properties) = read::all(TableProperty::read, i)?;
        Ok((
            rest,
            TableFeatures {
                table_id,
                name,
                metadata_match,
                metadata_write,
                config,
                max_entries,
                properties,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(2, out);
        out.push(self.table_id);
        write::zeros(5, out);
        Text::<{ Self::NAME }>::write(&self.name, out);
        out.extend(self.metadata_match.to_be_bytes());
        out.extend(self.metadata_write.to_be_bytes());
        out.extend(self.config.to_be_bytes());
        out.extend(self.max_entries.to_be_bytes());
        self.properties.iter().for_each(|property| property.encode(out));
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.properties.iter().map(TableProperty::encoded_len).sum::<usize>()
    }
}
