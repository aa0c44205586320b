use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nearcast_machine::Span;
use nearcast_media::StreamName;
use nearcast_topologies::{Role, Topology};
use socket2::{Domain, Socket, Type};

use super::cast::{self, PeerSettings};
use super::nginx::Cdn;
use crate::Failure;
use crate::measure::Drops;
use crate::result::FolderError;
use crate::world::{Options, Process, Shutdown, World};

/// A world with its controller, CDN and peers up and listening, and nobody publishing or playing
/// yet.
pub(super) struct Stage {
    pub world: World,
    pub broadcaster: String,
    pub cdn: String,
    pub cdn_address: Ipv4Addr,
    pub viewers: Vec<String>,
    pub controller: Process,
    /// The peer of each viewer, in the same order.
    pub viewer_peers: Vec<Process>,
    folder: PathBuf,
}

/// What is put on stage.
pub(super) struct Setup<'a> {
    pub topology: &'a Topology,
    pub key: &'a StreamName,
    /// Where it writes.
    pub folder: &'a Path,
    pub seed: u64,
    /// Whether peers take offers.
    pub peering: bool,
    /// Whether the CDN cuts HLS fragments.
    pub hls: bool,
}

/// How long a program may take until it is ready.
const READY: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(10);

impl Stage {
    /// Builds the world and starts the programs, each once those before it listen.
    pub(super) fn build(
        setup: &Setup<'_>,
        shutdown: Shutdown,
        phase: &dyn Fn(&str),
    ) -> Result<Stage, Failure> {
        let topology = setup.topology;
        let only = |role: Role, name: &str| {
            let host = topology.with_role(role).next();
            host.ok_or_else(|| format!("topology {} has no {name}", topology.name))
        };
        let broadcaster = only(Role::Broadcaster, "broadcaster")?.name.clone();
        let cdn = only(Role::Cdn, "CDN")?.clone();
        let viewers = topology.with_role(Role::Viewer).map(|host| host.name.clone()).collect();
        let events = setup.folder.join("events");
        std::fs::create_dir_all(&events).map_err(FolderError::io(&events))?;

        let (listen, _held) = free_address()?;
        let mut options = Options::new(setup.folder.to_owned());
        options.controller = Some(listen);
        options.seed = setup.seed;
        let world = World::build(topology, &options)?;
        phase("starting controller, CDN and peers");
        let delays = switch_port_delays(&world, topology);
        let journal = events.join("fabric.jsonl");
        let command = cast::controller(listen, cdn.ip, &delays, setup.seed, &journal)?;
        let controller = world.spawn("fabric", command)?;

        let mut stage = Stage {
            world,
            broadcaster,
            cdn: cdn.name,
            cdn_address: cdn.ip,
            viewers,
            controller,
            viewer_peers: Vec::new(),
            folder: setup.folder.to_owned(),
        };
        Cdn { key: setup.key, hls: setup.hls, seed: true }.start(
            &stage.world,
            &stage.cdn,
            &stage.nginx_prefix(),
            shutdown,
        )?;
        let mut peers = vec![stage.start_seed(setup)?, stage.start_broadcaster(setup)?];
        for viewer in stage.viewers.clone() {
            let events = stage.events(&viewer);
            let command = stage.peer(setup, &events).viewer()?;
            let process = stage.world.spawn_in(&viewer, &format!("{viewer}-peer"), command)?;
            stage.viewer_peers.push(process.clone());
            peers.push((process, events));
        }
        let controller = stage.controller.clone();
        for _ in &topology.switches {
            wait_for_event(
                &controller,
                &journal,
                "\"switch_ready\"",
                topology.switches.len(),
                shutdown,
            )?;
        }
        for (process, events) in &peers {
            wait_for_event(process, events, "\"started\"", 1, shutdown)?;
        }
        Ok(stage)
    }

    /// Where the peer of this host writes its events.
    pub(super) fn events(&self, host: &str) -> PathBuf {
        self.folder.join("events").join(format!("{host}.jsonl"))
    }

    /// Where nginx has its files.
    pub(super) fn nginx_prefix(&self) -> PathBuf {
        self.folder.join("nginx")
    }

    fn peer<'a>(&self, setup: &Setup<'_>, events: &'a Path) -> PeerSettings<'a> {
        PeerSettings { cdn: self.cdn_address, peering: setup.peering, events }
    }

    fn start_seed(&self, setup: &Setup<'_>) -> Result<(Process, PathBuf), Failure> {
        let events = self.events(&self.cdn);
        let command = self.peer(setup, &events).seed(setup.key)?;
        Ok((self.world.spawn_in(&self.cdn, "seed", command)?, events))
    }

    fn start_broadcaster(&self, setup: &Setup<'_>) -> Result<(Process, PathBuf), Failure> {
        let events = self.events(&self.broadcaster);
        let command = self.peer(setup, &events).broadcaster()?;
        let name = format!("{}-peer", self.broadcaster);
        Ok((self.world.spawn_in(&self.broadcaster, &name, command)?, events))
    }

    /// Starts a program in a host whose output nobody waits for.
    pub(super) fn start(
        &self,
        host: &str,
        name: &str,
        command: Command,
    ) -> Result<Process, Failure> {
        Ok(self.world.spawn_in(host, name, command)?)
    }
}

/// Waits until `file` has `count` lines with `text`, or says why that will not happen.
pub(crate) fn wait_for_event(
    process: &Process,
    file: &Path,
    text: &str,
    count: usize,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let seen = || {
        let lines = std::fs::read_to_string(file).unwrap_or_default();
        if lines.lines().filter(|line| line.contains(text)).count() >= count {
            return Some(true);
        }
        (!process.is_running()).then_some(false)
    };
    match shutdown.wait_for(READY, LOOK, seen)? {
        Some(true) => Ok(()),
        Some(false) => Err(format!("{} ended: {}", process.name(), process.last_words(400)).into()),
        None => {
            let seconds = READY.as_secs();
            let said = process.last_words(400);
            Err(format!("{} did not say {text} within {seconds} s: {said}", process.name()).into())
        }
    }
}

/// What was dropped so far in places that no topology asks for: in hosts, at switches' ports, and
/// in the link process.
pub(crate) fn unasked_drops(world: &World) -> Drops {
    let mut drops = Drops::backlog();
    for node in world.nodes() {
        let interfaces: Vec<&str> =
            node.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let ours = |name: &str| interfaces.contains(&name);
        match world.in_namespace(&node.name, || Drops::here(&node.name, ours)) {
            Ok(found) => drops.join(found),
            // A switch's ports are in the machine's own namespace, whose sockets are not ours.
            Err(_) => {
                let mut found = Drops::here(&node.name, ours);
                found.0.retain(|place, _| !place.contains(" UDP "));
                drops.join(found);
            }
        }
    }
    if let Ok(stats) = world.links().and_then(|mut links| {
        links.stats().map_err(|error| crate::world::Error::Link(error.to_string()))
    }) {
        for link in stats.links {
            let unasked = |pipe: &nearcast_link::PipeStats| pipe.overrun + pipe.refused;
            drops.0.insert(
                format!("link {}", link.name),
                unasked(&link.a_to_b) + unasked(&link.b_to_a),
            );
        }
    }
    drops
}

/// A port on loopback for the controller, and what has to be kept until it listens there: bound and
/// not listening, so that nobody else is given the port meanwhile.
pub(crate) fn free_address() -> Result<(SocketAddr, Socket), Failure> {
    let held = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    // As the controller's listener has it, both may be bound.
    held.set_reuse_address(true)?;
    held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())
        .map_err(|error| format!("no port is free: {error}"))?;
    let address = held.local_addr()?.as_socket().ok_or("a port of another family")?;
    Ok((address, held))
}

/// What lies behind each switch port, by the port's name in the system: what the controller judges
/// nearness by.
pub(crate) fn switch_port_delays(world: &World, topology: &Topology) -> Vec<(String, Span)> {
    let mut delays = Vec::new();
    for switch in &topology.switches {
        let Ok(node) = world.node(&switch.name) else { continue };
        for link in &topology.links {
            let (Some(params), Some(port)) =
                (link.leaving(&switch.name), topology.interface(&switch.name, link))
            else {
                continue;
            };
            // In the system it has the run's tag before it.
            let named = node.interfaces.iter().find(|interface| interface.name.ends_with(&port));
            delays.extend(named.map(|interface| (interface.name.clone(), params.delay)));
        }
    }
    delays
}
