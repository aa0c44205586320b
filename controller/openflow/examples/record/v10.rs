//! What is asked in OpenFlow 1.0.

use std::io;
use std::net::Ipv4Addr;

use rust_openflow::v10::*;
use rust_openflow::{Hello, Mac};

use crate::Folder;
use crate::controller::Session;
use crate::ovs::{BRIDGE, Ovs};
use crate::switch::Command;
use crate::v13::FRAME;

/// `OFPT_STATS_REPLY`.
const STATS: u8 = 17;

fn bytes(xid: u32, body: Body) -> Vec<u8> {
    let mut out = Vec::new();
    Message::new(xid, body).encode(&mut out);
    out
}

struct Recorder<'a> {
    session: Session,
    folder: &'a mut Folder,
}

impl Recorder<'_> {
    fn ask(&mut self, name: &str, how: &str, body: Body) -> io::Result<()> {
        self.session.ask(self.folder, (name, how), STATS, |xid| bytes(xid, body))
    }

    fn stats(&mut self, name: &str, body: Request) -> io::Result<()> {
        let how = format!("the answer to a stats request: {name}");
        self.ask(name, &how, Body::StatsRequest(StatsRequest { body }))
    }

    /// Something that is not answered if it succeeds.
    fn tell(&mut self, body: Body) -> io::Result<()> {
        self.session.say(&bytes(1, body))
    }
}

pub(crate) fn record(ovs: &Ovs, folder: &mut Folder) -> io::Result<()> {
    let mut r = Recorder { session: Session::connect(ovs)?, folder };
    r.tell(Body::Hello(Hello::default()))?;
    r.tell(Body::SetConfig(SwitchConfig { flags: fragments::NORMAL, miss_send_len: 0xffff }))?;
    r.ask("echo_reply", "an echo request with five bytes", Body::EchoRequest(b"hello".to_vec()))?;
    r.ask("features_reply", "a features request", Body::FeaturesRequest)?;
    r.ask("get_config_reply", "a get-config request", Body::GetConfigRequest)?;
    r.ask("barrier_reply", "a barrier request", Body::BarrierRequest)?;
    let port = QueueConfigRequest { port: 1 };
    r.ask(
        "queue_get_config_reply",
        "a queue-get-config request",
        Body::QueueGetConfigRequest(port),
    )?;
    // NXT_ROLE_REQUEST of Nicira's: master.
    let role = Vendor { vendor: 0x2320, data: vec![0, 0, 0, 10, 0, 0, 0, 1] };
    r.ask("vendor", "a Nicira role request: master", Body::Vendor(role))?;
    asynchronous(ovs, &mut r)?;
    entries(&mut r)?;
    stats(&mut r)?;
    errors(&mut r)?;
    r.tell(Body::FlowMod(FlowMod::delete()))?;
    r.ask("barrier_reply_2", "a barrier after a flow-mod", Body::BarrierRequest)
}

fn asynchronous(ovs: &Ovs, r: &mut Recorder<'_>) -> io::Result<()> {
    ovs.receive("p1", &FRAME)?;
    r.session.await_kind(r.folder, "packet_in_no_match", "UDP into p1, and an empty table", 10)?;
    let up = FlowMod::add(vec![Action::Output { port: port_number::CONTROLLER, max_len: 20 }]);
    r.tell(Body::FlowMod(up.priority(5).cookie(0xee).flags(flow_flags::SEND_FLOW_REM)))?;
    r.ask("barrier_reply_1", "a barrier after a flow-mod", Body::BarrierRequest)?;
    ovs.receive("p2", &FRAME)?;
    r.session.await_kind(
        r.folder,
        "packet_in_action",
        "UDP into p2, and an entry to the controller",
        10,
    )?;
    r.tell(Body::FlowMod(FlowMod::delete_strict().priority(5)))?;
    r.session.await_kind(r.folder, "flow_removed_delete", "an entry deleted", 11)?;
    let brief = FlowMod { hard_timeout: 1, ..FlowMod::add(Vec::new()) };
    let matching = Match::any().in_port(2u16).dl_dst(Mac([1, 2, 3, 4, 5, 6])).dl_vlan(VLAN_NONE);
    r.tell(Body::FlowMod(brief.matching(matching).flags(flow_flags::SEND_FLOW_REM)))?;
    r.session.await_kind(
        r.folder,
        "flow_removed_hard_timeout",
        "an entry with a hard timeout of 1 s",
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

fn entries(r: &mut Recorder<'_>) -> io::Result<()> {
    let tcp = Match::any().dl_type(0x0800u16).nw_proto(6).nw_src(Ipv4Addr::new(10, 1, 0, 0), 16);
    let arp = Match::any().dl_type(0x0806u16).nw_proto(1).nw_dst(Ipv4Addr::new(10, 0, 0, 9), 32);
    let mac = Mac([2, 0, 0, 0, 0, 7]);
    for entry in [
        FlowMod::add(vec![Action::output(2)]).matching(tcp.tp_dst(1935u16)).cookie(0xa1),
        FlowMod::add(vec![
            Action::SetVlanVid(100),
            Action::SetVlanPcp(5),
            Action::StripVlan,
            Action::SetDlSrc(mac),
            Action::SetDlDst(mac),
            Action::SetNwSrc(Ipv4Addr::new(1, 2, 3, 4)),
            Action::SetNwDst(Ipv4Addr::new(5, 6, 7, 8)),
            Action::SetNwTos(0x20),
            Action::SetTpSrc(1000),
            Action::SetTpDst(2000),
            Action::Enqueue { port: 1, queue_id: 0 },
        ])
        .matching(tcp.dl_vlan(5u16).dl_vlan_pcp(3).nw_tos(0x10))
        .idle_timeout(600),
        FlowMod::add(vec![Action::output(port_number::FLOOD)])
            .matching(arp.dl_src(mac))
            .priority(7),
        FlowMod::add(Vec::new()).matching(Match::any().in_port(1u16)).priority(1),
    ] {
        r.tell(Body::FlowMod(entry))?;
    }
    Ok(())
}

fn stats(r: &mut Recorder<'_>) -> io::Result<()> {
    r.stats("desc", Request::Desc)?;
    r.stats("flow", Request::Flow(FlowStatsRequest::all()))?;
    r.stats("aggregate", Request::Aggregate(FlowStatsRequest::all()))?;
    r.stats("table", Request::Table)?;
    r.stats("port", Request::Port(PortStatsRequest { port: port_number::NONE }))?;
    r.stats("queue", Request::Queue(QueueStatsRequest { port: 1, queue_id: QUEUE_ALL }))?;
    // NXST_AGGREGATE of Nicira's, which counts every entry.
    let aggregate = [0, 0, 0, 1, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0, 0, 0].to_vec();
    r.stats("vendor_stats", Request::Vendor(Vendor { vendor: 0x2320, data: aggregate }))
}

fn errors(r: &mut Recorder<'_>) -> io::Result<()> {
    let unknown = Body::Unknown { kind: 99, body: Vec::new() };
    r.ask("error_bad_type", "a message of type 99", unknown)?;
    r.ask(
        "error_bad_len",
        "a port-mod of four bytes",
        Body::Unknown { kind: 15, body: vec![0; 4] },
    )?;
    let stranger = Vendor { vendor: 0x1234_5678, data: vec![0; 8] };
    r.ask("error_bad_vendor", "a vendor nobody knows", Body::Vendor(stranger))?;
    let stat = Request::Unknown { kind: 77, body: Vec::new() };
    let how = "a stats request of type 77";
    r.ask("error_bad_stat", how, Body::StatsRequest(StatsRequest { body: stat }))?;
    let action = FlowMod::add(vec![Action::Unknown { kind: 300, body: vec![0; 4] }]);
    r.ask("error_bad_action", "an action of type 300", Body::FlowMod(action))?;
    let command = FlowMod { command: FlowCommand::Other(9), ..FlowMod::add(Vec::new()) };
    r.ask("error_bad_command", "a flow-mod of command 9", Body::FlowMod(command))?;
    let overlap = FlowMod::add(Vec::new()).priority(7).flags(flow_flags::CHECK_OVERLAP);
    r.ask("error_overlap", "an entry that overlaps", Body::FlowMod(overlap))?;
    let port = PortMod { number: 1, hw_addr: Mac([9; 6]), config: 0, mask: 0, advertise: 0 };
    r.ask("error_bad_hw_addr", "a port-mod with another address", Body::PortMod(port.clone()))?;
    let missing = PortMod { number: 77, ..port };
    r.ask("error_bad_port", "a port-mod of a port that is not", Body::PortMod(missing))?;
    let held = PacketOut { buffer_id: 77, ..PacketOut::new(Vec::new(), vec![Action::output(1)]) };
    r.ask(
        "error_buffer_unknown",
        "a packet-out of a packet that it does not hold",
        Body::PacketOut(held),
    )?;
    let queues = QueueConfigRequest { port: 77 };
    r.ask(
        "error_queue_bad_port",
        "the queues of a port that is not",
        Body::QueueGetConfigRequest(queues),
    )
}

/// What a controller sends.
pub(crate) const COMMANDS: &[Command] = &[
    ("ofctl_hello", 0, &["show", "SWITCH"]),
    ("ofctl_features_request", 5, &["show", "SWITCH"]),
    ("ofctl_desc_request", 16, &["dump-desc", "SWITCH"]),
    ("ofctl_table_request", 16, &["dump-tables", "SWITCH"]),
    ("ofctl_port_request", 16, &["dump-ports", "SWITCH"]),
    ("ofctl_queue_request", 16, &["queue-stats", "SWITCH", "1", "2"]),
    (
        "ofctl_flow_request",
        16,
        &["-F", "OpenFlow10", "dump-flows", "SWITCH", "table=3,ip,out_port=2"],
    ),
    ("ofctl_aggregate_request", 16, &["-F", "OpenFlow10", "dump-aggregate", "SWITCH", "in_port=1"]),
    ("ofctl_queue_config_request", 20, &["queue-get-config", "SWITCH", "1"]),
    (
        "ofctl_flow_mod",
        14,
        &[
            "-F",
            "OpenFlow10",
            "add-flow",
            "SWITCH",
            "priority=100,cookie=0x1234,idle_timeout=10,hard_timeout=20,send_flow_rem,check_overlap,tcp,in_port=1,\
         dl_vlan=5,nw_src=10.0.0.0/8,nw_tos=16,tp_dst=1935,actions=mod_vlan_vid:7,mod_vlan_pcp:3,\
         mod_dl_src:02:00:00:00:00:01,mod_nw_dst:1.2.3.4,mod_nw_tos:32,mod_tp_src:99,strip_vlan,\
         enqueue:2:5,output:2",
        ],
    ),
    (
        "ofctl_flow_mod_nicira",
        14,
        &[
            "-F",
            "OpenFlow10",
            "add-flow",
            "SWITCH",
            "udp,actions=resubmit(,7),load:0x1->NXM_NX_REG0[0..3],note:01.02.03",
        ],
    ),
    (
        "ofctl_flow_mod_delete",
        14,
        &[
            "-F",
            "OpenFlow10",
            "--strict",
            "del-flows",
            "SWITCH",
            "priority=9,arp,arp_op=1,out_port=3",
        ],
    ),
    (
        "ofctl_packet_out",
        13,
        &[
            "packet-out",
            "SWITCH",
            "in_port=1,packet=020000000002020000000001080045000020000000004011,actions=output:1,2",
        ],
    ),
    ("ofctl_port_mod", 15, &["mod-port", "SWITCH", "1", "no-flood"]),
    ("ofctl_set_config", 9, &["set-frags", "SWITCH", "drop"]),
    ("ofctl_get_config_request", 7, &["get-frags", "SWITCH"]),
    ("ofctl_barrier_request", 18, &["-F", "OpenFlow10", "add-flow", "SWITCH", "actions=drop"]),
    ("ofctl_vendor", 4, &["add-flow", "SWITCH", "reg1=5,actions=drop"]),
];
