//! What is asked in OpenFlow 1.3.

use std::io;

use rust_openflow::v13::*;
use rust_openflow::{Hello, Mac, VERSION_13};

use crate::Folder;
use crate::controller::Session;
use crate::ovs::{BRIDGE, Ovs};
use crate::switch::Command;

/// `OFPT_MULTIPART_REPLY`.
const MULTIPART: u8 = 19;

fn bytes(xid: u32, body: Body) -> Vec<u8> {
    let mut out = Vec::new();
    Message::new(xid, body).encode(&mut out);
    out
}

/// A frame of UDP to port 7935 that comes with TTL 64.
pub(crate) const FRAME: [u8; 46] = [
    2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x08, 0x00, // Ethernet
    0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0x66, 0xcb, 10, 0, 0, 1, 10, 0, 0, 2, // IPv4
    0x12, 0x34, 0x1e, 0xff, 0, 12, 0, 0, // UDP
    0xde, 0xad, 0xbe, 0xef,
];

struct Recorder<'a> {
    session: Session,
    folder: &'a mut Folder,
}

impl Recorder<'_> {
    fn ask(&mut self, name: &str, how: &str, body: Body) -> io::Result<()> {
        self.session.ask(self.folder, (name, how), MULTIPART, |xid| bytes(xid, body))
    }

    fn part(&mut self, name: &str, request: Request) -> io::Result<()> {
        let how = format!("the answer to {}", request_name(&request));
        self.ask(name, &how, Body::MultipartRequest(MultipartRequest::new(request)))
    }

    /// Something that is not answered if it succeeds.
    fn tell(&mut self, body: Body) -> io::Result<()> {
        self.session.say(&bytes(1, body))
    }
}

fn request_name(request: &Request) -> String {
    let name = format!("{request:?}");
    let end = name.find(['(', ' ']).unwrap_or(name.len());
    format!("the multipart request `{}`", &name[..end])
}

pub(crate) fn record(ovs: &Ovs, folder: &mut Folder) -> io::Result<()> {
    let mut strangers = Session::connect(ovs)?;
    strangers.say(&[0x09, 0, 0, 16, 0, 0, 0, 1, 0, 1, 0, 8, 0, 0, 2, 0])?;
    strangers.await_kind(
        folder,
        "error_hello_failed",
        "a hello whose bitmap has version 9 only",
        1,
    )?;

    let mut r = Recorder { session: Session::connect(ovs)?, folder };
    r.session.await_kind(r.folder, "hello", "sent on connection, by a bridge of 1.0 and 1.3", 0)?;
    r.tell(Body::Hello(Hello::offering(&[VERSION_13])))?;
    r.tell(Body::SetConfig(SwitchConfig { flags: fragments::NORMAL, miss_send_len: 0xffff }))?;
    state(&mut r)?;
    entries(&mut r)?;
    multiparts(&mut r)?;
    errors(&mut r)?;
    asynchronous(ovs, &mut r)
}

fn state(r: &mut Recorder<'_>) -> io::Result<()> {
    r.ask("echo_reply", "an echo request with five bytes", Body::EchoRequest(b"hello".to_vec()))?;
    r.ask("features_reply", "a features request", Body::FeaturesRequest)?;
    r.ask("get_config_reply", "a get-config request", Body::GetConfigRequest)?;
    r.ask("barrier_reply", "a barrier request", Body::BarrierRequest)?;
    r.ask("get_async_reply", "a get-async request", Body::GetAsyncRequest)?;
    let role = RoleMessage { role: Role::Master, generation_id: 0x0102_0304_0506_0708 };
    r.ask("role_reply", "a role request: master", Body::RoleRequest(role))?;
    let stale = RoleMessage { role: Role::Slave, generation_id: 0x0102_0304_0506_0707 };
    r.ask("error_role_stale", "a role request of an older generation", Body::RoleRequest(stale))?;
    let port = QueueConfigRequest { port: 1 };
    r.ask("queue_get_config_reply", "a queue-get-config request", Body::QueueGetConfigRequest(port))
}

/// Entries, groups and meters for the questions that follow.
fn entries(r: &mut Recorder<'_>) -> io::Result<()> {
    let band = MeterBand::Drop { rate: 1000, burst: 100 };
    let remark = MeterBand::DscpRemark { rate: 500, burst: 0, prec_level: 1 };
    for (meter_id, flags, bands) in [
        (1, meter_flags::KBPS | meter_flags::BURST | meter_flags::STATS, vec![band]),
        (2, meter_flags::PKTPS, vec![MeterBand::Drop { rate: 7, burst: 0 }]),
    ] {
        r.tell(Body::MeterMod(MeterMod { command: MeterCommand::Add, flags, meter_id, bands }))?;
    }
    let bands = vec![remark];
    let refused = MeterMod { command: MeterCommand::Add, flags: 1, meter_id: 3, bands };
    r.ask("error_meter_bad_band", "a meter-mod with a remark band", Body::MeterMod(refused))?;
    let copy = |port: u32, last: u8| {
        Bucket::of(vec![
            Action::SetField(Oxm::EthDst(Mac([2, 0, 0, 0, 0, last]).into())),
            Action::output(port),
        ])
    };
    let weighted = |weight, port| Bucket { weight, ..Bucket::of(vec![Action::output(port)]) };
    let watched = |port| Bucket { watch_port: port, ..Bucket::of(vec![Action::output(port)]) };
    for (group_id, kind, buckets) in [
        (1, GroupType::All, vec![copy(1, 1), copy(2, 2)]),
        (2, GroupType::Select, vec![weighted(10, 1), weighted(20, 2)]),
        (3, GroupType::FastFailover, vec![watched(1), watched(2)]),
        (4, GroupType::Indirect, vec![copy(2, 9)]),
    ] {
        r.tell(Body::GroupMod(GroupMod { command: GroupCommand::Add, kind, group_id, buckets }))?;
    }
    let udp = Match::new().eth_type(0x0800).ip_proto(17);
    let v6 = "fe80::1".parse::<std::net::Ipv6Addr>().expect("an address");
    let neighbours = Match::new()
        .eth_type(0x86dd)
        .ip_proto(58)
        .with(Oxm::Icmpv6Type(135))
        .with(Oxm::Icmpv6Code(0))
        .with(Oxm::Ipv6NdTarget(v6))
        .with(Oxm::Ipv6NdSll(Mac([2, 0, 0, 0, 0, 3])));
    for entry in [
        FlowMod::add().priority(10).cookie(0xa1).matching(udp.clone().udp_dst(7935)).instruction(
            Instruction::ApplyActions(vec![Action::output(2), Action::to_controller()]),
        ),
        FlowMod::add()
            .priority(11)
            .cookie(0xa2)
            .matching(udp.in_port(2))
            .idle_timeout(600)
            .instruction(Instruction::Meter(1))
            .instruction(Instruction::ApplyActions(vec![
                Action::PushVlan(0x8100),
                Action::SetField(Oxm::VlanVid(0x1064.into())),
                Action::SetQueue(0),
                Action::Group(1),
                Action::PopVlan,
                Action::DecNwTtl,
            ]))
            .instruction(Instruction::WriteActions(vec![Action::output(1)]))
            .instruction(Instruction::WriteMetadata { metadata: 0x12, mask: 0xff })
            .instruction(Instruction::GotoTable(5)),
        FlowMod::add()
            .table(5)
            .priority(12)
            .matching(neighbours)
            .instruction(Instruction::ClearActions),
        FlowMod::add().table(5).priority(13).matching(
            Match::new()
                .eth_type(0x0800)
                .ip_proto(6)
                .tcp_flags_set(2)
                .with(Oxm::Ipv4Src(Masked::new([10, 0, 0, 0].into(), [255, 0, 255, 0].into())))
                .with(Oxm::Unknown {
                    class: 0x8000,
                    field: 14,
                    has_mask: true,
                    payload: vec![0x10, 0, 0xf0, 0],
                })
                .with(Oxm::TunnelId(Masked::new(5, 0xff))),
        ),
        FlowMod::add()
            .table(6)
            .priority(14)
            .matching(
                Match::new()
                    .eth_type(0x0806)
                    .with(Oxm::ArpOp(1))
                    .with(Oxm::ArpTpa(std::net::Ipv4Addr::new(10, 254, 0, 1).into()))
                    .with(Oxm::ArpSha(Masked::new(
                        Mac([1, 2, 3, 4, 5, 6]),
                        Mac([0xff, 0xff, 0xff, 0, 0, 0]),
                    ))),
            )
            .instruction(Instruction::ApplyActions(vec![
                Action::SetField(Oxm::ArpOp(2)),
                Action::output(port_number::IN_PORT),
            ])),
        FlowMod::add()
            .table(6)
            .priority(15)
            .matching(
                Match::new()
                    .eth_type(0x8847)
                    .with(Oxm::MplsLabel(0x12345))
                    .with(Oxm::MplsTc(5))
                    .with(Oxm::MplsBos(1)),
            )
            .instruction(Instruction::ApplyActions(vec![
                Action::SetMplsTtl(33),
                Action::DecMplsTtl,
                Action::PopMpls(0x0800),
                Action::SetNwTtl(9),
                Action::PushMpls(0x8848),
                Action::output(1),
            ])),
    ] {
        r.tell(Body::FlowMod(entry))?;
    }
    Ok(())
}

fn multiparts(r: &mut Recorder<'_>) -> io::Result<()> {
    r.part("desc", Request::Desc)?;
    r.part("flow", Request::Flow(FlowStatsRequest::all()))?;
    r.part("aggregate", Request::Aggregate(FlowStatsRequest::all()))?;
    r.part("table", Request::Table)?;
    r.part("port_stats", Request::PortStats(port_number::ANY))?;
    r.part("queue_stats", Request::Queue(QueueStatsRequest { port: 1, queue_id: QUEUE_ALL }))?;
    r.part("group_stats", Request::Group(group_number::ALL))?;
    r.part("group_desc", Request::GroupDesc)?;
    r.part("group_features", Request::GroupFeatures)?;
    r.part("meter_stats", Request::Meter(meter_number::ALL))?;
    r.part("meter_config", Request::MeterConfig(meter_number::ALL))?;
    r.part("meter_features", Request::MeterFeatures)?;
    r.part("table_features", Request::TableFeatures(Vec::new()))?;
    r.part("port_desc", Request::PortDesc)?;
    // NXST_FLOW_MONITOR of Nicira's.
    let monitor = [0, 0, 0, 1, 0, 0x3f, 0xff, 0xff, 0, 0, 0xff, 0, 0, 0, 0, 0].to_vec();
    r.part(
        "experimenter",
        Request::Experimenter(Experimenter { experimenter: 0x2320, exp_type: 2, data: monitor }),
    )
}

fn errors(r: &mut Recorder<'_>) -> io::Result<()> {
    let unknown = Body::Unknown { kind: 99, body: Vec::new() };
    r.ask("error_bad_type", "a message of type 99", unknown)?;
    r.ask(
        "error_bad_len",
        "a port-mod of four bytes",
        Body::Unknown { kind: 16, body: vec![0; 4] },
    )?;
    r.part_error("error_bad_multipart", Request::Unknown { kind: 77, body: Vec::new() })?;
    let stranger = Experimenter { experimenter: 0x1234_5678, exp_type: 1, data: vec![1, 2, 3, 4] };
    r.ask("error_bad_experimenter", "an experimenter nobody knows", Body::Experimenter(stranger))?;
    let entry = FlowMod::add().matching(Match::new().udp_dst(53));
    r.ask("error_bad_prereq", "a match of UDP without IP", Body::FlowMod(entry))?;
    let twice = FlowMod::add().matching(Match::new().in_port(1).in_port(1));
    r.ask("error_dup_field", "a match with a field twice", Body::FlowMod(twice))?;
    let apply = |action| FlowMod::add().instruction(Instruction::ApplyActions(vec![action]));
    let action = apply(Action::Unknown { kind: 300, body: vec![0; 4] });
    r.ask("error_bad_action", "an action of type 300", Body::FlowMod(action))?;
    let group = apply(Action::Group(77));
    r.ask("error_bad_out_group", "an entry to a group that is not", Body::FlowMod(group))?;
    let back = FlowMod::add().table(3).instruction(Instruction::GotoTable(1));
    r.ask("error_bad_instruction", "a goto back to table 1", Body::FlowMod(back))?;
    let command = FlowMod { command: FlowCommand::Other(9), ..FlowMod::add() };
    r.ask("error_flow_mod_bad_command", "a flow-mod of command 9", Body::FlowMod(command))?;
    let overlap = FlowMod::add().priority(10).flags(flow_flags::CHECK_OVERLAP);
    r.ask("error_flow_mod_overlap", "an entry that overlaps", Body::FlowMod(overlap))?;
    let group = |command, group_id| {
        Body::GroupMod(GroupMod { command, kind: GroupType::All, group_id, buckets: Vec::new() })
    };
    r.ask("error_group_exists", "a group-mod: add group 1 again", group(GroupCommand::Add, 1))?;
    r.ask("error_unknown_group", "a group-mod: modify group 99", group(GroupCommand::Modify, 99))?;
    let meter =
        MeterMod { command: MeterCommand::Modify, flags: 1, meter_id: 9, bands: Vec::new() };
    r.ask("error_unknown_meter", "a meter-mod: modify meter 9", Body::MeterMod(meter))?;
    let port = PortMod { number: 1, hw_addr: Mac([9; 6]), config: 0, mask: 0, advertise: 0 };
    r.ask("error_bad_hw_addr", "a port-mod with another address", Body::PortMod(port.clone()))?;
    let missing = PortMod { number: 77, ..port };
    r.ask("error_bad_port", "a port-mod of a port that is not", Body::PortMod(missing))?;
    let queues = QueueConfigRequest { port: 77 };
    r.ask(
        "error_queue_bad_port",
        "the queues of a port that is not",
        Body::QueueGetConfigRequest(queues),
    )?;
    let config = SwitchConfig { flags: 0xfff0, miss_send_len: 0 };
    r.ask("error_switch_config", "a set-config of flags 0xfff0", Body::SetConfig(config))?;
    let table = TableMod { table_id: 254, config: 0 };
    r.ask("error_table_mod", "a table-mod of table 254", Body::TableMod(table))?;
    let held = PacketOut { buffer_id: 77, ..PacketOut::new(Vec::new(), vec![Action::output(1)]) };
    r.ask(
        "error_buffer_unknown",
        "a packet-out of a packet that it does not hold",
        Body::PacketOut(held),
    )
}

impl Recorder<'_> {
    fn part_error(&mut self, name: &str, request: Request) -> io::Result<()> {
        let how = "a multipart request of type 77";
        self.ask(name, how, Body::MultipartRequest(MultipartRequest::new(request)))
    }
}

fn asynchronous(ovs: &Ovs, r: &mut Recorder<'_>) -> io::Result<()> {
    ovs.receive("p1", &FRAME)?;
    r.session.await_kind(
        r.folder,
        "packet_in_action",
        "UDP to port 7935 into p1, and an entry to the controller",
        10,
    )?;
    r.tell(Body::FlowMod(
        FlowMod::add()
            .table(0)
            .priority(0)
            .cookie(0xee)
            .flags(flow_flags::SEND_FLOW_REM)
            .instruction(Instruction::ApplyActions(vec![Action::Output {
                port: port_number::CONTROLLER,
                max_len: 20,
            }])),
    ))?;
    r.ask("barrier_reply_2", "a barrier after a flow-mod", Body::BarrierRequest)?;
    let mut tcp = FRAME;
    tcp[23] = 6;
    ovs.receive("p2", &tcp)?;
    r.session.await_kind(
        r.folder,
        "packet_in_no_match",
        "TCP into p2, and a table-miss entry of 20 bytes",
        10,
    )?;
    let ttl = FlowMod::add()
        .priority(50)
        .matching(Match::new().eth_type(0x0800))
        .instruction(Instruction::ApplyActions(vec![Action::DecNwTtl, Action::output(1)]));
    let all = AsyncConfig {
        packet_in_mask: [7, 7],
        port_status_mask: [7, 7],
        flow_removed_mask: [15, 15],
    };
    r.tell(Body::SetAsync(all))?;
    r.ask(
        "get_async_reply_set",
        "a get-async request after a set-async of everything",
        Body::GetAsyncRequest,
    )?;
    r.tell(Body::FlowMod(ttl.clone()))?;
    r.ask("barrier_reply_3", "a barrier after a flow-mod", Body::BarrierRequest)?;
    let mut dying = FRAME;
    dying[22] = 1;
    ovs.receive("p2", &dying)?;
    r.session.await_kind(
        r.folder,
        "packet_in_invalid_ttl",
        "TTL 1 into p2, and an entry that decrements it",
        10,
    )?;
    r.tell(Body::FlowMod(FlowMod { command: FlowCommand::DeleteStrict, ..ttl }))?;

    r.tell(Body::FlowMod(FlowMod::delete_strict().priority(0)))?;
    r.session.await_kind(r.folder, "flow_removed_delete", "the table-miss entry deleted", 11)?;
    let brief = FlowMod { hard_timeout: 1, ..FlowMod::add() };
    let brief = brief
        .priority(77)
        .cookie(0xf0)
        .matching(Match::new().in_port(2).eth_dst([1, 2, 3, 4, 5, 6]));
    r.tell(Body::FlowMod(brief.flags(flow_flags::SEND_FLOW_REM)))?;
    r.session.await_kind(
        r.folder,
        "flow_removed_hard_timeout",
        "an entry with a hard timeout of 1 s",
        11,
    )?;
    let grouped = FlowMod::add().priority(78).flags(flow_flags::SEND_FLOW_REM);
    r.tell(Body::FlowMod(grouped.instruction(Instruction::ApplyActions(vec![Action::Group(4)]))))?;
    let gone = GroupMod {
        command: GroupCommand::Delete,
        kind: GroupType::All,
        group_id: 4,
        buckets: Vec::new(),
    };
    r.tell(Body::GroupMod(gone))?;
    r.session.await_kind(
        r.folder,
        "flow_removed_group_delete",
        "an entry whose group is deleted",
        11,
    )?;

    ovs.vsctl(&["add-port", BRIDGE, "p3", "--", "set", "Interface", "p3", "type=dummy"])?;
    r.session.await_kind(r.folder, "port_status_add", "port p3 added", 12)?;
    ovs.appctl(&["netdev-dummy/set-admin-state", "p3", "down"])?;
    r.session.await_kind(r.folder, "port_status_modify", "port p3 taken down", 12)?;
    ovs.vsctl(&["del-port", BRIDGE, "p3"])?;
    // A change of state may be told before it.
    loop {
        r.session.await_kind(r.folder, "port_status_delete", "port p3 removed", 12)?;
        if r.folder.byte("port_status_delete", 8)? == 1 {
            return Ok(());
        }
    }
}

/// What a controller sends.
pub(crate) const COMMANDS: &[Command] = &[
    ("ofctl_hello", 0, &["show", "SWITCH"]),
    ("ofctl_features_request", 5, &["show", "SWITCH"]),
    ("ofctl_port_desc_request", 18, &["dump-ports-desc", "SWITCH"]),
    ("ofctl_desc_request", 18, &["dump-desc", "SWITCH"]),
    ("ofctl_flow_request", 18, &["dump-flows", "SWITCH", "table=3,ip,out_port=2,cookie=0x12/0xff"]),
    ("ofctl_aggregate_request", 18, &["dump-aggregate", "SWITCH", "in_port=1"]),
    ("ofctl_table_request", 18, &["dump-tables", "SWITCH"]),
    ("ofctl_queue_request", 18, &["queue-stats", "SWITCH", "1", "2"]),
    ("ofctl_group_request", 18, &["dump-group-stats", "SWITCH", "group_id=5"]),
    ("ofctl_group_desc_request", 18, &["dump-groups", "SWITCH"]),
    ("ofctl_group_features_request", 18, &["dump-group-features", "SWITCH"]),
    ("ofctl_meter_request", 18, &["meter-stats", "SWITCH", "meter=5"]),
    ("ofctl_meter_config_request", 18, &["dump-meters", "SWITCH"]),
    ("ofctl_meter_features_request", 18, &["meter-features", "SWITCH"]),
    ("ofctl_table_features_request", 18, &["dump-table-features", "SWITCH"]),
    ("ofctl_queue_config_request", 22, &["queue-get-config", "SWITCH", "1"]),
    (
        "ofctl_flow_mod",
        14,
        &[
            "add-flow",
            "SWITCH",
            "table=1,priority=100,cookie=0x1234,idle_timeout=10,hard_timeout=20,send_flow_rem,tcp,in_port=1,\
         nw_src=10.0.0.0/8,tp_src=0x1000/0xf000,tp_dst=1935,tcp_flags=+syn-ack,\
         actions=set_field:02:00:00:00:00:01->eth_dst,set_queue:3,output:2,goto_table:2",
        ],
    ),
    (
        "ofctl_flow_mod_instructions",
        14,
        &[
            "add-flow",
            "SWITCH",
            "ipv6,ipv6_dst=2001:db8::/32,ipv6_label=0x12345,vlan_vid=0x1000/0x1000,metadata=0x1/0xf,\
         actions=meter:3,push_vlan:0x88a8,set_field:0x1005->vlan_vid,dec_ttl,group:7,clear_actions,\
         write_actions(output:1),write_metadata:0x55/0xff,goto_table:9",
        ],
    ),
    (
        "ofctl_flow_mod_mpls",
        14,
        &[
            "add-flow",
            "SWITCH",
            "mpls,mpls_label=7,mpls_tc=1,mpls_bos=1,actions=dec_mpls_ttl,set_mpls_ttl(9),pop_mpls:0x0800",
        ],
    ),
    (
        "ofctl_flow_mod_nicira",
        14,
        &[
            "add-flow",
            "SWITCH",
            "reg1=0x5/0xf,ct_state=+trk,arp,arp_op=1,arp_spa=1.2.3.4,arp_tha=1:2:3:4:5:6,actions=resubmit(,7),\
         move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],load:0x1->NXM_NX_REG0[0..3],note:01.02.03,\
         learn(table=4,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
        ],
    ),
    (
        "ofctl_flow_mod_modify",
        14,
        &["mod-flows", "SWITCH", "--strict", "priority=5,udp,actions=drop"],
    ),
    (
        "ofctl_flow_mod_delete",
        14,
        &["del-flows", "SWITCH", "cookie=0x1/-1,table=2,icmp6,icmp_type=135"],
    ),
    (
        "ofctl_group_mod",
        15,
        &[
            "add-group",
            "SWITCH",
            "group_id=9,type=all,bucket=set_field:02:00:00:00:00:01->eth_dst,output:1,bucket=output:2",
        ],
    ),
    (
        "ofctl_group_mod_select",
        15,
        &[
            "mod-group",
            "SWITCH",
            "group_id=10,type=select,bucket=weight:5,output:1,bucket=weight:6,output:2",
        ],
    ),
    (
        "ofctl_group_mod_failover",
        15,
        &[
            "add-group",
            "SWITCH",
            "group_id=11,type=ff,bucket=watch_port:1,output:1,bucket=watch_group:9,output:2",
        ],
    ),
    ("ofctl_group_mod_delete", 15, &["del-groups", "SWITCH"]),
    (
        "ofctl_meter_mod",
        29,
        &[
            "add-meter",
            "SWITCH",
            "meter=3,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=50,type=dscp_remark,rate=2000,burst_size=60,prec_level=2",
        ],
    ),
    ("ofctl_meter_mod_delete", 29, &["del-meters", "SWITCH"]),
    (
        "ofctl_packet_out",
        13,
        &[
            "packet-out",
            "SWITCH",
            "in_port=controller,packet=020000000002020000000001080045000020000000004011,actions=output:1,2",
        ],
    ),
    ("ofctl_port_mod", 16, &["mod-port", "SWITCH", "1", "no-forward"]),
    ("ofctl_set_config", 9, &["set-frags", "SWITCH", "drop"]),
    ("ofctl_get_config_request", 7, &["get-frags", "SWITCH"]),
    ("ofctl_barrier_request", 20, &["add-flow", "SWITCH", "actions=drop"]),
    ("ofctl_experimenter", 4, &["--bundle", "add-flow", "SWITCH", "actions=drop"]),
];
