use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use nearcast_media::h264::{DecoderConfig, avcc, nal_type, with_reordering};
use nearcast_media::{Kind, Media, flv};

use super::recipe::{FPS, GOP, HEIGHT, Partial, SLICE, WIDTH, cache, ffmpeg, to_its_end};
use super::{Clip, ClipError};
use crate::world::Shutdown;

/// The paper's video (Liu et al. IV and V): `I b B b B b B b P`, in layers 1 (I, P), 2 (B, which
/// others refer to) and 3 (b) of about 290, 230 and 100 kbit/s as the mesh carries them; ten
/// seconds of it, over and over.
#[derive(Debug, Clone)]
pub struct LayeredClip {
    /// To be published.
    pub clip: Clip,
    /// What the encoder was given: FFmpeg's arguments for it, as long as the clip.
    pub original: Vec<String>,
}

/// Five groups of pictures: 10.67 s. The paper's sequence had ten.
const PICTURES: usize = 320;
/// The quantisers are fixed, as the paper's were: of P, and how much coarser those of B are. With
/// the stamps, heads and proofs that peers add, this comes to the paper's rates.
const QUANTISERS: &str = "--qp 35 --pbratio 6 --ipratio 1.6 --aq-mode 0";
/// From one P picture to the next.
const STEP: usize = 8;
/// Pictures that come before one that is shown before them: P, and three B.
const REORDERED: u32 = 4;
/// Things that move and turn, before noise that no prediction takes away.
const SOURCE: &str = "testsrc2=size=704x576:rate=30,noise=alls=2:allf=t:all_seed=1";

impl LayeredClip {
    /// The clip of at least `seconds`, made now or found where an earlier run has kept it.
    ///
    /// # Errors
    /// If FFmpeg or x264 is missing or fails, or the disk does.
    pub fn prepare(seconds: u64, shutdown: Shutdown) -> Result<LayeredClip, ClipError> {
        let recipe = [SOURCE, &x264_words(), &types()].join("\0");
        let recipe = blake3::hash(recipe.as_bytes()).to_hex()[..16].to_owned();
        let folder = cache();
        fs::create_dir_all(&folder).map_err(ClipError::io(&folder))?;
        let original = folder.join(format!("layered-{recipe}.yuv"));
        if !original.exists() {
            draw(&original, shutdown)?;
        }
        let encoded = folder.join(format!("layered-{recipe}.flv"));
        if !encoded.exists() {
            encode(&original, &encoded, &folder, shutdown)?;
        }
        let file = folder.join(format!("layered-{recipe}-{seconds}s.flv"));
        if !file.exists() {
            let sequence = Sequence::read(&encoded)?;
            let partial = Partial::of(&file);
            sequence.repeat(seconds, &partial.path).map_err(ClipError::io(&partial.path))?;
            partial.keep_as(&file)?;
        }
        let clip = Clip::measured(file, recipe)?;
        let words = format!(
            "-stream_loop -1 -f rawvideo -pix_fmt yuv420p -video_size {WIDTH}x{HEIGHT} -framerate {FPS} -i"
        );
        let mut words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        words.push(original.display().to_string());
        Ok(LayeredClip { clip, original: words })
    }
}

/// The pictures, as they are: 195 MB, in exchange for which they need not be drawn for every viewer
/// that is judged.
fn draw(original: &Path, shutdown: Shutdown) -> Result<(), ClipError> {
    let partial = Partial::of(original);
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", SOURCE, "-frames:v", &PICTURES.to_string()]);
    command.args(["-pix_fmt", "yuv420p", "-f", "rawvideo"]).arg(&partial.path);
    to_its_end(command, shutdown)?;
    partial.keep_as(original)
}

/// x264 by itself, as FFmpeg cannot tell it the type of each picture. `ref=1` by zone is what makes
/// each layer decode bit-exactly without those above it; a pyramid wants more than one by its own
/// setting, and has it only with a second thread, in which pictures are given their types apart
/// from zones.
fn x264_words() -> String {
    format!(
        "--preset medium --threads 2 {QUANTISERS} --bframes 7 --b-adapt 0 --b-pyramid normal \
         --keyint {GOP} --min-keyint {GOP} --no-scenecut --weightp 0 --no-mbtree --ref 6 \
         --zones 0,99999,ref=1 --slice-max-size {SLICE} --quiet --no-progress --demuxer raw \
         --input-res {WIDTH}x{HEIGHT} --fps {FPS}"
    )
}

/// A line per picture for `--qpfile`: the last of a group is a P, so that none refers to the next
/// group.
fn types() -> String {
    let group = GOP as usize;
    let line = |at: usize| {
        let kind = match at % group {
            0 => 'I',
            in_group if in_group % STEP == 0 || in_group == group - 1 => 'P',
            in_group if in_group % 2 == 0 => 'B',
            _ => 'b',
        };
        format!("{at} {kind} -1\n")
    };
    (0..PICTURES).map(line).collect()
}

fn encode(
    original: &Path,
    encoded: &Path,
    folder: &Path,
    shutdown: Shutdown,
) -> Result<(), ClipError> {
    let partial = Partial::of(encoded);
    let kinds = Partial::of(&folder.join("types.txt"));
    fs::write(&kinds.path, types()).map_err(ClipError::io(&kinds.path))?;
    let mut command = Command::new("x264");
    command.args(x264_words().split_whitespace()).arg("--qpfile").arg(&kinds.path);
    command.args(["--muxer", "flv", "--output"]).arg(&partial.path).arg(original);
    to_its_end(command, shutdown)?;
    partial.keep_as(encoded)
}

/// What x264 made, ready to be repeated.
struct Sequence {
    /// The decoder's configuration, as an RTMP message.
    header: Vec<u8>,
    /// In the order of decoding.
    pictures: Vec<Picture>,
}

struct Picture {
    /// Its place in the order of showing.
    shown: u64,
    keyframe: bool,
    /// NAL units, each behind its length.
    nals: Vec<u8>,
}

impl Sequence {
    fn read(path: &Path) -> Result<Sequence, ClipError> {
        let unsound = |what: &str| ClipError::Unsound { path: path.to_owned(), what: what.into() };
        let data = fs::read(path).map_err(ClipError::io(path))?;
        let mut rest = data.get(flv::HEADER.len()..).ok_or_else(|| unsound("it is no FLV file"))?;
        let mut header = None;
        let mut times = Vec::new();
        let mut pictures = Vec::new();
        while !rest.is_empty() {
            let (media, taken) =
                flv::parse_tag(rest).map_err(|error| unsound(&error.to_string()))?;
            rest = &rest[taken..];
            let Some(Media { timestamp, body, .. }) = media.filter(|m| m.kind == Kind::Video)
            else {
                continue;
            };
            let Some(head) = flv::BodyHeader::parse(Kind::Video, &body) else { continue };
            let payload = &body[head.payload..];
            if head.sequence_header {
                header = Some(configuration(payload).ok_or_else(|| {
                    unsound("its parameter sets do not say how many pictures are reordered")
                })?);
            } else if !payload.is_empty() {
                times.push(i64::from(timestamp) + i64::from(head.composition));
                let nals = slices(payload);
                pictures.push(Picture { shown: 0, keyframe: head.keyframe, nals });
            }
        }
        if pictures.len() != PICTURES {
            return Err(unsound(&format!("it has {} pictures", pictures.len())));
        }
        let mut order = times.clone();
        order.sort_unstable();
        for (picture, time) in pictures.iter_mut().zip(&times) {
            picture.shown = order.partition_point(|other| other < time) as u64;
        }
        let header = header.ok_or_else(|| unsound("it has no parameter sets"))?;
        Ok(Sequence { header, pictures })
    }

    /// Writes whole sequences one behind the other, until there are `seconds`.
    fn repeat(&self, seconds: u64, path: &Path) -> std::io::Result<()> {
        let mut file = BufWriter::new(fs::File::create(path)?);
        let mut head = flv::HEADER;
        // Pictures only.
        head[4] = 1;
        file.write_all(&head)?;
        let mut tag = Vec::new();
        let mut put = |timestamp: u64, body: Vec<u8>| {
            let timestamp = u32::try_from(timestamp).unwrap_or(u32::MAX);
            tag.clear();
            flv::encode_tag(&Media { kind: Kind::Video, timestamp, body: body.into() }, &mut tag);
            file.write_all(&tag)
        };
        put(0, [&[0x17, 0, 0, 0, 0], &self.header[..]].concat())?;
        let length = self.pictures.len() as u64;
        let rounds = (seconds * u64::from(FPS)).div_ceil(length);
        for round in 0..rounds {
            for (at, picture) in self.pictures.iter().enumerate() {
                let decoded = ms(round * length + at as u64);
                let shown = ms(round * length + picture.shown + u64::from(REORDERED));
                let [_, composition @ ..] = ((shown - decoded) as u32).to_be_bytes();
                let kind = if picture.keyframe { 0x17 } else { 0x27 };
                let body = [&[kind, 1], &composition[..], &picture.nals].concat();
                put(decoded, body)?;
            }
        }
        file.flush()
    }
}

/// When the picture of this number has its time, ms.
fn ms(number: u64) -> u64 {
    number * 1000 / u64::from(FPS)
}

/// An AVCDecoderConfigurationRecord whose parameter set says what is reordered; `None` if it
/// cannot.
fn configuration(record: &[u8]) -> Option<Vec<u8>> {
    let config = DecoderConfig::parse(record).ok()?;
    let (&[sps], &[pps]) = (&config.sps[..], &config.pps[..]) else { return None };
    let sps = with_reordering(sps, REORDERED)?;
    // Up to the number of sequence parameter sets it stays as it is.
    let mut out = record.get(..6)?.to_vec();
    out.extend((sps.len() as u16).to_be_bytes());
    out.extend(&sps);
    out.push(1);
    out.extend((pps.bytes().len() as u16).to_be_bytes());
    out.extend(pps.bytes());
    // What high profiles say behind.
    let read = 6 + 2 + config.sps[0].bytes().len() + 1 + 2 + pps.bytes().len();
    out.extend(record.get(read..)?);
    Some(out)
}

/// The slices alone: what x264 says about itself is no picture.
fn slices(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len());
    for range in avcc(payload, 4) {
        let nal = &payload[range];
        let kind = nal.first().map(|first| first & 0x1f);
        if matches!(kind, Some(nal_type::SLICE | nal_type::IDR)) {
            out.extend((nal.len() as u32).to_be_bytes());
            out.extend(nal);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quality::{Picture as Size, Timeline, compare};
    use std::time::Duration;

    use nearcast_machine::Time;
    use nearcast_media::{Layer, Numberer};

    #[test]
    fn types_are_the_papers_and_each_group_is_closed() {
        let types = types();
        let kinds: String = types.lines().filter_map(|line| line.chars().nth_back(3)).collect();
        assert_eq!(&kinds[..17], "IbBbBbBbPbBbBbBbP");
        assert_eq!(&kinds[56..66], "PbBbBbBPIb");
        assert_eq!(kinds.len(), PICTURES);
    }

    #[test]
    fn the_clip_has_the_papers_layers_and_shows_every_picture_in_its_place() {
        let shutdown = Shutdown::handle().expect("an eventfd");
        let layered = match LayeredClip::prepare(12, shutdown) {
            Err(ClipError::Missing(program)) => return eprintln!("skipped: no {program}"),
            other => other.unwrap_or_else(|error| panic!("{error}")),
        };
        let facts = &layered.clip.facts;
        assert_eq!(facts.frames, 2 * PICTURES as u64, "whole sequences");
        // Less what peers add: the paper's 290, 230 and 100 kbit/s.
        for (rate, ours) in facts.layer_bits_per_s.iter().zip([245_000.0, 174_000.0, 95_000.0]) {
            let off = *rate as f64 / ours - 1.0;
            assert!(off.abs() < 0.05, "{:?}", facts.layer_bits_per_s);
        }
        assert!(facts.largest_slice + 5 <= 1250);

        let data = fs::read(&layered.clip.file).expect("the clip");
        let timeline = Timeline::of(&data).expect("a clip");
        let shown: Vec<u8> =
            (0..9).filter_map(|at| timeline.layer(at)).map(Layer::number).collect();
        assert_eq!(shown, [1, 3, 2, 3, 2, 3, 2, 3, 1]);

        // Once round, as a viewer gets it who gets all: the picture in each place is the
        // original's.
        let folder = tempfile::tempdir().expect("a folder");
        let recording = folder.path().join("all.flv");
        let mut out = flv::HEADER.to_vec();
        let mut numberer = Numberer::new(1);
        let mut rest = &data[flv::HEADER.len()..];
        for _ in 0..=128 {
            let (media, taken) = flv::parse_tag(rest).expect("a tag");
            rest = &rest[taken..];
            let unit = numberer.number(Time::from_nanos(1), media.expect("pictures only"));
            flv::encode_tag(&unit.media(), &mut out);
        }
        fs::write(&recording, out).expect("written");
        let size = Size { width: WIDTH as usize, height: HEIGHT as usize };
        let quality = compare(&recording, &timeline, &layered.original, size, Duration::ZERO)
            .expect("judged");
        assert_eq!((quality.pictures, quality.frozen), (128, 0), "{quality:?}");
        assert!(quality.q.is_some_and(|q| q > 30.0), "{quality:?}");
    }
}
