//! A run in virtual time: the peers, places, delays and upload limits of a repetition as Mininet
//! has them, with the engine of the live peer on the simulator.

use nearcast_engine::mesh::{self, System};
use nearcast_machine::{Bitrate, Bytes, Seed, Span, Time};
use nearcast_peer::MESH_CHUNK_MAX;
use nearcast_sim::{
    Access, Delays, Network, NodeId, NodeSpec, Observer, Place, Settings, Signalling, Simulation,
    Watch,
};
use nearcast_swarm::{Kit, MeshNode, SERVERS, SOURCE, Stream, StreamText, TRACKER, servers};
use nearcast_topologies::Topology;
use toml::Table;

use super::measures::LayerRate;
use super::network::{CDN, QUEUE_PACKETS, SEED, topology};
use super::plan::Plan;
use super::population::{Member, Population};
use super::result::{Flavour, LAYERS, MeshRun, PeerRecord, Sample};
use crate::Failure;
use crate::result::{Fidelity, Trust};
use crate::simulate::changed;
use crate::world::Shutdown;

/// Pictures of each layer in a second: 30, of whose every eight one is I or P, three are B that
/// others refer to, four are b.
const PICTURES: [f64; LAYERS] = [3.75, 11.25, 15.0];
/// How often what a peer has counted is noted.
const STEP: Span = Span::from_secs(1);

/// A stream of these layers. Its pictures are all of one size and number of chunks, as many chunks
/// as are nearest to what the layer has; so many pictures a second as then make up its chunks.
///
/// # Errors
/// If no stream has such layers.
pub(super) fn stream(layers: [LayerRate; LAYERS]) -> Result<Stream, Failure> {
    let cut = |layer: usize| {
        let LayerRate { kbit, chunks } = layers[layer];
        let of_picture = (chunks / PICTURES[layer]).round().max(1.0);
        let size = (kbit * 1e3 / 8.0 / chunks).ceil().min(f64::from(MESH_CHUNK_MAX));
        (chunks / of_picture, size as u32)
    };
    let rates = layers.map(|layer| Bitrate::from_bits_per_sec((layer.kbit * 1e3) as u64));
    let cuts: [_; LAYERS] = std::array::from_fn(cut);
    let text = StreamText { rates, frames: cuts.map(|(pictures, _)| pictures) };
    Ok(Stream::cut(&text, cuts.map(|(_, size)| size))?)
}

/// Makes the run of a system in a repetition; what peers draw themselves, such as whom to ask, they
/// draw anew in each `draw`. With the switch's help none can be made: the simulator has no
/// switches.
pub(super) fn perform(
    plan: &Plan,
    stream: Stream,
    (system, repeat): (Flavour, u32),
    draw: u32,
    shutdown: Shutdown,
) -> Result<MeshRun, Failure> {
    let population = Population::draw(&plan.scenario, plan.seed, repeat, plan.judged);
    let topology = topology(&population, plan.scenario.seed_upload);
    let kit = kit(plan, stream, system.system())?;
    let network = Network {
        delays: delays(&topology, &population)?,
        signalling: Signalling::Queued { loss: Default::default() },
        ..Network::default()
    };
    let end = Time::ZERO + plan.length();
    let seed = plan.seed.derive(&format!("simulation {repeat}, draw {draw}"));
    let settings = Settings { sample_every: Some(STEP), ..Settings::new(seed, end) };
    let simulation = Simulation::new(settings, network, nodes(&topology, &population))?;
    let upload = |id: NodeId| {
        let member = id.index().checked_sub(SERVERS).map(|at| &population.members[at]);
        member.map(|member| member.upload).unwrap_or_default()
    };
    let make = |id: NodeId, _: &NodeSpec, seed: Seed| MeshNode::new(id, upload(id), seed, &kit);
    let count = SERVERS + population.members.len();
    let mut watch = UntilAsked(shutdown);
    let outcome = simulation.run(make, || Notes::new(count), &mut watch)?;
    shutdown.check()?;

    let lasted = outcome.statistics.simulated;
    let [notes] = outcome.observers.try_into().map_err(|_| "it ran on more than one thread")?;
    let Notes { series, last } = notes;
    let mut all = series.into_iter().zip(last).skip(SOURCE);
    let seed_bytes = all.next().map_or(0, |(_, source)| source.sent_bytes);
    let peers = population.members.iter().zip(all);
    Ok(MeshRun {
        system,
        repeat,
        incomplete_why: None,
        lasted_s: lasted.as_secs_f64(),
        peers: peers.map(|(member, (series, last))| record(member, series, &last)).collect(),
        seed_bytes,
        cpu: Default::default(),
        queue_drops: outcome.statistics.counters.dropped_up,
        // Virtual time is never late.
        fidelity: Fidelity {
            verdict: Trust::Trusted,
            reasons: Vec::new(),
            cpu: Vec::new(),
            stolen: Vec::new(),
            link_late_p99: None,
            link_late_max: None,
            unasked_drops: Default::default(),
            clock_step: 0,
        },
    })
}

/// The settings that the peers of a run in Mininet have.
fn kit(plan: &Plan, stream: Stream, system: System) -> Result<Kit, Failure> {
    let file: Table = plan.settings().parse()?;
    let of = |settings: mesh::Settings| {
        let settings = mesh::Settings { lc_max: MESH_CHUNK_MAX, ..settings };
        let settings = changed(settings, &file)?;
        settings.check().map(|()| settings)
    };
    let source =
        mesh::Settings { upload: plan.scenario.seed_upload, ..mesh::Settings::source(system) };
    Ok(Kit { stream, viewer: of(mesh::Settings::of(system))?, source: of(source)? })
}

/// Where each node is: the tracker beside the CDN, the source on the broadcaster's host, peers on
/// theirs.
fn hosts(population: &Population) -> Vec<&str> {
    let mut hosts = vec![""; SERVERS];
    (hosts[TRACKER], hosts[SOURCE]) = (CDN, SEED);
    hosts.extend(population.members.iter().map(|member| member.host.as_str()));
    hosts
}

/// From each host to each, by the links between them.
fn delays(topology: &Topology, population: &Population) -> Result<Delays, Failure> {
    let hosts = hosts(population);
    let mut spans = Vec::with_capacity(hosts.len() * hosts.len());
    for &from in &hosts {
        for &to in &hosts {
            let way = || topology.path(from, to).map(|path| path.propagation());
            let span = if from == to { Some(Span::ZERO) } else { way() };
            spans.push(span.ok_or_else(|| format!("there is no way from {from} to {to}"))?);
        }
    }
    Ok(Delays::Matrix { sites: u32::try_from(hosts.len())?, spans })
}

fn nodes(topology: &Topology, population: &Population) -> Vec<NodeSpec> {
    let arrivals = population.members.iter().map(|member| NodeSpec {
        arrive: Time::ZERO + member.joins,
        ..NodeSpec::new(member.host.as_str())
    });
    let nodes = servers().into_iter().chain(arrivals).zip(hosts(population));
    let placed = nodes.zip(0..).map(|((node, host), site)| NodeSpec {
        access: access(topology, host),
        place: Place::Site(site),
        ..node
    });
    placed.collect()
}

/// A host's link as it is in Mininet: what it sends is limited, what it receives is not.
fn access(topology: &Topology, host: &str) -> Access {
    let other = if host == CDN { SEED } else { CDN };
    let path = topology.path(host, other);
    let up = path.and_then(|path| path.hops.first().and_then(|hop| hop.params.rate));
    let queue = Bytes::new(u64::from(QUEUE_PACKETS) * u64::from(MESH_CHUNK_MAX));
    Access { up, down: None, queue: if up.is_some() { queue } else { Access::default().queue } }
}

fn record(member: &Member, series: Vec<Sample>, last: &mesh::Statistics) -> PeerRecord {
    PeerRecord {
        host: member.host.clone(),
        class: member.class,
        group: member.group,
        delay_ms: member.delay.as_millis_f64(),
        joined_s: member.joins.as_secs_f64(),
        series,
        served_bytes: last.served_bytes,
        sent_bytes: last.sent_bytes,
        duplicates: last.duplicates,
        late: last.late,
        // Chunks have no pictures in them here.
        pictures: 0,
        disordered: 0,
        by_switch: None,
        quality: None,
    }
}

/// What each node has counted, in steps and at its end.
struct Notes {
    series: Vec<Vec<Sample>>,
    last: Vec<mesh::Statistics>,
}

impl Notes {
    fn new(nodes: usize) -> Notes {
        Notes { series: vec![Vec::new(); nodes], last: vec![mesh::Statistics::default(); nodes] }
    }

    fn note(&mut self, now: Time, node: NodeId, statistics: &mesh::Statistics) {
        let of = |what: fn(&mesh::LayerStatistics) -> u64| {
            std::array::from_fn(|layer| what(&statistics.layers[layer]))
        };
        self.series[node.index()].push(Sample {
            at_s: now.as_secs_f64(),
            due: of(|layer| layer.due),
            played: of(|layer| layer.played),
            bytes: of(|layer| layer.played_bytes),
        });
    }
}

impl Observer<MeshNode> for Notes {
    fn sample(&mut self, now: Time, node: NodeId, machine: &MeshNode) {
        if let Some(statistics) = machine.statistics() {
            self.note(now, node, statistics);
        }
    }

    fn left(&mut self, now: Time, node: NodeId, machine: MeshNode) {
        if let Some(statistics) = machine.statistics() {
            self.note(now, node, statistics);
            self.last[node.index()] = *statistics;
        }
    }
}

/// Ctrl-C ends a run.
struct UntilAsked(Shutdown);

impl Watch for UntilAsked {
    fn elapsed(&mut self) -> Span {
        Span::ZERO
    }

    fn stops(&mut self) -> bool {
        self.0.requested()
    }
}
