//! What Open vSwitch really sends (`captures/README.md` says how it was made to) is understood, and
//! encodes to the same bytes.

#[path = "laws/mod.rs"]
mod laws;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use laws::Codec;
use rand::{Rng, SeedableRng};
use rust_openflow::{Framer, HelloElement, Mac, Reassembly, v10, v13};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/captures")
}

/// The messages of every file of a version, with the file's name.
fn captures(version: &str) -> Vec<(String, Vec<Vec<u8>>)> {
    let folder = folder().join(version);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut captures: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a file").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, cut(&fs::read(&path).expect("a capture that can be read")))
        })
        .collect();
    captures.sort();
    captures
}

fn cut(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut framer = Framer::new();
    framer.push(bytes);
    let mut frames = Vec::new();
    while let Some(frame) = framer.next_frame().expect("sound headers") {
        frames.push(frame);
    }
    assert_eq!(framer.pending(), 0);
    assert!(!frames.is_empty());
    frames
}

fn all<M: Codec>(version: &str) {
    for (name, frames) in captures(version) {
        for frame in frames {
            let message =
                M::parse(&frame).unwrap_or_else(|error| panic!("{name}: {error}\n{frame:02x?}"));
            assert_eq!(laws::encode(&message), frame, "{name}: {message:?}");
        }
    }
}

#[test]
fn messages_of_1_0_come_back_byte_by_byte() {
    all::<v10::Message>("v10");
}

#[test]
fn messages_of_1_3_come_back_byte_by_byte() {
    all::<v13::Message>("v13");
}

/// Nothing that the specification names is only "unknown" to us when a real switch says it.
#[test]
fn what_the_specification_names_is_known() {
    for (name, frames) in captures("v13") {
        for frame in frames {
            let said = format!("{:?}", v13::Message::parse(&frame).expect("it parses"));
            // Masked ports, Nicira's fields, and fields of versions to come.
            let extended = ["flow", "table_features", "ofctl_flow_mod", "ofctl_flow_mod_nicira"];
            assert!(
                !said.contains("Unknown") || extended.contains(&name.as_str()),
                "{name}: {said}"
            );
        }
    }
}

#[test]
fn every_capture_is_explained_and_every_explanation_has_its_capture() {
    let readme = fs::read_to_string(folder().join("README.md")).expect("a page about the captures");
    let mut explained = BTreeSet::new();
    let mut version = "";
    for line in readme.lines() {
        match line {
            "## OpenFlow 1.0" => version = "v10",
            "## OpenFlow 1.3" => version = "v13",
            _ => {
                let name = line.strip_prefix("- `").and_then(|line| line.split_once("`: "));
                explained.extend(name.map(|(name, _)| format!("{version}/{name}")));
            }
        }
    }
    let there: BTreeSet<_> = ["v10", "v13"]
        .into_iter()
        .flat_map(|version| {
            captures(version).into_iter().map(move |(name, _)| format!("{version}/{name}"))
        })
        .collect();
    assert_eq!(explained, there);
}

fn of_10(name: &str) -> v10::Body {
    let bytes = fs::read(folder().join(format!("v10/{name}.bin"))).expect("a capture");
    v10::Message::parse(&cut(&bytes)[0]).expect("it parses").body
}

fn of_13(name: &str) -> v13::Body {
    let bytes = fs::read(folder().join(format!("v13/{name}.bin"))).expect("a capture");
    v13::Message::parse(&cut(&bytes)[0]).expect("it parses").body
}

#[test]
fn answers_in_parts_are_put_together() {
    let bytes = fs::read(folder().join("v13/table_features.bin")).expect("a capture");
    let parts = cut(&bytes);
    assert!(parts.len() > 1);
    let mut answers = Reassembly::<v13::Reply>::default();
    let mut tables = Vec::new();
    for (place, frame) in parts.iter().enumerate() {
        let message = v13::Message::parse(frame).expect("it parses");
        if place == 0 {
            answers.ask(message.xid).expect("room");
        }
        let v13::Body::MultipartReply(reply) = message.body else { panic!("{:?}", message.body) };
        match answers.take(message.xid, reply).expect("a part") {
            Some(v13::Reply::TableFeatures(all)) => tables = all,
            other => assert_eq!((other, place + 1 < parts.len()), (None, true)),
        }
    }
    let ids: Vec<_> = tables.iter().map(|table| table.table_id).collect();
    assert!(ids.is_sorted() && ids[0] == 0 && ids.ends_with(&[252, 253]), "{ids:?}");
}

const P1: &str = "p1";

#[test]
fn a_switch_of_1_0_says_who_it_is_and_what_happens() {
    use v10::*;
    let Body::FeaturesReply(features) = of_10("features_reply") else { panic!("features") };
    assert_eq!((features.datapath_id, features.n_tables), (0xabc, 254));
    assert_eq!(features.actions, 0xfff);
    assert!(features.ports.iter().any(|port| (port.number, port.name.as_str()) == (1, P1)));
    let Body::PacketIn(packet) = of_10("packet_in_no_match") else { panic!("packet-in") };
    assert_eq!((packet.in_port, packet.reason), (1, PacketInReason::NoMatch));
    assert_eq!(
        (usize::from(packet.total_len), &packet.data[..6]),
        (packet.data.len(), &[2, 0, 0, 0, 0, 2][..])
    );
    let Body::FlowRemoved(gone) = of_10("flow_removed_hard_timeout") else {
        panic!("flow-removed")
    };
    assert_eq!(gone.reason, FlowRemovedReason::HardTimeout);
    assert_eq!((gone.matching.in_port, gone.matching.dl_vlan), (2, VLAN_NONE));
    assert_eq!(gone.duration_sec, 1);
    let Body::StatsReply(StatsReply { body: Reply::Flow(flows), .. }) = of_10("flow") else {
        panic!("flow entries")
    };
    let rewriting = flows.iter().find(|flow| flow.actions.len() == 11).expect("the long one");
    assert_eq!(rewriting.actions[3], Action::SetDlSrc(Mac([2, 0, 0, 0, 0, 7])));
    assert_eq!(rewriting.actions[10], Action::Enqueue { port: 1, queue_id: 0 });
    assert_eq!((rewriting.matching.nw_src_prefix(), rewriting.idle_timeout), (16, 600));
    let Body::Error(error) = of_10("error_bad_action") else { panic!("error") };
    assert_eq!(error.to_string(), "bad_action/bad_type");
}

#[test]
fn ovs_ofctl_of_1_0_says_what_it_was_told_to() {
    use v10::*;
    let Body::FlowMod(entry) = of_10("ofctl_flow_mod") else { panic!("flow-mod") };
    assert_eq!((entry.priority, entry.cookie, entry.command), (100, 0x1234, FlowCommand::Add));
    assert_eq!((entry.idle_timeout, entry.hard_timeout), (10, 20));
    assert_eq!(entry.flags, flow_flags::SEND_FLOW_REM | flow_flags::CHECK_OVERLAP);
    assert_eq!((entry.matching.nw_src_prefix(), entry.matching.tp_dst), (8, 1935));
    assert_eq!(entry.matching.wildcards & wildcard::TP_DST, 0);
    assert_eq!(entry.actions[0], Action::SetVlanVid(7));
    assert_eq!(entry.actions[7], Action::Enqueue { port: 2, queue_id: 5 });
}

#[test]
fn a_switch_of_1_3_says_who_it_is_and_what_happens() {
    use v13::*;
    let Body::Hello(hello) = of_13("hello") else { panic!("hello") };
    assert_eq!(hello.elements, [HelloElement::VersionBitmap(vec![1 << 1 | 1 << 4])]);
    let Body::RoleReply(role) = of_13("role_reply") else { panic!("role") };
    assert_eq!((role.role, role.generation_id), (Role::Master, 0x0102_0304_0506_0708));
    let Body::PacketIn(packet) = of_13("packet_in_action") else { panic!("packet-in") };
    assert_eq!(
        (packet.cookie, packet.reason, packet.matching.ingress()),
        (0xa1, PacketInReason::Action, Some(1))
    );
    let Body::PacketIn(packet) = of_13("packet_in_invalid_ttl") else { panic!("packet-in") };
    assert_eq!(packet.reason, PacketInReason::InvalidTtl);
    let Body::FlowRemoved(gone) = of_13("flow_removed_group_delete") else {
        panic!("flow-removed")
    };
    assert_eq!((gone.reason, gone.priority), (FlowRemovedReason::GroupDelete, 78));
    let Body::PortStatus(status) = of_13("port_status_add") else { panic!("port-status") };
    assert_eq!((status.reason, status.port.name.as_str()), (PortReason::Add, "p3"));
    for (name, said) in [
        ("error_hello_failed", "hello_failed/incompatible"),
        ("error_bad_prereq", "bad_match/bad_prereq"),
        ("error_dup_field", "bad_match/dup_field"),
        ("error_bad_out_group", "bad_action/bad_out_group"),
        ("error_flow_mod_overlap", "flow_mod_failed/overlap"),
        ("error_group_exists", "group_mod_failed/group_exists"),
        ("error_unknown_meter", "meter_mod_failed/unknown_meter"),
        ("error_role_stale", "role_request_failed/stale"),
        ("error_bad_hw_addr", "port_mod_failed/bad_hw_addr"),
        ("error_queue_bad_port", "queue_op_failed/bad_port"),
        ("error_switch_config", "switch_config_failed/bad_flags"),
    ] {
        let Body::Error(error) = of_13(name) else { panic!("{name}") };
        assert_eq!(error.to_string(), said, "{name}");
    }
}

#[test]
fn a_switch_of_1_3_tells_what_it_holds() {
    use v13::*;
    let reply = |name| match of_13(name) {
        Body::MultipartReply(reply) => reply.body,
        other => panic!("{name}: {other:?}"),
    };
    let Reply::Flow(flows) = reply("flow") else { panic!("flow entries") };
    let long = flows.iter().find(|flow| flow.cookie == 0xa2).expect("the long one");
    assert_eq!(long.instructions[0], Instruction::Meter(1));
    assert!(matches!(&long.instructions[1], Instruction::ApplyActions(actions)
        if actions[0] == Action::PushVlan(0x8100) && actions.contains(&Action::Group(1))));
    assert_eq!(long.instructions.last(), Some(&Instruction::GotoTable(5)));
    // OVS takes masks where the specification has none, and tells them.
    let masked = |field: &Oxm| {
        matches!(field, Oxm::Unknown { class: 0x8000, field: 14, has_mask: true, .. })
    };
    assert!(flows.iter().any(|flow| flow.matching.fields.iter().any(masked)));
    let Reply::GroupDesc(groups) = reply("group_desc") else { panic!("groups") };
    let kinds: Vec<_> =
        groups.iter().map(|group| (group.group_id, group.kind, group.buckets.len())).collect();
    assert_eq!(kinds.len(), 4);
    assert!(kinds.contains(&(3, GroupType::FastFailover, 2)));
    let Reply::MeterConfig(meters) = reply("meter_config") else { panic!("meters") };
    assert_eq!(meters[0].bands, [MeterBand::Drop { rate: 1000, burst: 100 }]);
    let Reply::TableFeatures(tables) = reply("table_features") else { panic!("tables") };
    let takes = |table: &TableFeatures| {
        table.properties.iter().any(|property| {
            matches!(property, TableProperty::Instructions { miss: false, instructions }
            if instructions.contains(&FeatureId::of(1)))
        })
    };
    assert!(takes(&tables[0]), "{:?}", tables[0].name);
    assert_eq!((tables[0].table_id, tables[0].metadata_match), (0, u64::MAX));
    let Reply::PortDesc(ports) = reply("port_desc") else { panic!("ports") };
    assert!(ports.iter().any(|port| (port.number, port.name.as_str()) == (1, P1)));
}

#[test]
fn ovs_ofctl_of_1_3_says_what_it_was_told_to() {
    use v13::*;
    let Body::FlowMod(entry) = of_13("ofctl_flow_mod") else { panic!("flow-mod") };
    assert_eq!((entry.table_id, entry.priority, entry.cookie), (1, 100, 0x1234));
    let fields = &entry.matching.fields;
    assert!(
        fields.contains(&Oxm::Ipv4Src(Masked::new([10, 0, 0, 0].into(), [255, 0, 0, 0].into())))
    );
    assert!(fields.contains(&Oxm::TcpDst(1935)));
    assert!(fields.contains(&Oxm::TcpFlags(Masked::new(0x002, 0x012))));
    let apply = Instruction::ApplyActions(vec![
        Action::SetField(Oxm::EthDst(Mac([2, 0, 0, 0, 0, 1]).into())),
        Action::SetQueue(3),
        Action::output(2),
    ]);
    assert_eq!(entry.instructions, [apply, Instruction::GotoTable(2)]);
    let Body::GroupMod(group) = of_13("ofctl_group_mod_failover") else { panic!("group-mod") };
    assert_eq!(
        (group.kind, group.buckets[0].watch_port, group.buckets[1].watch_group),
        (GroupType::FastFailover, 1, 9)
    );
    let Body::MeterMod(meter) = of_13("ofctl_meter_mod") else { panic!("meter-mod") };
    assert_eq!(meter.bands[1], MeterBand::DscpRemark { rate: 2000, burst: 60, prec_level: 2 });
}

/// A seeded walk around what real switches say: bytes changed, cut out, doubled, and taken from
/// another message. `fuzz/` does the same with coverage to lead it.
fn spoiled<M: Codec>(version: &str) {
    let frames: Vec<_> = captures(version).into_iter().flat_map(|(_, frames)| frames).collect();
    let mut random = rand_pcg::Pcg64Mcg::seed_from_u64(0x6633);
    for _ in 0..40_000 {
        let mut bytes = frames[random.random_range(0..frames.len())].clone();
        // Of the few long ones the beginning will do.
        bytes.truncate(2000);
        for _ in 0..random.random_range(1..5) {
            let at = random.random_range(8.min(bytes.len())..=bytes.len());
            let to = random.random_range(at..=bytes.len().min(at + 16));
            match random.random_range(0..6) {
                0 => drop(bytes.drain(at..to)),
                1 => {
                    let again = bytes[at..to].to_vec();
                    bytes.splice(at..at, again);
                }
                2 => {
                    let other = &frames[random.random_range(0..frames.len())];
                    let from = random.random_range(0..other.len());
                    let piece = other[from..other.len().min(from + 24)].to_vec();
                    bytes.splice(at..to, piece);
                }
                3 => bytes[at..to].fill(0),
                _ if at < bytes.len() => bytes[at] = random.random(),
                _ => {}
            }
        }
        let length = u16::try_from(bytes.len()).expect("a few thousand bytes at most");
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        laws::sound::<M>(&bytes);
    }
}

#[test]
fn spoiled_captures_of_1_0_are_refused_or_kept() {
    spoiled::<v10::Message>("v10");
}

#[test]
fn spoiled_captures_of_1_3_are_refused_or_kept() {
    spoiled::<v13::Message>("v13");
}

#[test]
fn captures_cut_short_are_incomplete_or_malformed() {
    for (_, frames) in captures("v10") {
        frames.iter().for_each(|frame| laws::truncated::<v10::Message>(frame));
    }
    // Those of 64 KiB would take minutes, and are lists of what the others have.
    for (_, frames) in captures("v13") {
        frames
            .iter()
            .filter(|frame| frame.len() < 8192)
            .for_each(|frame| laws::truncated::<v13::Message>(frame));
    }
}
