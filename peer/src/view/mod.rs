//! `nearcast-peer view`: from wherever the stream comes first to the players here.
//!
//! [`session`] plays from the CDN, [`node`] hands all that comes to the engine and what the engine
//! releases to the players, whom [`stage`] gives their places: [`player`] by RTMP, [`http_flv`] by
//! HTTP.

mod http_flv;
mod node;
mod player;
mod session;
mod stage;
mod words;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use nearcast_engine::viewer::Settings;
use nearcast_machine::Seed;
use nearcast_media::StreamName;

use crate::cli::{OnOff, ViewArgs};
use crate::datagrams::Datagrams;
use crate::error::Error;
use crate::events::{Event, Protocol, Role, Summary};
use crate::http_port;
use crate::journal::Journal;
use crate::life::{Death, Life};
use crate::pump::{Net, Shared};
use crate::rtmp_port::RtmpPort;
use node::ViewNode;
use player::Player;
use stage::Stage;

/// Between attempts to play a stream that is not there yet, for `--play`.
const AGAIN: Duration = Duration::from_millis(200);

/// Runs until `end` comes true.
pub(crate) async fn run(
    args: ViewArgs,
    journal: Journal,
    (life, death): (Life, Death),
    seed: Seed,
    end: impl Future<Output = ()>,
) -> Result<Summary, Error> {
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
    let node = Shared::new(ViewNode::new(net, journal.clone(), settings, peering, seed));
    let stage = Stage {
        node: Arc::clone(&node),
        journal: journal.clone(),
        life: life.clone(),
        cdn: args.common.cdn,
    };

    let pump = tokio::spawn(Arc::clone(&node).pump(socket));
    let status = Arc::clone(&node);
    let status = move || async move { Json(status.with(|node, now| node.status(now))) };
    let router = Router::new()
        .route("/status", get(status))
        .route("/{*path}", get(http_flv::play))
        .with_state(stage.clone());
    http_port::serve(http, router, life.clone());
    let players = stage.clone();
    rtmp.serve(life, move |link, from| Player { stage: players.clone(), from }.serve(link));
    journal.note(Event::started(Role::View));
    for stream in args.play {
        tokio::spawn(play_without_player(stage.clone(), stream));
    }
    drop(stage);

    end.await;
    node.with(|node, _| node.close_all());
    death.come().await;
    pump.abort();
    Ok(node.with(|node, _| node.summary()))
}

/// Plays `stream` whenever it is there.
async fn play_without_player(stage: Stage, stream: StreamName) {
    loop {
        let opening = stage.open(stream.app(), stream.key(), None, Protocol::Headless);
        match stage.life.during(opening).await {
            None => return,
            Some(Ok(mut seat)) => while seat.outlet.next().await.is_some() {},
            Some(Err(reason)) => tracing::debug!("{stream}: {reason}"),
        }
        if stage.life.during(tokio::time::sleep(AGAIN)).await.is_none() {
            return;
        }
    }
}
