//! Our client against a real nginx-rtmp.

mod support;

use nearcast_machine::Time;
use nearcast_media::rtmp::ClientEvent;
use nearcast_media::{Followed, Follower, Kind, Numberer, Role, Unit};
use support::{Connection, Nginx, assert_same, clip};

fn accepted(nginx: &Nginx, role: Role, key: &str, pipeline: bool) -> Connection {
    let mut connection = nginx.client(role, key, pipeline);
    assert_eq!(connection.event(), ClientEvent::Accepted, "{role} {key}");
    connection
}

fn numbered() -> Vec<Unit> {
    let mut numberer = Numberer::new(1_700_000_000);
    clip().into_iter().map(|media| numberer.number(Time::from_nanos(1), media)).collect()
}

fn publish(publisher: &mut Connection, units: &[Unit]) {
    for unit in units {
        publisher.client.send(&unit.media()).expect("accepted");
    }
    publisher.flush();
}

/// What a follower makes of what the player gets, until the unit `last` is there.
fn follow_until(player: &mut Connection, follower: &mut Follower, last: u64) -> Vec<Followed> {
    let mut followed = Vec::new();
    loop {
        while let Some(next) = follower.poll() {
            let done = matches!(&next, Followed::Unit(unit) if unit.number == last);
            followed.push(next);
            if done {
                return followed;
            }
        }
        match player.event() {
            ClientEvent::Media(media) => follower.receive(media),
            other => panic!("{other:?}"),
        }
    }
}

/// The number of the last picture among `units`, and the units up to it.
fn up_to_last_picture(units: &[Unit]) -> &[Unit] {
    let last = units.iter().rposition(|unit| unit.kind == Kind::Video && !unit.header);
    &units[..=last.expect("a picture")]
}

#[test]
fn a_relayed_stream_is_followed_unit_by_unit() {
    let nginx = Nginx::start();
    for pipeline in [false, true] {
        let key = format!("whole-{pipeline}");
        let mut publisher = accepted(&nginx, Role::Broadcaster, &key, pipeline);
        let mut player = accepted(&nginx, Role::Viewer, &key, pipeline);
        let units = numbered();
        // An end of sequence, which FFmpeg puts last, has no stamp.
        let units = up_to_last_picture(&units[..units.len() - 4]);
        publish(&mut publisher, units);
        let last = units.last().expect("some").number;
        let followed = follow_until(&mut player, &mut Follower::new(), last);
        let headers = followed.iter().filter(|f| matches!(f, Followed::Header(_))).count();
        assert_eq!(headers, 3, "metadata, and the sequence headers of video and audio");
        let relayed: Vec<_> = followed
            .into_iter()
            .filter_map(|followed| match followed {
                Followed::Unit(unit) => Some(unit),
                Followed::Header(_) => None,
                gap @ Followed::Gap { .. } => panic!("{gap:?}"),
            })
            .collect();
        // Bit by bit what was published, from the first picture on.
        let media = |units: &[Unit]| units.iter().map(Unit::media).collect::<Vec<_>>();
        assert_same(&media(&relayed), &media(&units[3..]));
        let number = |unit: &Unit| (unit.epoch, unit.number);
        assert!(relayed.iter().map(number).eq(units[3..].iter().map(number)));

        publisher.client.finish();
        publisher.flush();
        assert_eq!(player.event(), ClientEvent::Ended);
    }
}

#[test]
fn everything_sent_at_once_is_accepted() {
    let nginx = Nginx::start();
    // The publishers stay while the viewers come.
    let mut connected = Vec::new();
    for role in [Role::Broadcaster, Role::Viewer] {
        let eager = accepted(&nginx, role, "early", true);
        let patient = accepted(&nginx, role, "late", false);
        // All that is asked for goes first; the second time is a word on windows. A patient client
        // waits for S1, for S2, for connect and for createStream.
        assert!(eager.flights <= 2, "{role}: {}", eager.flights);
        assert!(patient.flights >= 4, "{role}: {}", patient.flights);
        connected.extend([eager, patient]);
    }
}

#[test]
fn a_pause_keeps_the_session_and_a_later_start_joins_on() {
    let nginx = Nginx::start();
    let mut publisher = accepted(&nginx, Role::Broadcaster, "pause", true);
    let mut player = accepted(&nginx, Role::Viewer, "pause", true);
    let mut witness = accepted(&nginx, Role::Viewer, "pause", true);
    let units = numbered();
    let (first, rest) = units.split_at(60);
    let (second, third) = rest.split_at(60);
    let [first, second] = [first, second].map(up_to_last_picture);
    let mut follower = Follower::new();
    publish(&mut publisher, first);
    follow_until(&mut player, &mut follower, first.last().expect("some").number);

    player.client.pause(true, 0).expect("accepted");
    assert_eq!(player.event(), ClientEvent::Paused(true));
    follower.interrupt();
    publish(&mut publisher, second);
    // Whoever does not pause has it all; so nginx has passed on whatever it is going to.
    let last = second.last().expect("some").number;
    follow_until(&mut witness, &mut Follower::new(), last);

    player.client.pause(false, 0).expect("accepted");
    assert_eq!(player.event(), ClientEvent::Paused(false), "it got nothing meanwhile");
    let third = up_to_last_picture(&third[..third.len() - 4]);
    publish(&mut publisher, third);
    let followed = follow_until(&mut player, &mut follower, third.last().expect("some").number);
    // With `wait_key off` the first picture that is sent is the first that arrives.
    let numbers: Vec<_> = followed
        .iter()
        .filter_map(|followed| match followed {
            Followed::Unit(unit) => Some(unit.number),
            Followed::Header(_) => None,
            gap @ Followed::Gap { .. } => panic!("{gap:?}"),
        })
        .collect();
    let picture = |unit: &&Unit| unit.kind == Kind::Video && !unit.header;
    let start = third.iter().find(picture).expect("a picture").number;
    let all: Vec<_> = (start..=third.last().expect("some").number).collect();
    assert_eq!(numbers, all);
}

#[test]
fn a_refusal_says_why() {
    let nginx = Nginx::start();
    for pipeline in [false, true] {
        // nginx closes behind its answer; if it has not read all of ours by then, that is a reset,
        // and what it still had to send is lost.
        let ask = |_| nginx.client(Role::Viewer, "nobody", pipeline).event_unless_closed();
        let nobody = (0..10).find_map(ask).expect("an answer");
        let ClientEvent::Refused { code, description } = nobody else { panic!("{nobody:?}") };
        assert_eq!(code, "NetStream.Play.StreamNotFound");
        assert_eq!(description, "No such stream");
        let key = format!("taken-{pipeline}");
        let _first = accepted(&nginx, Role::Broadcaster, &key, pipeline);
        let second = nginx.client(Role::Broadcaster, &key, pipeline).event();
        let ClientEvent::Refused { code, .. } = second else { panic!("{second:?}") };
        assert_eq!(code, "NetStream.Publish.BadName");
    }
}
