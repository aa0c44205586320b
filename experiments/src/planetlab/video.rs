//! How the video looked that peers received.

use std::path::Path;
use std::time::Duration;

use nearcast_machine::Time;
use nearcast_media::{Numberer, flv};

use super::abreast::abreast;
use super::result::MeshRun;
use super::stage::recording;
use crate::Failure;
use crate::clip::LayeredClip;
use crate::quality::{Picture, Quality, Timeline, compare};
use crate::result::FolderError;
use crate::world::Shutdown;

/// The video as it was published, against which recordings are judged.
pub(super) struct Video<'a> {
    layered: &'a LayeredClip,
    data: Vec<u8>,
    timeline: Timeline,
    picture: Picture,
}

/// Messages of the clip that make up what it is worth whole: two groups of pictures and a header.
const SAMPLE: usize = 129;

impl<'a> Video<'a> {
    /// Reads the clip.
    pub(super) fn read(layered: &'a LayeredClip) -> Result<Video<'a>, Failure> {
        let clip = &layered.clip;
        let data = std::fs::read(&clip.file).map_err(FolderError::io(&clip.file))?;
        let timeline = Timeline::of(&data)?;
        let picture =
            Picture { width: clip.facts.width as usize, height: clip.facts.height as usize };
        Ok(Video { layered, data, timeline, picture })
    }

    fn judge(&self, file: &Path, unsettled: Duration) -> Result<Quality, Failure> {
        Ok(compare(file, &self.timeline, &self.layered.original, self.picture, unsettled)?)
    }

    /// What it is worth when all of it arrives.
    pub(super) fn whole(&self, folder: &Path) -> Result<Quality, Failure> {
        let mut out = flv::HEADER.to_vec();
        let mut numberer = Numberer::new(1);
        let mut rest = self.data.get(flv::HEADER.len()..).unwrap_or_default();
        for _ in 0..SAMPLE {
            let (media, taken) = flv::parse_tag(rest)?;
            rest = &rest[taken..];
            if let Some(media) = media {
                flv::encode_tag(&numberer.number(Time::from_nanos(1), media).media(), &mut out);
            }
        }
        let file = folder.join("whole.flv");
        std::fs::write(&file, out).map_err(FolderError::io(&file))?;
        let quality = self.judge(&file, Duration::ZERO);
        std::fs::remove_file(&file).map_err(FolderError::io(&file))?;
        quality
    }

    /// Judges what each peer of a run recorded from `unsettled` on, on all processors, and removes
    /// the recordings. A peer that received nothing that can be placed has no quality.
    pub(super) fn judge_all(
        &self,
        run: &mut MeshRun,
        folder: &Path,
        unsettled: Duration,
        shutdown: Shutdown,
    ) {
        let was_recorded = |at: &usize| recording(folder, &run.peers[*at].host).exists();
        let recorded: Vec<usize> = (0..run.peers.len()).filter(was_recorded).collect();
        let qualities = abreast(&recorded, |&at| {
            let file = recording(folder, &run.peers[at].host);
            let asked = !shutdown.requested();
            let quality = asked.then(|| self.judge(&file, unsettled).ok()).flatten();
            // What it was worth is known; at a minute of a run they are 5 MB each.
            let _ = std::fs::remove_file(&file);
            quality
        });
        for (at, quality) in recorded.into_iter().zip(qualities) {
            run.peers[at].quality = quality;
        }
    }
}
