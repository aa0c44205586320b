use std::path::Path;
use std::time::{Duration, Instant};

use nearcast_media::StreamName;
use nearcast_topologies::Topology;

use super::stage::{Setup, Stage, wait_for_event};
use super::{cast, versions};
use crate::Failure;
use crate::clip::Clip;
use crate::ping::{self, Plan, Trains};
use crate::result::PingTrain;
use crate::scenario::Player;
use crate::world::Shutdown;

/// Pings while the assisted system broadcasts to every viewer of the topology: what `nearcast ping
/// --stream` does. The stream lasts as long as the pings.
pub(crate) fn pings_under_stream(
    topology: &Topology,
    plans: Vec<Plan>,
    folder: &Path,
    shutdown: Shutdown,
) -> Result<Vec<PingTrain>, Failure> {
    let key: StreamName = "live/cam".parse()?;
    let longest = plans
        .iter()
        .map(|plan| Duration::from(plan.interval * plan.count as u64))
        .max()
        .unwrap_or_default();
    let clip = Clip::prepare(longest.as_secs() + 5, shutdown)?;
    let setup = Setup { topology, key: &key, folder, seed: 0, peering: true, hls: false };
    let stage = Stage::build(&setup, shutdown, &|phase| eprintln!("{phase}"))?;
    let trains = stream_and_ping(&stage, &clip, &key, plans, shutdown);
    stage.world.close()?;
    trains
}

fn stream_and_ping(
    stage: &Stage,
    clip: &Clip,
    key: &StreamName,
    plans: Vec<Plan>,
    shutdown: Shutdown,
) -> Result<Vec<PingTrain>, Failure> {
    ping::warm_up(&stage.world, &plans, shutdown)?;
    for viewer in &stage.viewers {
        stage.start(viewer, &format!("{viewer}-player"), cast::player(Player::Rtmpdump, key))?;
    }
    let publisher = cast::publisher(clip, key, versions::ffmpeg_bursts());
    let publisher = stage.start(&stage.broadcaster, "publisher", publisher)?;
    for viewer in &stage.viewers {
        let peer = stage.events(viewer);
        wait_for_event(&publisher, &peer, "\"first_frame\"", 1, shutdown)?;
    }
    let count = plans.iter().map(|plan| plan.count).max().unwrap_or(0);
    let trains = Trains::start(ping::open(&stage.world, plans)?, Instant::now())?;
    ping::follow(trains, count, shutdown)
}
