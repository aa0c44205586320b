use nearcast_machine::Time;

use crate::{Access, Delays, Error, NodeId, Place};

/// One node of a population: who it is, when it is there, and how it is connected.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeSpec {
    /// What its seed is derived from, so that a node draws the same whoever else is there.
    pub name: Box<str>,
    /// When it comes.
    pub arrive: Time,
    /// When it leaves; `None` if it stays.
    pub depart: Option<Time>,
    /// Its access link.
    pub access: Access,
    /// Where it is.
    pub place: Place,
}

impl NodeSpec {
    /// A node that is there from the start to the end, without a limit to its access link.
    pub fn new(name: impl Into<Box<str>>) -> NodeSpec {
        NodeSpec {
            name: name.into(),
            arrive: Time::ZERO,
            depart: None,
            access: Access::default(),
            place: Place::default(),
        }
    }
}

/// What senders need to know of receivers, wherever those are simulated: 12 bytes and a flag each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Endpoint {
    pub(crate) place: Place,
    pub(crate) slow_down: bool,
}

/// Checks a population against the network it is to live in.
pub(crate) fn endpoints(population: &[NodeSpec], delays: &Delays) -> Result<Vec<Endpoint>, Error> {
    if population.len() > NodeId::MAX_NODES {
        return Err(Error::TooMany(population.len()));
    }
    let check = |node: &NodeSpec| {
        let name = || node.name.to_string();
        if let Some(depart) = node.depart.filter(|depart| *depart <= node.arrive) {
            return Err(Error::Lifetime { name: name(), arrive: node.arrive, depart });
        }
        if !delays.knows(node.place) {
            return Err(Error::Place { name: name(), place: format!("{:?}", node.place) });
        }
        Ok(Endpoint { place: node.place, slow_down: node.access.down.is_some() })
    };
    population.iter().map(check).collect()
}
