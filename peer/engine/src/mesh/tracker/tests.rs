use std::net::SocketAddrV4;

use super::*;

const STREAM: StreamId = StreamId([1; 8]);
const OTHER: StreamId = StreamId([2; 8]);

fn at(secs: u64) -> Time {
    Time::ZERO + Span::from_secs(secs)
}

fn open() -> Settings {
    Settings { tokens: false, host_peers: None, host_streams: None, ..Settings::default() }
}

fn tracker(settings: Settings) -> Tracker {
    Tracker::new(settings, Seed::new(1))
}

fn announce(tracker: &mut Tracker, now: Time, from: u64, stream: StreamId) -> Vec<u64> {
    let question = Question::Announce { token: 0, want: 200 };
    tracker.handle(now, Input { from: PeerId(from), stream, question });
    let Some(Output { to, answer: Answer::Peers(peers), .. }) = tracker.poll() else {
        panic!("an announcement is answered with peers");
    };
    assert_eq!(to, PeerId(from));
    let mut peers: Vec<u64> = peers.into_iter().map(|peer| peer.0).collect();
    peers.sort_unstable();
    peers
}

#[test]
fn streams_never_mix_and_nobody_is_told_of_itself() {
    let mut tracker = tracker(open());
    assert_eq!(announce(&mut tracker, at(0), 1, STREAM), []);
    assert_eq!(announce(&mut tracker, at(0), 2, OTHER), []);
    assert_eq!(announce(&mut tracker, at(0), 3, STREAM), [1]);
    assert_eq!(announce(&mut tracker, at(0), 1, STREAM), [3]);
    assert_eq!((tracker.streams(), tracker.peers(STREAM), tracker.peers(OTHER)), (2, 2, 1));
}

#[test]
fn who_is_silent_is_forgotten_and_who_renews_is_not() {
    let mut tracker = tracker(open());
    announce(&mut tracker, at(0), 1, STREAM);
    announce(&mut tracker, at(0), 2, STREAM);
    announce(&mut tracker, at(60), 2, STREAM);
    while let Some(deadline) = tracker.deadline().filter(|&deadline| deadline <= at(102)) {
        tracker.expire(deadline);
    }
    assert_eq!(announce(&mut tracker, at(102), 3, STREAM), [2]);
    while let Some(deadline) = tracker.deadline() {
        assert!(deadline < at(300), "sweeping ends once nobody is left");
        tracker.expire(deadline);
    }
    assert_eq!(tracker.streams(), 0);
}

#[test]
fn who_departs_is_gone_at_once() {
    let mut tracker = tracker(open());
    announce(&mut tracker, at(0), 1, STREAM);
    announce(&mut tracker, at(0), 2, STREAM);
    let question = Question::Depart { token: 0 };
    tracker.handle(at(1), Input { from: PeerId(1), stream: STREAM, question });
    assert_eq!(tracker.poll(), None);
    assert_eq!(announce(&mut tracker, at(1), 3, STREAM), [2]);
}

#[test]
fn lists_are_bounded_and_every_peer_is_as_likely_as_any() {
    let mut tracker = tracker(open());
    for peer in 0..500 {
        announce(&mut tracker, at(0), peer, STREAM);
    }
    let mut seen = [0u32; 500];
    for _ in 0..1000 {
        let peers = announce(&mut tracker, at(1), 7, STREAM);
        assert_eq!(peers.len(), PEERS_MAX);
        assert!(peers.windows(2).all(|pair| pair[0] != pair[1]), "nobody twice");
        peers.iter().for_each(|&peer| seen[peer as usize] += 1);
    }
    assert_eq!(seen[7], 0);
    // 120 on average with a standard deviation of 10.3: six of them either way.
    let others = seen.iter().enumerate().filter(|&(peer, _)| peer != 7).map(|(_, &count)| count);
    assert!(others.clone().all(|count| (58..=182).contains(&count)), "{seen:?}");
}

#[test]
fn without_a_token_of_its_address_a_question_gets_only_a_token() {
    let mut tracker = tracker(Settings::default());
    let peer = PeerId::from(SocketAddrV4::new([10, 0, 0, 1].into(), 7935));
    let forged = PeerId::from(SocketAddrV4::new([10, 0, 0, 2].into(), 7935));
    let ask = |tracker: &mut Tracker, now, from, token| {
        let question = Question::Announce { token, want: 10 };
        tracker.handle(now, Input { from, stream: STREAM, question });
        tracker.poll().expect("an answer").answer
    };
    let Answer::Token(token) = ask(&mut tracker, at(1), peer, 0) else { panic!("a token") };
    assert_eq!(tracker.peers(STREAM), 0);
    assert_eq!(ask(&mut tracker, at(2), peer, token), Answer::Peers(vec![]));
    assert!(matches!(ask(&mut tracker, at(2), forged, token), Answer::Token(_)), "not its own");
    assert_eq!(ask(&mut tracker, at(400), peer, token), Answer::Peers(vec![]), "a period later");
    assert!(matches!(ask(&mut tracker, at(700), peer, token), Answer::Token(_)), "too old");
    let question = Question::Depart { token: 1 };
    tracker.handle(at(3), Input { from: peer, stream: STREAM, question });
    assert_eq!(tracker.peers(STREAM), 1, "nobody else signs a peer off");
}

#[test]
fn streams_peers_and_peers_of_a_host_are_bounded() {
    let settings = Settings { streams: 2, peers: 30, host_peers: Some(4), ..open() };
    let mut tracker = tracker(settings);
    for port in 0..100 {
        announce(&mut tracker, at(0), 0x0a00_0001_0000 | port, STREAM);
    }
    assert_eq!(tracker.peers(STREAM), 4);
    for host in 0..100 {
        announce(&mut tracker, at(0), host << 16, STREAM);
    }
    assert_eq!(tracker.peers(STREAM), 30);
    let told = announce(&mut tracker, at(0), 99 << 16, STREAM);
    assert_eq!(told.len(), 30, "who finds no room is still told of others");
    for stream in 0..100 {
        announce(&mut tracker, at(0), 1, StreamId([stream; 8]));
    }
    assert_eq!(tracker.streams(), 2);
    let question = Question::Depart { token: 0 };
    tracker.handle(at(0), Input { from: PeerId(0x0a00_0001_0000), stream: STREAM, question });
    announce(&mut tracker, at(0), 0x0a00_0001_0055, STREAM);
    assert_eq!(tracker.peers(STREAM), 30, "the place of one that departed is free again");
}

#[test]
fn no_host_takes_the_room_of_all_streams() {
    let settings = Settings { streams: 10, host_streams: Some(3), ..open() };
    let mut tracker = tracker(settings);
    let stream = |number| StreamId([number; 8]);
    let [greedy, other] = [0x0a00_0001_0000, 0x0a00_0002_0000];
    for number in 0..100 {
        announce(&mut tracker, at(0), greedy | u64::from(number), stream(number));
    }
    assert_eq!(tracker.streams(), 3);
    announce(&mut tracker, at(0), other, stream(200));
    assert_eq!(announce(&mut tracker, at(0), greedy, stream(200)), [other], "it may watch others'");
    // One that is over, by word or by silence, counts no longer.
    let question = Question::Depart { token: 0 };
    tracker.handle(at(1), Input { from: PeerId(greedy | 1), stream: stream(1), question });
    assert_eq!(tracker.streams(), 3);
    announce(&mut tracker, at(1), greedy, stream(50));
    assert_eq!((tracker.streams(), tracker.peers(stream(50))), (4, 1));
    tracker.expire(at(1000));
    assert_eq!(tracker.streams(), 0);
    for number in 0..100 {
        announce(&mut tracker, at(1001), greedy, stream(number));
    }
    assert_eq!(tracker.streams(), 3);
}
