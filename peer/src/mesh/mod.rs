//! The LayerP2P mesh on the network: `nearcast-peer mesh`, and what makes `broadcast` and `seed`
//! sources of it.
//!
//! [`swarm`] is one stream at one peer, whose units [`chunks`] cuts and puts together, [`settings`]
//! reads what it goes by; [`node`] has all streams that are played here, [`house`] lets players in.
//! [`proof`] tells the broadcaster's chunks from others': [`prover`] makes what [`trust`] goes by.

mod chunks;
mod house;
mod node;
mod proof;
mod prover;
mod settings;
mod swarm;
mod trust;
mod words;

use std::future::Future;
use std::sync::Arc;

use nearcast_machine::Seed;

use crate::cli::MeshArgs;
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::keys::PublicKey;
use crate::life::{Death, Life};
use crate::players::Stage;
use crate::pump::{Net, Shared};
use crate::rtmp_port::RtmpPort;
use house::MeshHouse;
use node::MeshNode;

pub(crate) use node::stream_of;
pub(crate) use proof::Scope;
pub(crate) use prover::Signer;
pub use settings::MESH_CHUNK_MAX;
pub(crate) use settings::{Part, Source, settings};
use swarm::News;
pub(crate) use swarm::Swarm;
pub(crate) use trust::Anchor;
pub(crate) use words::status_of;
use words::{event_of, progress_of};

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: MeshArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let settings = settings(&args.policy, Part::Viewer)?;
    let socket = Datagrams::bind(args.udp).map_err(Error::bind("UDP", args.udp))?;
    let socket = Arc::new(socket);
    let rtmp = RtmpPort::bind(args.listen).map_err(Error::bind("RTMP", args.listen))?;
    let http = http_port::bind(args.http).map_err(Error::bind("HTTP", args.http))?;

    let net = Net::new(Arc::clone(&socket));
    let anchor = match (args.key, args.seed) {
        (Some(PublicKey(key)), _) => Anchor::Key(key),
        (None, Some(seed)) => Anchor::Seed(seed),
        (None, None) => Anchor::None,
    };
    let node = MeshNode::new(net, journal.clone(), settings, args.tracker, args.seed, anchor, seed);
    let node = Shared::new(node);
    let stage = Stage {
        house: Arc::new(MeshHouse { node: Arc::clone(&node) }),
        journal: journal.clone(),
        life: life.clone(),
    };

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    stage.open_doors(rtmp, http, http_port::figures(&node));
    journal.note(Event::started(Role::Mesh));
    stage.read_here(args.play, args.record);
    drop(stage);

    end.await;
    node.with(|node, now| node.close_all(now));
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}
