use nom::number::complete::{be_u8, be_u16, be_u32};

use crate::layout::{Fixed, open_enum};
use crate::read::{self, Fault, Read, field, pad};
use crate::write;

/// Meters that are none (`OFPM_*`).
pub mod meter_number {
    /// The highest number that a meter can have.
    pub const MAX: u32 = 0xffff_0000;
    /// Packets that a slow data path handles.
    pub const SLOWPATH: u32 = 0xffff_fffd;
    /// Packets to the controller.
    pub const CONTROLLER: u32 = 0xffff_fffe;
    /// All meters, in requests and deletions.
    pub const ALL: u32 = 0xffff_ffff;
}

/// Bits of [`MeterMod::flags`] (`OFPMF_*`).
pub mod meter_flags {
    /// Rates are in kbit/s.
    pub const KBPS: u16 = 1 << 0;
    /// Rates are in packets/s.
    pub const PKTPS: u16 = 1 << 1;
    /// Bands have a burst size.
    pub const BURST: u16 = 1 << 2;
    /// Count.
    pub const STATS: u16 = 1 << 3;
}

open_enum! {
    /// What a meter-mod does (`OFPMC_*`).
    MeterCommand: u16 {
        /// Makes a new meter.
        Add = 0,
        /// Changes a meter.
        Modify = 1,
        /// Deletes meters.
        Delete = 2,
    }
}

/// What happens to packets beyond a rate (7.3.4.4). Rates and bursts are in kbit/s and kbit, or in
/// packets/s and packets, as the meter's flags say.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum MeterBand {
    /// They are dropped.
    Drop {
        /// The rate.
        rate: u32,
        /// How much at once it lets through.
        burst: u32,
    },
    /// Their drop precedence grows.
    DscpRemark {
        /// The rate.
        rate: u32,
        /// How much at once it lets through.
        burst: u32,
        /// By so much.
        prec_level: u8,
    },
    /// An experimenter's band, as it came.
    Experimenter {
        /// The rate.
        rate: u32,
        /// How much at once it lets through.
        burst: u32,
        /// Who defined it.
        experimenter: u32,
        /// What follows.
        data: Vec<u8>,
    },
    /// A band of a type that this codec does not know, as it came.
    Unknown {
        /// Its type.
        kind: u16,
        /// What follows type and length.
        body: Vec<u8>,
    },
}

impl MeterBand {
    pub(super) fn read(input: &[u8]) -> Read<'_, MeterBand> {
        let (rest, (kind, body)) = read::sized("meter band length", input)?;
        if !matches!(kind, 1 | 2 | 0xffff) {
            return Ok((rest, MeterBand::Unknown { kind, body: body.to_vec() }));
        }
        let (i, rate) = field("rate", be_u32, body)?;
        let (i, burst) = field("burst_size", be_u32, i)?;
        let (i, band) = match kind {
            1 => pad(4, i).map(|(i, ())| (i, MeterBand::Drop { rate, burst }))?,
            2 => {
                let (i, prec_level) = field("prec_level", be_u8, i)?;
                let (i, ()) = pad(3, i)?;
                (i, MeterBand::DscpRemark { rate, burst, prec_level })
            }
            _ => {
                let (data, experimenter) = field("experimenter", be_u32, i)?;
                let data = data.to_vec();
                (&[][..], MeterBand::Experimenter { rate, burst, experimenter, data })
            }
        };
        if !i.is_empty() {
            return Err(Fault::at(i, "meter band length"));
        }
        Ok((rest, band))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let kind = match self {
            MeterBand::Drop { .. } => 1,
            MeterBand::DscpRemark { .. } => 2,
            MeterBand::Experimenter { .. } => 0xffff,
            MeterBand::Unknown { kind, .. } => *kind,
        };
        out.extend(kind.to_be_bytes());
        write::zeros(2, out);
        if let MeterBand::Drop { rate, burst }
        | MeterBand::DscpRemark { rate, burst, .. }
        | MeterBand::Experimenter { rate, burst, .. } = self
        {
            out.extend(rate.to_be_bytes());
            out.extend(burst.to_be_bytes());
        }
        match self {
            MeterBand::Drop { .. } => write::zeros(4, out),
            MeterBand::DscpRemark { prec_level, .. } => out.extend([*prec_level, 0, 0, 0]),
            MeterBand::Experimenter { experimenter, data, .. } => {
                out.extend(experimenter.to_be_bytes());
                out.extend(data);
            }
            MeterBand::Unknown { body, .. } => out.extend(body),
        }
        write::fill_length(start, start + 2, out);
    }

    fn encoded_len(&self) -> usize {
        match self {
            MeterBand::Drop { .. } | MeterBand::DscpRemark { .. } => 16,
            MeterBand::Experimenter { data, .. } => 16 + data.len(),
            MeterBand::Unknown { body, .. } => 4 + body.len(),
        }
    }

    pub(super) fn list_len(bands: &[MeterBand]) -> usize {
        bands.iter().map(MeterBand::encoded_len).sum()
    }
}

/// A change to the meters (7.3.4.4).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MeterMod {
    /// What to do.
    pub command: MeterCommand,
    /// See [`meter_flags`].
    pub flags: u16,
    /// Which meter; [`meter_number::ALL`] in deletions.
    pub meter_id: u32,
    /// Its bands; none in deletions.
    pub bands: Vec<MeterBand>,
}

impl MeterMod {
    const FIXED: usize = 8;

    pub(super) fn read(input: &[u8]) -> Read<'_, MeterMod> {
        let (i, command) = field("command", MeterCommand::read, input)?;
        let (i, flags) = field("flags", be_u16, i)?;
        let (i, meter_id) = field("meter_id", be_u32, i)?;
        let (i, bands) = read::all(MeterBand::read, i)?;
        Ok((i, MeterMod { command, flags, meter_id, bands }))
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        self.command.write(out);
        out.extend(self.flags.to_be_bytes());
        out.extend(self.meter_id.to_be_bytes());
        self.bands.iter().for_each(|band| band.encode(out));
    }

    pub(super) fn encoded_len(&self) -> usize {
        Self::FIXED + MeterBand::list_len(&self.bands)
    }
}
