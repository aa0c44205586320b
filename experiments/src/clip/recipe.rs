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
    /// The encoder is not there.
    #[error("{0} is not installed, and the clip is made by it; apt install {0}")]
    Missing(String),
    /// The encoder could not do it.
    #[error("{program} could not make the clip: {what}")]
    Encode {
        /// Which one.
        program: String,
        /// What it said.
        what: String,
    },
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

impl ClipError {
    /// An error of the disk's at `path`.
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> ClipError {
        let path = path.to_owned();
        move |source| ClipError::Io { path, source }
    }
}

pub(super) const WIDTH: u32 = 704;
pub(super) const HEIGHT: u32 = 576;
pub(super) const FPS: u32 = 30;
pub(super) const GOP: u32 = 64;
const KBITS: u32 = 620;
/// Slices of at most this many bytes, so that with its four-byte length prefix (and the five bytes
/// of AVC header before the first) each fits in one chunk of 1250.
pub(super) const SLICE: u32 = 1236;
/// Frames of one second at most: an encoder for live streams bounds its bursts, as the network
/// would have to queue them.
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
        Clip::measured(file, recipe)
    }

    /// The clip in `file`, looked at.
    pub(super) fn measured(file: PathBuf, recipe: String) -> Result<Clip, ClipError> {
        let data = fs::read(&file).map_err(ClipError::io(&file))?;
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
    // `I b B b P`: every second frame a plain B, in layer 3; every fourth a reference B, in layer
    // 2. ref=1 is what makes each layer decode bit-exactly without those above it.
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
pub(super) fn cache() -> PathBuf {
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
    fs::create_dir_all(folder).map_err(ClipError::io(folder))?;
    let partial = Partial::of(file);
    let mut command = ffmpeg();
    command.args(arguments).arg(&partial.path);
    to_its_end(command, shutdown)?;
    partial.keep_as(file)
}

/// FFmpeg, which says only what went wrong.
pub(super) fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    command
}

/// A file that is being written; gone when this is, unless it was kept.
pub(super) struct Partial {
    pub(super) path: PathBuf,
}

impl Partial {
    /// What will be `file`, beside it, as two runs may make it at once.
    pub(super) fn of(file: &Path) -> Partial {
        let ending = file.extension().unwrap_or_default().to_string_lossy();
        Partial { path: file.with_extension(format!("{}.partial.{ending}", std::process::id())) }
    }

    /// It is whole.
    pub(super) fn keep_as(self, file: &Path) -> Result<(), ClipError> {
        fs::rename(&self.path, file).map_err(ClipError::io(file))
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // It is not there any more once it was kept.
        let _ = fs::remove_file(&self.path);
    }
}

/// Runs an encoder to its end.
pub(super) fn to_its_end(mut command: Command, shutdown: Shutdown) -> Result<(), ClipError> {
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
    let mut child = child.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => ClipError::Missing(program.clone()),
        _ => ClipError::Io { path: program.clone().into(), source },
    })?;
    // Read beside it: what a talkative encoder says must not fill the pipe, and the end says most.
    let stderr = child.stderr.take();
    let listener = std::thread::spawn(move || {
        let mut said = Vec::new();
        if let Some(mut stderr) = stderr {
            let _ = io::Read::read_to_end(&mut stderr, &mut said);
        }
        let from = said.len().saturating_sub(2000);
        String::from_utf8_lossy(&said[from..]).trim().to_owned()
    });
    let ended = shutdown.wait_for(
        std::time::Duration::from_secs(600),
        std::time::Duration::from_millis(50),
        || child.try_wait().transpose(),
    );
    if !matches!(ended, Ok(Some(Ok(_)))) {
        let _ = child.kill();
        let _ = child.wait();
    }
    let said = listener.join().unwrap_or_default();
    let failed = |what: String| Err(ClipError::Encode { program: program.clone(), what });
    match ended? {
        Some(Ok(status)) if status.success() => Ok(()),
        Some(Ok(status)) if said.is_empty() => failed(status.to_string()),
        Some(Ok(_)) => failed(said),
        Some(Err(source)) => Err(ClipError::Io { path: program.into(), source }),
        None => failed("it took more than ten minutes".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clip_is_cut_as_chunks_want_it_and_decodes_to_known_pictures() {
        let shutdown = Shutdown::handle().expect("an eventfd");
        let clip = match Clip::prepare(5, shutdown) {
            Err(ClipError::Missing(_)) => return eprintln!("skipped: no ffmpeg"),
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
