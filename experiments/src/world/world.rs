use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use nearcast_bridge::{FailMode, Kind, Links, Net, Node};
use nearcast_link::{Client, LinkName};
use nearcast_topologies::Topology;

use super::namespace::Namespace;
use super::process::{Launch, Spawner, stop_all};
use super::programs;
use super::registry::{self, Identity, RUN_VARIABLE, Registry};
use super::shutdown::{Shield, Shutdown};
use super::sweep::remove_all;
use super::{Datapath, Error, Process, Removed, ovs};

/// What the link process is called.
const LINKS: &str = "link";
/// How long the link process may take until it listens.
const LINK_START: Duration = Duration::from_secs(10);

/// How a world is built.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run's folder; what processes say goes to `logs/` in it.
    pub folder: PathBuf,
    /// The controller that the switches connect to, in the machine's own namespace. Without one
    /// they are plain learning switches.
    pub controller: Option<SocketAddr>,
    /// What the links are made of.
    pub links: LinkKind,
    /// Where the switches forward; what [`Datapath::detect`] says if `None`.
    pub datapath: Option<Datapath>,
    /// What the links draw their randomness from.
    pub seed: u64,
    /// Is told what changes the machine beyond this world.
    pub tell: fn(&str),
}

/// What links are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// Ours: TAP devices and one process for all links.
    #[default]
    Tap,
    /// Mininet's TCLink: veth pairs with the kernel's `sch_netem`, where that exists.
    Tc,
}

impl Options {
    /// The defaults, for a run that writes to `folder`.
    pub fn new(folder: PathBuf) -> Options {
        Options {
            folder,
            controller: None,
            links: LinkKind::Tap,
            datapath: None,
            seed: 0,
            tell: |line| eprintln!("{line}"),
        }
    }
}

/// Hosts, switches and links that exist while this value does. See the [module](super).
///
/// It can be shared between threads. Dropping it takes everything down; [`close`](World::close)
/// does the same and says how it went.
pub struct World {
    topology: Topology,
    datapath: Datapath,
    logs: PathBuf,
    registry: Registry,
    spawner: Spawner,
    processes: Mutex<Vec<Process>>,
    hosts: Vec<(String, Namespace)>,
    nodes: Vec<Node>,
    net: Option<Net>,
    links: Option<Mutex<Client>>,
}

impl World {
    /// Builds the world; what was made is removed again if something fails. Ctrl-C while it is
    /// being built is an error too.
    ///
    /// # Errors
    /// Whatever is missing on this machine, or refused by it, in a sentence.
    pub fn build(topology: &Topology, options: &Options) -> Result<World, Error> {
        require_root("an emulated network")?;
        let shutdown = Shutdown::handle()?;
        let logs = options.folder.join("logs");
        fs::create_dir_all(&logs).map_err(Error::system(format!("make {}", logs.display())))?;
        // Refused before anything is made, as a full disk would otherwise show as a dozen odd
        // errors.
        let probe = logs.join(".probe");
        fs::write(&probe, [0; 4096])
            .and_then(|()| fs::remove_file(&probe))
            .map_err(Error::system(format!("write to {}", logs.display())))?;

        if ovs::start()? {
            (options.tell)("started Open vSwitch; `nearcast clean` stops it again");
        }
        let datapath = options.datapath.unwrap_or_else(Datapath::detect);
        shutdown.check()?;

        let mut world = World {
            topology: topology.clone(),
            datapath,
            logs,
            registry: Registry::claim()?,
            spawner: Spawner::new()?,
            processes: Mutex::default(),
            hosts: Vec::new(),
            nodes: Vec::new(),
            net: None,
            links: None,
        };
        // From here on `world` is dropped on the way out of an error, which removes what was made.
        let links = match options.links {
            LinkKind::Tap => Links::Tap(world.start_links(options.seed, shutdown)?),
            LinkKind::Tc => Links::Tc,
        };
        shutdown.check()?;
        world.build_net(links, options.controller)?;
        shutdown.check()?;
        Ok(world)
    }

    /// What it was built from.
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Where its switches forward.
    pub fn datapath(&self) -> Datapath {
        self.datapath
    }

    /// Hosts and switches as they were built, with their interfaces' names in the system.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// A host or a switch by its name in the topology.
    pub fn node(&self, name: &str) -> Result<&Node, Error> {
        let unknown = || Error::Unknown { what: "host or switch", name: name.to_owned() };
        self.nodes.iter().find(|node| node.name == name).ok_or_else(unknown)
    }

    /// The bridge in Open vSwitch that a switch of the topology is.
    pub fn bridge(&self, switch: &str) -> Result<String, Error> {
        self.node(switch)?;
        Ok(format!("{}{switch}", self.registry.entry().tag))
    }

    /// Starts `command` in `host`, as a process group of its own. Its standard output and error go
    /// to `NAME.out` and `NAME.err` in the run's `logs/`; its standard input is empty.
    ///
    /// # Errors
    /// If there is no such host or program.
    pub fn spawn_in(&self, host: &str, name: &str, command: Command) -> Result<Process, Error> {
        self.launch(Some(self.namespace(host)?), name, command)
    }

    /// Starts `command` outside of all hosts, otherwise like [`spawn_in`](World::spawn_in).
    pub fn spawn(&self, name: &str, command: Command) -> Result<Process, Error> {
        self.launch(None, name, command)
    }

    /// Runs `work` on a thread inside `host`'s network namespace. Sockets that it opens stay there,
    /// wherever they are used afterwards.
    pub fn in_namespace<T: Send>(
        &self,
        host: &str,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        self.namespace(host)?.run(work)
    }

    /// The link process, for statistics and for changing links while the world runs. Links are
    /// called as in the topology.
    ///
    /// # Errors
    /// If the links are [`LinkKind::Tc`], which have no such process.
    pub fn links(&self) -> Result<MutexGuard<'_, Client>, Error> {
        let none = || Error::Link("the links are the kernel's, so there is none".to_owned());
        let links = self.links.as_ref().ok_or_else(none)?;
        Ok(links.lock().unwrap_or_else(|poison| poison.into_inner()))
    }

    /// The number of the link process; none where the links are the kernel's.
    pub fn link_process(&self) -> Option<u32> {
        self.processes().iter().find(|process| process.name() == LINKS).map(Process::pid)
    }

    /// Plugs a link in, or pulls it.
    pub fn set_link_up(&self, link: &str, up: bool) -> Result<(), Error> {
        let name = self.link_name(link)?;
        self.links()?.set_up(&name, up).map_err(|error| Error::Link(error.to_string()))
    }

    /// Changes some parameters of both directions of a link, given as an object with fields of
    /// [`LinkParams`](nearcast_link::LinkParams).
    pub fn set_link(&self, link: &str, params: serde_json::Value) -> Result<(), Error> {
        let name = self.link_name(link)?;
        self.links()?.set(&name, params).map_err(|error| Error::Link(error.to_string()))
    }

    /// Takes everything down and says what had to be removed because it did not go by itself,
    /// which is nothing if all is well.
    pub fn close(mut self) -> Result<Removed, Error> {
        self.take_down()
    }

    /// Starts the link process and waits until it answers; the path of its socket.
    fn start_links(&mut self, seed: u64, shutdown: Shutdown) -> Result<PathBuf, Error> {
        let entry = self.registry.entry();
        let folder = Path::new(registry::RUN_FOLDER).join(&entry.run);
        self.registry.note(|entry| entry.folders.push(folder.clone()))?;
        fs::create_dir_all(&folder).map_err(Error::system(format!("make {}", folder.display())))?;
        let socket = folder.join("link.sock");

        let mut command = Command::new(programs::find("nearcast-link")?);
        command.arg("run").arg("--socket").arg(&socket).args(["--seed", &seed.to_string()]);
        let process = self.spawn(LINKS, command)?;
        let answers = || match Client::connect(&socket) {
            Ok(client) => Some(Some(client)),
            Err(_) => (!process.is_running()).then_some(None),
        };
        let client = shutdown.wait_for(LINK_START, Duration::from_millis(5), answers)?;
        match client {
            Some(Some(client)) => self.links = Some(Mutex::new(client)),
            Some(None) => return Err(Error::Link(process.last_words(500))),
            None => {
                let what = "the link process did not answer".to_owned();
                return Err(Error::Late { what, seconds: LINK_START.as_secs() });
            }
        }
        Ok(socket)
    }

    fn build_net(&mut self, links: Links, controller: Option<SocketAddr>) -> Result<(), Error> {
        let entry = self.registry.entry();
        let tag = &entry.tag;
        let topology = &self.topology;
        let interfaces = topology.links.iter().flat_map(|link| {
            [&link.a, &link.b]
                .map(|end| topology.interface(end, link).map(|name| format!("{tag}{name}")))
        });
        self.registry.note(|entry| {
            entry.interfaces.extend(interfaces.flatten());
            entry.bridges.extend(topology.switches.iter().map(|s| format!("{tag}{}", s.name)));
        })?;

        // Mininet's shells inherit it, which is how they are known as this run's.
        let options = nearcast_bridge::Options {
            tag: tag.clone(),
            links,
            user_datapath: self.datapath == Datapath::User,
            fail_mode: controller.map_or(FailMode::Standalone, |_| FailMode::Secure),
            controller,
            environment: vec![(RUN_VARIABLE.to_owned(), entry.run.clone())],
        };
        let net = self.net.insert(Net::build(topology, &options)?);
        self.nodes = net.nodes().to_vec();
        let hosts = self.nodes.iter().filter(|node| node.kind == Kind::Host);
        let namespaces = hosts.map(|node| Ok((node.name.clone(), Namespace::of(node.pid)?)));
        self.hosts = namespaces.collect::<Result<_, Error>>()?;
        let inodes = self.hosts.iter().map(|(_, namespace)| namespace.inode());
        let inodes = inodes.collect::<Result<Vec<_>, Error>>()?;
        let shells = self.nodes.iter().filter_map(|node| Identity::of(node.pid as i32));
        self.registry.note(|entry| {
            entry.namespaces.extend(inodes);
            entry.processes.extend(shells);
        })?;
        net.start()?;
        Ok(())
    }

    fn launch(
        &self,
        namespace: Option<&Namespace>,
        name: &str,
        mut command: Command,
    ) -> Result<Process, Error> {
        command.env(RUN_VARIABLE, &self.registry.entry().run);
        let launch = Launch { name, namespace, logs: &self.logs };
        let process = self.spawner.spawn(&launch, command)?;
        self.processes().push(process.clone());
        let identity = Identity::of(process.pid() as i32);
        self.registry.note(|entry| entry.processes.extend(identity))?;
        Ok(process)
    }

    fn namespace(&self, host: &str) -> Result<&Namespace, Error> {
        let unknown = || Error::Unknown { what: "host", name: host.to_owned() };
        self.hosts.iter().find(|(name, _)| name == host).map(|(_, ns)| ns).ok_or_else(unknown)
    }

    fn link_name(&self, link: &str) -> Result<LinkName, Error> {
        let unknown = || Error::Unknown { what: "link", name: link.to_owned() };
        let known = self.topology.links.iter().find(|known| known.name == link);
        known.and_then(|link| link.name.parse().ok()).ok_or_else(unknown)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(|poison| poison.into_inner())
    }

    /// Goes through to the end whatever fails on the way, and returns the first failure.
    fn take_down(&mut self) -> Result<Removed, Error> {
        let _shield = Shield::raise();
        let mut processes = std::mem::take(&mut *self.processes());
        // The link process goes last, since Mininet asks it to remove the links.
        let split = processes.iter().position(|process| process.name() == LINKS);
        let link = split.map(|at| processes.remove(at));

        let stopped = stop_all(&processes);
        let net = self.net.take().map_or(Ok(()), Net::stop);
        let links = self.links.take().map(|client| client.into_inner());
        drop(links);
        let link = stop_all(link.as_slice());
        self.hosts.clear();
        for folder in &self.registry.entry().folders {
            // If it cannot be removed, the next line says so.
            let _ = fs::remove_dir_all(folder);
        }

        let left = remove_all(&self.registry.entry());
        let forgotten = match &left {
            Ok(_) => fs::remove_file(self.registry.path())
                .map_err(Error::system(format!("remove {}", self.registry.path().display()))),
            Err(_) => Ok(()),
        };
        stopped?;
        net?;
        link?;
        let left = left?;
        forgotten?;
        Ok(left)
    }

    fn is_up(&self) -> bool {
        self.registry.path().exists()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.is_up()
            && let Err(error) = self.take_down()
        {
            eprintln!("nearcast: {error}; `nearcast clean` removes what is left");
        }
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("run", &self.registry.entry().run)
            .field("topology", &self.topology.name)
            .finish_non_exhaustive()
    }
}

/// `Err` with one line that says what to do, unless this is root.
pub fn require_root(what: &'static str) -> Result<(), Error> {
    if nix::unistd::geteuid().is_root() { Ok(()) } else { Err(Error::Unprivileged(what)) }
}
