//! `nearcast-peer tracker`: who watches which stream.

use std::future::Future;
use std::net::SocketAddrV4;
use std::sync::Arc;

use nearcast_engine::mesh::tracker::{Input, Settings, Tracker};
use nearcast_engine::mesh::wire::Datagram;
use nearcast_machine::{Machine, Seed, Time};

use crate::cli::TrackerArgs;
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::life::{Death, Life};
use crate::pump::{Net, Node, Received, Shared};
use crate::status::Status;

struct TrackerNode {
    net: Net,
    journal: Journal,
    machine: Tracker,
}

impl TrackerNode {
    fn drain(&mut self) {
        while let Some(output) = self.machine.poll() {
            if let Some(to) = output.to.address() {
                let answer = Datagram::Answer { stream: output.stream, answer: output.answer };
                self.net.send_mesh(to, answer);
            }
        }
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary { events_dropped: self.journal.dropped(), ..Summary::default() };
        self.net.counts.fill(&mut summary);
        summary
    }
}

impl Node for TrackerNode {
    fn receive(&mut self, now: Time, from: SocketAddrV4, received: Received) {
        match received {
            Received::Mesh(Datagram::Question { stream, question }) => {
                self.machine.handle(now, Input { from: from.into(), stream, question });
                self.drain();
            }
            _ => self.net.counts.reject(),
        }
    }

    fn expire(&mut self, now: Time) {
        self.machine.expire(now);
        self.drain();
    }

    fn deadline(&self) -> Option<Time> {
        self.machine.deadline()
    }

    fn net(&mut self) -> &mut Net {
        &mut self.net
    }

    /// It knows streams by their ids only, and so names none.
    fn status(&mut self, now: Time) -> Status {
        let totals = self.summary();
        Status { role: Role::Tracker, now: now.as_nanos(), streams: Vec::new(), totals }
    }

    fn gauges(&self) -> Vec<(&'static str, f64)> {
        vec![("nearcast_tracker_streams", self.machine.streams() as f64)]
    }
}

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: TrackerArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let socket = Datagrams::bind(args.udp).map_err(Error::bind("UDP", args.udp))?;
    let socket = Arc::new(socket);
    let http = http_port::bind(args.http).map_err(Error::bind("HTTP", args.http))?;
    let settings = Settings {
        life: args.life,
        streams: args.streams,
        peers: args.peers,
        host_peers: Some(args.host_peers),
        host_streams: Some(args.host_streams),
        ..Settings::default()
    };
    let machine = Tracker::new(settings, seed);
    let node =
        TrackerNode { net: Net::new(Arc::clone(&socket)), journal: journal.clone(), machine };
    let node = Shared::new(node);

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    let router = http_port::figures(&node);
    http_port::serve(http, router, life);
    journal.note(Event::started(Role::Tracker));

    end.await;
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}
