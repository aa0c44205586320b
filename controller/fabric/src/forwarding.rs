//! Links, hosts, and the entries that bring frames to them.

use std::net::IpAddr;

use crate::claims::Claim;
use crate::discovery::Probe;
use crate::entry::EntryKey;
use crate::event::Limit;
use crate::fabric::{Fabric, Timer};
use crate::hosts::Learned;
use crate::neighbours::Held;
use crate::pipeline::{FORWARDING, Placed};
use crate::switch::Concern;
use crate::topology::choose;
use crate::{Attachment, DatapathId, Event, Mac, pipeline};
use nearcast_machine::Span;
use rust_openflow::v13::{Action, Body, PacketOut};

/// How long the probes of one round take to come back: what they measure changes paths once, not
/// once for each link.
const ROUND: Span = Span::from_millis(100);
/// Probes that may be lost in a row before a link counts as gone.
const LOST_PROBES: u64 = 3;

impl Fabric {
    /// Sends a frame out of a port.
    pub(crate) fn frame_out(&mut self, at: Attachment, frame: Vec<u8>) {
        let Some(switch) = self.switches.get_mut(&at.switch).filter(|s| s.is_live()) else {
            return;
        };
        let out = PacketOut::new(frame, vec![Action::output(at.port)]);
        switch.send(Concern::Frame, Body::PacketOut(out));
        self.flush(at.switch);
    }

    /// Whether hosts may be attached to a port: it is up and leads to no other switch.
    pub(crate) fn is_edge(&self, at: Attachment) -> bool {
        let up = self.switches.get(&at.switch).is_some_and(|s| s.ports.contains_key(&at.port));
        up && !self.topology.is_trunk(at)
    }

    /// Edge ports that are known to be such, on switches that can be told to send.
    pub(crate) fn edges(&self) -> Vec<Attachment> {
        let live = self.switches.values().filter(|switch| switch.is_live());
        live.flat_map(|switch| {
            let id = switch.id;
            switch.settled_ports().into_iter().map(move |port| Attachment { switch: id, port })
        })
        .filter(|at| !self.topology.is_trunk(*at))
        .collect()
    }

    pub(crate) fn probe(&mut self, at: Attachment) {
        let ttl = self.config.probe_interval * LOST_PROBES;
        let frame = self.prober.frame(at, self.now, ttl);
        self.frame_out(at, frame);
    }

    pub(crate) fn probe_all(&mut self) {
        let patience = self.config.probe_interval * (LOST_PROBES + 1);
        // Links of a switch that is away cannot be probed, and go on carrying frames.
        let live: Vec<_> = self.switches.values().filter(|s| s.is_live()).map(|s| s.id).collect();
        let since = self.heard_until() - patience;
        let stale = self.topology.expire_links(since, |end| live.contains(&end));
        for (from, to) in &stale {
            self.event(Event::Link { from: *from, to: *to, up: false });
        }
        for (from, to) in &stale {
            self.link_end_changed(*from);
            self.link_end_changed(*to);
        }
        if !stale.is_empty() {
            self.reforward();
            self.reconsider_all();
        }
        self.agenda.set(Timer::Probe, self.now + self.config.probe_interval);
        if self.heard_until() < self.probed_at {
            // What the last round found waits to be handed in; one more would wait behind it.
            return;
        }
        self.probed_at = self.now;
        let ports: Vec<_> = self
            .switches
            .values()
            .filter(|switch| switch.is_live())
            .flat_map(|switch| switch.ports.keys().map(|port| (switch.id, *port)))
            .map(|(switch, port)| Attachment { switch, port })
            .collect();
        for port in ports {
            self.probe(port);
        }
        let connections: Vec<_> = self.switches.values().filter_map(|s| s.connection).collect();
        for connection in connections {
            self.ask_for_echo(connection);
        }
    }

    /// A probe of ours arrived: there is a link.
    pub(crate) fn probed(&mut self, probe: Probe, to: Attachment) {
        let known = |at: Attachment| {
            self.switches.get(&at.switch).is_some_and(|s| s.ports.contains_key(&at.port))
        };
        if !known(probe.from) || !known(to) || probe.from == to {
            return;
        }
        let found = self.topology.link_seen(probe.from, to, self.now);
        let measured = self.measure(probe, to);
        if !found {
            if measured {
                self.agenda.ensure(Timer::Measured, self.now + ROUND);
            }
            return;
        }
        self.event(Event::Link { from: probe.from, to, up: true });
        // A link carries frames once both directions are proven; the other end may have been asked
        // before this one could listen.
        self.probe(to);
        self.link_end_changed(probe.from);
        self.link_end_changed(to);
        self.reforward();
        self.reconsider_all();
    }

    /// Measures a link by the time a probe took, from us by both its switches to us, less what the
    /// control channels take; `true` if what its delay counts as changed.
    fn measure(&mut self, probe: Probe, to: Attachment) -> bool {
        let control = self.control_delay(probe.from.switch).zip(self.control_delay(to.switch));
        let Some((there, back)) = control else { return false };
        let taken = self.heard_until().since(probe.sent).saturating_sub(there + back);
        let Some(delay) = self.topology.measured(probe.from, taken) else { return false };
        let delay_us = delay.as_nanos() / 1000;
        self.event(Event::LinkDelay { from: probe.from, to, delay_us });
        true
    }

    /// A port began or ceased to lead to another switch.
    pub(crate) fn link_end_changed(&mut self, at: Attachment) {
        if self.topology.is_trunk(at) {
            for placed in pipeline::trunk(at.port, self.config.virtual_range) {
                self.set_entry(at.switch, &Concern::Common, placed);
            }
            self.write_link(at);
            // Hosts seen here before the link was known are somewhere behind it.
            self.forget_hosts(at);
        } else {
            self.remove_trunk(at);
        }
    }

    fn remove_trunk(&mut self, at: Attachment) {
        for (key, _) in pipeline::trunk(at.port, self.config.virtual_range) {
            self.remove_entry(at.switch, &Concern::Common, &key);
        }
    }

    /// A port has been watched for long enough to be broadcast to.
    pub(crate) fn settle(&mut self, at: Attachment) {
        let Some(switch) = self.switches.get_mut(&at.switch) else { return };
        let live = switch.is_live();
        let Some(port) = switch.ports.get_mut(&at.port) else { return };
        if !live {
            // It could not be probed yet.
            self.agenda.set(Timer::Settle(at), self.now + self.config.settle);
            return;
        }
        port.settled = true;
        self.broadcast_at(at.switch);
    }

    /// A port went down, with what was behind it.
    pub(crate) fn port_lost(&mut self, at: Attachment) {
        self.remove_trunk(at);
        self.prober.forget(at);
        let other_ends = self.topology.port_down(at);
        for end in &other_ends {
            self.event(Event::Link { from: at, to: *end, up: false });
            self.link_end_changed(*end);
        }
        self.broadcast_at(at.switch);
        if !other_ends.is_empty() {
            self.reforward();
        }
        self.forget_hosts(at);
        if !other_ends.is_empty() {
            self.reconsider_all();
        }
    }

    fn forget_hosts(&mut self, at: Attachment) {
        for mac in self.hosts.forget_port(at) {
            self.host_gone(mac, at);
        }
    }

    fn host_gone(&mut self, mac: Mac, at: Attachment) {
        self.event(Event::HostGone { mac, at });
        self.forward_host(mac);
        self.reconsider_host(mac);
    }

    /// Learns from a frame that entered at an edge port.
    pub(crate) fn learn(&mut self, mac: Mac, address: Option<IpAddr>, at: Attachment) {
        let range = self.config.virtual_range;
        let ours = mac == range.mac() || pipeline::is_tag(mac);
        if mac.is_multicast() || ours || !self.is_edge(at) {
            return;
        }
        let address = address.filter(|ip| match ip {
            IpAddr::V4(ip) => !range.contains(*ip) && !ip.is_unspecified() && !ip.is_multicast(),
            IpAddr::V6(ip) => !ip.is_unspecified() && !ip.is_multicast(),
        });
        self.heard(mac, address, at);
        match self.hosts.learn(self.now, mac, address, at) {
            Learned::Known => return,
            Learned::Refused => {
                self.limit_reached(Limit::Hosts);
                return;
            }
            Learned::Elsewhere => {
                self.claim(Claim::Host(mac), mac, address, at);
                return;
            }
            // By which it may take part in a peering.
            Learned::Address => self.reconsider_host(mac),
            Learned::Owned => {
                if let Some(address) = address {
                    self.claim(Claim::Address(address), mac, Some(address), at);
                }
                return;
            }
            Learned::New { evicted } => {
                if let Some(evicted) = evicted {
                    self.evicted(Limit::Hosts);
                    self.host_gone(evicted, at);
                }
                self.event(Event::HostLearned { mac, address, at });
                self.forward_host(mac);
                self.reconsider_host(mac);
                // It may say that it has what another has.
                if let Some(address) = address.filter(|ip| self.hosts.owner(*ip) != Some(mac)) {
                    self.claim(Claim::Address(address), mac, Some(address), at);
                }
            }
        }
        self.deliver_held(mac, at);
    }

    /// A host is at another port now.
    pub(crate) fn moved(&mut self, mac: Mac, to: Attachment) {
        let Some(from) = self.hosts.relocate(self.now, mac, to) else {
            self.limit_reached(Limit::Hosts);
            return;
        };
        self.event(Event::HostMoved { mac, from, to });
        self.forward_host(mac);
        self.reconsider_host(mac);
        self.deliver_held(mac, to);
    }

    fn deliver_held(&mut self, mac: Mac, at: Attachment) {
        for held in self.neighbours.take(|held| held.destination == mac) {
            self.frame_out(at, held.frame);
        }
    }

    /// Sends held frames everywhere a host can be: nobody answered for their destination.
    pub(crate) fn spread(&mut self, frames: Vec<Held>) {
        let edges = self.edges();
        for held in frames {
            self.spread_frame(&edges, held.from, &held.frame);
        }
    }

    /// Sends a frame out of every edge port but the one it came from. That no switch passes it on
    /// makes this safe in any loop.
    pub(crate) fn spread_frame(&mut self, edges: &[Attachment], from: Attachment, frame: &[u8]) {
        for at in edges.iter().filter(|at| **at != from) {
            self.frame_out(*at, frame.to_vec());
        }
    }

    /// Brings every switch's entry for a host up to date.
    pub(crate) fn forward_host(&mut self, mac: Mac) {
        let at = self.hosts.host(mac).map(|host| host.at);
        let mut ways = self.ways(mac, at);
        // From the host outwards: whoever is sent along the new way finds it laid before him, and
        // no two switches send a frame back and forth while only one of them knows.
        ways.sort_unstable();
        for (_, switch, port) in ways {
            match port {
                Some(port) => {
                    let here = at.is_some_and(|at| at.switch == switch);
                    let placed = if here {
                        pipeline::to_host(mac, port)
                    } else {
                        pipeline::toward_host(mac, port)
                    };
                    self.set_entry(switch, &Concern::Common, placed);
                }
                None => {
                    let (key, _) = pipeline::to_host(mac, 0);
                    self.remove_entry(switch, &Concern::Common, &key);
                }
            }
        }
    }

    /// How far every switch is from a host, and the port by which it reaches it; of equal ones,
    /// each host has its own.
    fn ways(&self, mac: Mac, at: Option<Attachment>) -> Vec<(Span, DatapathId, Option<u32>)> {
        let paths = at.map(|at| self.topology.paths_to(at.switch));
        let way = |from: DatapathId| {
            let (at, paths) = (at?, paths.as_ref()?);
            if from == at.switch {
                return Some((Span::ZERO, at.port));
            }
            let hop = paths.get(&from)?;
            Some((hop.cost, choose(&hop.ports, &mac.0, from)?))
        };
        let ways = self.switches.keys().map(|switch| match way(*switch) {
            Some((cost, port)) => (cost, *switch, Some(port)),
            None => (Span::MAX, *switch, None),
        });
        ways.collect()
    }

    /// Brings all forwarding up to date after the graph changed.
    pub(crate) fn reforward(&mut self) {
        self.links_changed();
        for switch in self.topology.take_touched() {
            self.broadcast_at(switch);
        }
        let mut hosts: Vec<_> = self.hosts.iter().map(|(mac, host)| (host.at, mac)).collect();
        // Hosts of one switch share their paths.
        hosts.sort_unstable();
        for (_, mac) in hosts {
            self.forward_host(mac);
        }
        self.reconsider_detours();
    }

    /// Brings a switch's broadcast entries up to date.
    fn broadcast_at(&mut self, id: DatapathId) {
        let Some(switch) = self.switches.get(&id) else { return };
        let tree = self.topology.tree();
        let trunk = |port: &u32| self.topology.is_trunk(Attachment { switch: id, port: *port });
        let in_tree = |port: &u32| tree.contains(&Attachment { switch: id, port: *port });
        let (trunks, edges): (Vec<u32>, Vec<u32>) = switch.ports.keys().copied().partition(trunk);
        let settled = switch.settled_ports();
        let out = edges.into_iter().filter(|port| settled.contains(port));
        let out = out.chain(trunks.iter().copied().filter(in_tree)).collect();
        let closed: Vec<Placed> = trunks
            .iter()
            .filter(|port| !in_tree(port))
            .map(|port| pipeline::no_broadcast_from(*port))
            .collect();
        let stale: Vec<EntryKey> = switch
            .ledger
            .at(FORWARDING, 60)
            .filter(|key| closed.iter().all(|(wanted, _)| wanted != *key))
            .copied()
            .collect();
        // A loop is closed before it is opened elsewhere.
        for placed in closed {
            self.set_entry(id, &Concern::Common, placed);
        }
        self.set_entry(id, &Concern::Common, pipeline::broadcast(&out));
        for key in stale {
            self.remove_entry(id, &Concern::Common, &key);
        }
    }
}
