//! Any message of OpenFlow 1.0.

use proptest::collection::vec;
use proptest::prelude::*;
use rust_openflow::v10::*;

use crate::v13::{aligned, bytes, each, hello, mac, name, some};

fn matching() -> impl Strategy<Value = Match> {
    let link = (some(), some(), mac(), mac(), some(), some(), some());
    let network = (some(), some(), some(), some(), some(), some());
    (link, network).prop_map(|(link, network)| {
        let (wildcards, in_port, dl_src, dl_dst, dl_vlan, dl_vlan_pcp, dl_type) = link;
        let (nw_tos, nw_proto, nw_src, nw_dst, tp_src, tp_dst) = network;
        Match {
            wildcards,
            in_port,
            dl_src,
            dl_dst,
            dl_vlan,
            dl_vlan_pcp,
            dl_type,
            nw_tos,
            nw_proto,
            nw_src,
            nw_dst,
            tp_src,
            tp_dst,
        }
    })
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        (some(), some()).prop_map(|(port, max_len)| Action::Output { port, max_len }),
        some().prop_map(Action::SetVlanVid),
        some().prop_map(Action::SetVlanPcp),
        Just(Action::StripVlan),
        mac().prop_map(Action::SetDlSrc),
        mac().prop_map(Action::SetDlDst),
        some().prop_map(Action::SetNwSrc),
        some().prop_map(Action::SetNwDst),
        some().prop_map(Action::SetNwTos),
        some().prop_map(Action::SetTpSrc),
        some().prop_map(Action::SetTpDst),
        (some(), some()).prop_map(|(port, queue_id)| Action::Enqueue { port, queue_id }),
        (some(), prop_oneof![Just(Vec::new()), aligned(8, 0)])
            .prop_map(|(vendor, data)| Action::Vendor { vendor, data }),
        (12..0xffffu16, aligned(8, 4)).prop_map(|(kind, body)| Action::Unknown { kind, body }),
    ];
    vec(action, 0..5)
}

fn port() -> impl Strategy<Value = Port> {
    each!(Port {
        number: some(),
        hw_addr: mac(),
        name: name(15),
        config: some(),
        state: some(),
        curr: some(),
        advertised: some(),
        supported: some(),
        peer: some(),
    })
}

fn features() -> impl Strategy<Value = Features> {
    each!(Features {
        datapath_id: some(),
        n_buffers: some(),
        n_tables: some(),
        capabilities: some(),
        actions: some(),
        ports: vec(port(), 0..4),
    })
}

fn config() -> impl Strategy<Value = SwitchConfig> {
    each!(SwitchConfig { flags: some(), miss_send_len: some() })
}

fn packet_in() -> impl Strategy<Value = PacketIn> {
    let reason = prop_oneof![
        Just(PacketInReason::NoMatch),
        Just(PacketInReason::Action),
        (2..=255u8).prop_map(PacketInReason::Other),
    ];
    each!(PacketIn {
        buffer_id: some(),
        total_len: some(),
        in_port: some(),
        reason: reason,
        data: bytes(100),
    })
}

fn packet_out() -> impl Strategy<Value = PacketOut> {
    each!(PacketOut { buffer_id: some(), in_port: some(), actions: actions(), data: bytes(100) })
}

fn flow_mod() -> impl Strategy<Value = FlowMod> {
    let command = prop_oneof![
        Just(FlowCommand::Add),
        Just(FlowCommand::Modify),
        Just(FlowCommand::ModifyStrict),
        Just(FlowCommand::Delete),
        Just(FlowCommand::DeleteStrict),
        (5..=0xffffu16).prop_map(FlowCommand::Other),
    ];
    each!(FlowMod {
        matching: matching(),
        cookie: some(),
        command: command,
        idle_timeout: some(),
        hard_timeout: some(),
        priority: some(),
        buffer_id: some(),
        out_port: some(),
        flags: some(),
        actions: actions(),
    })
}

fn flow_removed() -> impl Strategy<Value = FlowRemoved> {
    let reason = prop_oneof![
        Just(FlowRemovedReason::IdleTimeout),
        Just(FlowRemovedReason::HardTimeout),
        Just(FlowRemovedReason::Delete),
        (3..=255u8).prop_map(FlowRemovedReason::Other),
    ];
    each!(FlowRemoved {
        matching: matching(),
        cookie: some(),
        priority: some(),
        reason: reason,
        duration_sec: some(),
        duration_nsec: some(),
        idle_timeout: some(),
        packet_count: some(),
        byte_count: some(),
    })
}

fn port_status() -> impl Strategy<Value = PortStatus> {
    let reason = prop_oneof![
        Just(PortReason::Add),
        Just(PortReason::Delete),
        Just(PortReason::Modify),
        (3..=255u8).prop_map(PortReason::Other),
    ];
    each!(PortStatus { reason: reason, port: port() })
}

fn port_mod() -> impl Strategy<Value = PortMod> {
    each!(PortMod {
        number: some(),
        hw_addr: mac(),
        config: some(),
        mask: some(),
        advertise: some(),
    })
}

fn queues() -> impl Strategy<Value = QueueConfigReply> {
    let property = prop_oneof![
        Just(QueueProperty::None),
        some().prop_map(QueueProperty::MinRate),
        (2..=0xffffu16, bytes(12)).prop_map(|(kind, body)| QueueProperty::Unknown { kind, body }),
    ];
    let queue = each!(PacketQueue { queue_id: some(), properties: vec(property, 0..4) });
    each!(QueueConfigReply { port: some(), queues: vec(queue, 0..4) })
}

fn error() -> impl Strategy<Value = ErrorMessage> {
    each!(ErrorMessage { kind: any::<u16>().prop_map(ErrorType), code: some(), data: bytes(80) })
}

fn vendor() -> impl Strategy<Value = Vendor> {
    each!(Vendor { vendor: some(), data: bytes(40) })
}

fn plain() -> impl Strategy<Value = Body> {
    prop_oneof![
        hello().prop_map(Body::Hello),
        error().prop_map(Body::Error),
        bytes(40).prop_map(Body::EchoRequest),
        bytes(40).prop_map(Body::EchoReply),
        vendor().prop_map(Body::Vendor),
        Just(Body::FeaturesRequest),
        features().prop_map(Body::FeaturesReply),
        Just(Body::GetConfigRequest),
        config().prop_map(Body::GetConfigReply),
        config().prop_map(Body::SetConfig),
        packet_in().prop_map(Body::PacketIn),
        flow_removed().prop_map(Body::FlowRemoved),
        port_status().prop_map(Body::PortStatus),
        packet_out().prop_map(Body::PacketOut),
        flow_mod().prop_map(Body::FlowMod),
        port_mod().prop_map(Body::PortMod),
        Just(Body::BarrierRequest),
        Just(Body::BarrierReply),
        each!(QueueConfigRequest { port: some() }).prop_map(Body::QueueGetConfigRequest),
        queues().prop_map(Body::QueueGetConfigReply),
        (22..=255u8, bytes(40)).prop_map(|(kind, body)| Body::Unknown { kind, body }),
    ]
}

fn flow_request() -> impl Strategy<Value = FlowStatsRequest> {
    each!(FlowStatsRequest { matching: matching(), table_id: some(), out_port: some() })
}

fn request() -> impl Strategy<Value = StatsRequest> {
    let body = prop_oneof![
        Just(Request::Desc),
        flow_request().prop_map(Request::Flow),
        flow_request().prop_map(Request::Aggregate),
        Just(Request::Table),
        each!(PortStatsRequest { port: some() }).prop_map(Request::Port),
        each!(QueueStatsRequest { port: some(), queue_id: some() }).prop_map(Request::Queue),
        vendor().prop_map(Request::Vendor),
        (6..0xffffu16, bytes(40)).prop_map(|(kind, body)| Request::Unknown { kind, body }),
    ];
    each!(StatsRequest { body: body })
}

fn flow() -> impl Strategy<Value = FlowStats> {
    each!(FlowStats {
        table_id: some(),
        matching: matching(),
        duration_sec: some(),
        duration_nsec: some(),
        priority: some(),
        idle_timeout: some(),
        hard_timeout: some(),
        cookie: some(),
        packet_count: some(),
        byte_count: some(),
        actions: actions(),
    })
}

fn table() -> impl Strategy<Value = TableStats> {
    each!(TableStats {
        table_id: some(),
        name: name(31),
        wildcards: some(),
        max_entries: some(),
        active_count: some(),
        lookup_count: some(),
        matched_count: some(),
    })
}

fn port_stats() -> impl Strategy<Value = PortStats> {
    (some(), any::<[u64; 12]>()).prop_map(|(number, counters)| {
        let [rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, ..] = counters;
        let [.., rx_errors, tx_errors, rx_frame_err, rx_over_err, rx_crc_err, collisions] =
            counters;
        PortStats {
            number,
            rx_packets,
            tx_packets,
            rx_bytes,
            tx_bytes,
            rx_dropped,
            tx_dropped,
            rx_errors,
            tx_errors,
            rx_frame_err,
            rx_over_err,
            rx_crc_err,
            collisions,
        }
    })
}

fn queue_stats() -> impl Strategy<Value = QueueStats> {
    each!(QueueStats {
        port: some(),
        queue_id: some(),
        tx_bytes: some(),
        tx_packets: some(),
        tx_errors: some(),
    })
}

fn reply() -> impl Strategy<Value = StatsReply> {
    let desc = each!(Desc {
        manufacturer: name(255),
        hardware: name(255),
        software: name(255),
        serial: name(31),
        datapath: name(255),
    });
    let sum =
        each!(AggregateStats { packet_count: some(), byte_count: some(), flow_count: some() });
    let body = prop_oneof![
        desc.prop_map(Reply::Desc),
        vec(flow(), 0..4).prop_map(Reply::Flow),
        sum.prop_map(Reply::Aggregate),
        vec(table(), 0..4).prop_map(Reply::Table),
        vec(port_stats(), 0..4).prop_map(Reply::Port),
        vec(queue_stats(), 0..4).prop_map(Reply::Queue),
        vendor().prop_map(Reply::Vendor),
        (6..0xffffu16, bytes(40)).prop_map(|(kind, body)| Reply::Unknown { kind, body }),
    ];
    each!(StatsReply { more: some(), body: body })
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let body = prop_oneof![
        3 => plain(),
        1 => request().prop_map(Body::StatsRequest),
        1 => reply().prop_map(Body::StatsReply),
    ];
    (some(), body).prop_map(|(xid, body)| Message::new(xid, body))
}

proptest! {
    /// What a learning switch uses says the same as what everybody else does.
    #[test]
    fn without_allocations_messages_are_the_same(
        xid in some(), packet in packet_in(), entry in flow_mod(), sent in packet_out(),
    ) {
        let mut wire = Vec::new();
        Message::new(xid, Body::PacketIn(packet.clone())).encode(&mut wire);
        let PacketIn { buffer_id, total_len, in_port, reason, data } = &packet;
        let (buffer_id, total_len, in_port, reason) = (*buffer_id, *total_len, *in_port, *reason);
        let view = PacketIn { buffer_id, total_len, in_port, reason, data: data.as_slice() };
        prop_assert_eq!(PacketIn::borrowed(&wire), Ok((xid, view)));

        let mut wire = Vec::new();
        entry.encode_message(xid, &mut wire);
        prop_assert_eq!(Message::parse(&wire), Ok(Message::new(xid, Body::FlowMod(entry))));
        let mut wire = Vec::new();
        sent.encode_message(xid, &mut wire);
        prop_assert_eq!(Message::parse(&wire), Ok(Message::new(xid, Body::PacketOut(sent))));
    }
}
