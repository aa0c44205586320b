use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::{Quality, Received, Score, Timeline, psnr};

/// The size of all pictures of a clip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Samples of luma in a row; even.
    pub width: usize,
    /// Rows; even.
    pub height: usize,
}

impl Picture {
    fn luma(self) -> usize {
        self.width * self.height
    }

    /// As yuv420p.
    fn bytes(self) -> usize {
        self.luma() * 3 / 2
    }
}

/// Why there is no score.
#[derive(Debug, thiserror::Error)]
pub enum QualityError {
    /// FFmpeg could not be run, or its output not be read.
    #[error("ffmpeg: {0}")]
    Io(#[from] io::Error),
    /// The recording is no FLV file.
    #[error("the recording: {0}")]
    Media(#[from] nearcast_media::Error),
    /// Nothing in it tells which part of the clip it is.
    #[error("no picture of the recording is stamped")]
    Unstamped,
    /// FFmpeg says something that cannot be understood.
    #[error("ffmpeg wrote `{0}` where a picture's line was expected")]
    Line(String),
}

/// Scores the recording at `recording` of the clip `clip`. `source` are FFmpeg's arguments for what
/// the encoder was given, such as `-f lavfi -i testsrc2`; it is made again, as it is too large to
/// be kept.
///
/// FFmpeg decodes the recording as it is. Where a picture is missing, the one before is still shown
/// and judged in its place. Only luma counts. Pictures before the first and behind the last one
/// that the recording holds are not judged, for the viewer was not there, and neither are those of
/// its first `unsettled`.
///
/// # Errors
/// If FFmpeg cannot be run or the recording is not of the clip.
pub fn compare(
    recording: &Path,
    clip: &Timeline,
    source: &[String],
    picture: Picture,
    unsettled: Duration,
) -> Result<Quality, QualityError> {
    let received =
        Received::of(&std::fs::read(recording)?, clip)?.ok_or(QualityError::Unstamped)?;
    let from = clip.after(received.first, unsettled);
    let mut original = Frames::of(source, picture)?;
    let places = places(recording, clip, received.shift)?;
    let input = ["-i".to_owned(), recording.display().to_string()];
    let mut decoded = Frames::of(&input, picture)?;
    let mut score = Score::default();
    let (mut truth, mut shown) = (vec![0; picture.bytes()], vec![0; picture.bytes()]);
    let mut any = false;
    let mut next = places.into_iter().peekable();
    for place in 0..=received.last {
        if !original.read(&mut truth)? {
            break;
        }
        let mut fresh = false;
        // A picture that stands nowhere in the clip, or behind its time, is shown for a moment
        // only.
        while let Some(at) = next.next_if(|at| at.is_none_or(|at| at <= place)) {
            if !decoded.read(&mut shown)? {
                break;
            }
            any = true;
            fresh = at == Some(place);
        }
        let Some(layer) = clip.layer(place).filter(|_| any && place >= from) else {
            continue;
        };
        let luma = picture.luma();
        score.add(layer, psnr(&truth[..luma], &shown[..luma]), !fresh);
    }
    Ok(score.quality())
}

/// Where each picture that FFmpeg decodes stands in the clip.
fn places(
    recording: &Path,
    clip: &Timeline,
    shift: i64,
) -> Result<Vec<Option<usize>>, QualityError> {
    let mut command = ffmpeg();
    command.args(["-copyts", "-i"]).arg(recording);
    command.args(["-map", "0:v", "-fps_mode", "passthrough", "-enc_time_base", "1:1000"]);
    command.args(["-f", "framecrc", "-"]);
    let mut child = command.spawn()?;
    let output = child.stdout.take().map(BufReader::new);
    let mut places = Vec::new();
    for line in output.into_iter().flat_map(BufRead::lines) {
        let line = line?;
        if line.starts_with('#') {
            continue;
        }
        // stream, dts, pts, duration, size, checksum
        let time = line.split(',').nth(2).and_then(|field| field.trim().parse::<i64>().ok());
        let time = time.ok_or_else(|| QualityError::Line(line.clone()))?;
        places.push(clip.at(time - shift));
    }
    child.wait()?;
    Ok(places)
}

fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "fatal", "-threads", "1"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

/// Raw pictures out of FFmpeg.
struct Frames {
    child: Child,
    output: ChildStdout,
}

impl Frames {
    fn of(input: &[String], picture: Picture) -> io::Result<Frames> {
        let mut command = ffmpeg();
        command.args(input).args(["-map", "0:v", "-fps_mode", "passthrough"]);
        command.args(["-pix_fmt", "yuv420p", "-s"]);
        command.arg(format!("{}x{}", picture.width, picture.height));
        let mut child = command.args(["-f", "rawvideo", "-"]).spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(Frames { child, output })
    }

    /// The next picture; `false` when there is none.
    fn read(&mut self, into: &mut [u8]) -> io::Result<bool> {
        match self.output.read_exact(into) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // It may still have pictures that nobody wants.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[cfg(test)]
mod tests {
    use nearcast_machine::Time;
    use nearcast_media::{Kind, Layer, Media, Numberer, Unit, flv};

    use super::*;
    use crate::quality::timeline::each_picture;

    const SIZE: Picture = Picture { width: 160, height: 96 };
    const SOURCE: &str =
        "-f lavfi -i testsrc2=size=160x96:rate=30,noise=alls=6:allf=t:all_seed=1 -t 4";

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// `I b B b P`, as the runs' clip; nothing without FFmpeg.
    fn clip(folder: &Path) -> Option<Vec<u8>> {
        let file = folder.join("clip.flv");
        let x264 = "b-pyramid=normal:keyint=64:min-keyint=64:scenecut=0:open-gop=0:ref=1:weightp=0";
        let status = Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error"])
            .args(words(SOURCE))
            .args(words(
                "-pix_fmt yuv420p -c:v libx264 -threads 1 -bf 3 -b_strategy 0 -x264-params",
            ))
            .arg(x264)
            .arg(&file)
            .status();
        match status {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            status => {
                assert!(status.expect("FFmpeg runs").success());
                Some(std::fs::read(file).expect("the clip"))
            }
        }
    }

    /// The clip as a viewer records it who joins with picture `from`, two seconds later by its
    /// clock, and gets what `keeps` lets pass.
    fn record(clip: &[u8], from: u64, keeps: impl Fn(u64, Layer) -> bool) -> Vec<u8> {
        let mut out = flv::HEADER.to_vec();
        let (header, _) = first_header(clip);
        flv::encode_tag(&header, &mut out);
        let (mut numberer, mut frame) = (Numberer::new(9), 0);
        each_picture(clip, |media, _| {
            let media = Media { timestamp: media.timestamp + 2000, ..media };
            let unit = numberer.number(Time::from_nanos(1), media);
            if frame >= from && keeps(frame, unit.layer) {
                flv::encode_tag(&unit.media(), &mut out);
            }
            frame += 1;
        })
        .expect("the clip is sound");
        out
    }

    fn first_header(clip: &[u8]) -> (Media, usize) {
        let mut at = flv::HEADER.len();
        loop {
            let (media, taken) = flv::parse_tag(&clip[at..]).expect("a tag");
            at += taken;
            if let Some(media) = media.filter(|media| media.kind == Kind::Video) {
                assert!(Unit::new(0, 0, media.clone()).header);
                return (media, at);
            }
        }
    }

    #[test]
    fn dropped_layers_cost_what_they_are_and_leave_the_lower_ones_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(clip) = clip(folder.path()) else { return eprintln!("skipped: no ffmpeg") };
        let timeline = Timeline::of(&clip).expect("a clip");
        assert_eq!(timeline.len(), 120);
        let score = |recorded: Vec<u8>| {
            let file = folder.path().join("recording.flv");
            std::fs::write(&file, recorded).expect("a recording");
            compare(&file, &timeline, &words(SOURCE), SIZE, Duration::ZERO).expect("a score")
        };
        let whole = score(record(&clip, 0, |_, _| true));
        assert_eq!((whole.pictures, whole.frozen), (120, 0));
        let all = whole.q.expect("all were judged");
        assert!((25.0..60.0).contains(&all), "{whole:?}");

        let without = score(record(&clip, 0, |_, layer| layer != Layer::Three));
        let plain = (0..120).filter(|at| timeline.layer(*at) == Some(Layer::Three)).count();
        // The last one may stand behind all that the recording holds.
        assert!(without.frozen.abs_diff(plain as u64) <= 1, "{without:?}");
        let near =
            |a: Option<f64>, b: Option<f64>| (a.expect("judged") - b.expect("judged")).abs() < 0.2;
        assert!(near(without.q1, whole.q1) && near(without.q2, whole.q2), "{without:?} {whole:?}");
        assert!(without.q3 < whole.q3.map(|q| q - 3.0), "{without:?}");

        // A viewer that comes with the second group is judged by what there is from there on.
        let late = score(record(&clip, 64, |_, _| true));
        assert_eq!((late.pictures, late.frozen), (56, 0));
        // Nor by what it showed before it had settled.
        let file = folder.path().join("recording.flv");
        let second = Duration::from_secs(1);
        let settled = compare(&file, &timeline, &words(SOURCE), SIZE, second).expect("a score");
        assert_eq!(settled.pictures, 56 - 30);
        // One picture that many depend on is missed in more than itself.
        let lost = score(record(&clip, 0, |frame, _| frame != 64));
        assert!(lost.q1 < whole.q1, "{lost:?}");
        assert!(record(&clip, 0, |_, _| true).len() > clip.len(), "stamps were added");
    }

    #[test]
    fn what_is_not_stamped_cannot_be_placed() {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(clip) = clip(folder.path()) else { return eprintln!("skipped: no ffmpeg") };
        let timeline = Timeline::of(&clip).expect("a clip");
        let file = folder.path().join("clip.flv");
        let refused = compare(&file, &timeline, &words(SOURCE), SIZE, Duration::ZERO);
        assert!(matches!(refused, Err(QualityError::Unstamped)), "{refused:?}");
    }
}
