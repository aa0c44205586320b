use std::net::SocketAddr;
use std::path::PathBuf;

use nearcast_topologies::Topology;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::python::{attach, module, one_line};

/// How a topology becomes a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Options {
    /// What the names of bridges and interfaces begin with; at most
    /// [`TAG_LENGTH`](nearcast_topologies::TAG_LENGTH) characters, or they would not fit.
    pub tag: String,
    /// What the links are made of.
    pub links: Links,
    /// Whether the switches forward in user space (`datapath_type=netdev`) or in the kernel.
    pub user_datapath: bool,
    /// What a switch does without a controller.
    pub fail_mode: FailMode,
    /// The controller that every switch connects to, over TCP.
    pub controller: Option<SocketAddr>,
    /// Variables that the nodes' shells are given besides this process's own.
    pub environment: Vec<(String, String)>,
}

/// What links are made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Links {
    /// TAP pairs of the `nearcast-link` process that listens at this socket.
    Tap(PathBuf),
    /// Mininet's TCLink: veth pairs with the kernel's netem.
    Tc,
}

/// What a switch does without a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailMode {
    /// Nothing but what is in its tables.
    Secure,
    /// It forwards as a learning switch.
    Standalone,
}

/// A host or a switch that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// The topology's name for it.
    pub name: String,
    /// Which of the two it is.
    pub kind: Kind,
    /// A host's shell, whose network namespace is the host's; of a switch, some shell.
    pub pid: u32,
    /// A host's in its namespace, a switch's in the machine's own.
    pub interfaces: Vec<Interface>,
}

/// Which kind of [`Node`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A network namespace.
    Host,
    /// A bridge of Open vSwitch, called by the tag and the node's name.
    Switch,
}

/// An end of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Its name in the system, tag included.
    pub name: String,
    /// Its hardware address.
    pub mac: String,
    /// A host's address; a switch has none.
    pub ip: Option<String>,
    /// The topology's name for the link.
    pub link: String,
    /// A switch's OpenFlow port number; 0 at a host.
    pub port: u32,
}

/// A network that Mininet built. Dropping it stops it.
#[derive(Debug)]
pub struct Net {
    /// An instance of drive.py's `Drive`; `None` once stopped.
    drive: Option<Py<PyAny>>,
    nodes: Vec<Node>,
}

impl Net {
    /// Makes the hosts, the switches' shells and the links; no bridge exists and nothing is
    /// forwarded before [`start`](Net::start).
    ///
    /// # Errors
    /// What Mininet said; whatever was made until then is taken down again.
    pub fn build(topology: &Topology, options: &Options) -> Result<Net, Error> {
        let topology = serde_json::to_string(topology).expect("a topology is plain data");
        let options = serde_json::to_string(options).expect("options are plain data");
        attach(|py| {
            let module = module(py).map_err(|error| Error::Mininet(one_line(py, &error)))?;
            let failed = failed(py, "build the network");
            let drive = module.getattr("build").and_then(|build| build.call1((topology, options)));
            let drive = drive.map_err(&failed)?;
            let nodes: String =
                drive.call_method0("nodes").and_then(|nodes| nodes.extract()).map_err(&failed)?;
            let nodes = serde_json::from_str(&nodes).expect("our own Python writes it");
            Ok(Net { drive: Some(drive.unbind()), nodes })
        })
    }

    /// Makes the bridges and lets them forward.
    ///
    /// # Errors
    /// What Mininet or Open vSwitch said, a port that is not where it was asked for included.
    pub fn start(&mut self) -> Result<(), Error> {
        self.call("start the switches", "start")
    }

    /// What was built: hosts first, both kinds in the topology's order.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Removes links, bridges and hosts.
    ///
    /// # Errors
    /// What Mininet said; it went on with the rest.
    pub fn stop(mut self) -> Result<(), Error> {
        self.take_down()
    }

    fn take_down(&mut self) -> Result<(), Error> {
        if self.drive.is_none() {
            return Ok(());
        }
        let stopped = self.call("stop the network", "stop");
        if let Some(drive) = self.drive.take() {
            let _ = attach(|py| {
                drop(drive.into_bound(py));
                Ok(())
            });
        }
        stopped
    }

    fn call(&self, what: &'static str, method: &str) -> Result<(), Error> {
        let drive = self.drive.as_ref().expect("only stopping takes it");
        attach(|py| {
            let called = drive.bind(py).call_method0(method).map(drop);
            called.map_err(failed(py, what))
        })
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        // There is nobody to tell; a run's record knows what may be left.
        let _ = self.take_down();
    }
}

fn failed<'py>(py: Python<'py>, what: &'static str) -> impl Fn(PyErr) -> Error + use<'py> {
    move |error| Error::Failed { what, message: one_line(py, &error) }
}
