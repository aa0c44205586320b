use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path as FilePath;
use std::str::FromStr;

use nearcast_link::LinkParams;
use serde::{Deserialize, Serialize};

use crate::{Choice, Error, Path, builtin, file, path};

/// How many characters of an interface name a run may put before ours, so that two runs on one
/// machine can both have an `s1`.
pub const TAG_LENGTH: usize = 4;

/// Hosts, switches and the links between them. What is read by [`Topology::load`] is checked; see
/// the crate's docs for what that means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// What it is called.
    pub name: String,
    /// The network all hosts are in; it has no router, so a host reaches the whole of it directly.
    pub network: Network,
    /// In the order of the file.
    pub hosts: Vec<Host>,
    /// In the order of the file.
    pub switches: Vec<Switch>,
    /// In the order of the file. A node's interfaces are numbered in this order, a host's from 0
    /// and a switch's from 1, as Mininet does.
    pub links: Vec<Link>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// `hv1`.
    pub name: String,
    /// What it does in a broadcast.
    pub role: Role,
    /// Its address in the topology's [`Network`].
    pub ip: Ipv4Addr,
}

impl Host {
    /// Its hardware address: locally administered, and made of the IP address, so that the same
    /// topology has the same addresses in every run.
    pub fn mac(&self) -> [u8; 6] {
        let [a, b, c, d] = self.ip.octets();
        [0x02, 0, a, b, c, d]
    }
}

/// What a host does in a broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Publishes.
    Broadcaster,
    /// Plays.
    Viewer,
    /// Relays and stores.
    Cdn,
}

/// A switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// `s1`.
    pub name: String,
    /// What it calls itself to the controller; never 0.
    pub datapath_id: u64,
}

/// A link; its two directions may differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// `hb-s1`, or what the file says.
    pub name: String,
    /// One end: a host or a switch.
    pub a: String,
    /// The other end.
    pub b: String,
    /// From `a` to `b`.
    pub a_to_b: LinkParams,
    /// From `b` to `a`.
    pub b_to_a: LinkParams,
}

/// An IPv4 network, written `10.0.0.0/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: Ipv4Addr,
    prefix: u8,
}

impl Topology {
    /// The topology of this name that comes with nearcast; see [`names`](crate::names).
    pub fn named(name: &str, choice: &Choice) -> Result<Topology, Error> {
        let text = builtin::text(name).ok_or_else(|| Error::Unknown {
            name: name.to_owned(),
            known: builtin::names().collect::<Vec<_>>().join(", "),
        })?;
        file::read(&format!("topologies/{name}.toml"), text, choice)
    }

    /// The topology in the file at `path`.
    pub fn load(path: &FilePath, choice: &Choice) -> Result<Topology, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Unreadable { path: path.to_owned(), source })?;
        file::read(&path.display().to_string(), &text, choice)
    }

    /// The host called `name`.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// The hosts that play this role, in the order of the file.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |host| host.role == role)
    }

    /// The way from host `from` to host `to` over the fewest links; `None` if there is none, or if
    /// one of them is not a node of this topology. Hosts do not relay.
    pub fn path(&self, from: &str, to: &str) -> Option<Path> {
        path::shortest(self, from, to)
    }

    /// The interface name of `link`'s end at `node` without a run's tag, such as `hb-eth0`; `None`
    /// if the link does not end there.
    pub fn interface(&self, node: &str, link: &Link) -> Option<String> {
        let first = usize::from(self.host(node).is_none());
        let mut own = self.links.iter().filter(|other| other.a == node || other.b == node);
        own.position(|other| other.name == link.name)
            .map(|position| format!("{node}-eth{}", position + first))
    }
}

impl Link {
    /// The other end; `None` if `node` is not an end of this link.
    pub fn opposite(&self, node: &str) -> Option<&str> {
        match node {
            node if node == self.a => Some(&self.b),
            node if node == self.b => Some(&self.a),
            _ => None,
        }
    }

    /// The parameters of the direction that leaves `node`.
    pub fn leaving(&self, node: &str) -> Option<&LinkParams> {
        match node {
            node if node == self.a => Some(&self.a_to_b),
            node if node == self.b => Some(&self.b_to_a),
            _ => None,
        }
    }
}

impl Network {
    /// How many bits of an address name the network.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// Whether `address` is one that a host in this network may have.
    pub fn admits(self, address: Ipv4Addr) -> bool {
        let mask = self.mask();
        let inside = address.to_bits() & mask == self.address.to_bits();
        // Neither the network's own address nor its broadcast address.
        inside && address.to_bits() & !mask != 0 && address.to_bits() | mask != u32::MAX
    }

    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("`{text}` is not a network such as \"10.0.0.0/8\"");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let network = Network {
            address: address.parse().map_err(|_| wrong())?,
            prefix: prefix.parse().ok().filter(|bits| (1..=30).contains(bits)).ok_or_else(wrong)?,
        };
        if network.address.to_bits() & !network.mask() != 0 {
            return Err(format!("`{text}` has bits set beyond its prefix"));
        }
        Ok(network)
    }
}

impl Serialize for Network {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Network, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
