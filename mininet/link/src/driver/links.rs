use std::collections::BTreeMap;
use std::path::PathBuf;

use nearcast_machine::{Seed, Time};
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags};

use super::clock;
use super::error::RequestError;
use super::link::{Link, Shared};
use super::schedule::Schedule;
use crate::control::{InterfaceName, LinkName};
use crate::model::LinkParams;

/// How many frames are taken from one interface before others, and what is due, have their turn:
/// some 30 us.
const BURST: usize = 16;

/// How many links a process runs.
const MAX_LINKS: usize = 1024;

/// All links of the process. A pipe's number is twice its link's place plus the end it begins at;
/// the interface it begins at has the same number.
pub(super) struct Links {
    places: Vec<Option<Link>>,
    names: BTreeMap<LinkName, usize>,
    schedule: Schedule,
    pub(super) shared: Shared,
    seed: Seed,
    pub(super) pcap_dir: Option<PathBuf>,
}

impl Links {
    pub(super) fn new(seed: Seed, pcap_dir: Option<PathBuf>) -> Links {
        Links {
            places: Vec::new(),
            names: BTreeMap::new(),
            schedule: Schedule::default(),
            shared: Shared::new(),
            seed,
            pcap_dir,
        }
    }

    /// Makes a link, whose interfaces `epoll` then reports under `token` of their number.
    pub(super) fn add(
        &mut self,
        name: LinkName,
        interfaces: [InterfaceName; 2],
        params: [LinkParams; 2],
        epoll: &Epoll,
        token: impl Fn(usize) -> u64,
    ) -> Result<(), RequestError> {
        if self.names.contains_key(&name) {
            return Err(RequestError::LinkExists(name));
        }
        if self.names.len() >= MAX_LINKS {
            return Err(RequestError::TooManyLinks(MAX_LINKS));
        }
        let [a, b] = &interfaces;
        if a == b {
            return Err(RequestError::SameEnds(a.clone()));
        }
        let link = Link::new(name.clone(), interfaces.clone(), params, self.seed)?;
        let place = self.places.iter().position(Option::is_none).unwrap_or(self.places.len());
        for (end, interface) in interfaces.into_iter().enumerate() {
            let event = EpollEvent::new(EpollFlags::EPOLLIN, token(2 * place + end));
            epoll
                .add(link.tap(end), event)
                .map_err(|errno| RequestError::Tap { interface, source: errno.into() })?;
        }
        if place == self.places.len() {
            self.places.push(None);
        }
        self.names.insert(name, place);
        self.places[place] = Some(link);
        Ok(())
    }

    /// Takes a link away. Its interfaces are gone when this returns, which takes the kernel some
    /// milliseconds during which no link moves.
    pub(super) fn remove(&mut self, name: &LinkName) -> Result<(), RequestError> {
        let place =
            self.names.remove(name).ok_or_else(|| RequestError::NoSuchLink(name.clone()))?;
        self.places[place] = None;
        self.schedule.set(2 * place, None);
        self.schedule.set(2 * place + 1, None);
        Ok(())
    }

    /// Does something to a link, and sees to it that it is looked at when it then wants to be.
    pub(super) fn with<T>(
        &mut self,
        name: &LinkName,
        act: impl FnOnce(&mut Link, &mut Shared) -> T,
    ) -> Result<T, RequestError> {
        let place = *self.names.get(name).ok_or_else(|| RequestError::NoSuchLink(name.clone()))?;
        let link = self.places[place].as_mut().expect("a name leads to a link");
        let result = act(link, &mut self.shared);
        for end in 0..2 {
            self.schedule.set(2 * place + end, link.deadline(end));
        }
        Ok(result)
    }

    /// The links by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Link> {
        self.names.values().filter_map(|place| self.places[*place].as_ref())
    }

    /// Takes in a burst from the interface of that number.
    pub(super) fn receive(&mut self, number: usize, epoll: &Epoll) {
        let (place, end) = (number / 2, number % 2);
        // An event may be about a link that was removed since it was reported.
        let Some(link) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        if link.receive(end, BURST, &mut self.shared).is_err() {
            // It stays reported otherwise, forever. If this fails it is not reported anyway.
            let _ = epoll.delete(link.tap(end));
        }
        self.schedule.set(number, link.deadline(end));
    }

    /// Releases everything that is due. When there is more to release, if there is.
    pub(super) fn release_due(&mut self) -> Option<Time> {
        let now = clock::now();
        while let Some(number) = self.schedule.due(now) {
            let (place, end) = (number / 2, number % 2);
            let link = self.places[place].as_mut().expect("only links have deadlines");
            link.expire(end, now, &mut self.shared);
            self.schedule.set(number, link.deadline(end));
        }
        self.schedule.next()
    }
}
