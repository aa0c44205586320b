//! The model proved by arithmetic: what arrives when, and what does not.

use std::collections::VecDeque;

use nearcast_link::Probability;
use nearcast_machine::{Bitrate, Bytes, Machine, Seed, Span, Time};
use nearcast_sim::{
    Access, Action, Class, Delays, Error, Message, Network, Node, NodeId, NodeSpec, Observer,
    Outcome, Place, Progress, Settings, Signalling, Simulation, Watch,
};

/// So many bytes of one class, numbered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Packet(u32, u64, Class);

impl Message for Packet {
    fn wire_len(&self) -> Bytes {
        Bytes::new(self.1)
    }

    fn class(&self) -> Class {
        self.2
    }
}

/// Sends what it was given at the times it was given, and tells of all that comes.
struct Script {
    sends: VecDeque<(Time, NodeId, Packet)>,
    out: VecDeque<Action<Packet, (NodeId, Packet)>>,
}

impl Machine for Script {
    type Input = (NodeId, Packet);
    type Output = Action<Packet, (NodeId, Packet)>;

    fn handle(&mut self, _: Time, input: (NodeId, Packet)) {
        self.out.push_back(Action::Event(input));
    }

    fn expire(&mut self, now: Time) {
        while self.sends.front().is_some_and(|(at, ..)| *at <= now) {
            let (_, to, message) = self.sends.pop_front().expect("it was looked at");
            self.out.push_back(Action::Send { to, message });
        }
    }

    fn poll(&mut self) -> Option<Self::Output> {
        self.out.pop_front()
    }

    fn deadline(&self) -> Option<Time> {
        self.sends.front().map(|(at, ..)| *at)
    }
}

impl Node for Script {
    type Message = Packet;
    type Event = (NodeId, Packet);

    fn received(from: NodeId, message: Packet) -> (NodeId, Packet) {
        (from, message)
    }

    fn action(output: Self::Output) -> Action<Packet, (NodeId, Packet)> {
        output
    }
}

#[derive(Default)]
struct Arrivals(Vec<(Time, NodeId, u32)>);

impl Observer<Script> for Arrivals {
    fn event(&mut self, now: Time, node: NodeId, (_, Packet(number, ..)): (NodeId, Packet)) {
        self.0.push((now, node, number));
    }
}

const END: Time = Time::from_nanos(10_000_000_000);

fn ms(millis: u64) -> Time {
    Time::ZERO + Span::from_millis(millis)
}

fn id(index: usize) -> NodeId {
    NodeId::new(index).expect("few")
}

/// A network where node 0 sends `sends` (when, to whom, what).
fn run(
    network: Network,
    population: Vec<NodeSpec>,
    sends: &[(u64, usize, Packet)],
) -> Outcome<Arrivals> {
    let settings = Settings::new(Seed::new(1), END);
    let make = |node: NodeId, _: &NodeSpec, _| {
        let sends = sends.iter().filter(|_| node == id(0));
        let sends = sends.map(|(at, to, packet)| (ms(*at), id(*to), *packet)).collect();
        Script { sends, out: VecDeque::new() }
    };
    let simulation = Simulation::new(settings, network, population).expect("they fit");
    simulation.run(make, Arrivals::default, &mut ()).expect("time passes")
}

fn arrivals(outcome: &Outcome<Arrivals>) -> Vec<(Time, NodeId, u32)> {
    outcome.observers.iter().flat_map(|observer| observer.0.clone()).collect()
}

fn nodes(count: usize) -> Vec<NodeSpec> {
    (0..count).map(|index| NodeSpec::new(format!("n{index}"))).collect()
}

fn data(number: u32) -> Packet {
    Packet(number, 1_250, Class::Data)
}

fn mbit(rate: u64) -> Option<Bitrate> {
    Some(Bitrate::from_bits_per_sec(rate * 1_000_000))
}

#[test]
fn a_path_is_uplink_then_core_then_downlink() {
    let mut population = nodes(3);
    population[0].access.up = mbit(10);
    population[1].access.down = mbit(5);
    let sites = |site| Place::Site(site);
    (population[1].place, population[2].place) = (sites(1), sites(2));
    let spans = [0, 8, 30, 8, 0, 30, 31, 31, 0].map(Span::from_millis).to_vec();
    let network = Network { delays: Delays::Matrix { sites: 3, spans }, ..Network::default() };
    let sends = [(100, 1, data(0)), (100, 1, data(1)), (100, 2, data(2)), (200, 1, data(3))];
    let outcome = run(network, population, &sends);
    // 1 ms each on the uplink, one after the other, whoever they are for; 2 ms each on the
    // downlink.
    let expected = [
        (ms(100 + 1 + 8 + 2), id(1), 0),
        (ms(100 + 2 + 8 + 3), id(1), 1),
        (ms(100 + 3 + 30), id(2), 2),
        (ms(200 + 1 + 8 + 2), id(1), 3),
    ];
    assert_eq!(arrivals(&outcome), expected);
}

#[test]
fn a_full_queue_drops_at_its_bound() {
    let mut population = nodes(2);
    population[0].access = Access { up: mbit(10), down: None, queue: Bytes::new(3 * 1_250) };
    let sends: Vec<_> = (0..10).map(|number| (0, 1, data(number))).collect();
    let outcome = run(Network::default(), population, &sends);
    // One on the transmitter and three behind it.
    let expected: Vec<_> =
        (0..4).map(|number| (ms(1 + u64::from(number)), id(1), number)).collect();
    assert_eq!(arrivals(&outcome), expected);
    let counters = outcome.statistics.counters;
    assert_eq!((counters.sent, counters.deliveries, counters.dropped_up), (10, 4, 6));
}

#[test]
fn a_full_downlink_queue_drops_too() {
    let mut population = nodes(2);
    population[1].access = Access { up: None, down: mbit(10), queue: Bytes::new(1_250) };
    let sends: Vec<_> = (0..5).map(|number| (7, 1, data(number))).collect();
    let outcome = run(Network::default(), population, &sends);
    assert_eq!(arrivals(&outcome), [(ms(8), id(1), 0), (ms(9), id(1), 1)]);
    assert_eq!(outcome.statistics.counters.dropped_down, 3);
}

#[test]
fn signalling_is_instant_or_delayed_or_queued() {
    let ask = Packet(9, 1_250, Class::Signal);
    let sends = [(0, 1, data(0)), (0, 1, ask)];
    let with = |signalling| {
        let mut population = nodes(2);
        (population[0].access.up, population[1].access.down) = (mbit(1), mbit(1));
        let delays = Delays::Uniform(Span::from_millis(20));
        let network = Network { delays, signalling, ..Network::default() };
        let outcome = run(network, population, &sends);
        arrivals(&outcome).iter().find(|(.., number)| *number == 9).map(|(now, ..)| *now)
    };
    let loss = Probability::NEVER;
    assert_eq!(with(Signalling::Instant), Some(ms(0)));
    assert_eq!(with(Signalling::Delayed { loss }), Some(ms(20)));
    // Behind the payload on the uplink (10 ms each), and on the downlink.
    assert_eq!(with(Signalling::Queued { loss }), Some(ms(20 + 20 + 10)));
    assert_eq!(with(Signalling::Delayed { loss: Probability::ALWAYS }), None);
}

#[test]
fn loss_is_as_often_as_asked() {
    let sends: Vec<_> = (0..9_000).map(|number| (u64::from(number), 1, data(number))).collect();
    let loss = Probability::new(0.1).expect("a chance");
    let outcome = run(Network { loss, ..Network::default() }, nodes(2), &sends);
    let counters = outcome.statistics.counters;
    // Five standard deviations of a binomial.
    assert!(counters.lost.abs_diff(900) < 143, "{counters:?}");
    assert_eq!(counters.lost + counters.deliveries, 9_000);
}

#[test]
fn nobody_hears_before_coming_or_after_leaving() {
    let mut population = nodes(2);
    (population[1].arrive, population[1].depart) = (ms(50), Some(ms(100)));
    let sends: Vec<_> =
        [0, 49, 50, 99, 100, 200].iter().map(|at| (*at, 1, data(*at as u32))).collect();
    let outcome = run(Network::default(), population, &sends);
    // Coming comes first in its instant, and leaving last.
    let heard: Vec<u32> = arrivals(&outcome).iter().map(|(.., number)| *number).collect();
    assert_eq!(heard, [50, 99, 100]);
    assert_eq!(outcome.statistics.counters.undeliverable, 3);
    assert_eq!(outcome.statistics.counters.nodes_left, 1);
}

#[test]
fn messages_to_nowhere_are_counted() {
    let outcome = run(Network::default(), nodes(2), &[(1, 2, data(0)), (1, 1 << 20, data(1))]);
    assert_eq!(outcome.statistics.counters.undeliverable, 2);
}

/// Deadline in the past, for ever.
struct Restless;

impl Machine for Restless {
    type Input = ();
    type Output = ();
    fn handle(&mut self, _: Time, (): ()) {}
    fn expire(&mut self, _: Time) {}
    fn poll(&mut self) -> Option<()> {
        None
    }
    fn deadline(&self) -> Option<Time> {
        Some(Time::ZERO)
    }
}

impl Node for Restless {
    type Message = Packet;
    type Event = ();
    fn received(_: NodeId, _: Packet) {}
    fn action((): ()) -> Action<Packet, ()> {
        Action::Ignore
    }
}

#[test]
fn a_machine_that_does_not_move_on_is_named() {
    for threads in [1, 2] {
        let settings =
            Settings { instant_limit: 1_000, threads, ..Settings::new(Seed::new(1), END) };
        let delays = Delays::Uniform(Span::from_millis(1));
        let loss = Probability::NEVER;
        let signalling = Signalling::Delayed { loss };
        let network = Network { delays, signalling, ..Network::default() };
        let simulation = Simulation::new(settings, network, nodes(1)).expect("they fit");
        let error = simulation.run(|_, _, _| Restless, || (), &mut ()).expect_err("it is stuck");
        let Error::Stuck { name, time, .. } = &error else { panic!("{error}") };
        assert_eq!((name.as_str(), *time), ("n0", Time::ZERO));
        assert!(error.to_string().contains("`n0`"), "{error}");
    }
}

#[test]
#[should_panic(expected = "on purpose")]
fn a_panic_of_one_thread_ends_all() {
    let settings = Settings { threads: 2, ..Settings::new(Seed::new(1), END) };
    let delays = Delays::Uniform(Span::from_millis(1));
    let signalling = Signalling::Delayed { loss: Probability::NEVER };
    let network = Network { delays, signalling, ..Network::default() };
    let mut population = nodes(2);
    population[1].arrive = ms(5);
    let simulation = Simulation::new(settings, network, population).expect("they fit");
    let make = |node: NodeId, _: &NodeSpec, _| match node.index() {
        0 => Script { sends: [(END, node, data(0))].into(), out: VecDeque::new() },
        _ => panic!("on purpose"),
    };
    let _ = simulation.run(make, || (), &mut ());
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let settings = || Settings::new(Seed::new(1), END);
    let refused = |network, population| {
        Simulation::new(settings(), network, population).expect_err("refused").to_string()
    };
    let mut population = nodes(3);
    population[2].depart = Some(Time::ZERO);
    assert!(refused(Network::default(), population).contains("`n2` is to leave at 0.0"));

    let plane = Delays::Plane { least: Span::ZERO, per_unit: Span::ZERO };
    let network = Network { delays: plane, ..Network::default() };
    assert!(refused(network.clone(), nodes(1)).contains("`n0` is at Site(0)"));
    let mut population = nodes(1);
    population[0].place = Place::Point { x: f32::NAN, y: 0.0 };
    assert!(refused(network, population).contains("NaN"));

    let delays = Delays::Matrix { sites: u32::MAX, spans: vec![Span::ZERO] };
    let network = Network { delays, ..Network::default() };
    assert!(refused(network, nodes(1)).contains("and not 1"));

    for threads in [0, 1 << 40] {
        let settings = Settings { threads, ..settings() };
        let error = Simulation::new(settings, Network::default(), nodes(1)).expect_err("refused");
        assert_eq!(error, Error::Threads(threads));
    }
}

/// A clock that is a millisecond further at every look.
#[derive(Default)]
struct Stopwatch {
    looks: u64,
    seen: Vec<Progress>,
}

impl Watch for Stopwatch {
    fn elapsed(&mut self) -> Span {
        self.looks += 1;
        Span::from_millis(self.looks)
    }

    fn progress(&mut self, progress: &Progress) {
        self.seen.push(*progress);
    }
}

#[test]
fn progress_and_rates_are_told() {
    let sends: Vec<_> = (0..1_000).map(|number| (u64::from(number), 1, data(number))).collect();
    let make = |node: NodeId, _: &NodeSpec, _| Script {
        sends: sends
            .iter()
            .filter(|_| node == id(0))
            .map(|(at, to, packet)| (ms(*at), id(*to), *packet))
            .collect(),
        out: VecDeque::new(),
    };
    let settings = Settings::new(Seed::new(1), ms(1_000));
    let simulation = Simulation::new(settings, Network::default(), nodes(2)).expect("they fit");
    let mut watch = Stopwatch::default();
    let outcome = simulation.run(make, || (), &mut watch).expect("time passes");

    let last = watch.seen.last().expect("it was told");
    assert!(watch.seen.is_sorted_by(|a, b| a.now < b.now && a.deliveries <= b.deliveries));
    assert_eq!((last.now, last.nodes, last.deliveries), (ms(1_000), 2, 1_000));
    assert_eq!((last.done, last.left()), (1.0, Some(Span::ZERO)));
    let first = watch.seen.first().expect("it was told");
    // A tenth is done in one look's time.
    assert_eq!((first.now, first.left()), (ms(100), Some(Span::from_millis(9))));
    let statistics = outcome.statistics;
    let seconds = statistics.elapsed.as_secs_f64();
    assert_eq!(statistics.elapsed, Span::from_millis(watch.looks - 1));
    assert!((statistics.deliveries_per_sec() - 1_000.0 / seconds).abs() < 1e-6);
    assert!((statistics.speed() - 1.0 / seconds).abs() < 1e-6);
    assert_eq!(statistics.windows, watch.seen.len() as u64);
}
