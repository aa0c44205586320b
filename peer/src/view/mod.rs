//! `nearcast-peer view`: from wherever the stream comes first to the players here.
//!
//! [`session`] plays from the CDN, [`node`] hands all that comes to the engine and what the engine
//! releases to the players, whom [`house`] lets in.

mod house;
mod node;
mod session;
mod words;

use std::future::Future;
use std::sync::Arc;

use nearcast_engine::viewer::Settings;
use nearcast_machine::Seed;

use crate::cli::{OnOff, ViewArgs};
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::life::{Death, Life};
use crate::mesh;
use crate::players::Stage;
use crate::pump::{Net, Shared};
use crate::rtmp_port::RtmpPort;
use house::ViewHouse;
use node::ViewNode;

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: ViewArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let source =
        args.mesh.map(|tracker| mesh::Source::of_publisher(tracker, &args.policy)).transpose()?;
    let socket = Datagrams::bind(args.common.udp).map_err(Error::bind("UDP", args.common.udp))?;
    let socket = Arc::new(socket);
    let rtmp = RtmpPort::bind(args.listen).map_err(Error::bind("RTMP", args.listen))?;
    let http = http_port::bind(args.http).map_err(Error::bind("HTTP", args.http))?;

    let range = args.common.virtual_range;
    let peering = args.peering == OnOff::On;
    let settings = Settings {
        controller: range.controller(),
        range: range.parts(),
        seed: args.seed.filter(|_| peering),
        ..Settings::default()
    };
    let net = Net::new(Arc::clone(&socket));
    let node = ViewNode::new(net, journal.clone(), settings, peering, source, seed);
    let node = Shared::new(node);
    let house = ViewHouse { node: Arc::clone(&node), life: life.clone(), cdn: args.common.cdn };
    let stage = Stage { house: Arc::new(house), journal: journal.clone(), life: life.clone() };

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    stage.open_doors(rtmp, http, http_port::figures(&node));
    journal.note(Event::started(Role::View));
    stage.read_here(args.play, args.record);
    drop(stage);

    end.await;
    node.with(|node, now| node.close_all(now));
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}
