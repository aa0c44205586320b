//! The world of a run, with everything in it that peers join: controller, CDN, tracker,
//! broadcaster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use nearcast_media::StreamName;
use nearcast_topologies::Topology;

use super::network::{CDN, SEED};
use super::population::Member;
use super::result::Flavour;
use crate::Failure;
use crate::clip::Clip;
use crate::result::FolderError;
use crate::run::{self, Cdn, wait_for_event};
use crate::world::{Options, Process, Shutdown, World, find_program};

/// Where the tracker listens, and the broadcaster for nobody in particular.
const TRACKER_PORT: u16 = 7937;

/// What a run needs to know of where it is.
pub(super) struct Setup<'a> {
    pub(super) topology: &'a Topology,
    pub(super) key: &'a StreamName,
    /// Where everything is written.
    pub(super) folder: &'a Path,
    pub(super) system: Flavour,
    /// What the broadcaster gives.
    pub(super) upload: String,
    /// What every peer goes by.
    pub(super) settings: String,
    pub(super) seed: u64,
}

/// A world in which peers can join.
pub(super) struct Stage<'a> {
    pub(super) world: World,
    setup: Setup<'a>,
    settings: PathBuf,
    /// What runs, by kind of program.
    pub(super) programs: Vec<(&'static str, Process)>,
    broadcaster: Process,
}

impl<'a> Stage<'a> {
    /// Builds the world and starts the programs, each once those before it listen.
    pub(super) fn build(
        setup: Setup<'a>,
        shutdown: Shutdown,
        phase: &dyn Fn(&str),
    ) -> Result<Stage<'a>, Failure> {
        let events = setup.folder.join("events");
        for folder in [&events, &setup.folder.join("recordings")] {
            std::fs::create_dir_all(folder).map_err(FolderError::io(folder))?;
        }
        // Peers are started in the same place, whatever a path is relative to.
        let settings = setup.folder.join("mesh.toml");
        std::fs::write(&settings, &setup.settings).map_err(FolderError::io(&settings))?;

        let (listen, _held) = run::free_address()?;
        let mut options = Options::new(setup.folder.to_owned());
        options.controller = Some(listen);
        options.seed = setup.seed;
        let world = World::build(setup.topology, &options)?;
        phase("starting controller, CDN, tracker and broadcaster");
        let host = |name: &str| setup.topology.host(name).map(|host| host.ip);
        let cdn = host(CDN).ok_or("there is no CDN")?;
        let delays = run::switch_port_delays(&world, setup.topology);
        let journal = events.join("fabric.jsonl");
        let command = run::controller(listen, cdn, &delays, setup.seed, &journal)?;
        let controller = world.spawn("fabric", command)?;
        let serving = Cdn { key: setup.key, hls: false, seed: false };
        let nginx = serving.start(&world, CDN, &setup.folder.join("nginx"), shutdown)?;

        let tracker = SocketAddr::from((cdn, TRACKER_PORT)).to_string();
        let file = events.join("tracker.jsonl");
        let mut command = peer("tracker", &file)?;
        command.args(["--udp", &tracker]);
        let process = world.spawn_in(CDN, "tracker", command)?;
        wait_for_event(&process, &file, "\"started\"", 1, shutdown)?;
        let programs =
            vec![("controller", controller.clone()), ("CDN", nginx), ("tracker", process)];

        let file = events.join(format!("{SEED}.jsonl"));
        let mut command = peer("broadcast", &file)?;
        let peering = if setup.system == Flavour::Switched { "on" } else { "off" };
        command.args(["--cdn", &format!("rtmp://{cdn}"), "--peering", peering]);
        command.args(["--mesh", &tracker, "--upload", &setup.upload]);
        command.args(["--system", setup.system.system().name(), "--settings"]).arg(&settings);
        let broadcaster = world.spawn_in(SEED, "broadcaster", command)?;
        let switches = setup.topology.switches.len();
        wait_for_event(&controller, &journal, "\"switch_ready\"", switches, shutdown)?;
        wait_for_event(&broadcaster, &file, "\"started\"", 1, shutdown)?;
        let mut stage = Stage { world, setup, settings, programs, broadcaster };
        stage.programs.push(("broadcaster", stage.broadcaster.clone()));
        Ok(stage)
    }

    /// Where the peer of this host writes its events.
    pub(super) fn events(&self, host: &str) -> PathBuf {
        self.setup.folder.join("events").join(format!("{host}.jsonl"))
    }

    /// Begins to publish; the stream is there when this returns.
    pub(super) fn publish(&mut self, clip: &Clip, shutdown: Shutdown) -> Result<(), Failure> {
        let command = run::publisher(clip, self.setup.key, run::ffmpeg_bursts());
        let publisher = self.world.spawn_in(SEED, "publisher", command)?;
        let file = self.events(SEED);
        wait_for_event(&self.broadcaster, &file, "\"publish_accepted\"", 1, shutdown)?;
        self.programs.push(("publisher", publisher));
        Ok(())
    }

    /// Starts a peer, which plays at once.
    pub(super) fn join(&mut self, member: &Member) -> Result<(), Failure> {
        let Setup { key, system, topology, .. } = &self.setup;
        let host = |name: &str| topology.host(name).map(|host| host.ip).ok_or("no such host");
        let tracker = SocketAddr::from((host(CDN)?, TRACKER_PORT)).to_string();
        let grouped = *system == Flavour::Switched && member.group.is_some();
        let mut command = peer(if grouped { "view" } else { "mesh" }, &self.events(&member.host))?;
        if grouped {
            command.args(["--cdn", &format!("rtmp://{}", host(CDN)?)]);
            // What comes by the switch is given on by whoever gives at all.
            if member.upload.bits_per_sec() > 0 {
                command.args(["--mesh", &tracker]);
            }
        } else {
            command.args(["--tracker", &tracker]);
        }
        command.args(["--upload", &member.upload.to_string()]);
        command.args(["--system", system.system().name(), "--settings"]).arg(&self.settings);
        if member.recorded {
            let file = recording(self.setup.folder, &member.host);
            command.arg("--record").arg(format!("{key}={}", file.display()));
        } else {
            command.args(["--play", key.as_str()]);
        }
        let process = self.world.spawn_in(&member.host, &member.host, command)?;
        self.programs.push(("peers", process));
        Ok(())
    }
}

/// Where what a peer receives is written.
pub(super) fn recording(folder: &Path, host: &str) -> PathBuf {
    folder.join("recordings").join(format!("{host}.flv"))
}

fn peer(role: &str, events: &Path) -> Result<Command, Failure> {
    let mut command = Command::new(find_program("nearcast-peer")?);
    command.arg(role).arg("--events").arg(events);
    Ok(command)
}
