//! A mesh in a [`World`].

use std::fs;
use std::path::Path;
use std::time::Duration;

use nearcast_peer::events::{Event, Frame};
use nearcast_peer::status::{MeshStatus, Status};

use super::{Peer, Program, World, checksums, http};

pub(crate) const SOON: Duration = Duration::from_secs(20);
pub(crate) const LATER: Duration = Duration::from_secs(60);

/// The paper's mesh in a hurry.
pub(crate) const SETTINGS: &str = r#"
    lag = "6s"
    round = "500ms"
    piggyback = "50ms"
    too_late = "300ms"
    fetch = "1500ms"
    neighbours_min = 3
    neighbours_max = 6
    adapt = "5s"
    silence = "3s"
    announce_again = "1s"
"#;

/// A world with a tracker, the CDN that a broadcaster wants, and settings that all share.
pub(crate) struct Mesh {
    pub(crate) world: World,
    pub(crate) settings: String,
    pub(crate) tracker: Option<Peer>,
    _nginx: Program,
}

impl Mesh {
    /// `callbacks`: the seed is asked about publishers, and has to be there.
    pub(crate) fn new(callbacks: bool) -> Mesh {
        Mesh::with(callbacks, SETTINGS)
    }

    /// One that has twenty rounds to find what it lacks.
    pub(crate) fn patient() -> Mesh {
        let settings = SETTINGS.replace("lag = \"6s\"", "lag = \"10s\"");
        assert_ne!(settings, SETTINGS);
        Mesh::with(false, &settings)
    }

    fn with(callbacks: bool, text: &str) -> Mesh {
        let world = World::new();
        let nginx = world.nginx(callbacks);
        let settings = world.folder.path().join("mesh.toml");
        fs::write(&settings, text).expect("the settings");
        let host = world.host(4);
        let (udp, http) = (format!("{host}:7937"), format!("{host}:7938"));
        let tracker = world.peer("tracker", "tracker", &["--udp", &udp, "--http", &http]);
        let settings = settings.to_str().expect("a path").to_owned();
        Mesh { world, settings, tracker: Some(tracker), _nginx: nginx }
    }

    pub(crate) fn tracker_address(&self) -> String {
        format!("{}:7937", self.world.host(4))
    }

    pub(crate) fn broadcaster(&self, more: &[&str]) -> Peer {
        let tracker = self.tracker_address();
        let own = ["--mesh", &tracker, "--settings", &self.settings];
        self.world.broadcaster(&[&own, more].concat())
    }

    /// A viewer at host `n` that plays these streams by itself.
    pub(crate) fn viewer(&self, n: u8, streams: &[&str], more: &[&str]) -> Peer {
        let (host, tracker) = (self.world.host(n), self.tracker_address());
        let (udp, rtmp, http) =
            (format!("{host}:7935"), format!("{host}:1935"), format!("{host}:8080"));
        let mut arguments = vec!["--tracker", &tracker, "--settings", &self.settings];
        arguments.extend(["--udp", &udp, "--listen", &rtmp, "--http", &http]);
        arguments.extend(streams.iter().flat_map(|stream| ["--play", stream]));
        arguments.extend(more);
        self.world.peer("mesh", &format!("viewer{n}"), &arguments)
    }

    pub(crate) fn status(&self, n: u8) -> Status {
        let (line, body) = http(self.world.host(n), 8080, "GET /status");
        assert!(line.contains("200"), "{line}");
        serde_json::from_str(&body).expect("a status")
    }

    pub(crate) fn whole(&self, clip: &Path) -> Vec<String> {
        checksums(&self.world.play(clip.to_str().expect("a path")).finish(LATER).1)
    }
}

pub(crate) fn mesh_of(status: &Status, stream: &str) -> MeshStatus {
    let found = status.streams.iter().find(|known| known.stream == stream);
    found.expect("it is played").mesh.clone().expect("in the mesh")
}

/// The numbers of the frames that were released of a stream.
pub(crate) fn numbers(peer: &Peer, stream: &str) -> Vec<u64> {
    let of = |(_, frame): (u64, Frame)| (frame.stream == stream).then_some(frame.frame);
    peer.frames().into_iter().filter_map(of).collect()
}

pub(crate) fn is_torn(peer: &Peer) -> bool {
    peer.events().iter().any(|record| matches!(record.event, Event::Torn { .. }))
}
