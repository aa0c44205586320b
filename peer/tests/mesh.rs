//! The mesh with the real programs: FFmpeg publishes, a tracker, a source and viewers carry the
//! stream, FFmpeg plays.

mod world;

use std::fs;

use nearcast_peer::events::Event;
use nearcast_peer::status::MeshLayer;
use world::mesh::{LATER, Mesh, SOON, is_torn, mesh_of, numbers};
use world::{Peer, assert_tail, checksums, http};

#[test]
fn the_mesh_carries_every_layer_past_the_death_of_a_supplier_and_of_the_tracker() {
    // There is no fallback, and with less than twenty rounds of lag a chunk may be missed after a
    // death.
    let mut mesh = Mesh::patient();
    let clip = mesh.world.clip(25);
    let whole = mesh.whole(&clip);
    assert_eq!(whole.len(), 750);
    let mut broadcaster = mesh.broadcaster(&[]);
    let encoder = mesh.world.publish(&clip, mesh.world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let mut viewers: Vec<Peer> = (10..15).map(|n| mesh.viewer(n, &["live/cam"], &[])).collect();
    let host = mesh.world.host(10);
    let rtmp = mesh.world.play(&format!("rtmp://{host}/live/cam"));
    let flv = mesh.world.play(&format!("http://{}:8080/live/cam.flv", mesh.world.host(12)));
    viewers[4].wait_for_frame(60);

    // They live off each other, not off the source alone.
    let status = mesh.status(10);
    let figures = mesh_of(&status, "live/cam");
    assert!(figures.neighbours.len() >= 3, "{figures:?}");
    assert_eq!(figures.offload, Some(1.0), "there is no fallback");
    assert!(figures.layers.iter().all(|layer| layer.held > 0), "{figures:?}");
    let (_, metrics) = http(host, 8080, "GET /metrics");
    assert!(metrics.contains(r#"nearcast_mesh_chunks_played_total{stream="live/cam",layer="3"}"#));

    viewers.remove(1).program.kill();
    let late = mesh.viewer(15, &["live/cam"], &[]);
    viewers[3].wait_for_frame(240);
    mesh.tracker.take().expect("it ran until now").program.kill();

    assert!(encoder.finish(LATER).0.success());
    assert_tail(&whole, &checksums(&rtmp.finish(LATER).1), 60);
    assert_tail(&whole, &checksums(&flv.finish(LATER).1), 60);
    // The mesh plays in step: what is due as one comes is lost on it, until it has found neighbours
    // with upload to spare for it; nothing later.
    let released = numbers(&late, "live/cam");
    let settled = released[0] + 240;
    let after: Vec<u64> = released.into_iter().filter(|frame| *frame >= settled).collect();
    assert_eq!(after, (settled..750).collect::<Vec<_>>());
    for viewer in viewers {
        let released = numbers(&viewer, "live/cam");
        assert_eq!(released, (released[0]..750).collect::<Vec<_>>(), "once each, in order");
        assert!(!is_torn(&viewer));
        let summary = viewer.end();
        assert_eq!((summary.repeated, summary.disordered, summary.lost), (0, 0, 0));
    }
    let summary = broadcaster.end();
    assert!(summary.bytes_out > 0 && summary.unsent == 0, "{summary:?}");
}

#[test]
fn two_streams_of_one_mesh_do_not_mix() {
    let mesh = Mesh::new(false);
    let one = mesh.world.clip_with(12, 30);
    let kept = mesh.world.folder.path().join("one.flv");
    fs::rename(&one, &kept).expect("a folder of ours");
    // Another group length makes other pictures.
    let other = mesh.world.clip_with(12, 45);
    let (first, second) = (mesh.whole(&kept), mesh.whole(&other));
    assert_ne!(first, second);
    let mut broadcaster = mesh.broadcaster(&[]);
    let publish = |clip, name| mesh.world.publish(clip, mesh.world.host(1), name);
    let encoders = [publish(&kept, "live/one"), publish(&other, "live/two")];
    let streams = ["live/one", "live/two"];
    for stream in streams {
        broadcaster.wait_for(
            "the publish",
            SOON,
            |e| matches!(e, Event::PublishAccepted { stream: s, .. } if s == stream),
        );
    }
    let viewers = [20, 21, 22].map(|n| mesh.viewer(n, &streams, &[]));
    let host = mesh.world.host(20);
    let players = streams.map(|stream| mesh.world.play(&format!("rtmp://{host}/{stream}")));
    for encoder in encoders {
        assert!(encoder.finish(LATER).0.success());
    }
    for (player, whole) in players.into_iter().zip([first, second]) {
        assert_tail(&whole, &checksums(&player.finish(LATER).1), 90);
    }
    for viewer in viewers {
        for stream in streams {
            let released = numbers(&viewer, stream);
            assert_eq!(released, (released[0]..360).collect::<Vec<_>>());
        }
        viewer.end();
    }
}

#[test]
fn the_seed_beside_the_cdn_gives_what_the_mesh_does_not() {
    let mesh = Mesh::new(true);
    let clip = mesh.world.clip(15);
    let whole = mesh.whole(&clip);
    // The broadcaster is no source here: whatever is played has come by the CDN, where other counts
    // than the broadcaster's own would make other chunks.
    let mut broadcaster = mesh.world.broadcaster(&[]);
    let seed = mesh.world.seed(&["--allow", "live/cam", "--mesh", "--settings", &mesh.settings]);
    let encoder = mesh.world.publish(&clip, mesh.world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let address = format!("{}:7935", mesh.world.cdn());
    let mut viewers = [30, 31].map(|n| mesh.viewer(n, &["live/cam"], &["--seed", &address]));
    let player = mesh.world.play(&format!("rtmp://{}/live/cam", mesh.world.host(30)));
    viewers[0].wait_for_frame(90);
    let figures = mesh_of(&mesh.status(30), "live/cam");
    assert!(figures.chunks_fallback > 0, "{figures:?}");
    assert!(encoder.finish(LATER).0.success());
    assert_tail(&whole, &checksums(&player.finish(LATER).1), 60);
    for viewer in viewers {
        assert_eq!(viewer.end().lost, 0);
    }
    seed.end();
}

#[test]
fn a_mesh_that_lacks_upload_gives_up_upper_layers_first() {
    let mesh = Mesh::new(false);
    // Group of 32, every second picture a plain B and every fourth a reference one.
    let clip = mesh.world.layered_clip(30);
    // About 600 kbit/s of video. The source can serve it once and a half, and the three viewers
    // together add half of it: a resource index of two thirds.
    let mut broadcaster = mesh.broadcaster(&["--upload", "900kbit/s"]);
    let encoder = mesh.world.publish(&clip, mesh.world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));
    let viewers = [40, 41, 42].map(|n| mesh.viewer(n, &["live/cam"], &["--upload", "100kbit/s"]));
    assert!(encoder.finish(LATER).0.success());
    let figures = [40, 41, 42].map(|n| mesh_of(&mesh.status(n), "live/cam"));
    let ratio = |layer: usize| {
        let sum = |of: fn(&MeshLayer) -> u64| -> u64 {
            figures.iter().map(|figures| of(&figures.layers[layer])).sum()
        };
        // Of a layer of which nothing has ever come nobody knows what was due.
        sum(|layer| layer.played) as f64 / sum(|layer| layer.due).max(1) as f64
    };
    let ratios = [0, 1, 2].map(ratio);
    assert!(ratios[2] < 0.5, "upload does not suffice for all: {ratios:?}");
    assert!(ratios[0] > 0.9, "what all others depend on comes first: {ratios:?}");
    assert!(ratios[1] < ratios[0] && ratios[2] < ratios[0], "{ratios:?}");
    for viewer in viewers {
        let summary = viewer.end();
        assert_eq!((summary.repeated, summary.disordered), (0, 0));
    }
}
