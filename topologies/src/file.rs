use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;

use nearcast_link::LinkParams;
use serde::Deserialize;
use toml::Spanned;

use crate::{Error, Host, Link, Network, Role, Source, Switch, TAG_LENGTH, Topology};

/// The kernel's IFNAMSIZ without the terminating zero.
const INTERFACE_NAME: usize = 15;

/// The most hosts that a `repeat` makes.
const MOST_REPEATS: u32 = 1000;

/// What a topology file leaves open: how many of each repeated host, and which setting of the
/// links.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// One of the file's `settings`; the file's own `setting` if `None`.
    pub setting: Option<String>,
    /// In place of the file's `counts`.
    pub counts: BTreeMap<String, u32>,
    /// In place of the link parameters of the same name in the setting, whole.
    pub links: BTreeMap<String, LinkParams>,
}

impl Choice {
    /// The setting called `name`.
    pub fn setting(name: &str) -> Choice {
        Choice { setting: Some(name.to_owned()), ..Choice::default() }
    }

    /// With `number` of what repeats by `count`.
    pub fn with_count(mut self, count: &str, number: u32) -> Choice {
        self.counts.insert(count.to_owned(), number);
        self
    }

    /// With `params` for the links that are `kind`.
    pub fn with_links(mut self, kind: &str, params: LinkParams) -> Choice {
        self.links.insert(kind.to_owned(), params);
        self
    }
}

/// A topology file, as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    network: Network,
    setting: Spanned<String>,
    #[serde(default)]
    counts: BTreeMap<String, u32>,
    settings: BTreeMap<String, BTreeMap<String, LinkParams>>,
    hosts: Vec<HostEntry>,
    switches: Vec<SwitchEntry>,
    links: Vec<LinkEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HostEntry {
    name: Spanned<String>,
    repeat: Option<Spanned<String>>,
    role: Role,
    ip: Spanned<Ipv4Addr>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchEntry {
    name: Spanned<String>,
    datapath_id: Spanned<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkEntry {
    name: Option<Spanned<String>>,
    a: Spanned<String>,
    b: Spanned<String>,
    repeat: Option<Spanned<String>>,
    /// Both directions.
    is: Option<Spanned<String>>,
    a_to_b: Option<Spanned<Direction>>,
    b_to_a: Option<Spanned<Direction>>,
}

/// A name from the setting, or parameters on the spot.
enum Direction {
    Kind(String),
    Params(Box<LinkParams>),
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Direction, D::Error> {
        /// Chooses by type, so that a mistake inside the table is answered with the table's own
        /// message (an untagged enum would only say that no variant fits).
        struct Visitor;

        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Direction;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("the name of link parameters in the setting, or a table of them")
            }

            fn visit_str<E>(self, kind: &str) -> Result<Direction, E> {
                Ok(Direction::Kind(kind.to_owned()))
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                map: A,
            ) -> Result<Direction, A::Error> {
                let map = serde::de::value::MapAccessDeserializer::new(map);
                LinkParams::deserialize(map).map(|params| Direction::Params(Box::new(params)))
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// Reads the file called `name`, whose content is `text`.
pub(crate) fn read(name: &str, text: &str, choice: &Choice) -> Result<Topology, Error> {
    let source = Source::new(name, text);
    let file: File = toml::from_str(text).map_err(|error| {
        source.invalid(error.span().map_or(0, |span| span.start), error.message())
    })?;
    Builder::new(&source, &file, choice)?.build()
}

/// Turns what is written into a topology, checking as it goes.
struct Builder<'a> {
    source: &'a Source<'a>,
    file: &'a File,
    counts: BTreeMap<&'a str, u32>,
    kinds: BTreeMap<&'a str, &'a LinkParams>,
    topology: Topology,
    /// Where each node's name is written, for the error that it is there twice.
    nodes: HashMap<String, usize>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source<'a>, file: &'a File, choice: &'a Choice) -> Result<Self, Error> {
        let not_there = |what: &str, name: &str, known: Vec<&str>| Error::Choice {
            file: source.name().to_owned(),
            message: format!("there is no {what} `{name}`; there are {}", known.join(", ")),
        };

        let setting = match &choice.setting {
            Some(chosen) => file.settings.get(chosen).ok_or_else(|| {
                not_there("setting", chosen, file.settings.keys().map(String::as_str).collect())
            })?,
            None => file.settings.get(file.setting.get_ref()).ok_or_else(|| {
                source.invalid(file.setting.span().start, "there is no such setting in this file")
            })?,
        };
        let mut kinds: BTreeMap<_, _> =
            setting.iter().map(|(name, params)| (name.as_str(), params)).collect();
        for (name, params) in &choice.links {
            if !kinds.contains_key(name.as_str()) {
                return Err(not_there("kind of link", name, kinds.into_keys().collect()));
            }
            kinds.insert(name, params);
        }

        let mut counts: BTreeMap<_, _> =
            file.counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
        for (name, count) in &choice.counts {
            if !counts.contains_key(name.as_str()) {
                return Err(not_there("count", name, counts.into_keys().collect()));
            }
            counts.insert(name, *count);
        }
        if let Some((name, count)) = counts.iter().find(|(_, count)| **count > MOST_REPEATS) {
            return Err(Error::Choice {
                file: source.name().to_owned(),
                message: format!("{name} is {count}, more than {MOST_REPEATS}"),
            });
        }

        let topology = Topology {
            name: file.name.clone(),
            network: file.network,
            hosts: Vec::new(),
            switches: Vec::new(),
            links: Vec::new(),
        };
        Ok(Builder { source, file, counts, kinds, topology, nodes: HashMap::new() })
    }

    fn build(mut self) -> Result<Topology, Error> {
        for switch in &self.file.switches {
            self.switch(switch)?;
        }
        for host in &self.file.hosts {
            self.host(host)?;
        }
        for link in &self.file.links {
            self.link(link)?;
        }
        self.check_ends()?;
        Ok(self.topology)
    }

    fn switch(&mut self, entry: &SwitchEntry) -> Result<(), Error> {
        let name = entry.name.get_ref().clone();
        self.declare(&name, entry.name.span().start)?;
        let datapath_id = *entry.datapath_id.get_ref();
        let taken = self.topology.switches.iter().any(|other| other.datapath_id == datapath_id);
        if datapath_id == 0 || taken {
            let message = format!("{datapath_id} is 0 or taken by another switch");
            return Err(self.source.invalid(entry.datapath_id.span().start, &message));
        }
        self.topology.switches.push(Switch { name, datapath_id });
        Ok(())
    }

    fn host(&mut self, entry: &HostEntry) -> Result<(), Error> {
        for number in self.repeats(entry.repeat.as_ref())? {
            let name = self.numbered(&entry.name, entry.repeat.is_some(), number)?;
            self.declare(&name, entry.name.span().start)?;
            let wrong = |message: String| self.source.invalid(entry.ip.span().start, &message);

            let first = entry.ip.get_ref().to_bits();
            let ip = first.checked_add(number - 1).map(Ipv4Addr::from_bits);
            let network = self.topology.network;
            let ip = ip.filter(|ip| network.admits(*ip)).ok_or_else(|| {
                wrong(format!("the address of {name} is not one of a host in {network}"))
            })?;
            if let Some(other) = self.topology.hosts.iter().find(|other| other.ip == ip) {
                return Err(wrong(format!("{name} would have {ip}, which is {}'s", other.name)));
            }
            self.topology.hosts.push(Host { name, role: entry.role, ip });
        }
        Ok(())
    }

    fn link(&mut self, entry: &LinkEntry) -> Result<(), Error> {
        let a_to_b = self.params(entry, entry.a_to_b.as_ref())?;
        let b_to_a = self.params(entry, entry.b_to_a.as_ref())?;
        for number in self.repeats(entry.repeat.as_ref())? {
            // One end of a repeated link is usually the same switch each time.
            let [a, b] = [&entry.a, &entry.b].map(|end| {
                let name = end.get_ref().replace("{i}", &number.to_string());
                let known = self.nodes.contains_key(&name);
                let message = format!("there is no host or switch `{name}`");
                known.then_some(name).ok_or_else(|| self.source.invalid(end.span().start, &message))
            });
            let (a, b) = (a?, b?);
            if a == b {
                let message = format!("both ends of the link are {a}");
                return Err(self.source.invalid(entry.b.span().start, &message));
            }
            let name = match &entry.name {
                Some(name) => self.numbered(name, entry.repeat.is_some(), number)?,
                None => format!("{a}-{b}"),
            };
            if self.topology.links.iter().any(|other| other.name == name) {
                let at = entry.name.as_ref().map_or(entry.a.span(), Spanned::span).start;
                let message = format!("there is another link `{name}`; give this one a `name`");
                return Err(self.source.invalid(at, &message));
            }
            let (a_to_b, b_to_a) = (a_to_b.clone(), b_to_a.clone());
            self.topology.links.push(Link { name, a, b, a_to_b, b_to_a });
        }
        Ok(())
    }

    /// A host has one link, a switch at least one, and the names of their interfaces fit.
    fn check_ends(&self) -> Result<(), Error> {
        let mut ends: HashMap<&str, usize> = HashMap::new();
        for link in &self.topology.links {
            for end in [&link.a, &link.b] {
                *ends.entry(end).or_default() += 1;
            }
        }
        let hosts = self.topology.hosts.iter().map(|host| (&host.name, true));
        let switches = self.topology.switches.iter().map(|switch| (&switch.name, false));
        for (name, is_host) in hosts.chain(switches) {
            let wrong = |message: &str| Err(self.source.invalid(self.nodes[name], message));
            let links = ends.get(name.as_str()).copied().unwrap_or(0);
            if links == 0 {
                return wrong(&format!("no link leads to {name}"));
            }
            if is_host && links > 1 {
                return wrong(&format!("{name} has {links} links, and a host has one"));
            }
            let last = if is_host { 0 } else { links };
            let longest = format!("{name}-eth{last}").len() + TAG_LENGTH;
            if longest > INTERFACE_NAME {
                return wrong(&format!(
                    "the interface {name}-eth{last} is {} characters too long: Linux allows \
                     {INTERFACE_NAME}, of which a run's tag takes {TAG_LENGTH}",
                    longest - INTERFACE_NAME
                ));
            }
        }
        Ok(())
    }

    /// Takes a node's name.
    fn declare(&mut self, name: &str, at: usize) -> Result<(), Error> {
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !plain {
            let message = format!("`{name}` is not lower-case letters and digits, a letter first");
            return Err(self.source.invalid(at, &message));
        }
        if self.nodes.insert(name.to_owned(), at).is_some() {
            let message = format!("there is another host or switch `{name}`");
            return Err(self.source.invalid(at, &message));
        }
        Ok(())
    }

    /// 1 to the count, or just 1 for what does not repeat.
    fn repeats(
        &self,
        repeat: Option<&Spanned<String>>,
    ) -> Result<std::ops::RangeInclusive<u32>, Error> {
        let Some(repeat) = repeat else { return Ok(1..=1) };
        let count = self.counts.get(repeat.get_ref().as_str()).ok_or_else(|| {
            self.source.invalid(repeat.span().start, "there is no such number in `counts`")
        })?;
        Ok(1..=*count)
    }

    fn numbered(&self, name: &Spanned<String>, repeats: bool, i: u32) -> Result<String, Error> {
        if repeats && !name.get_ref().contains("{i}") {
            let message = "what repeats needs `{i}` in its name, where its number goes";
            return Err(self.source.invalid(name.span().start, message));
        }
        Ok(if repeats {
            name.get_ref().replace("{i}", &i.to_string())
        } else {
            name.get_ref().clone()
        })
    }

    fn params(
        &self,
        entry: &LinkEntry,
        direction: Option<&Spanned<Direction>>,
    ) -> Result<LinkParams, Error> {
        let (kind, at) = match (direction, &entry.is) {
            (Some(_), Some(is)) => {
                let message = "is for both directions; leave it out where they are given apart";
                return Err(self.source.invalid(is.span().start, message));
            }
            (None, None) => {
                let message = "the link needs `is`, or both `a_to_b` and `b_to_a`";
                return Err(self.source.invalid(entry.a.span().start, message));
            }
            (Some(direction), None) => match direction.get_ref() {
                Direction::Params(params) => return Ok((**params).clone()),
                Direction::Kind(kind) => (kind, direction.span().start),
            },
            (None, Some(is)) => (is.get_ref(), is.span().start),
        };
        let params = self.kinds.get(kind.as_str()).ok_or_else(|| {
            self.source.invalid(at, &format!("there is no kind of link `{kind}` in the setting"))
        })?;
        Ok((*params).clone())
    }
}
