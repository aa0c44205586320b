//! RTMP over IPv6, between real programs.

use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_media::peering::PORT;
use serde_json::Value;

use crate::lab::{self, Lab};
use crate::{nginx, peer, play, play_from, publish_to};

const ROOM: &str = "rtmp://[fd00::100]/live/room";

#[test]
fn a_stream_that_is_published_and_played_over_ipv6_is_carried_by_the_switch() {
    needs_a_lab!();
    let hosts = [("b", 1), ("cdn", 100), ("v1", 11), ("v2", 12)];
    let mut lab = Lab::new("OpenFlow13", &hosts);
    for (host, last) in hosts {
        lab.address_add(host, &format!("fd00::{last}/64 nodad"));
    }
    lab.start_controller(&["--cdn", "10.0.0.100", "--cdn", "fd00::100"]);
    lab.wait_events("switch_ready", 1);
    nginx(&mut lab, "cdn");
    let [broadcaster, v1, v2] = ["b", "v1", "v2"].map(|host| peer(&lab, host));
    let publisher = publish_to(&mut lab, "b", ROOM);
    lab.wait_events("role_accepted", 1);
    play_from(&mut lab, "v1", ROOM);
    let roles = lab.wait_events("role_accepted", 2);
    let ends = |role: &Value| (role["role"].clone(), role["host"].clone(), role["server"].clone());
    let expected = [("broadcaster", "fd00::1"), ("viewer", "fd00::11")];
    for (role, (name, host)) in roles.iter().zip(expected) {
        assert_eq!(ends(role), (name.into(), host.into(), "fd00::100".into()));
    }
    let left = lab.wait_events("not_near", 1).remove(0);
    assert_eq!((&left["viewer"], &left["reason"]), (&"fd00::11".into(), &"no_ipv4".into()));

    // Each says something by IPv4, and so shows which address it has.
    for host in ["b", "v1"] {
        let socket = lab.socket(host, Ipv4Addr::UNSPECIFIED, 900);
        socket.send_to(b"hello", "10.0.0.100:900").expect("sent");
    }
    let offer = broadcaster.offer();
    assert_eq!(v1.offer().group, offer.group);
    lab.wait_events("joined", 2);
    // Who plays over IPv4 is in the same stream.
    play(&mut lab, "v2");
    v2.offer();
    lab.wait_events("joined", 3);
    let group = SocketAddrV4::new(offer.group, PORT);
    broadcaster.socket.send_to(b"\x01chunk", group).expect("sent");
    v1.expect(b"\x01chunk", offer.group);
    v2.expect(b"\x01chunk", offer.group);

    // Media are let through, and the end of a connection is seen all the same.
    let bypassed = |lab: &Lab| {
        lab.flows()
            .iter()
            .filter(|flow| flow.contains("tcp6") && flow.contains("priority=660"))
            .count()
    };
    assert_eq!(bypassed(&lab), 4, "{:#?}", lab.flows());
    lab.kill(publisher);
    lab.wait_events("peering_ended", 1);
    lab::wait_for("the publisher's entries to go", std::time::Duration::from_secs(5), || {
        (bypassed(&lab) == 2).then_some(())
    });
    let errors: Vec<_> =
        lab.events().into_iter().filter(|event| event["event"] == "switch_error").collect();
    assert!(errors.is_empty(), "{errors:?}");
}
