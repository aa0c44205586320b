//! The way by the CDN, with the real programs: FFmpeg, nginx-rtmp, and everything that may go wrong
//! between them.

mod world;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Duration;

use nearcast_peer::events::{Event, Way};
use nearcast_peer::status::Status;
use world::{World, assert_tail, checksums, http, wait_until};

const SOON: Duration = Duration::from_secs(10);
const LATER: Duration = Duration::from_secs(40);

#[test]
fn players_at_the_peer_see_what_players_at_the_cdn_see() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let mut viewer = world.viewer(2, &[]);
    let clip = world.clip(8);
    let (cdn, host) = (world.cdn(), world.host(2));
    let whole = checksums(&world.play(clip.to_str().expect("a path")).finish(LATER).1);
    assert_eq!(whole.len(), 240);

    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let direct = world.play(&format!("rtmp://{cdn}/live/cam"));
    let rtmp = world.play(&format!("rtmp://{host}/live/cam"));
    let flv = world.play(&format!("http://{host}:8080/live/cam.flv"));
    viewer.wait_for_frame(100);
    // It comes in the middle of a group of pictures and shows it from its beginning.
    let late = world.play(&format!("rtmp://{host}/live/cam"));

    wait_until("all three have their places", SOON, || {
        let events = viewer.events();
        events.iter().filter(|r| matches!(r.event, Event::PlayerJoined { .. })).count() == 3
    });
    let (line, body) = http(host, 8080, "GET /status");
    assert!(line.contains("200"), "{line}");
    let status: Status = serde_json::from_str(&body).expect("a status");
    assert_eq!(status.streams.len(), 1, "{status:?}");
    assert_eq!(status.streams[0].readers, 3, "three players, one session with the CDN");
    assert!(status.streams[0].rate > 50_000 && status.streams[0].at_cdn, "{status:?}");
    let (_, metrics) = http(host, 8080, "GET /metrics");
    assert!(metrics.contains("nearcast_stream_readers{stream=\"live/cam\"} 3"), "{metrics}");

    assert!(encoder.finish(LATER).0.success());
    for (name, player, missing) in
        [("direct", direct, 60), ("rtmp", rtmp, 60), ("flv", flv, 60), ("late", late, 130)]
    {
        let (_, output) = player.finish(LATER);
        println!("{name}: {} pictures", checksums(&output).len());
        assert_tail(&whole, &checksums(&output), missing);
    }

    let sent = broadcaster.frames();
    let released = viewer.frames();
    assert_eq!(sent.len(), 240);
    assert_eq!(sent.iter().map(|(_, f)| f.frame).collect::<Vec<_>>(), (0..240).collect::<Vec<_>>());
    let first = released[0].1.frame;
    assert!(released[0].1.keyframe);
    let numbers: Vec<u64> = released.iter().map(|(_, frame)| frame.frame).collect();
    assert_eq!(numbers, (first..240).collect::<Vec<_>>(), "once each, in order");
    assert!(released.iter().all(|(t, f)| *t > f.captured && f.way == Some(Way::Cdn)));
    assert!(released.iter().any(|(_, frame)| frame.layer == 3), "x264 makes B-frames");

    let summary = viewer.end();
    assert_eq!((summary.repeated, summary.disordered, summary.lost), (0, 0, 0));
    assert_eq!(summary.frames, 240 - first);
    assert_eq!(broadcaster.end().frames, 240);
}

#[test]
fn who_may_not_publish_at_the_cdn_may_not_publish_here() {
    let world = World::new();
    let mut seed = world.seed(&["--allow", "live/good"]);
    let _nginx = world.nginx(true);
    let mut broadcaster = world.broadcaster(&[]);
    let clip = world.clip(2);

    let (status, _) = world.publish(&clip, world.host(1), "live/bad").finish(SOON);
    assert!(!status.success(), "the encoder is told");
    let refused = |event: &Event| match event {
        Event::PublishRefused { stream, .. } => stream == "live/bad",
        _ => false,
    };
    broadcaster.wait_for("the refusal", SOON, refused);
    seed.wait_for("the refusal", SOON, refused);
    assert!(broadcaster.frames().is_empty());

    let (status, _) = world.publish(&clip, world.host(1), "live/good").finish(SOON);
    assert!(status.success(), "another stream is not concerned");
    seed.wait_for("the stream", SOON, |e| matches!(e, Event::PlayAccepted { .. }));
    seed.wait_for("its end", SOON, |e| matches!(e, Event::StreamEnded { .. }));
    assert!(seed.end().frames > 0);
    assert_eq!(broadcaster.end().frames, 60);
}

#[test]
fn a_stream_that_nobody_publishes_is_refused_to_players() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut viewer = world.viewer(2, &[]);
    let host = world.host(2);
    let (status, output) = world.play(&format!("rtmp://{host}/live/nobody")).finish(SOON);
    assert!(!status.success() || checksums(&output).is_empty());
    let (line, body) = http(host, 8080, "GET /live/nobody.flv");
    assert!(line.contains("404"), "{line}");
    assert!(body.contains("CDN"), "it says who refused: {body}");
    viewer.wait_for("the refusal", SOON, |e| matches!(e, Event::PlayRefused { .. }));
    assert_eq!(viewer.end().frames, 0);
}

#[test]
fn without_a_cdn_publisher_and_player_are_told_so() {
    let world = World::new();
    let broadcaster = world.broadcaster(&[]);
    let viewer = world.viewer(2, &[]);
    let clip = world.clip(1);
    assert!(!world.publish(&clip, world.host(1), "live/cam").finish(SOON).0.success());
    let (line, body) = http(world.host(2), 8080, "GET /live/cam.flv");
    assert!(line.contains("404") && body.contains("cannot be reached"), "{line} {body}");
    viewer.end();
    broadcaster.end();
}

#[test]
fn ending_a_peer_ends_its_players_and_publishers() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&["--realtime"]);
    let mut viewer = world.viewer(2, &[]);
    let clip = world.clip(60);
    let host = world.host(2);
    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let rtmp = world.play(&format!("rtmp://{host}/live/cam"));
    let flv = world.play(&format!("http://{host}:8080/live/cam.flv"));
    viewer.wait_for_frame(90);
    let sums = viewer.end();
    assert!(sums.frames > 0 && sums.slow_players == 0, "{sums:?}");
    for player in [rtmp, flv] {
        let (_, output) = player.finish(SOON);
        assert!(!checksums(&output).is_empty(), "it has shown something");
    }
    let sums = broadcaster.end();
    assert!(sums.frames > 90, "{sums:?}");
    encoder.finish(SOON);
}

#[test]
fn what_is_not_rtmp_harms_nobody_and_leaves_nothing() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let viewer = world.viewer(2, &[]);
    let descriptors =
        |pid: u32| fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").count();
    let peers = [(world.host(1), broadcaster.program.pid()), (world.host(2), viewer.program.pid())];
    let before: Vec<usize> = peers.iter().map(|(_, pid)| descriptors(*pid)).collect();

    // A handshake that is right, so that what follows reaches the chunk layer.
    let mut handshake = vec![3];
    handshake.extend([0; 1536 + 1536]);
    let with_handshake = |tail: &[u8]| [&handshake[..], tail].concat();
    let attacks: Vec<Vec<u8>> = vec![
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0xff; 100_000],
        vec![3],
        with_handshake(&[0xff; 5000]),
        // A message of 16 MiB, on 64 chunk streams at once.
        with_handshake(
            &(2..64).flat_map(|id| [id, 0, 0, 0, 255, 255, 255, 9, 0, 0, 0, 0]).collect::<Vec<_>>(),
        ),
        // Set Chunk Size 0; a command that is no AMF.
        with_handshake(&[2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
        with_handshake(&[3, 0, 0, 0, 0, 0, 4, 20, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]),
    ];
    for (host, _) in peers {
        for attack in &attacks {
            let mut tcp = TcpStream::connect((host, 1935)).expect("it listens");
            // It may hang up before it has read all.
            tcp.write_all(attack).ok();
            tcp.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
            // Whatever it answers, if it answers.
            let _ = tcp.read(&mut [0; 4096]);
        }
    }
    wait_until("all connections are let go", SOON, || {
        peers.iter().zip(&before).all(|((_, pid), before)| descriptors(*pid) <= *before)
    });

    let clip = world.clip(2);
    assert!(world.publish(&clip, world.host(1), "live/cam").finish(SOON).0.success());
    broadcaster.wait_for_frame(59);
    viewer.end();
    broadcaster.end();
}

#[test]
fn a_publish_survives_the_cdn() {
    let world = World::new();
    let nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let clip = world.clip(9);
    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for_frame(40);
    nginx.kill();
    broadcaster.wait_for("the loss", SOON, |e| matches!(e, Event::CdnLost { .. }));
    broadcaster.wait_for_frame(100);
    let _nginx = world.nginx(false);
    broadcaster.wait_for("the return", SOON, |e| matches!(e, Event::CdnRestored { .. }));
    let player = world.play(&format!("rtmp://{}/live/cam", world.cdn()));
    assert!(encoder.finish(LATER).0.success(), "the encoder has noticed nothing");
    assert!(!checksums(&player.finish(LATER).1).is_empty(), "the CDN has the stream again");
    let summary = broadcaster.end();
    assert_eq!(summary.frames, 270);
    assert!(summary.skipped > 0, "what the CDN missed is counted");
}

#[test]
fn a_witness_sees_each_frame_of_an_elementary_stream() {
    let world = World::new();
    let _nginx = world.nginx(false);
    let mut broadcaster = world.broadcaster(&[]);
    let clip = world.clip(4);
    let encoder = world.publish(&clip, world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));

    let events = world.folder.path().join("witness.jsonl");
    let mut reader = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(format!("rtmp://{}/live/cam", world.cdn()))
        .args(["-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "h264", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("FFmpeg is installed");
    let mut witness = Command::new(env!("CARGO_BIN_EXE_nearcast-peer"))
        .args(["witness", "--events"])
        .arg(&events)
        .stdin(reader.stdout.take().expect("it is piped"))
        .spawn()
        .expect("it starts");
    assert!(encoder.finish(LATER).0.success());
    reader.wait().expect("it ends");
    assert!(witness.wait().expect("it ends").success());

    let sent = broadcaster.frames();
    let text = fs::read_to_string(&events).expect("its events");
    let mut witnessed = Vec::new();
    for line in text.lines() {
        let record: nearcast_peer::events::Record = serde_json::from_str(line).expect("a record");
        if let Event::Witnessed { unit, frame, captured, .. } = record.event {
            assert!(record.t > captured, "it came after it was captured");
            let same = sent.iter().find(|(_, sent)| sent.unit == unit).expect("it was sent");
            assert_eq!((same.1.frame, same.1.captured), (frame, captured));
            witnessed.push(frame);
        }
    }
    let first = *witnessed.first().expect("some frame");
    assert_eq!(witnessed, (first..120).collect::<Vec<_>>());
    assert!(text.lines().last().is_some_and(|line| line.contains("summary")));
    broadcaster.end();
}

#[test]
fn a_port_that_is_taken_is_named() {
    let world = World::new();
    let _first = world.viewer(2, &[]);
    let host = world.host(2);
    let output = Command::new(env!("CARGO_BIN_EXE_nearcast-peer"))
        .args(["view", "--cdn", "rtmp://127.0.0.1", "--listen", &format!("{host}:1935")])
        .args(["--udp", &format!("{host}:0"), "--http", &format!("{host}:0")])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains(&format!("RTMP at {host}:1935")) && said.contains("another"), "{said}");
}
