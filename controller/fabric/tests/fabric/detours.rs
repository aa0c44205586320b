//! Links that go down while nobody tells the switches where to turn.

use nearcast_fabric::Event;
use nearcast_machine::Span;
use nearcast_topologies::{Choice, Topology};

use crate::switch::{Flow, Switch};
use crate::world::{World, config};

/// A topology whose hosts know each other.
fn acquainted(name: &str) -> World {
    acquainted_with(name, |_| ())
}

fn acquainted_with(name: &str, change: impl Fn(&mut Switch)) -> World {
    let choice = Choice { setting: Some("default".to_owned()), ..Choice::default() };
    let topology = Topology::named(name, &choice).expect("it comes with nearcast");
    let mut world = World::of(&topology, config(), Span::ZERO);
    // All the way round and back again.
    world.patience = Span::from_secs(1);
    world.switches.values_mut().for_each(change);
    let all: Vec<_> = world.connections.keys().copied().collect();
    for id in all {
        world.disconnect(id, "test");
        world.connect(id);
    }
    world.run(Span::from_secs(3));
    for (from, to) in pairs(&world) {
        assert!(world.reaches(from, to), "{name}: {from} to {to}");
    }
    world.run(Span::from_secs(2));
    world
}

/// Some hosts, one at each of as many switches as there are, each with each.
fn pairs(world: &World) -> Vec<(&'static str, &'static str)> {
    let mut switches = std::collections::BTreeSet::new();
    let apart = world.hosts.iter().filter(|(_, host)| switches.insert(host.at.0));
    let apart: Vec<_> = apart.map(|(name, _)| *name).collect();
    let each = apart.iter().flat_map(|a| apart.iter().map(|b| (*a, *b)));
    each.filter(|(a, b)| a != b).collect()
}

fn links(world: &World) -> Vec<(u64, u32)> {
    world.links.iter().filter(|(a, b)| a < b).map(|(a, _)| *a).collect()
}

fn mend(world: &mut World, at: (u64, u32)) {
    let other = world.links[&at];
    world.set_port(at, true);
    world.set_port(other, true);
}

fn leave_alone(world: &mut World) {
    let all: Vec<_> = world.connections.keys().copied().collect();
    all.into_iter().for_each(|id| world.disconnect(id, "test"));
}

/// What switches hold for ways round links.
fn ways_round(world: &World) -> Vec<(u64, Vec<String>)> {
    let of = |switch: &Switch| {
        let places = [(0, 895), (3, 100), (3, 110)];
        let flows = places.iter().flat_map(|(table, priority)| switch.at(*table, *priority));
        let text = |flow: &Flow| format!("{:?} {:?}", flow.matching, flow.instructions);
        let groups = switch.groups.iter().map(|group| format!("{group:?}"));
        let mut all: Vec<_> = flows.map(text).chain(groups).collect();
        all.sort();
        all
    };
    world.switches.iter().map(|(id, switch)| (*id, of(switch))).collect()
}

#[test]
fn any_link_may_go_down_while_the_controller_is_away() {
    for name in ["ring", "fat-tree"] {
        let mut world = acquainted(name);
        leave_alone(&mut world);
        for link in links(&world) {
            world.cut(link);
            for (from, to) in pairs(&world) {
                assert!(world.reaches(from, to), "{name} without {link:?}: {from} to {to}");
            }
            mend(&mut world, link);
        }
    }
}

#[test]
fn whatever_else_is_down_nothing_goes_in_circles() {
    for (name, at_once) in [("ring", 2), ("ring", 3), ("fat-tree", 3), ("fat-tree", 8)] {
        let mut world = acquainted(name);
        leave_alone(&mut world);
        let links = links(&world);
        for first in 0..links.len() {
            let down: Vec<_> = (0..at_once).map(|n| links[(first + n * 5) % links.len()]).collect();
            down.iter().for_each(|link| world.cut(*link));
            let mut arrived = 0;
            for (from, to) in pairs(&world).into_iter().take(12) {
                let before = world.frames;
                arrived += usize::from(world.reaches(from, to));
                // Each switch once on a shortest path, and a way round each link of it.
                let most = world.switches.len() * world.switches.len();
                assert!(world.frames - before <= most, "{name} without {down:?}: {from} to {to}");
            }
            assert!(arrived > 0 || name == "ring", "{name} without {down:?}");
            down.iter().for_each(|link| mend(&mut world, *link));
        }
    }
}

#[test]
fn once_the_controller_hears_of_it_frames_go_the_shorter_way_and_back_when_it_is_mended() {
    let mut world = acquainted("ring");
    let before = ways_round(&world);
    let link = links(&world)[0];
    world.cut(link);
    world.run(Span::from_secs(2));
    assert!(
        ways_round(&world)
            .iter()
            .all(|(_, held)| held.iter().all(|what| !what.contains("VlanVid")))
    );
    for (from, to) in pairs(&world) {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
    mend(&mut world, link);
    world.run(Span::from_secs(3));
    assert_eq!(ways_round(&world), before, "by the same labels");
    leave_alone(&mut world);
    world.cut(link);
    for (from, to) in pairs(&world) {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
}

#[test]
fn a_restarted_controller_leaves_ways_round_as_they_are() {
    let mut world = acquainted("ring");
    let before = ways_round(&world);
    assert!(before.iter().all(|(_, held)| held.iter().any(|what| what.contains("VlanVid"))));
    let link = links(&world)[1];
    world.restart(|settings| settings.incarnation = 1);
    for _ in 0..6 {
        world.run(Span::from_secs(8));
        assert_eq!(ways_round(&world), before);
    }
    leave_alone(&mut world);
    world.cut(link);
    for (from, to) in pairs(&world) {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
}

#[test]
fn no_host_can_send_what_is_labelled() {
    let mut world = acquainted("ring");
    let (from, to) = pairs(&world)[0];
    let [a, b] = [from, to].map(|name| (world.hosts[name].mac, world.hosts[name].ip));
    let ids = (0x800..=0xfff_u16).step_by(7);
    let sent = ids.clone().count() as u64;
    for id in ids {
        let mut frame = crate::world::udp(a, b, 9, 9, b"labelled");
        crate::packet::push_tag(&mut frame);
        frame[14..16].copy_from_slice(&id.to_be_bytes());
        world.send(from, frame);
    }
    assert_eq!(world.switches[&world.hosts[from].at.0].at(0, 890)[0].packets, sent);
    assert!(world.received(to).is_empty(), "they are dropped where they enter");
}

#[test]
fn a_switch_without_such_groups_waits_for_the_controller() {
    let mut world = acquainted_with("ring", |switch| {
        if switch.id == 2 {
            switch.no_groups = true;
            switch.groups.clear();
            switch.flows.clear();
        }
    });
    world.run(Span::from_secs(70));
    let refused = |event: &&Event| matches!(event, Event::SwitchError { concerning: "detour", .. });
    assert_eq!(world.events.iter().filter(refused).count(), 1, "it is asked once");
    assert_eq!(world.count("restored"), 0);
    for (from, to) in pairs(&world) {
        assert!(world.reaches(from, to), "{from} to {to}");
    }
}
