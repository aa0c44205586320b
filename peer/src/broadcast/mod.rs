//! `nearcast-peer broadcast`: from the encoder to the switch and to the CDN.
//!
//! [`publisher`] takes the stream, [`node`] numbers it and hands it on, [`uplink`] brings it to the
//! CDN.

mod node;
mod publisher;
mod uplink;

use std::future::Future;
use std::sync::Arc;

use nearcast_engine::broadcaster::Settings;
use nearcast_machine::Seed;

use crate::cli::{BroadcastArgs, OnOff, Sign};
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::keys;
use crate::life::{Death, Life};
use crate::mesh;
use crate::pump::{Net, Shared};
use crate::rtmp_port::RtmpPort;
use node::BroadcastNode;
use publisher::Publisher;

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: BroadcastArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let source =
        args.mesh.map(|tracker| mesh::Source::of_publisher(tracker, &args.policy)).transpose()?;
    let signs = match args.sign {
        Sign::Mesh => source.is_some(),
        Sign::On => true,
        Sign::Off => false,
    };
    let key = match (signs, &args.signing_key) {
        (false, _) => None,
        (true, Some(path)) => Some(keys::kept(path)?),
        (true, None) => Some(keys::fresh()?),
    };
    let socket = Datagrams::bind(args.common.udp).map_err(Error::bind("UDP", args.common.udp))?;
    let socket = Arc::new(socket);
    let rtmp = RtmpPort::bind(args.listen).map_err(Error::bind("RTMP", args.listen))?;
    let http = http_port::bind(args.http).map_err(Error::bind("HTTP", args.http))?;

    let range = args.common.virtual_range;
    let settings =
        Settings { controller: range.controller(), range: range.parts(), ..Settings::default() };
    let node = Shared::new(BroadcastNode::new(
        Net::new(Arc::clone(&socket)),
        journal.clone(),
        settings,
        args.peering == OnOff::On,
        source.map(|source| (source, seed)),
        key,
    ));

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    http_port::serve(http, http_port::figures(&node), life.clone());
    let (of_publishers, publishers_node) = (life.clone(), Arc::clone(&node));
    let (of_journal, cdn) = (journal.clone(), args.common.cdn);
    rtmp.serve(life, move |link, from| {
        let publisher = Publisher {
            node: Arc::clone(&publishers_node),
            journal: of_journal.clone(),
            life: of_publishers.clone(),
            cdn: cdn.clone(),
            from,
        };
        publisher.serve(link)
    });
    journal.note(Event::started(Role::Broadcast));

    end.await;
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}
