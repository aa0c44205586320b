//! `nearcast-peer seed`: beside the CDN's nginx-rtmp, for what no neighbour has.
//!
//! nginx tells [`callbacks`] what is published, [`feed`] plays it over loopback, [`node`] serves
//! it.

mod callbacks;
mod feed;
mod node;

use std::future::Future;
use std::sync::Arc;

use axum::routing::post;
use nearcast_engine::SupplyLimits;
use nearcast_engine::seed::Settings;
use nearcast_machine::Seed;
use nearcast_media::{Role as RtmpRole, StreamName};

use crate::cli::SeedArgs;
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::life::{Death, Life};
use crate::mesh;
use crate::pump::{Net, Shared};
use crate::upstream::connect;
use feed::Feed;
use node::SeedNode;

/// What stands beside the CDN's server.
#[derive(Clone)]
struct Beside {
    args: Arc<SeedArgs>,
    node: Arc<Shared<SeedNode>>,
    journal: Journal,
    life: Life,
}

impl Beside {
    /// Begins to play what the publisher `client` of the server publishes.
    fn feed(&self, stream: &StreamName, client: Option<u64>) -> Result<(), String> {
        let Some(id) = self.node.with(|node, _| node.begin(stream, client))? else {
            return Ok(());
        };
        let feed = Feed {
            node: Arc::clone(&self.node),
            life: self.life.clone(),
            cdn: self.args.common.cdn.clone(),
            stream: stream.clone(),
            id,
        };
        tokio::spawn(feed.run());
        Ok(())
    }

    /// Begins to play `stream` if it is there, since this program may start after its publisher
    /// did.
    async fn feed_if_there(self, stream: StreamName) {
        let connecting = connect(&self.args.common.cdn, &stream, stream.key(), RtmpRole::Viewer);
        if let Some(Ok(mut link)) = self.life.during(connecting).await {
            link.session.finish();
            link.close().await;
            if !self.node.with(|node, _| node.has(&stream))
                && let Err(reason) = self.feed(&stream, None)
            {
                tracing::warn!("{stream}: {reason}");
            }
        }
    }
}

/// The engine's settings, with what the command line says otherwise.
fn settings(args: &SeedArgs) -> Settings {
    let usual = Settings::default();
    let supply = SupplyLimits { rate: args.rate, receivers: args.clients, ..usual.supply };
    Settings { tails: args.clients, supply, ..usual }
}

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: SeedArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
    let source = match args.mesh {
        true => Some(mesh::Source {
            settings: mesh::settings(&args.policy, mesh::Part::CdnSeed)?,
            tracker: args.tracker,
        }),
        false => None,
    };
    let socket = Datagrams::bind(args.common.udp).map_err(Error::bind("UDP", args.common.udp))?;
    let socket = Arc::new(socket);
    let http = http_port::bind(args.http).map_err(Error::bind("HTTP", args.http))?;

    let net = Net::new(Arc::clone(&socket));
    let settings = settings(&args);
    let node = Shared::new(SeedNode::new(net, journal.clone(), settings, source, seed));
    let beside = Beside {
        args: Arc::new(args),
        node: Arc::clone(&node),
        journal: journal.clone(),
        life: life.clone(),
    };

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    let router = http_port::figures(&node)
        .route("/on_publish", post(callbacks::on_publish))
        .route("/on_publish_done", post(callbacks::on_publish_done))
        .with_state(beside.clone());
    http_port::serve(http, router, life);
    journal.note(Event::started(Role::Seed));
    for stream in &beside.args.allow {
        tokio::spawn(beside.clone().feed_if_there(stream.clone()));
    }
    drop(beside);

    end.await;
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}
