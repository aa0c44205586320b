use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use super::facts::measure;
use crate::result::ClipFacts;
use crate::world::Shutdown;

/// A clip that is ready to be published.
#[derive(Debug, Clone)]
pub struct Clip {
    /// The FLV file.
    pub file: PathBuf,
    /// What is in it, measured.
    pub facts: ClipFacts,
}

/// Why there is no clip.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// FFmpeg is not there.
    #[error("ffmpeg is not installed, and the clip is made by it; apt install ffmpeg")]
    Missing,
    /// FFmpeg could not do it.
    #[error("ffmpeg could not make the clip: {0}")]
    Encode(String),
    /// The clip is not as the recipe wants it.
    #[error("{path} is not the clip that was asked for: {what}; remove it to make it anew")]
    Unsound {
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The disk said no.
    #[error("{path}: {source}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// The user wants to stop.
    #[error(transparent)]
    Interrupted(#[from] crate::world::Interrupted),
}

const WIDTH: u32 = 704;
const HEIGHT: u32 = 576;
const FPS: u32 = 30;
const GOP: u32 = 64;
const KBITS: u32 = 620;
/// Slices of at most this many bytes, so that with its four-byte length prefix (and the five bytes
/// of AVC header before the first) each fits in one chunk of 1250.
const SLICE: u32 = 1236;
/// Frames of one second at most: an encoder for live streams bounds its bursts, as the network would
/// have to queue them.
const VBV_KBITS: u32 = 660;
const VBV_BUFFER: u32 = 220;

impl Clip {
    /// The clip of at least `seconds`, made now or found where an earlier run has kept it.
    ///
    /// # Errors
    /// If FFmpeg is missing or fails, or the disk does.
    pub fn prepare(seconds: u64, shutdown: Shutdown) -> Result<Clip, ClipError> {
        let arguments = arguments(seconds);
        let recipe = blake3::hash(arguments.join("\0").as_bytes()).to_hex()[..16].to_owned();
        let folder = cache();
        let file = folder.join(format!("clip-{recipe}.flv"));
        if !file.exists() {
            encode(&arguments, &folder, &file, shutdown)?;
        }
        let data =
            fs::read(&file).map_err(|source| ClipError::Io { path: file.clone(), source })?;
        let shape = ClipFacts {
            recipe,
            width: WIDTH,
            height: HEIGHT,
            fps: FPS,
            gop: GOP,
            frames: 0,
            layer_bits_per_s: Vec::new(),
            largest_slice: 0,
        };
        let facts = measure(&data, shape)
            .map_err(|what| ClipError::Unsound { path: file.clone(), what })?;
        Ok(Clip { file, facts })
    }
}

/// FFmpeg's arguments but for the output's name: they are the recipe.
fn arguments(seconds: u64) -> Vec<String> {
    // `I b B b P`: every second frame a plain B, in layer 3; every fourth a reference B, in layer 2.
    // ref=1 is what makes each layer decode bit-exactly without those above it.
    let x264 = format!(
        "b-pyramid=normal:keyint={GOP}:min-keyint={GOP}:scenecut=0:open-gop=0:ref=1:weightp=0:\
         slice-max-size={SLICE}:vbv-maxrate={VBV_KBITS}:vbv-bufsize={VBV_BUFFER}"
    );
    let source =
        format!("testsrc2=size={WIDTH}x{HEIGHT}:rate={FPS},noise=alls=6:allf=t:all_seed=1");
    let text = format!(
        "-f lavfi -i {source} -t {seconds} -pix_fmt yuv420p -c:v libx264 -preset medium -threads 1 -bf 3 \
         -b_strategy 0 -b:v {KBITS}k -x264-params {x264} -an -f flv -flvflags no_duration_filesize"
    );
    text.split_whitespace().map(str::to_owned).collect()
}

/// Where clips are kept.
fn cache() -> PathBuf {
    let own = |name: &str, below: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(|value| Path::new(&value).join(below))
    };
    own("NEARCAST_CACHE", "")
        .or_else(|| own("XDG_CACHE_HOME", "nearcast"))
        .or_else(|| own("HOME", ".cache/nearcast"))
        .unwrap_or_else(|| PathBuf::from("/var/cache/nearcast"))
}

fn encode(
    arguments: &[String],
    folder: &Path,
    file: &Path,
    shutdown: Shutdown,
) -> Result<(), ClipError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ClipError::Io { path, source }
    };
    fs::create_dir_all(folder).map_err(io(folder))?;
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    let mut command = Command::new("ffmpeg");
    command
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
        .args(arguments)
        .arg(&partial);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ClipError::Missing,
        _ => ClipError::Io { path: "ffmpeg".into(), source },
    })?;
    let ended = shutdown.wait_for(
        std::time::Duration::from_secs(600),
        std::time::Duration::from_millis(50),
        || child.try_wait().transpose(),
    );
    let result = match ended {
        Ok(Some(Ok(status))) if status.success() => fs::rename(&partial, file).map_err(io(file)),
        Ok(Some(Ok(status))) => {
            let mut said = String::new();
            if let Some(stderr) = child.stderr.take() {
                // Of what a failed program says, the beginning is enough.
                let _ = io::Read::read_to_string(&mut io::Read::take(stderr, 2000), &mut said);
            }
            Err(ClipError::Encode(if said.trim().is_empty() {
                status.to_string()
            } else {
                said.trim().to_owned()
            }))
        }
        Ok(Some(Err(source))) => Err(ClipError::Io { path: "ffmpeg".into(), source }),
        Ok(None) => Err(ClipError::Encode("it took more than ten minutes".to_owned())),
        Err(interrupted) => Err(interrupted.into()),
    };
    if result.is_err() {
        let _ = child.kill();
        let _ = child.wait();
        let _ = fs::remove_file(&partial);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_cut_as_chunks_want_it_and_decodes_to_known_pictures() {
        let shutdown = Shutdown::handle().expect("an eventfd");
        let clip = match Clip::prepare(5, shutdown) {
            Err(ClipError::Missing) => return eprintln!("skipped: no ffmpeg"),
            other => other.unwrap_or_else(|error| panic!("{error}")),
        };
        let facts = &clip.facts;
        assert_eq!((facts.frames, facts.layer_bits_per_s.len()), (150, 3));
        let total: u64 = facts.layer_bits_per_s.iter().sum();
        assert!((500_000..750_000).contains(&total), "{:?}", facts.layer_bits_per_s);
        assert!(
            facts.largest_slice + 5 <= 1250,
            "{} bytes and the AVC header",
            facts.largest_slice
        );
        let pictures = super::super::Pictures::of_clip(&clip).expect("decoded");
        assert_eq!(pictures.len(), 150);
    }
}
