//! Any message of OpenFlow 1.3.

mod field;
mod multipart;
mod table_features;

use proptest::array::uniform;
use proptest::collection::vec;
use proptest::prelude::*;
use rust_openflow::v13::*;
use rust_openflow::{Hello, HelloElement};

use field::*;
pub(crate) use field::{aligned, bytes, each, mac, name, some};

/// Shared with the other version: hellos are alike.
pub(crate) fn hello() -> impl Strategy<Value = Hello> {
    let element = prop_oneof![
        vec(some(), 0..4).prop_map(HelloElement::VersionBitmap),
        (2..=0xffffu16, bytes(20)).prop_map(|(kind, body)| HelloElement::Unknown { kind, body }),
    ];
    // Too short to be an element.
    each!(Hello { elements: vec(element, 0..3), trailing: bytes(3) })
}

fn flow_command() -> impl Strategy<Value = FlowCommand> {
    prop_oneof![
        Just(FlowCommand::Add),
        Just(FlowCommand::Modify),
        Just(FlowCommand::ModifyStrict),
        Just(FlowCommand::Delete),
        Just(FlowCommand::DeleteStrict),
        (5..=255u8).prop_map(FlowCommand::Other),
    ]
}

fn flow_mod() -> impl Strategy<Value = FlowMod> {
    let ids = (some(), some(), some(), flow_command(), some());
    let rest = (some(), some(), some(), some(), some(), some(), matching(), instructions());
    (ids, rest).prop_map(|(ids, rest)| {
        let (cookie, cookie_mask, table_id, command, priority) = ids;
        let (
            idle_timeout,
            hard_timeout,
            buffer_id,
            out_port,
            out_group,
            flags,
            matching,
            instructions,
        ) = rest;
        FlowMod {
            cookie,
            cookie_mask,
            table_id,
            command,
            idle_timeout,
            hard_timeout,
            priority,
            buffer_id,
            out_port,
            out_group,
            flags,
            matching,
            instructions,
        }
    })
}

fn flow_removed() -> impl Strategy<Value = FlowRemoved> {
    let reason = prop_oneof![
        Just(FlowRemovedReason::IdleTimeout),
        Just(FlowRemovedReason::HardTimeout),
        Just(FlowRemovedReason::Delete),
        Just(FlowRemovedReason::GroupDelete),
        (4..=255u8).prop_map(FlowRemovedReason::Other),
    ];
    each!(FlowRemoved {
        cookie: some(),
        priority: some(),
        reason: reason,
        table_id: some(),
        duration_sec: some(),
        duration_nsec: some(),
        idle_timeout: some(),
        hard_timeout: some(),
        packet_count: some(),
        byte_count: some(),
        matching: matching(),
    })
}

fn packet_in() -> impl Strategy<Value = PacketIn> {
    let reason = prop_oneof![
        Just(PacketInReason::NoMatch),
        Just(PacketInReason::Action),
        Just(PacketInReason::InvalidTtl),
        (3..=255u8).prop_map(PacketInReason::Other),
    ];
    each!(PacketIn {
        buffer_id: some(),
        total_len: some(),
        reason: reason,
        table_id: some(),
        cookie: some(),
        matching: matching(),
        data: bytes(100),
    })
}

fn group_mod() -> impl Strategy<Value = GroupMod> {
    let command = prop_oneof![
        Just(GroupCommand::Add),
        Just(GroupCommand::Modify),
        Just(GroupCommand::Delete),
        (3..=0xffffu16).prop_map(GroupCommand::Other),
    ];
    each!(GroupMod {
        command: command,
        kind: group_type(),
        group_id: some(),
        buckets: vec(bucket(), 0..4),
    })
}

fn meter_mod() -> impl Strategy<Value = MeterMod> {
    let command = prop_oneof![
        Just(MeterCommand::Add),
        Just(MeterCommand::Modify),
        Just(MeterCommand::Delete),
        (3..=0xffffu16).prop_map(MeterCommand::Other),
    ];
    each!(MeterMod { command: command, flags: some(), meter_id: some(), bands: vec(band(), 0..4) })
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
        advertise: some()
    })
}

fn queues() -> impl Strategy<Value = QueueConfigReply> {
    let property = prop_oneof![
        some().prop_map(QueueProperty::MinRate),
        some().prop_map(QueueProperty::MaxRate),
        (some(), bytes(12))
            .prop_map(|(experimenter, data)| QueueProperty::Experimenter { experimenter, data }),
        (3..0xffffu16, bytes(12)).prop_map(|(kind, body)| QueueProperty::Unknown { kind, body }),
    ];
    let queue =
        each!(PacketQueue { queue_id: some(), port: some(), properties: vec(property, 0..4) });
    each!(QueueConfigReply { port: some(), queues: vec(queue, 0..4) })
}

fn role() -> impl Strategy<Value = RoleMessage> {
    let role = prop_oneof![
        Just(Role::NoChange),
        Just(Role::Equal),
        Just(Role::Master),
        Just(Role::Slave),
        (4..=u32::MAX).prop_map(Role::Other),
    ];
    each!(RoleMessage { role: role, generation_id: some() })
}

fn features() -> impl Strategy<Value = Features> {
    each!(Features {
        datapath_id: some(),
        n_buffers: some(),
        n_tables: some(),
        auxiliary_id: some(),
        capabilities: some(),
        reserved: some(),
    })
}

fn config() -> impl Strategy<Value = SwitchConfig> {
    each!(SwitchConfig { flags: some(), miss_send_len: some() })
}

fn asynchronous() -> impl Strategy<Value = AsyncConfig> {
    each!(AsyncConfig {
        packet_in_mask: uniform(some()),
        port_status_mask: uniform(some()),
        flow_removed_mask: uniform(some()),
    })
}

fn packet_out() -> impl Strategy<Value = PacketOut> {
    each!(PacketOut { buffer_id: some(), in_port: some(), actions: actions(), data: bytes(100) })
}

fn error() -> impl Strategy<Value = ErrorMessage> {
    each!(ErrorMessage { kind: any::<u16>().prop_map(ErrorType), code: some(), data: bytes(80) })
}

fn plain() -> impl Strategy<Value = Body> {
    prop_oneof![
        hello().prop_map(Body::Hello),
        error().prop_map(Body::Error),
        bytes(40).prop_map(Body::EchoRequest),
        bytes(40).prop_map(Body::EchoReply),
        experimenter().prop_map(Body::Experimenter),
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
        group_mod().prop_map(Body::GroupMod),
        port_mod().prop_map(Body::PortMod),
        each!(TableMod { table_id: some(), config: some() }).prop_map(Body::TableMod),
        Just(Body::BarrierRequest),
        Just(Body::BarrierReply),
        each!(QueueConfigRequest { port: some() }).prop_map(Body::QueueGetConfigRequest),
        queues().prop_map(Body::QueueGetConfigReply),
        role().prop_map(Body::RoleRequest),
        role().prop_map(Body::RoleReply),
        Just(Body::GetAsyncRequest),
        asynchronous().prop_map(Body::GetAsyncReply),
        asynchronous().prop_map(Body::SetAsync),
        meter_mod().prop_map(Body::MeterMod),
        (30..=255u8, bytes(40)).prop_map(|(kind, body)| Body::Unknown { kind, body }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        3 => plain(),
        1 => multipart::request().prop_map(Body::MultipartRequest),
        2 => multipart::reply().prop_map(Body::MultipartReply),
    ]
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    (some(), body()).prop_map(|(xid, body)| Message::new(xid, body))
}
