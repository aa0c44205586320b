//! Storms that the switch itself cuts, and meters that somebody tampers with.

use std::net::Ipv4Addr;

use nearcast_machine::Span;
use rust_openflow::Mac;
use rust_openflow::v13::{Body, MeterBand, MeterCommand, MeterMod, meter_flags, meter_number};

use crate::rtmp::{play, publish};
use crate::world::{World, arp, config, udp};

/// The world of one switch, which has meters.
fn metered(change: impl FnOnce(&mut crate::switch::Switch)) -> World {
    let mut world = World::new(config());
    world.add_switch(1, "s1");
    let switch = world.switches.get_mut(&1).expect("s1");
    switch.max_meters = 100;
    change(switch);
    for (port, (name, last)) in (1..).zip([("b", 1), ("v1", 11), ("v2", 12), ("cdn", 100)]) {
        world.add_host(name, Ipv4Addr::new(10, 0, 0, last), (1, port));
    }
    world.connect(1);
    world.run(Span::from_secs(1));
    world
}

fn packet_ins(world: &World, class: &str) -> u64 {
    world.fabric.packet_ins().get(class).copied().unwrap_or(0)
}

/// As many frames to hosts that nobody knows.
fn storm(world: &mut World, from: &str, frames: u32) {
    let host = (world.hosts[from].mac, world.hosts[from].ip);
    for n in 0..frames {
        let [.., c, d] = n.to_be_bytes();
        let to = (Mac([2, 9, 9, 9, c, d]), Ipv4Addr::new(10, 0, 77, d));
        world.send(from, udp(host, to, 9, 9, b"?"));
    }
}

#[test]
fn a_storm_is_cut_in_the_switch_and_costs_other_ports_and_classes_nothing() {
    let mut world = metered(|_| ());
    storm(&mut world, "b", 3000);
    // A quarter of 500 a second, of which half a second's worth passes at once.
    assert_eq!(packet_ins(&world, "unknown"), 62);
    assert_eq!(packet_ins(&world, "unknown dropped"), 0, "the controller has nothing to drop");
    let b = (world.hosts["b"].mac, world.hosts["b"].ip);
    for n in 0..2000u32 {
        let [.., c, d] = n.to_be_bytes();
        world.send("b", arp(1, b, (Mac([0; 6]), Ipv4Addr::new(10, 1, c, d))));
    }
    assert_eq!(packet_ins(&world, "arp"), 125);
    assert!(world.reaches("v1", "v2"), "ARP of others goes on");
    storm(&mut world, "v1", 1);
    assert_eq!(packet_ins(&world, "unknown"), 63, "and so does what is unknown at other ports");

    world.run(Span::from_secs(11));
    let counted = [packet_ins(&world, "unknown metered"), packet_ins(&world, "arp metered")];
    assert_eq!(counted, [3000 - 62, 2000 - 125], "as the switch says when it is asked");
    world.run(Span::from_secs(10));
    assert_eq!(packet_ins(&world, "unknown metered"), counted[0], "once");
}

#[test]
fn copies_are_cut_and_what_is_copied_goes_on() {
    let mut world = metered(|_| ());
    assert!(world.reaches("b", "v1") && world.reaches("v1", "b"));
    let (b, v1) = ((world.hosts["b"].mac, world.hosts["b"].ip), world.hosts["v1"].mac);
    let before = packet_ins(&world, "arp");
    world.hosts.get_mut("b").expect("b").inbox.clear();
    world.run(Span::from_secs(1));
    for _ in 0..500 {
        let mut request = arp(1, b, (Mac([0; 6]), world.hosts["v1"].ip));
        request[..6].copy_from_slice(&v1.0);
        world.send("b", request);
    }
    // Requests of one port, and answers of the other.
    assert_eq!(packet_ins(&world, "arp") - before, 2 * 125);
    assert_eq!(world.hosts["b"].inbox.len(), 500, "v1 got and answered all of them");
}

#[test]
fn meters_survive_a_restart_untouched_and_are_put_back_when_deleted() {
    let mut world = metered(|_| ());
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    let flows = world.switches[&1].flows.len();
    // Three for each of four ports, and two of the switch.
    assert_eq!(world.switches[&1].meters.len(), 14);
    assert_eq!(world.fabric.statistics().meters, 14);
    world.disconnect(1, "test");
    let mods = world.switches[&1].mods;
    world.connect(1);
    world.run(Span::from_secs(1));
    assert_eq!(world.switches[&1].mods, mods, "nothing is wrong, nothing is changed");

    let ids: Vec<_> = world.switches[&1].meters.keys().copied().collect();
    for meter_id in ids {
        let delete = MeterMod { command: MeterCommand::Delete, flags: 0, meter_id, bands: vec![] };
        world.by_hand(1, Body::MeterMod(delete));
    }
    assert!(world.reaches("v2", "cdn"), "unmetered, what stands below serves");
    world.run(Span::from_secs(1));
    assert_eq!(world.switches[&1].meters.len(), 14);
    assert_eq!(world.switches[&1].flows.len() - 1, flows, "v2 was learned, all else is back");
    assert_eq!(world.count("switch_error"), 0);
    storm(&mut world, "b", 1000);
    assert_eq!(packet_ins(&world, "unknown dropped"), 0);
    let mods = world.switches[&1].mods;
    world.run(Span::from_secs(65));
    assert_eq!(world.switches[&1].mods, mods, "and then all is right");
}

#[test]
fn a_meter_that_was_changed_is_put_right_and_those_of_others_are_left_alone() {
    let mut world = metered(|_| ());
    let (id, before) = world.switches[&1]
        .meters
        .iter()
        .next()
        .map(|(id, m)| (*id, m.config.clone()))
        .expect("one");
    let flags = meter_flags::PKTPS | meter_flags::BURST;
    let meter = |command, meter_id| {
        let bands = vec![MeterBand::Drop { rate: 1, burst: 1 }];
        Body::MeterMod(MeterMod { command, flags, meter_id, bands })
    };
    world.by_hand(1, meter(MeterCommand::Modify, id));
    world.by_hand(1, meter(MeterCommand::Add, 7));
    world.by_hand(1, meter(MeterCommand::Add, 0x6eff_0000));
    world.run(Span::from_secs(21));
    let meters = &world.switches[&1].meters;
    assert_eq!(meters[&id].config.bands, before.bands);
    assert!(meters.contains_key(&7), "somebody else's");
    assert!(!meters.contains_key(&0x6eff_0000), "ours by its mark, and wanted by nobody");
    assert!(meters.keys().all(|id| *id < meter_number::MAX));
}

#[test]
fn a_switch_that_meters_no_copies_meters_the_rest() {
    let mut world = metered(|switch| switch.no_metered_copies = true);
    assert_eq!(world.switches[&1].meters.len(), 14);
    storm(&mut world, "b", 1000);
    assert_eq!(packet_ins(&world, "unknown"), 62);
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("joined"), 2);
    let errors = world.count("switch_error");
    world.run(Span::from_secs(130));
    assert_eq!(world.count("switch_error"), errors, "it is not asked for that again");
    assert_eq!(world.count("restored"), 0);
}

#[test]
fn a_switch_that_refuses_its_meters_is_served_without() {
    let mut world = metered(|switch| switch.no_meters = true);
    assert_eq!((world.switches[&1].meters.len(), world.fabric.statistics().meters), (0, 0));
    assert!(world.reaches("b", "v1"));
    publish(&mut world, "b", 40_000, "live/room", true);
    play(&mut world, "v1", 40_000, "live/room");
    assert_eq!(world.count("joined"), 2);
    let errors = world.count("switch_error");
    world.run(Span::from_secs(130));
    assert_eq!((world.count("switch_error"), world.count("restored")), (errors, 0));
}

#[test]
fn no_more_meters_are_wanted_than_a_switch_has() {
    let mut world = metered(|switch| switch.max_meters = 9);
    assert_eq!(world.switches[&1].meters.len(), 8, "of two ports, and of the switch");
    assert_eq!(world.count("switch_error"), 0);
    world.set_port((1, 1), false);
    assert_eq!(world.switches[&1].meters.len(), 5, "those of a port go with it");
    world.set_port((1, 1), true);
    assert_eq!(world.switches[&1].meters.len(), 8);
    assert!(world.reaches("v1", "cdn"));
}
