//! Recorded connections of real programs, in pieces of every kind, and damaged.

mod support;

use nearcast_media::rtmp::{
    ChunkLimits, ChunkReader, Client, ClientConfig, Dialogue, DialogueEvent, Message, Payload,
    Server, Settings, Side, Undecided,
};
use nearcast_media::{Kind, Role, StreamName, flv, h264};
use proptest::prelude::*;
use support::{assert_same, capture, clip};

const BUDGET: u64 = 64 << 10;

fn name(text: &str) -> StreamName {
    text.parse().expect("a name")
}

/// What an observer says of a connection whose records are cut into pieces.
fn observe(
    records: &[(Side, Vec<u8>)],
    pieces: impl Fn(&[u8]) -> Vec<&[u8]>,
) -> Vec<DialogueEvent> {
    let mut dialogue = Dialogue::new(BUDGET);
    for (side, bytes) in records {
        pieces(bytes).into_iter().for_each(|piece| dialogue.receive(*side, piece));
    }
    std::iter::from_fn(|| dialogue.poll()).collect()
}

fn whole(bytes: &[u8]) -> Vec<&[u8]> {
    vec![bytes]
}

#[test]
fn an_observer_tells_roles_from_real_connections() {
    let connecting = || DialogueEvent::Connecting { app: "live".to_owned() };
    let requested = |role, stream| DialogueEvent::Requested { role, stream: name(stream) };
    let accepted = |role, stream| DialogueEvent::Accepted { role, stream: name(stream) };
    let stopped = |role, stream| DialogueEvent::Stopped { role, stream: name(stream) };
    let refused = |role, stream, code: &str| DialogueEvent::Refused {
        role,
        stream: name(stream),
        code: code.to_owned(),
    };
    let (publisher, viewer) = (Role::Broadcaster, Role::Viewer);
    let room = "live/room";
    for (file, after_connecting) in [
        (
            "ffmpeg-publish.rtmp",
            vec![requested(publisher, room), accepted(publisher, room), stopped(publisher, room)],
        ),
        (
            "ffmpeg-publish-refused.rtmp",
            vec![requested(publisher, room), refused(publisher, room, "NetStream.Publish.BadName")],
        ),
        (
            "ffmpeg-play.rtmp",
            vec![requested(viewer, room), accepted(viewer, room), stopped(viewer, room)],
        ),
        (
            "ffmpeg-play-nothing.rtmp",
            vec![
                requested(viewer, "live/nobody"),
                refused(viewer, "live/nobody", "NetStream.Play.StreamNotFound"),
            ],
        ),
        ("rtmpdump-play.rtmp", vec![requested(viewer, room), accepted(viewer, room)]),
        ("mplayer-play.rtmp", vec![requested(viewer, room), accepted(viewer, room)]),
    ] {
        let mut expected = vec![connecting()];
        expected.extend(after_connecting);
        let records = capture(file);
        assert_eq!(observe(&records, whole), expected, "{file} whole");
        for size in [1, 2, 3, 7, 128, 1448] {
            let events = observe(&records, |bytes| bytes.chunks(size).collect());
            assert_eq!(events, expected, "{file} in pieces of {size}");
        }
    }
}

#[test]
fn an_observer_tells_the_same_wherever_a_record_is_split() {
    for file in ["ffmpeg-publish.rtmp", "rtmpdump-play.rtmp"] {
        let records = capture(file);
        let expected = observe(&records, whole);
        // Everything before the media, and the first of it.
        for at in 0..4000 {
            let events =
                observe(&records, |bytes| match bytes.split_at_checked(at % bytes.len()) {
                    Some((a, b)) => vec![a, b],
                    None => vec![bytes],
                });
            assert_eq!(events, expected, "{file} split at {at}");
        }
    }
}

#[test]
fn an_observer_does_not_look_forever() {
    let records = capture("ffmpeg-publish.rtmp");
    let mut dialogue = Dialogue::new(3500);
    records.iter().for_each(|(side, bytes)| dialogue.receive(*side, bytes));
    assert!(dialogue.is_over());
    let last = std::iter::from_fn(|| dialogue.poll()).last();
    assert_eq!(last, Some(DialogueEvent::Undecided(Undecided::BudgetSpent)));
    let mut dialogue = Dialogue::new(BUDGET);
    dialogue.receive(Side::Client, b"GET / HTTP/1.1\r\n");
    let first = dialogue.poll();
    assert_eq!(first, Some(DialogueEvent::Undecided(Undecided::Malformed)));
}

/// All messages of one direction, behind its handshake.
fn messages(records: &[(Side, Vec<u8>)], side: Side, piece: usize) -> Vec<Message> {
    let limits = ChunkLimits { message_max: 1 << 20, streams_max: 16, commands_only: false };
    let (mut reader, mut all) = (ChunkReader::new(limits), Vec::new());
    let bytes: Vec<u8> =
        records.iter().filter(|(from, _)| *from == side).flat_map(|(_, b)| b.clone()).collect();
    for mut piece in bytes[3073..].chunks(piece) {
        while let Some(message) = reader.read(&mut piece).expect("real programs write RTMP") {
            all.push(message);
        }
    }
    all
}

#[test]
fn messages_are_the_same_in_any_pieces_and_make_sense() {
    for file in
        ["ffmpeg-publish.rtmp", "ffmpeg-play.rtmp", "rtmpdump-play.rtmp", "mplayer-play.rtmp"]
    {
        let records = capture(file);
        for side in [Side::Client, Side::Server] {
            let all = messages(&records, side, usize::MAX);
            for piece in [1, 2, 5, 129] {
                assert_eq!(messages(&records, side, piece), all, "{file} in pieces of {piece}");
            }
            for message in &all {
                let payload = message.payload().expect("real programs write RTMP");
                assert_ne!(payload, Payload::Other, "{file}: {message:?}");
            }
        }
    }
}

#[test]
fn the_published_media_is_the_files() {
    let records = capture("ffmpeg-publish.rtmp");
    let sent = messages(&records, Side::Client, usize::MAX).into_iter();
    let sent: Vec<_> = sent
        .filter_map(|message| match message.payload() {
            Ok(Payload::Media(media)) => Some(media),
            _ => None,
        })
        // FFmpeg rewrites the metadata, and repeats headers at the end.
        .filter(|media| media.kind != Kind::Data)
        .collect();
    let file: Vec<_> = clip().into_iter().filter(|media| media.kind != Kind::Data).collect();
    assert_same(&sent[..100], &file[..100]);
}

/// A bare server or client, handed one side of a recorded connection.
fn feed(records: &[(Side, Vec<u8>)], side: Side) {
    let bytes = records.iter().filter(|(from, _)| *from == side).map(|(_, bytes)| bytes);
    match side {
        Side::Client => {
            let mut server = Server::new(Settings::default());
            for bytes in bytes {
                let received = server.receive(bytes);
                while server.poll().is_some() {
                    let _ = server.accept();
                }
                if received.is_err() {
                    return;
                }
            }
        }
        Side::Server => {
            let url = "rtmp://127.0.0.1/live/room".parse().expect("a URL");
            let settings = Settings::default();
            let config = ClientConfig { url, role: Role::Viewer, pipeline: true, settings };
            let mut client = Client::new(config);
            for bytes in bytes {
                let received = client.receive(bytes);
                while client.poll().is_some() {}
                if received.is_err() {
                    return;
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_connections_panic_nobody(
        file in prop_oneof![
            Just("ffmpeg-publish.rtmp"),
            Just("ffmpeg-play.rtmp"),
            Just("ffmpeg-publish-refused.rtmp"),
            Just("mplayer-play.rtmp"),
        ],
        damage in prop::collection::vec(
            (any::<prop::sample::Index>(), 0usize..4000, any::<u8>(), 0u8..3),
            1..6,
        ),
    ) {
        let mut records = capture(file);
        for (index, at, byte, how) in damage {
            let (_, bytes) = &mut records[index.index(usize::MAX) % 12];
            if bytes.is_empty() {
                continue;
            }
            let at = at % bytes.len();
            match how {
                0 => bytes[at] = byte,
                1 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        observe(&records, whole);
        feed(&records, Side::Client);
        feed(&records, Side::Server);
    }
}

#[test]
fn layers_of_the_clip_are_those_x264_was_told_to_make() {
    let mut kinds = String::new();
    for media in clip() {
        let unit = nearcast_media::Unit::new(0, 0, media.clone());
        if unit.kind == Kind::Video && !unit.header && unit.body.len() > 5 {
            kinds.push(match (unit.keyframe, unit.layer.number()) {
                (true, 1) => 'I',
                (false, 1) => 'P',
                (false, 2) => 'B',
                (false, 3) => 'b',
                _ => '?',
            });
        }
        if unit.kind == Kind::Video && unit.header {
            let header = flv::BodyHeader::parse(Kind::Video, &media.body).expect("whole");
            let config = h264::DecoderConfig::parse(&media.body[header.payload..]).expect("whole");
            assert_eq!((config.length_size, config.sps.len(), config.pps.len()), (4, 1, 1));
            assert_eq!(h264::dimensions(config.sps[0]), Some((160, 120)));
        }
    }
    // In decoding order: the P picture first, then what lies before it, a B picture that is
    // referred to in its middle. Only two pictures are left for the last of them.
    let group = format!("I{}PBb", "PBbb".repeat(7));
    assert_eq!(kinds[..64], group.repeat(2));
}
