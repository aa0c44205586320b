//! A hundred peers of the live engine, unchanged, with their tracker, in virtual time.

use nearcast_engine::mesh::{Statistics, System};
use nearcast_machine::{Bitrate, Seed, Span, Time};
use nearcast_sim::trace::{BandwidthClass, Contribution};
use nearcast_sim::{
    Delays, Digest, Network, NodeId, NodeSpec, Observer, Settings, Signalling, Simulation,
};
use nearcast_swarm::{Kit, MeshNode, SERVERS, Stream, StreamText, access, servers};

const PEERS: usize = 100;

/// What every viewer counted by the end of its time.
#[derive(Default)]
struct Counted(Vec<(NodeId, Statistics)>);

impl Observer<MeshNode> for Counted {
    fn left(&mut self, _: Time, node: NodeId, machine: MeshNode) {
        if let Some(statistics) = machine.statistics().filter(|_| node.index() >= SERVERS) {
            self.0.push((node, *statistics));
        }
    }
}

/// They come within 20 s; some leave early.
fn viewers(uploads: &[Bitrate]) -> impl Iterator<Item = NodeSpec> {
    uploads.iter().zip(0..).map(|(&upload, index)| {
        let arrive = Time::ZERO + Span::from_millis(200 * index);
        NodeSpec {
            access: access(upload),
            arrive,
            depart: (index % 10 == 3).then(|| arrive + Span::from_secs(45)),
            ..NodeSpec::new(format!("v{index}"))
        }
    })
}

fn run(seed: u64, threads: usize, signalling: Signalling) -> (Digest, Vec<(NodeId, Statistics)>) {
    let end = Time::ZERO + Span::from_secs(90);
    let settings = Settings { threads, ..Settings::new(Seed::new(seed), end) };
    let delays = Delays::Uniform(Span::from_millis(25));
    let network = Network { delays, signalling, ..Network::default() };
    let mut rng = Seed::new(4).rng();
    let mut draw = || BandwidthClass::draw(&mut rng).upload(Contribution::Underloaded);
    let uploads: Vec<Bitrate> = (0..PEERS).map(|_| draw()).collect();
    let population = servers().into_iter().chain(viewers(&uploads)).collect();
    let simulation = Simulation::new(settings, network, population).expect("they fit");
    let stream = Stream::new(&StreamText::default()).expect("it is the paper's");
    let source = Bitrate::from_bits_per_sec(2_000_000);
    let kit = Kit::new(System::LayerP2p, stream, source, Span::from_millis(100));
    let make = |id: NodeId, _: &NodeSpec, seed| {
        let upload = id.index().checked_sub(SERVERS).map(|viewer| uploads[viewer]);
        MeshNode::new(id, upload.unwrap_or_default(), seed, &kit)
    };
    let outcome = simulation.run(make, Counted::default, &mut ()).expect("time passes");
    let counters = outcome.statistics.counters;
    assert_eq!(counters.nodes_came, (PEERS + SERVERS) as u64);
    assert_eq!(counters.nodes_left, PEERS as u64 / 10);
    let mut counted: Vec<_> = outcome.observers.into_iter().flat_map(|part| part.0).collect();
    counted.sort_unstable_by_key(|(node, _)| *node);
    (outcome.digest, counted)
}

/// The received chunk ratio of a layer, over all.
fn ratio(counted: &[(NodeId, Statistics)], layer: usize) -> f64 {
    let sum = |what: fn(&Statistics, usize) -> u64| -> u64 {
        counted.iter().map(|(_, statistics)| what(statistics, layer)).sum()
    };
    let due = sum(|statistics, layer| statistics.layers[layer].due);
    assert!(due > 10_000, "{due} chunks of layer {layer} were due");
    sum(|statistics, layer| statistics.layers[layer].played) as f64 / due as f64
}

#[test]
fn a_hundred_peers_play_and_do_so_on_any_number_of_threads() {
    let delayed = Signalling::Delayed { loss: Default::default() };
    let (digest, counted) = run(1, 1, delayed);
    assert_eq!(counted.len(), PEERS);
    for layer in 0..3 {
        let ratio = ratio(&counted, layer);
        println!("layer {layer}: {ratio:.4}");
        // The system is underloaded; the paper has almost all chunks arrive (figure 15). It has
        // their whole stay for that, and here a minute from an empty start.
        assert!(ratio > 0.9, "layer {layer}: {ratio}");
    }
    for threads in [1, 2, 4] {
        assert_eq!(run(1, threads, delayed), (digest, counted.clone()), "{threads} threads");
    }
    assert_ne!(run(2, 1, delayed).0, digest);
}

#[test]
fn a_hundred_peers_play_with_instant_signalling() {
    let (digest, counted) = run(1, 2, Signalling::Instant);
    assert!(ratio(&counted, 0) > 0.9);
    assert_eq!(run(1, 1, Signalling::Instant).0, digest);
}
