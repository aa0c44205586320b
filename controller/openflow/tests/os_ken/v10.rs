//! The messages of `serialized_10` in `generate.py`, by the same names and in the same order.

use std::net::Ipv4Addr;

use rust_openflow::v10::*;
use rust_openflow::{Hello, Mac};

use crate::data;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const MAC2: Mac = Mac([2, 0, 0, 0, 0, 2]);

fn matching() -> Match {
    Match {
        wildcards: wildcard::DL_VLAN_PCP | 24 << wildcard::NW_SRC_SHIFT,
        in_port: 0x0102,
        dl_src: MAC,
        dl_dst: MAC2,
        dl_vlan: 0x0304,
        dl_vlan_pcp: 5,
        dl_type: 0x0800,
        nw_tos: 0x14,
        nw_proto: 6,
        nw_src: Ipv4Addr::new(10, 1, 0, 0),
        nw_dst: Ipv4Addr::new(10, 2, 3, 4),
        tp_src: 0x1122,
        tp_dst: 0x3344,
    }
}

fn actions() -> Vec<Action> {
    vec![
        Action::Output { port: 0x0506, max_len: 0x0708 },
        Action::SetVlanVid(0x0123),
        Action::SetVlanPcp(3),
        Action::StripVlan,
        Action::SetDlSrc(MAC),
        Action::SetDlDst(MAC2),
        Action::SetNwSrc(Ipv4Addr::new(1, 2, 3, 4)),
        Action::SetNwDst(Ipv4Addr::new(5, 6, 7, 8)),
        Action::SetNwTos(0x24),
        Action::SetTpSrc(0x1001),
        Action::SetTpDst(0x1002),
        Action::Enqueue { port: 0x0907, queue_id: 0x0a0b_0c0d },
    ]
}

pub(crate) fn messages() -> Vec<(&'static str, Message)> {
    let stats = |body| Body::StatsRequest(StatsRequest { body });
    let flow_mod = FlowMod {
        matching: matching(),
        cookie: 0x0102_0304_0506_0708,
        command: FlowCommand::ModifyStrict,
        idle_timeout: 0x1112,
        hard_timeout: 0x1314,
        priority: 0x1516,
        buffer_id: 0x1718_191a,
        out_port: 0x1b1c,
        flags: flow_flags::SEND_FLOW_REM | flow_flags::EMERG,
        actions: actions(),
    };
    let some =
        FlowStatsRequest { matching: matching(), table_id: TABLE_EMERGENCY, out_port: 0x0304 };
    let bodies = [
        ("hello", Body::Hello(Hello::default())),
        ("error", Body::Error(ErrorMessage { kind: ErrorType::BAD_ACTION, code: 7, data: data() })),
        ("echo_request", Body::EchoRequest(data())),
        ("echo_reply", Body::EchoReply(data())),
        ("features_request", Body::FeaturesRequest),
        ("get_config_request", Body::GetConfigRequest),
        (
            "set_config",
            Body::SetConfig(SwitchConfig { flags: fragments::REASM, miss_send_len: 0x0203 }),
        ),
        ("flow_mod", Body::FlowMod(flow_mod)),
        (
            "packet_out",
            Body::PacketOut(PacketOut {
                buffer_id: NO_BUFFER,
                in_port: 0x0203,
                actions: actions()[..2].to_vec(),
                data: data(),
            }),
        ),
        (
            "port_mod",
            Body::PortMod(PortMod {
                number: 0x0102,
                hw_addr: MAC,
                config: port_config::PORT_DOWN | port_config::NO_FLOOD,
                mask: 0x13,
                advertise: 0x0a0b,
            }),
        ),
        ("stats_desc", stats(Request::Desc)),
        ("stats_flow", stats(Request::Flow(some))),
        ("stats_aggregate", stats(Request::Aggregate(FlowStatsRequest::all()))),
        ("stats_table", stats(Request::Table)),
        ("stats_port", stats(Request::Port(PortStatsRequest { port: 0x0102 }))),
        (
            "stats_queue",
            stats(Request::Queue(QueueStatsRequest { port: 0x0102, queue_id: 0x0304_0506 })),
        ),
        ("barrier_request", Body::BarrierRequest),
        (
            "queue_get_config_request",
            Body::QueueGetConfigRequest(QueueConfigRequest { port: 0x0102 }),
        ),
    ];
    (0x1000..).zip(bodies).map(|(xid, (name, body))| (name, Message::new(xid, body))).collect()
}
