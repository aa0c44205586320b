//! Our client and our server, face to face, with an observer between them.

use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Client, ClientConfig, ClientEvent, Dialogue, DialogueEvent, Server, ServerEvent, Settings,
    Side, Undecided,
};
use crate::{Error, Kind, Media, Role, StreamName};

/// A client and a server whose bytes travel in pieces.
struct Pair {
    client: Client,
    server: Server,
    dialogue: Dialogue,
    piece: usize,
    client_events: Vec<ClientEvent>,
    server_events: Vec<ServerEvent>,
    /// How often the client's bytes went up.
    flights: usize,
}

impl Pair {
    fn new(role: Role, pipeline: bool, piece: usize) -> Pair {
        Pair::with(role, pipeline, piece, Settings::default())
    }

    fn with(role: Role, pipeline: bool, piece: usize, settings: Settings) -> Pair {
        let url = "rtmp://10.0.0.1/live/room?token=1".parse().expect("a URL");
        Pair {
            client: Client::new(ClientConfig { url, role, pipeline, settings }),
            server: Server::new(settings),
            dialogue: Dialogue::new(64 << 10),
            piece,
            client_events: Vec::new(),
            server_events: Vec::new(),
            flights: 0,
        }
    }

    /// Carries bytes until both are silent; `answer` is given each request.
    fn run(&mut self, answer: impl Fn(&mut Server)) {
        loop {
            let mut quiet = true;
            let mut up = false;
            while let Some(bytes) = self.client.output() {
                (quiet, up) = (false, true);
                for piece in bytes.chunks(self.piece) {
                    self.dialogue.receive(Side::Client, piece);
                    self.server.receive(piece).expect("our client speaks RTMP");
                }
            }
            self.flights += usize::from(up);
            while let Some(event) = self.server.poll() {
                let request = matches!(
                    event,
                    ServerEvent::PublishRequested { .. } | ServerEvent::PlayRequested { .. }
                );
                self.server_events.push(event);
                if request {
                    answer(&mut self.server);
                }
            }
            while let Some(bytes) = self.server.output() {
                quiet = false;
                for piece in bytes.chunks(self.piece) {
                    self.dialogue.receive(Side::Server, piece);
                    self.client.receive(piece).expect("our server speaks RTMP");
                }
            }
            self.client_events.extend(std::iter::from_fn(|| self.client.poll()));
            if quiet {
                return;
            }
        }
    }

    fn accepting(&mut self) {
        self.run(|server| server.accept().expect("it asked"));
    }

    fn seen(&mut self) -> Vec<DialogueEvent> {
        std::iter::from_fn(|| self.dialogue.poll()).collect()
    }
}

fn room() -> StreamName {
    "live/room".parse().expect("a name")
}

fn media(kind: Kind, timestamp: u32, body: &[u8]) -> Media {
    Media { kind, timestamp, body: Bytes::copy_from_slice(body) }
}

proptest! {
    #[test]
    fn a_published_stream_arrives_as_it_was_sent(
        pipeline in any::<bool>(),
        piece in prop_oneof![1usize..20, 100usize..5000],
        bodies in prop::collection::vec((0usize..3, prop::collection::vec(any::<u8>(), 0..600)), 1..20),
        chunk_size in 1u32..2000,
        start in prop_oneof![Just(0), Just(0xff_fff0), Just(0xffff_fff0)],
    ) {
        let settings = Settings { chunk_size, ..Settings::default() };
        let kinds = [Kind::Audio, Kind::Video, Kind::Data];
        let messages: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(i, (kind, body))| media(kinds[*kind], u32::wrapping_add(start, i as u32 * 9), body))
            .collect();

        let mut pair = Pair::with(Role::Broadcaster, pipeline, piece, settings);
        pair.accepting();
        prop_assert_eq!(&pair.client_events, &[ClientEvent::Accepted]);
        messages.iter().for_each(|media| pair.client.send(media).expect("accepted"));
        pair.client.finish();
        pair.accepting();
        let app = "live".to_owned();
        let tc_url = "rtmp://10.0.0.1/live".to_owned();
        let mut expected = vec![
            ServerEvent::Connected { app, tc_url },
            ServerEvent::PublishRequested { key: "room?token=1".to_owned() },
        ];
        expected.extend(messages.iter().cloned().map(ServerEvent::Media));
        expected.push(ServerEvent::Ended);
        prop_assert_eq!(&pair.server_events, &expected);

        let mut pair = Pair::with(Role::Viewer, pipeline, piece, settings);
        pair.accepting();
        messages.iter().for_each(|media| pair.server.send(media).expect("accepted"));
        pair.server.finish();
        pair.accepting();
        let mut expected = vec![ClientEvent::Accepted];
        expected.extend(messages.into_iter().map(ClientEvent::Media));
        expected.push(ClientEvent::Ended);
        prop_assert_eq!(&pair.client_events, &expected);
    }
}

#[test]
fn an_observer_sees_what_the_server_decides() {
    for (role, pipeline) in [
        (Role::Broadcaster, false),
        (Role::Broadcaster, true),
        (Role::Viewer, false),
        (Role::Viewer, true),
    ] {
        let connecting = DialogueEvent::Connecting { app: "live".to_owned() };
        let requested = DialogueEvent::Requested { role, stream: room() };
        let mut pair = Pair::new(role, pipeline, 7);
        pair.accepting();
        let accepted = DialogueEvent::Accepted { role, stream: room() };
        assert_eq!(pair.seen(), [connecting.clone(), requested.clone(), accepted]);
        pair.client.finish();
        pair.accepting();
        assert_eq!(pair.seen(), [DialogueEvent::Stopped { role, stream: room() }]);

        let mut pair = Pair::new(role, pipeline, 1448);
        pair.run(|server| server.refuse("Not today.").expect("it asked"));
        let [ClientEvent::Refused { code, description }] = &pair.client_events[..] else {
            panic!("{:?}", pair.client_events);
        };
        assert_eq!(description, "Not today.");
        let refused = DialogueEvent::Refused { role, stream: room(), code: code.clone() };
        assert_eq!(pair.seen(), [connecting, requested, refused]);
    }
}

#[test]
fn a_request_alone_is_no_role() {
    let mut pair = Pair::new(Role::Broadcaster, true, 100);
    pair.run(|_| {});
    assert!(!pair.seen().iter().any(|event| matches!(event, DialogueEvent::Accepted { .. })));
    // A client cannot accept itself: an onStatus from its side means nothing.
    let mut forger = Server::new(Settings::default());
    let mut client = Pair::new(Role::Viewer, true, 1 << 20).client;
    let hello = client.output().expect("the handshake");
    forger.receive(&hello).expect("RTMP");
    while forger.poll().is_some() {}
    forger.accept().expect("it asked");
    let forged = forger.output().expect("an answer");
    let mut dialogue = Dialogue::new(1 << 20);
    dialogue.receive(Side::Client, &hello);
    dialogue.receive(Side::Client, &forged[3073..]);
    let events: Vec<_> = std::iter::from_fn(|| dialogue.poll()).collect();
    assert!(
        !events.iter().any(|event| matches!(event, DialogueEvent::Accepted { .. })),
        "{events:?}"
    );
}

#[test]
fn pipelining_saves_flights() {
    for role in [Role::Broadcaster, Role::Viewer] {
        let flights = |pipeline| {
            let mut pair = Pair::new(role, pipeline, 1 << 20);
            pair.accepting();
            assert_eq!(pair.client_events, [ClientEvent::Accepted]);
            pair.flights
        };
        // C0 to play at once, then what the server's window and bandwidth ask for; else C0 and C1,
        // C2 and connect, createStream, play.
        assert_eq!((flights(true), flights(false)), (2, 4));
    }
}

#[test]
fn a_pause_is_no_end() {
    let mut pair = Pair::new(Role::Viewer, true, 9);
    pair.accepting();
    pair.client.pause(true, 40).expect("accepted");
    pair.accepting();
    pair.client.pause(false, 40).expect("accepted");
    pair.accepting();
    assert_eq!(pair.server_events[2..], [ServerEvent::Paused(true), ServerEvent::Paused(false)]);
    let expected = [ClientEvent::Accepted, ClientEvent::Paused(true), ClientEvent::Paused(false)];
    assert_eq!(pair.client_events, expected);
    let accepted = DialogueEvent::Accepted { role: Role::Viewer, stream: room() };
    assert_eq!(pair.seen().last(), Some(&accepted), "the role stays");
}

#[test]
fn received_bytes_are_acknowledged() {
    let settings = Settings { window: 8000, ..Settings::default() };
    let mut pair = Pair::with(Role::Viewer, true, 1 << 20, settings);
    pair.accepting();
    let before = pair.flights;
    pair.server.send(&media(Kind::Video, 0, &[0; 2000])).expect("accepted");
    pair.accepting();
    assert_eq!(pair.flights, before, "not yet");
    pair.server.send(&media(Kind::Video, 0, &[0; 6000])).expect("accepted");
    pair.accepting();
    assert_eq!(pair.flights, before + 1);
}

#[test]
fn what_has_no_place_is_an_error_or_refused() {
    let mut pair = Pair::new(Role::Viewer, true, 1 << 20);
    let out_of_place = |result: Result<(), Error>| matches!(result, Err(Error::OutOfPlace { .. }));
    assert!(out_of_place(pair.server.accept()));
    assert!(out_of_place(pair.client.pause(true, 0)));
    assert!(out_of_place(pair.server.send(&media(Kind::Audio, 0, b"\xaf\x01"))));
    pair.accepting();
    assert!(out_of_place(pair.client.send(&media(Kind::Audio, 0, b"\xaf\x01"))));
    assert!(out_of_place(pair.server.accept()), "answered already");
}

#[test]
fn a_fresh_observer_is_small() {
    let mut pair = Pair::new(Role::Broadcaster, true, 1448);
    pair.accepting();
    let video = media(Kind::Video, 0, &vec![0x27; 1 << 20]);
    pair.client.send(&video).expect("accepted");
    let bytes = pair.client.output().expect("a megabyte");
    pair.dialogue.receive(Side::Client, &bytes[..bytes.len() / 2]);
    let held = pair.dialogue.memory();
    // 100 000 connections in 400 MiB, other state included, leaves 4 KiB for each.
    assert!(held < 2048, "{held} bytes");
}

#[test]
fn an_observer_that_gave_up_keeps_nothing() {
    let mut pair = Pair::new(Role::Broadcaster, true, 1448);
    pair.accepting();
    // A message of a kind that matters, beyond what an observer keeps.
    pair.dialogue.receive(Side::Client, b"\x03\x00\x00\x00\xff\x00\x00\x14\x00\x00\x00\x00");
    assert_eq!(pair.seen().last(), Some(&DialogueEvent::Undecided(Undecided::TooLarge)));
    assert!(pair.dialogue.is_over());
    assert!(pair.dialogue.memory() < 1024);
}
