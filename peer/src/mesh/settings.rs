use std::fs;
use std::net::SocketAddrV4;

use nearcast_engine::mesh::{Settings, System};
use nearcast_machine::Span;
use toml::Table;

use super::{chunks, proof};
use crate::cli::MeshPolicy;
use crate::error::Error;

/// The longest chunk as a live mesh counts it, bytes: with its head and its proof.
pub const MESH_CHUNK_MAX: u16 = (proof::LONGEST + chunks::LONGEST) as u16;

/// How much delay a peer's upload may cause to what else its host sends (RFC 6817: at most 100 ms).
const DELAY_TARGET: Span = Span::from_millis(100);

/// What makes a program that has a stream from elsewhere a source of the mesh.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) settings: Settings,
    /// Nothing for one whom only those ask who know it.
    pub(crate) tracker: Option<SocketAddrV4>,
}

impl Source {
    /// That of a program that has the stream first, or takes it from the switch.
    pub(crate) fn of_publisher(
        tracker: SocketAddrV4,
        policy: &MeshPolicy,
    ) -> Result<Source, Error> {
        let settings = settings(policy, Part::Broadcaster)?;
        Ok(Source { settings, tracker: Some(tracker) })
    }
}

/// Which part a program plays in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Viewer,
    /// The paper's seed.
    Broadcaster,
    /// The fallback of everybody, and so a neighbour of as many as can be.
    CdnSeed,
}

/// The engine's settings: the paper's, with what the file and then the command line say otherwise.
pub(crate) fn settings(policy: &MeshPolicy, part: Part) -> Result<Settings, Error> {
    let (name, text) = match &policy.settings {
        None => ("the command line".to_owned(), String::new()),
        Some(path) => {
            let name = path.display().to_string();
            match fs::read_to_string(path) {
                Ok(text) => (name, text),
                Err(error) => return Err(Error::Settings { name, what: error.to_string() }),
            }
        }
    };
    let told = parse(&text, policy.system, part).and_then(|mut settings| {
        settings.upload = policy.upload.unwrap_or(settings.upload);
        settings.check().map(|()| settings)
    });
    told.map_err(|what| Error::Settings { name, what })
}

/// The settings of a file: `system = "layerp2p"`, and any field of [`Settings`] by its name.
fn parse(text: &str, system: Option<System>, part: Part) -> Result<Settings, String> {
    let mut file: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let named = match file.remove("system") {
        None => None,
        Some(name) => {
            let name = name.as_str().ok_or("system is a name, such as \"layerp2p\"")?;
            Some(name.parse::<System>().map_err(|error| error.to_string())?)
        }
    };
    let system = system.or(named).unwrap_or_default();
    let usual = match part {
        Part::Viewer => Settings::of(system),
        Part::Broadcaster => Settings::source(system),
        Part::CdnSeed => Settings::fallback(system),
    };
    let role = usual.role;
    let mut all =
        Table::try_from(Settings { lc_max: MESH_CHUNK_MAX, delay_target: DELAY_TARGET, ..usual })
            .map_err(|error| error.to_string())?;
    all.extend(file);
    let settings: Settings = all.try_into().map_err(|error| error.to_string())?;
    if settings.lc_max < MESH_CHUNK_MAX {
        return Err(format!("lc_max is {MESH_CHUNK_MAX} at least, a chunk with head and proof"));
    }
    Ok(Settings { role, ..settings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use nearcast_engine::mesh::{Replace, Role};
    use nearcast_machine::Bitrate;

    #[test]
    fn the_paper_is_the_default_and_every_setting_can_be_said() {
        let paper = parse("", None, Part::Viewer).expect("nothing is fine");
        assert_eq!(
            paper,
            Settings { lc_max: MESH_CHUNK_MAX, delay_target: DELAY_TARGET, ..Settings::default() }
        );
        let seed = parse("", None, Part::Broadcaster).expect("nothing is fine");
        assert_eq!(seed.upload, Bitrate::from_bits_per_sec(2_000_000));
        let cdn = parse("", None, Part::CdnSeed).expect("nothing is fine");
        assert_eq!((cdn.neighbours_max, cdn.role), (250, Role::Fallback));
        // What is written out and read again is the same, so no field is out of reach.
        let text = toml::to_string(&Settings { queue: 77, ..paper.clone() }).expect("TOML");
        assert_eq!(parse(&text, None, Part::Viewer), Ok(Settings { queue: 77, ..paper }));
        let text = "system = \"single-layer\"\nlag = \"5s\"\nupload = \"400kbit/s\"";
        let told = parse(text, None, Part::Viewer).expect("a file");
        assert_eq!((told.lag, told.policy.replace), (Span::from_secs(5), Replace::Any));
        let over = parse(text, Some(System::LayerP2p), Part::Viewer).expect("a file");
        assert_eq!(over.policy, System::LayerP2p.policy(), "the command line has the last word");
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, word) in [
            ("lagg = \"5s\"", "lagg"),
            ("lag = \"5 parsecs\"", "parsecs"),
            ("system = \"bittorrent\"", "layerp2p"),
            ("lc_max = 1250", "1395"),
        ] {
            let error = parse(text, None, Part::Viewer).expect_err(text);
            assert!(error.contains(word), "`{text}` says: {error}");
        }
        let few = parse("neighbours_max = 3", None, Part::Viewer).expect("it is read");
        assert!(few.check().is_err_and(|what| what.contains("neighbours_min")));
    }
}
