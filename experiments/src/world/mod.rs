//! The emulated world as a value: hosts, switches and links exist while a [`World`] does.
//!
//! [`World::build`] starts what is needed (Open vSwitch, the link process, Mininet's nodes), notes
//! everything it makes in a file under `/run/nearcast` before or right after making it, and removes
//! all of it when the value is dropped, in this order: processes (TERM, then KILL after a grace,
//! since FFmpeg and mplayer ignore TERM on a dead stream), Mininet's nodes, the link process, the
//! file. A run that was killed outright leaves its file, from which [`clean`](crate::clean) works.
//!
//! Bridges and interfaces carry a four-character tag of the run (`n04fs1`), so that two runs, or a
//! run and somebody's own Mininet, do not meet. Hosts, switches and links go by their own names
//! everywhere in this API.
//!
//! ```no_run
//! use std::process::Command;
//! use std::time::Duration;
//! use nearcast::world::{Options, Shutdown, World};
//! use nearcast_topologies::{Choice, Topology};
//!
//! let shutdown = Shutdown::install()?; // Ctrl-C and SIGTERM raise a flag from here on
//! let topology = Topology::named("single", &Choice::setting("fig3"))?;
//! let mut options = Options::new("results/today".into());
//! options.controller = "127.0.0.1:6653".parse().ok();
//! let world = World::build(&topology, &options)?;
//!
//! let mut sink = Command::new("socat");
//! sink.args(["-u", "udp-recv:9", "/dev/null"]);
//! let sink = world.spawn_in("hv1", "sink", sink)?;
//! let socket = world.in_namespace("hb", || std::net::UdpSocket::bind("0.0.0.0:0"))??;
//! shutdown.sleep(Duration::from_secs(1))?;
//! sink.stop()?;
//! world.close()?;
//! # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
//! ```

mod error;
mod exclusive;
mod namespace;
mod ovs;
mod process;
mod programs;
mod registry;
mod shutdown;
mod sweep;
#[allow(clippy::module_inception)]
mod world;

pub use error::Error;
pub use exclusive::Exclusive;
pub use ovs::{
    Datapath, is_running as ovs_is_running, start as start_ovs, stop_if_ours as stop_ovs_if_ours,
};
pub use process::Process;
pub use programs::{find as find_program, find_system as find_system_program};
pub use registry::{Entry, Identity, RUN_FOLDER, Record};
pub use shutdown::{Interrupted, Shutdown};
pub use sweep::{Removed, end, sweep};
pub use world::{LinkKind, Options, World, require_root};
