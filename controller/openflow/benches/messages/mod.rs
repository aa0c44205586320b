//! The messages that are timed.

use rust_openflow::{Mac, v10, v13};

/// Transaction of all of them.
pub(crate) const XID: u32 = 7;

/// A minimal frame, as cbench sends it.
fn frame() -> Vec<u8> {
    let mut frame = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]].concat();
    frame.extend([0x08, 0x00]);
    frame.resize(64, 0);
    frame
}

pub(crate) fn packet_in_10() -> v10::PacketIn {
    let reason = v10::PacketInReason::NoMatch;
    v10::PacketIn { buffer_id: 9, total_len: 64, in_port: 3, reason, data: frame() }
}

/// OpenFlow 1.0: name and body.
pub(crate) fn v10() -> Vec<(&'static str, v10::Body)> {
    let matching = v10::Match::any().in_port(3u16).dl_dst(Mac([2, 0, 0, 0, 0, 1]));
    let entry = v10::FlowMod::add(vec![v10::Action::output(4)]).matching(matching);
    let out = v10::PacketOut {
        in_port: 3,
        ..v10::PacketOut::new(vec![0; 64], vec![v10::Action::output(4)])
    };
    let ports = (1..=48).map(|number| v10::Port {
        number,
        name: format!("port{number}"),
        ..v10::Port::default()
    });
    let features = v10::Features { ports: ports.collect(), ..v10::Features::default() };
    let flow =
        v10::FlowStats { actions: vec![v10::Action::output(4)], matching, ..Default::default() };
    let flows = v10::StatsReply::new(v10::Reply::Flow(vec![flow; 100]));
    vec![
        ("packet-in", v10::Body::PacketIn(packet_in_10())),
        ("flow-mod", v10::Body::FlowMod(entry)),
        ("packet-out", v10::Body::PacketOut(out)),
        ("features-reply of 48 ports", v10::Body::FeaturesReply(features)),
        ("stats-reply of 100 flow entries", v10::Body::StatsReply(flows)),
    ]
}

/// OpenFlow 1.3: name and body.
#[allow(dead_code, reason = "rust_ofp has 1.0 only")]
pub(crate) fn v13() -> Vec<(&'static str, v13::Body)> {
    let packet = v13::PacketIn {
        buffer_id: v13::NO_BUFFER,
        total_len: 64,
        reason: v13::PacketInReason::NoMatch,
        table_id: 0,
        cookie: 0,
        matching: v13::Match::new().in_port(3),
        data: frame(),
    };
    let matching = v13::Match::new()
        .in_port(3)
        .eth_dst([2, 0, 0, 0, 0, 1])
        .eth_type(0x0800)
        .ip_proto(6)
        .tcp_dst(1935);
    let apply = v13::Instruction::ApplyActions(vec![v13::Action::output(4)]);
    let entry = v13::FlowMod::add().matching(matching.clone()).instruction(apply.clone());
    let out = v13::PacketOut {
        in_port: 3,
        ..v13::PacketOut::new(vec![0; 64], vec![v13::Action::output(4)])
    };
    let flow = v13::FlowStats { matching, instructions: vec![apply], ..v13::FlowStats::default() };
    let flows = v13::MultipartReply::new(v13::Reply::Flow(vec![flow; 100]));
    vec![
        ("packet-in", v13::Body::PacketIn(packet)),
        ("flow-mod", v13::Body::FlowMod(entry)),
        ("packet-out", v13::Body::PacketOut(out)),
        ("features-reply", v13::Body::FeaturesReply(v13::Features::of(1, 254))),
        ("multipart-reply of 100 flow entries", v13::Body::MultipartReply(flows)),
    ]
}
