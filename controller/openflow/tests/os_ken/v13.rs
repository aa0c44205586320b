//! The messages of `serialized_13` in `generate.py`, by the same names and in the same order.

use std::net::Ipv6Addr;

use rust_openflow::v13::*;
use rust_openflow::{Hello, Mac};

use crate::data;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const MAC2: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn actions() -> Vec<Action> {
    vec![
        Action::Output { port: 0x0102_0304, max_len: 0x0506 },
        Action::CopyTtlOut,
        Action::CopyTtlIn,
        Action::SetMplsTtl(7),
        Action::DecMplsTtl,
        Action::PushVlan(0x8100),
        Action::PopVlan,
        Action::PushMpls(0x8847),
        Action::PopMpls(0x0800),
        Action::SetQueue(0x0809_0a0b),
        Action::Group(0x0c0d_0e0f),
        Action::SetNwTtl(9),
        Action::DecNwTtl,
        Action::SetField(Oxm::EthDst(MAC2.into())),
        Action::SetField(Oxm::Ipv4Src(std::net::Ipv4Addr::new(1, 2, 3, 4).into())),
        Action::PushPbb(0x88e7),
        Action::PopPbb,
        Action::Experimenter { experimenter: 0x0102_0305, data: (0..8).collect() },
    ]
}

fn matching() -> Match {
    Match::new().in_port(0x0102_0304).eth_dst(MAC)
}

/// The fields of `matches_13`, in the order of their numbers, in which os-ken writes them.
fn matches() -> Vec<(&'static str, Vec<Oxm>)> {
    let v4 = std::net::Ipv4Addr::new;
    let v6 = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let high = Mac([0xff, 0xff, 0xff, 0, 0, 0]);
    vec![
        (
            "match_link",
            vec![
                Oxm::InPort(0x0102_0304),
                Oxm::InPhyPort(0x0506_0708),
                Oxm::Metadata(Masked::new(0x0102, 0xffff)),
                Oxm::EthDst(Masked::new(Mac([2, 0, 0, 0, 0, 0]), high)),
                Oxm::EthSrc(MAC2.into()),
                Oxm::EthType(0x0800),
                Oxm::VlanVid(Masked::new(0x1064, 0x1fff)),
                Oxm::VlanPcp(3),
            ],
        ),
        (
            "match_ip",
            vec![
                Oxm::EthType(0x0800),
                Oxm::IpDscp(46),
                Oxm::IpEcn(2),
                Oxm::IpProto(6),
                Oxm::Ipv4Src(Masked::new(v4(10, 0, 0, 0), v4(255, 0, 0, 0))),
                Oxm::Ipv4Dst(v4(10, 1, 2, 3).into()),
                Oxm::TcpSrc(0x1122),
                Oxm::TcpDst(0x3344),
            ],
        ),
        (
            "match_ports",
            vec![
                Oxm::UdpSrc(1),
                Oxm::UdpDst(2),
                Oxm::SctpSrc(3),
                Oxm::SctpDst(4),
                Oxm::Icmpv4Type(5),
                Oxm::Icmpv4Code(6),
            ],
        ),
        (
            "match_arp",
            vec![
                Oxm::ArpOp(1),
                Oxm::ArpSpa(v4(10, 0, 0, 1).into()),
                Oxm::ArpTpa(Masked::new(v4(10, 0, 0, 0), v4(255, 255, 255, 0))),
                Oxm::ArpSha(MAC.into()),
                Oxm::ArpTha(Masked::new(MAC2, Mac([0xff, 0xff, 0xff, 0xff, 0xff, 0xfe]))),
            ],
        ),
        (
            "match_ipv6",
            vec![
                Oxm::Ipv6Src(Masked::new(v6("2001:db8::"), v6("ffff:ffff::"))),
                Oxm::Ipv6Dst(v6("2001:db8::2").into()),
                Oxm::Ipv6Flabel(Masked::new(0x12345, 0xfffff)),
                Oxm::Icmpv6Type(135),
                Oxm::Icmpv6Code(1),
                Oxm::Ipv6NdTarget(v6("fe80::1")),
                Oxm::Ipv6NdSll(MAC),
                Oxm::Ipv6NdTll(MAC2),
                Oxm::Ipv6Exthdr(Masked::new(0x1f, 0x1ff)),
            ],
        ),
        (
            "match_rest",
            vec![
                Oxm::MplsLabel(0x12345),
                Oxm::MplsTc(5),
                Oxm::MplsBos(1),
                Oxm::PbbIsid(Masked::new(Vid24(0x12_3456), Vid24(0xff_ffff))),
                Oxm::TunnelId(Masked::new(0x0102_0304_0506_0708, u64::MAX)),
            ],
        ),
    ]
}

fn flow_mod() -> FlowMod {
    FlowMod {
        cookie: 0x0102_0304_0506_0708,
        cookie_mask: 0x1112_1314_1516_1718,
        table_id: 0x21,
        command: FlowCommand::DeleteStrict,
        idle_timeout: 0x2223,
        hard_timeout: 0x2425,
        priority: 0x2627,
        buffer_id: 0x2829_2a2b,
        out_port: 0x2c2d_2e2f,
        out_group: 0x3132_3334,
        flags: 0x1f,
        matching: matching(),
        instructions: vec![
            Instruction::Meter(0x4142_4344),
            Instruction::ApplyActions(actions()),
            Instruction::ClearActions,
            Instruction::WriteActions(actions()[..1].to_vec()),
            Instruction::WriteMetadata {
                metadata: 0x5152_5354_5556_5758,
                mask: 0x6162_6364_6566_6768,
            },
            Instruction::GotoTable(0x71),
        ],
    }
}

/// Requests about the switch, but for those of tables' features.
fn parts() -> Vec<(&'static str, Request)> {
    let flow = FlowStatsRequest {
        table_id: 0x12,
        out_port: 0x0102_0304,
        out_group: 0x0506_0708,
        cookie: 0x1112_1314_1516_1718,
        cookie_mask: 0x2122_2324_2526_2728,
        matching: matching(),
    };
    let sum = FlowStatsRequest {
        table_id: 0x13,
        out_port: 0x14,
        out_group: 0x15,
        cookie: 0x16,
        cookie_mask: 0x17,
        matching: Match::new(),
    };
    let experimenter =
        Experimenter { experimenter: 0x0102_0304, exp_type: 0x0506_0708, data: data() };
    vec![
        ("part_desc", Request::Desc),
        ("part_flow", Request::Flow(flow)),
        ("part_aggregate", Request::Aggregate(sum)),
        ("part_table", Request::Table),
        ("part_port_stats", Request::PortStats(0x0102_0304)),
        (
            "part_queue",
            Request::Queue(QueueStatsRequest { port: 0x0102_0304, queue_id: 0x0506_0708 }),
        ),
        ("part_group", Request::Group(0x0102_0304)),
        ("part_group_desc", Request::GroupDesc),
        ("part_group_features", Request::GroupFeatures),
        ("part_meter", Request::Meter(0x0102_0304)),
        ("part_meter_config", Request::MeterConfig(0x0102_0304)),
        ("part_meter_features", Request::MeterFeatures),
        ("part_port_desc", Request::PortDesc),
        ("part_experimenter", Request::Experimenter(experimenter)),
        ("part_table_features", Request::TableFeatures(vec![table_features()])),
    ]
}

fn table_features() -> TableFeatures {
    let oxm = |field, has_mask, length| OxmId {
        class: 0x8000,
        field,
        has_mask,
        length,
        experimenter: None,
    };
    let ids = |kinds: &[u16]| kinds.iter().copied().map(FeatureId::of).collect();
    TableFeatures {
        table_id: 0x11,
        name: "inspect".into(),
        metadata_match: 0x0102_0304_0506_0708,
        metadata_write: 0x1112_1314_1516_1718,
        config: 3,
        max_entries: 0x2122_2324,
        properties: vec![
            TableProperty::Instructions { miss: true, instructions: ids(&[1, 4]) },
            TableProperty::NextTables { miss: false, tables: vec![2, 3, 4] },
            TableProperty::ApplyActions { miss: false, actions: ids(&[0, 22, 25]) },
            TableProperty::Match(vec![oxm(0, false, 0), oxm(3, true, 0)]),
            TableProperty::ApplySetField { miss: true, fields: vec![oxm(6, false, 0)] },
        ],
    }
}

pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let experimenter =
        Experimenter { experimenter: 0x0102_0304, exp_type: 0x0506_0708, data: data() };
    let mut bodies = vec![
        // os-ken writes no elements, even if it is given some.
        ("hello", Body::Hello(Hello::default())),
        ("error", Body::Error(ErrorMessage { kind: ErrorType::BAD_MATCH, code: 9, data: data() })),
        (
            "error_experimenter",
            Body::Error(ErrorMessage::of_experimenter(0x0304_0506, 0x0102, &data())),
        ),
        ("echo_request", Body::EchoRequest(data())),
        ("echo_reply", Body::EchoReply(data())),
        ("experimenter", Body::Experimenter(experimenter)),
        ("features_request", Body::FeaturesRequest),
        ("get_config_request", Body::GetConfigRequest),
        (
            "set_config",
            Body::SetConfig(SwitchConfig { flags: fragments::DROP, miss_send_len: 0x0203 }),
        ),
        (
            "packet_out",
            Body::PacketOut(PacketOut {
                buffer_id: NO_BUFFER,
                in_port: 0x0102_0304,
                actions: actions()[..2].to_vec(),
                data: data(),
            }),
        ),
        ("flow_mod", Body::FlowMod(flow_mod())),
    ];
    for (name, fields) in matches() {
        // Left to itself, os-ken's flow-mod is to no port and no group in particular: 0.
        let entry = FlowMod { out_port: 0, out_group: 0, ..FlowMod::add() };
        bodies.push((name, Body::FlowMod(entry.matching(Match { fields }))));
    }
    let buckets = vec![
        Bucket {
            weight: 1,
            watch_port: 0x0203_0405,
            watch_group: 0x0607_0809,
            actions: actions()[..2].to_vec(),
        },
        Bucket { weight: 0x0a0b, watch_port: 0x0c, watch_group: 0x0d, actions: Vec::new() },
    ];
    let bands = vec![
        MeterBand::Drop { rate: 0x0102_0304, burst: 0x0506_0708 },
        MeterBand::DscpRemark { rate: 0x11, burst: 0x12, prec_level: 0x13 },
        MeterBand::Experimenter {
            rate: 0x21,
            burst: 0x22,
            experimenter: 0x2324_2526,
            data: Vec::new(),
        },
    ];
    bodies.extend([
        (
            "group_mod",
            Body::GroupMod(GroupMod {
                command: GroupCommand::Modify,
                kind: GroupType::FastFailover,
                group_id: 0x0102_0304,
                buckets,
            }),
        ),
        (
            "port_mod",
            Body::PortMod(PortMod {
                number: 0x0102_0304,
                hw_addr: MAC,
                config: 0x21,
                mask: 0x65,
                advertise: 0x0a0b,
            }),
        ),
        ("table_mod", Body::TableMod(TableMod { table_id: 0x12, config: 3 })),
        (
            "meter_mod",
            Body::MeterMod(MeterMod {
                command: MeterCommand::Add,
                flags: meter_flags::KBPS | meter_flags::STATS,
                meter_id: 0x3132_3334,
                bands,
            }),
        ),
    ]);
    let part = |(name, request)| (name, Body::MultipartRequest(MultipartRequest::new(request)));
    bodies.extend(parts().into_iter().map(part));
    bodies.extend([
        ("barrier_request", Body::BarrierRequest),
        (
            "queue_get_config_request",
            Body::QueueGetConfigRequest(QueueConfigRequest { port: 0x0102_0304 }),
        ),
        (
            "role_request",
            Body::RoleRequest(RoleMessage {
                role: Role::Slave,
                generation_id: 0x0102_0304_0506_0708,
            }),
        ),
        ("get_async_request", Body::GetAsyncRequest),
        (
            "set_async",
            Body::SetAsync(AsyncConfig {
                packet_in_mask: [1, 2],
                port_status_mask: [3, 4],
                flow_removed_mask: [5, 6],
            }),
        ),
    ]);
    (0x1000..).zip(bodies).map(|(xid, (name, body))| (name, Message::new(xid, body))).collect()
}
