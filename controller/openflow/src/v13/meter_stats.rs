use nom::number::complete::{be_u16, be_u32, be_u64};

use super::MeterBand;
use crate::layout::{Fixed, layout};
use crate::read::{self, Read, field, pad, prefixed};
use crate::write;

layout! {
    /// Counters of a meter's band (7.3.5.12).
    #[derive(Default)]
    pub BandCounter {
        /// Packets.
        packet_count: u64;
        /// Bytes.
        byte_count: u64;
    }
}

/// Counters of a meter (7.3.5.12).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MeterStats {
    /// Which.
    pub meter_id: u32,
    /// Flow entries that use it.
    pub flow_count: u32,
    /// Packets in.
    pub packet_in_count: u64,
    /// Bytes in.
    pub byte_in_count: u64,
    /// How long it has lived: whole seconds.
    pub duration_sec: u32,
    /// How long it has lived: nanoseconds beyond those.
    pub duration_nsec: u32,
    /// Of each band, in order.
    pub bands: Vec<BandCounter>,
}

impl MeterStats {
    const FIXED: usize = 40;

    pub(super) fn read(input: &[u8]) -> Read<'_, MeterStats> {
        let (meter, rest) = prefixed("meter stats length", 4, input)?;
        let (i, meter_id) = field("meter_id", be_u32, meter)?;
        let (i, ()) = pad(8, i)?;
        let (i, flow_count) = field("flow_count", be_u32, i)?;
        let (i, packet_in_count) = field("packet_in_count", be_u64, i)?;
        let (i, byte_in_count) = field("byte_in_count", be_u64, i)?;
        let (i, duration_sec) = field("duration_sec", be_u32, i)?;
        let (i, duration_nsec) = field("duration_nsec", be_u32, i)?;
        let (_, bands) = read::all(BandCounter::read, i)?;
        Ok((
            rest,
            MeterStats {
                meter_id,
                flow_count,
                packet_in_count,
                byte_in_count,
                duration_sec,
                duration_nsec,
                bands,
            },
        ))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(self.meter_id.to_be_bytes());
        write::zeros(8, out);
        out.extend(self.flow_count.to_be_bytes());
        out.extend(self.packet_in_count.to_be_bytes());
        out.extend(self.byte_in_count.to_be_bytes());
        out.extend(self.duration_sec.to_be_bytes());
        out.extend(self.duration_nsec.to_be_bytes());
        self.bands.iter().for_each(|band| band.write(out));
        write::fill_length(start, start + 4, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + self.bands.len() * BandCounter::LEN
    }
}

/// A meter as the switch holds it (7.3.5.13).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MeterConfig {
    /// See [`meter_flags`](super::meter_flags).
    pub flags: u16,
    /// Which.
    pub meter_id: u32,
    /// Its bands.
    pub bands: Vec<MeterBand>,
}

impl MeterConfig {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, MeterConfig> {
        let (meter, rest) = prefixed("meter config length", 0, input)?;
        let (i, ()) = pad(2, meter)?;
        let (i, flags) = field("flags", be_u16, i)?;
        let (i, meter_id) = field("meter_id", be_u32, i)?;
        let (_, bands) = read::all(MeterBand::read, i)?;
        Ok((rest, MeterConfig { flags, meter_id, bands }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        write::zeros(2, out);
        out.extend(self.flags.to_be_bytes());
        out.extend(self.meter_id.to_be_bytes());
        self.bands.iter().for_each(|band| band.encode(out));
        write::fill_length(start, start, out);
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + MeterBand::list_len(&self.bands)
    }
}

layout! {
    /// What meters a switch can have (7.3.5.14).
    #[derive(Default)]
    pub MeterFeatures {
        /// How many.
        max_meter: u32;
        /// Bit `n`: bands of type `n`.
        band_types: u32;
        /// See [`meter_flags`](super::meter_flags).
        capabilities: u32;
        /// Bands of one meter.
        max_bands: u8;
        /// Colours.
        max_color: u8, pad 2;
    }
}
