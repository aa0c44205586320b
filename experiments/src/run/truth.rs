//! The links, measured before anything else is on them.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use nearcast_link::{Queue, Request, Which};
use nearcast_machine::{Bytes, Span};

use super::stage::Stage;
use crate::Failure;
use crate::measure::{Drain, FLOOD_FRAME, flood};
use crate::ping;
use crate::result::LinkTruth;
use crate::world::Shutdown;

/// Enough for a 99th percentile.
const PINGS: usize = 300;
const INTERVAL: Span = Span::from_millis(10);
/// The least that is a ping, so that serialisation, which is no part of the claim, stays small.
const SIZE: u32 = 0;
/// The queue's bound while it is made to overflow: fewer packets than the topology's, so that the
/// flood is over soon.
const BOUND: u32 = 100;
/// The discard port (RFC 863), on which nobody listens.
const PORT: u16 = 9;

/// The first link's rate and queue; then, with all programs settled, round trips of the pairs that
/// the paper pinged, all at once.
pub(super) fn measure(stage: &Stage, shutdown: Shutdown) -> Result<Vec<LinkTruth>, Failure> {
    let topology = stage.world.topology();
    let viewer = stage.viewers.first().ok_or("there is no viewer")?;
    let pairs = [(stage.broadcaster.as_str(), viewer.as_str()), (&stage.broadcaster, &stage.cdn)];
    let plans: Vec<ping::Plan> = pairs
        .into_iter()
        .map(|pair| ping::plan(topology, pair, INTERVAL, SIZE, PINGS))
        .collect::<Result<_, Failure>>()?;
    // The pair that is pinged during the run only, too: nobody has to look for anybody then.
    let later = ping::plan(topology, (&stage.cdn, viewer), INTERVAL, SIZE, 1)?;
    let all: Vec<ping::Plan> = plans.iter().cloned().chain([later]).collect();
    ping::warm_up(&stage.world, &all, shutdown)?;
    let rate = rate(stage, &stage.broadcaster, viewer)?;
    shutdown.check()?;
    let trains = ping::Trains::start(ping::open(&stage.world, plans)?, Instant::now())?;
    while !trains.is_finished() {
        shutdown.sleep(Duration::from_millis(20))?;
    }
    let mut truth: Vec<LinkTruth> = trains
        .finish()?
        .into_iter()
        .map(|train| {
            let propagation = |from: &str, to: &str| {
                topology.path(from, to).map_or(Span::ZERO, |path| path.propagation())
            };
            LinkTruth::Rtt {
                propagation: (propagation(&train.from, &train.to)
                    + propagation(&train.to, &train.from))
                .as_nanos(),
                lost: train.probes.iter().filter(|probe| probe.rtt.is_none()).count() as u64,
                rtts: train.probes.iter().filter_map(|probe| probe.rtt).collect(),
                from: train.from,
                to: train.to,
            }
        })
        .collect();
    truth.extend(rate);
    Ok(truth)
}

/// Overflows the first link of a path; nothing if it has no rate to overflow.
fn rate(stage: &Stage, from: &str, to: &str) -> Result<Option<LinkTruth>, Failure> {
    let topology = stage.world.topology();
    let path = topology.path(from, to).ok_or("there is no way")?;
    let (Some(first), Some(set)) = (path.hops.first(), path.bottleneck()) else { return Ok(None) };
    if first.params.rate != Some(set) {
        return Ok(None);
    }
    let link = topology
        .links
        .iter()
        .find(|link| link.name == first.link)
        .ok_or("the path has no such link")?;
    let direction = if link.a == first.from { Which::AToB } else { Which::BToA };
    let name: nearcast_link::LinkName = link.name.parse()?;
    let queue = |queue: Queue| -> Result<(), Failure> {
        let params = serde_json::json!({ "queue": queue });
        let params = params.as_object().cloned().unwrap_or_default();
        Ok(stage.world.links()?.done(&Request::Set { name: name.clone(), direction, params })?)
    };
    let counters = || -> Result<nearcast_link::Counters, Failure> {
        let stats = stage.world.links()?.stats()?;
        let link =
            stats.links.into_iter().find(|link| link.name == name).ok_or("the link is gone")?;
        Ok(if direction == Which::AToB { link.a_to_b.counters } else { link.b_to_a.counters })
    };

    queue(Queue::Packets(BOUND))?;
    let before = counters()?;
    let target = topology.host(to).ok_or("there is no such host")?.ip;
    let receiver =
        stage.world.in_namespace(to, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
    let sender =
        stage.world.in_namespace(from, || UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)))??;
    let packet = Duration::from(set.serialisation(Bytes::new(FLOOD_FRAME)));
    let drain = packet * BOUND;
    // The queue fills at the rate it is drained, as twice that is offered; then drops for as long.
    let lasting = drain * 2 + Duration::from_millis(400);
    let queued = drain + Duration::from(path.propagation()) + Duration::from_millis(200);
    let drained = Drain::start(receiver)?;
    let flooded = flood(&sender, SocketAddr::from((target, PORT)), drained, set, (lasting, queued));
    let after = counters();
    queue(first.params.queue)?;
    let (flooded, after) = (flooded?, after?);
    Ok(Some(LinkTruth::Rate {
        from: from.to_owned(),
        to: to.to_owned(),
        set: set.bits_per_sec(),
        carried: flooded.carried,
        bound: Some(u64::from(BOUND)),
        deepest: after.queued_peak,
        sent: flooded.sent,
        arrived: flooded.arrived,
        dropped: after.dropped_queue - before.dropped_queue,
    }))
}
