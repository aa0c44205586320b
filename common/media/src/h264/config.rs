use super::nal::{Nal, nal_type};
use crate::Error;
use crate::cursor::Cursor;

/// The AVCDecoderConfigurationRecord (ISO/IEC 14496-15 5.3.3.1) of a sequence header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecoderConfig<'a> {
    /// profile_idc
    pub profile: u8,
    /// level_idc, ten times the level.
    pub level: u8,
    /// In how many bytes the lengths of NAL units are given: 1, 2 or 4.
    pub length_size: usize,
    /// Sequence parameter sets.
    pub sps: Vec<Nal<'a>>,
    /// Picture parameter sets.
    pub pps: Vec<Nal<'a>>,
}

impl<'a> DecoderConfig<'a> {
    /// Reads the record. What stands behind the parameter sets is for high profiles and ignored.
    ///
    /// # Errors
    /// If it ends early or its version is not 1.
    pub fn parse(record: &'a [u8]) -> Result<DecoderConfig<'a>, Error> {
        let mut cursor = Cursor::new(record);
        if cursor.u8("AVC configuration version")? != 1 {
            return cursor.malformed_before("AVC configuration version");
        }
        let [profile, _compatibility, level] = cursor.array("AVC profile and level")?;
        let length_size = usize::from(cursor.u8("AVC length size")? & 3) + 1;
        if length_size == 3 {
            return cursor.malformed_before("AVC length size");
        }
        let sps = cursor.u8("AVC SPS count")? & 0x1f;
        let sps = parameter_sets(&mut cursor, sps, nal_type::SPS)?;
        let pps = cursor.u8("AVC PPS count")?;
        let pps = parameter_sets(&mut cursor, pps, nal_type::PPS)?;
        Ok(DecoderConfig { profile, level, length_size, sps, pps })
    }
}

fn parameter_sets<'a>(cursor: &mut Cursor<'a>, count: u8, kind: u8) -> Result<Vec<Nal<'a>>, Error> {
    let mut sets = Vec::new();
    for _ in 0..count {
        let length = cursor.u16("AVC parameter set length")?;
        let bytes = cursor.take(length.into(), "AVC parameter set")?;
        match Nal::new(bytes) {
            Some(nal) if nal.kind() == kind => sets.push(nal),
            _ => return cursor.malformed_before("AVC parameter set"),
        }
    }
    Ok(sets)
}
