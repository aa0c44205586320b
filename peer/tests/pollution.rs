//! Three of ten peers pass on chunks that they have damaged: none of these is played or passed on
//! again, and who sends one is shut out.

mod world;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use nearcast_engine::mesh::Settings;
use nearcast_media::StreamName;
use nearcast_peer::events::Event;
use world::mesh::{LATER, Mesh, SETTINGS, SOON, mesh_of, numbers};
use world::polluter::Polluter;
use world::{assert_tail, checksums};

#[test]
fn what_polluters_send_is_neither_played_nor_passed_on_and_they_are_shut_out() {
    let mesh = Mesh::new(true);
    let clip = mesh.world.clip(25);
    let whole = mesh.whole(&clip);
    let mut broadcaster = mesh.broadcaster(&["--upload", "2Mbit/s"]);
    // The seed beside the CDN knows the key, and stands in where polluters took the others' time.
    let file = mesh.world.folder.path().join("seed.toml");
    let settings = SETTINGS.replace("neighbours_max = 6", "");
    std::fs::write(&file, settings).expect("the seed's settings");
    let file = file.to_str().expect("a path");
    let _seed = mesh.world.seed(&["--allow", "live/cam", "--mesh", "--settings", file]);
    let encoder = mesh.world.publish(&clip, mesh.world.host(1), "live/cam");
    broadcaster.wait_for("the publish", SOON, |e| matches!(e, Event::PublishAccepted { .. }));

    let stream: StreamName = "live/cam".parse().expect("a name");
    let tracker = mesh.tracker_address().parse().expect("an address");
    let settings: Settings =
        toml::from_str(&format!("{SETTINGS}\nlc_max = 1395")).expect("settings of the mesh");
    let polluters = [57, 58, 59].map(|n| {
        let address = std::net::SocketAddrV4::new(mesh.world.host(n), 7935);
        Polluter::new(address, tracker, stream.id(), settings.clone())
    });
    let bad: BTreeSet<SocketAddr> = [57, 58, 59].map(|n| (mesh.world.host(n), 7935).into()).into();
    let seed = format!("{}:7935", mesh.world.cdn());
    let mut honest: Vec<_> =
        (50..57).map(|n| mesh.viewer(n, &["live/cam"], &["--seed", &seed])).collect();
    // This nginx lets nobody play what is not there yet, so the seed has nothing of the first group
    // of pictures: what of it the source cannot give ten who come at once is lost.
    const SETTLED: u64 = 64;
    honest[0].wait_for_frame(SETTLED);
    let player = mesh.world.play(&format!("rtmp://{}/live/cam", mesh.world.host(50)));

    honest[0].wait_for_frame(450);
    let figures: Vec<_> = (50..57).map(|n| mesh_of(&mesh.status(n), "live/cam")).collect();
    assert!(figures.iter().all(|figures| figures.verified));
    let met: u64 = figures.iter().map(|figures| figures.polluted).sum();
    assert!((1..=7 * 3).contains(&met), "{met} judged: each is shut out at its first one");
    assert!(encoder.finish(LATER).0.success());
    assert_tail(&whole, &checksums(&player.finish(LATER).1), 120);

    let sent: u64 = polluters.iter().map(Polluter::polluted).sum();
    assert!(sent >= met);
    for viewer in honest {
        let mut released = numbers(&viewer, "live/cam");
        released.retain(|frame| *frame >= SETTLED);
        assert_eq!(released, (SETTLED..750).collect::<Vec<_>>(), "all of it, in order");
        let events = viewer.events();
        let shunned = events.iter().filter_map(|record| match &record.event {
            Event::Parted { peer: Some(peer), cause, .. } if cause == "shunned" => Some(*peer),
            _ => None,
        });
        let shunned: BTreeSet<SocketAddr> = shunned.collect();
        assert!(shunned.is_subset(&bad), "an honest one was shut out: {shunned:?}");
        let summary = viewer.end();
        assert_eq!((summary.repeated, summary.disordered), (0, 0));
    }
}
