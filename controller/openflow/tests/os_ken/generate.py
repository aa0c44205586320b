#!/usr/bin/env python3
"""Writes what os-ken makes of OpenFlow, for tests/os_ken/main.rs to compare with what we make of it.

"serialized": messages that os-ken's serializer writes, by name, in hexadecimal; the test builds each of
them by itself, from the same values. "parsed": what os-ken's parser reads in the captures of Open vSwitch
(os-ken writes only what a controller sends): of each field, by its name, the numbers in their order.

    pip install os-ken && tests/os_ken/generate.py > tests/os_ken/corpus.json
"""

import json
import pathlib
import sys
from importlib.metadata import version

from os_ken.ofproto import ofproto_v1_0 as o10
from os_ken.ofproto import ofproto_v1_0_parser as p10
from os_ken.ofproto import ofproto_v1_3 as o13
from os_ken.ofproto import ofproto_v1_3_parser as p13
from os_ken.ofproto import ofproto_parser
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

D10, D13 = ProtocolDesc(version=1), ProtocolDesc(version=4)
MAC = "02:00:00:00:00:01"
MAC2 = "02:00:00:00:00:02"
DATA = bytes(range(20))


def serialized_10():
    "Name and message, OpenFlow 1.0."
    d, o, p = D10, o10, p10
    match = p.OFPMatch(
        wildcards=o.OFPFW_DL_VLAN_PCP | 24 << 8, in_port=0x0102, dl_src=bytes([2, 0, 0, 0, 0, 1]),
        dl_dst=bytes([2, 0, 0, 0, 0, 2]), dl_vlan=0x0304, dl_vlan_pcp=5, dl_type=0x0800, nw_tos=0x14,
        nw_proto=6, nw_src=0x0A010000, nw_dst=0x0A020304, tp_src=0x1122, tp_dst=0x3344)
    every = p.OFPMatch()
    actions = [
        p.OFPActionOutput(0x0506, 0x0708), p.OFPActionVlanVid(0x0123), p.OFPActionVlanPcp(3),
        p.OFPActionStripVlan(), p.OFPActionSetDlSrc(bytes([2, 0, 0, 0, 0, 1])),
        p.OFPActionSetDlDst(bytes([2, 0, 0, 0, 0, 2])), p.OFPActionSetNwSrc(0x01020304),
        p.OFPActionSetNwDst(0x05060708), p.OFPActionSetNwTos(0x24), p.OFPActionSetTpSrc(0x1001),
        p.OFPActionSetTpDst(0x1002), p.OFPActionEnqueue(0x0907, 0x0A0B0C0D)]
    yield "hello", p.OFPHello(d)
    yield "error", p.OFPErrorMsg(d, type_=o.OFPET_BAD_ACTION, code=7, data=DATA)
    yield "echo_request", p.OFPEchoRequest(d, data=DATA)
    yield "echo_reply", p.OFPEchoReply(d, data=DATA)
    yield "features_request", p.OFPFeaturesRequest(d)
    yield "get_config_request", p.OFPGetConfigRequest(d)
    yield "set_config", p.OFPSetConfig(d, o.OFPC_FRAG_REASM, 0x0203)
    yield "flow_mod", p.OFPFlowMod(
        d, match, 0x0102030405060708, o.OFPFC_MODIFY_STRICT, 0x1112, 0x1314, 0x1516, 0x1718191A, 0x1B1C,
        o.OFPFF_SEND_FLOW_REM | o.OFPFF_EMERG, actions)
    yield "packet_out", p.OFPPacketOut(d, 0xFFFFFFFF, 0x0203, actions[:2], DATA)
    yield "port_mod", p.OFPPortMod(d, 0x0102, MAC, 0x11, 0x13, 0x0A0B)
    yield "stats_desc", p.OFPDescStatsRequest(d, 0)
    yield "stats_flow", p.OFPFlowStatsRequest(d, 0, match, 0xFE, 0x0304)
    yield "stats_aggregate", p.OFPAggregateStatsRequest(d, 0, every, 0xFF, 0xFFFF)
    yield "stats_table", p.OFPTableStatsRequest(d, 0)
    yield "stats_port", p.OFPPortStatsRequest(d, 0, 0x0102)
    yield "stats_queue", p.OFPQueueStatsRequest(d, 0, 0x0102, 0x03040506)
    yield "barrier_request", p.OFPBarrierRequest(d)
    yield "queue_get_config_request", p.OFPQueueGetConfigRequest(d, 0x0102)


def matches_13():
    "Every field that os-ken's 1.3 has, in matches of a few."
    yield "link", dict(in_port=0x01020304, in_phy_port=0x05060708, metadata=(0x0102, 0xFFFF), eth_dst=(MAC, "ff:ff:ff:00:00:00"), eth_src=MAC2, eth_type=0x0800, vlan_vid=(0x1064, 0x1FFF), vlan_pcp=3)
    yield "ip", dict(eth_type=0x0800, ip_dscp=46, ip_ecn=2, ip_proto=6, ipv4_src=("10.0.0.0", "255.0.0.0"), ipv4_dst="10.1.2.3", tcp_src=0x1122, tcp_dst=0x3344)
    yield "ports", dict(udp_src=1, udp_dst=2, sctp_src=3, sctp_dst=4, icmpv4_type=5, icmpv4_code=6)
    yield "arp", dict(arp_op=1, arp_spa="10.0.0.1", arp_tpa=("10.0.0.2", "255.255.255.0"), arp_sha=MAC, arp_tha=(MAC2, "ff:ff:ff:ff:ff:fe"))
    yield "ipv6", dict(ipv6_src=("2001:db8::1", "ffff:ffff::"), ipv6_dst="2001:db8::2", ipv6_flabel=(0x12345, 0xFFFFF), icmpv6_type=135, icmpv6_code=1, ipv6_nd_target="fe80::1", ipv6_nd_sll=MAC, ipv6_nd_tll=MAC2, ipv6_exthdr=(0x1F, 0x1FF))
    yield "rest", dict(mpls_label=0x12345, mpls_tc=5, mpls_bos=1, pbb_isid=(0x123456, 0xFFFFFF), tunnel_id=(0x0102030405060708, 0xFFFFFFFFFFFFFFFF))


def serialized_13():
    "Name and message, OpenFlow 1.3."
    d, o, p = D13, o13, p13
    match = p.OFPMatch(in_port=0x01020304, eth_dst=MAC)
    actions = [
        p.OFPActionOutput(0x01020304, 0x0506), p.OFPActionCopyTtlOut(), p.OFPActionCopyTtlIn(),
        p.OFPActionSetMplsTtl(7), p.OFPActionDecMplsTtl(), p.OFPActionPushVlan(0x8100),
        p.OFPActionPopVlan(), p.OFPActionPushMpls(0x8847), p.OFPActionPopMpls(0x0800),
        p.OFPActionSetQueue(0x08090A0B), p.OFPActionGroup(0x0C0D0E0F), p.OFPActionSetNwTtl(9),
        p.OFPActionDecNwTtl(), p.OFPActionSetField(eth_dst=MAC2), p.OFPActionSetField(ipv4_src="1.2.3.4"),
        p.OFPActionPushPbb(0x88E7), p.OFPActionPopPbb(),
        p.OFPActionExperimenterUnknown(0x01020305, bytes(range(8)))]
    yield "hello", p.OFPHello(d)
    yield "error", p.OFPErrorMsg(d, type_=o.OFPET_BAD_MATCH, code=9, data=DATA)
    yield "error_experimenter", p.OFPErrorExperimenterMsg(
        d, type_=0xFFFF, exp_type=0x0102, experimenter=0x03040506, data=DATA)
    yield "echo_request", p.OFPEchoRequest(d, data=DATA)
    yield "echo_reply", p.OFPEchoReply(d, data=DATA)
    yield "experimenter", p.OFPExperimenter(d, 0x01020304, 0x05060708, DATA)
    yield "features_request", p.OFPFeaturesRequest(d)
    yield "get_config_request", p.OFPGetConfigRequest(d)
    yield "set_config", p.OFPSetConfig(d, o.OFPC_FRAG_DROP, 0x0203)
    yield "packet_out", p.OFPPacketOut(
        d, buffer_id=0xFFFFFFFF, in_port=0x01020304, actions=actions[:2], data=DATA)
    yield "flow_mod", p.OFPFlowMod(
        d, cookie=0x0102030405060708, cookie_mask=0x1112131415161718, table_id=0x21,
        command=o.OFPFC_DELETE_STRICT, idle_timeout=0x2223, hard_timeout=0x2425, priority=0x2627,
        buffer_id=0x28292A2B, out_port=0x2C2D2E2F, out_group=0x31323334, flags=0x1F, match=match,
        instructions=[
            p.OFPInstructionMeter(0x41424344),
            p.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, actions),
            p.OFPInstructionActions(o.OFPIT_CLEAR_ACTIONS, []),
            p.OFPInstructionActions(o.OFPIT_WRITE_ACTIONS, actions[:1]),
            p.OFPInstructionWriteMetadata(0x5152535455565758, 0x6162636465666768),
            p.OFPInstructionGotoTable(0x71)])
    for name, fields in matches_13():
        yield f"match_{name}", p.OFPFlowMod(d, match=p.OFPMatch(**fields))
    buckets = [p.OFPBucket(1, 0x02030405, 0x06070809, actions[:2]), p.OFPBucket(0x0A0B, 0x0C, 0x0D, [])]
    yield "group_mod", p.OFPGroupMod(d, o.OFPGC_MODIFY, o.OFPGT_FF, 0x01020304, buckets)
    yield "port_mod", p.OFPPortMod(d, 0x01020304, MAC, 0x21, 0x65, 0x0A0B)
    yield "table_mod", p.OFPTableMod(d, 0x12, 3)
    bands = [
        p.OFPMeterBandDrop(0x01020304, 0x05060708), p.OFPMeterBandDscpRemark(0x11, 0x12, 0x13),
        p.OFPMeterBandExperimenter(0x21, 0x22, 0x23242526)]
    yield "meter_mod", p.OFPMeterMod(d, o.OFPMC_ADD, o.OFPMF_KBPS | o.OFPMF_STATS, 0x31323334, bands)
    yield "part_desc", p.OFPDescStatsRequest(d, 0)
    yield "part_flow", p.OFPFlowStatsRequest(
        d, 0, 0x12, 0x01020304, 0x05060708, 0x1112131415161718, 0x2122232425262728, match)
    yield "part_aggregate", p.OFPAggregateStatsRequest(d, 0, 0x13, 0x14, 0x15, 0x16, 0x17, p.OFPMatch())
    yield "part_table", p.OFPTableStatsRequest(d, 0)
    yield "part_port_stats", p.OFPPortStatsRequest(d, 0, 0x01020304)
    yield "part_queue", p.OFPQueueStatsRequest(d, 0, 0x01020304, 0x05060708)
    yield "part_group", p.OFPGroupStatsRequest(d, 0, 0x01020304)
    yield "part_group_desc", p.OFPGroupDescStatsRequest(d, 0)
    yield "part_group_features", p.OFPGroupFeaturesStatsRequest(d, 0)
    yield "part_meter", p.OFPMeterStatsRequest(d, 0, 0x01020304)
    yield "part_meter_config", p.OFPMeterConfigStatsRequest(d, 0, 0x01020304)
    yield "part_meter_features", p.OFPMeterFeaturesStatsRequest(d, 0)
    yield "part_port_desc", p.OFPPortDescStatsRequest(d, 0)
    yield "part_experimenter", p.OFPExperimenterStatsRequest(d, 0, 0x01020304, 0x05060708, DATA)
    # Lengths that need padding after them: 4 + 2 * 4, 4 + 3, 4 + 3 * 4.
    properties = [
        p.OFPTableFeaturePropInstructions(
            type_=o.OFPTFPT_INSTRUCTIONS_MISS, instruction_ids=[p.OFPInstructionId(1), p.OFPInstructionId(4)]),
        p.OFPTableFeaturePropNextTables(type_=o.OFPTFPT_NEXT_TABLES, table_ids=[2, 3, 4]),
        p.OFPTableFeaturePropActions(
            type_=o.OFPTFPT_APPLY_ACTIONS, action_ids=[p.OFPActionId(0), p.OFPActionId(22), p.OFPActionId(25)]),
        p.OFPTableFeaturePropOxm(
            type_=o.OFPTFPT_MATCH, oxm_ids=[p.OFPOxmId("in_port"), p.OFPOxmId("eth_dst", hasmask=True)]),
        p.OFPTableFeaturePropOxm(type_=o.OFPTFPT_APPLY_SETFIELD_MISS, oxm_ids=[p.OFPOxmId("vlan_vid")])]
    table = p.OFPTableFeaturesStats(
        table_id=0x11, name=b"inspect", metadata_match=0x0102030405060708,
        metadata_write=0x1112131415161718, config=3, max_entries=0x21222324, properties=properties)
    yield "part_table_features", p.OFPTableFeaturesStatsRequest(d, 0, [table])
    yield "barrier_request", p.OFPBarrierRequest(d)
    yield "queue_get_config_request", p.OFPQueueGetConfigRequest(d, 0x01020304)
    yield "role_request", p.OFPRoleRequest(d, o.OFPCR_ROLE_SLAVE, 0x0102030405060708)
    yield "get_async_request", p.OFPGetAsyncRequest(d)
    yield "set_async", p.OFPSetAsync(
        d, packet_in_mask=[1, 2], port_status_mask=[3, 4], flow_removed_mask=[5, 6])


def serialize(messages):
    "Name to hexadecimal bytes; every message has a transaction of its own."
    corpus = {}
    for number, (name, message) in enumerate(messages):
        message.set_xid(0x1000 + number)
        message.serialize()
        corpus[name] = bytes(message.buf).hex()
    return corpus


def numbers(value, found):
    "Gathers, by field name and in order, the numbers anywhere in `value`."
    if isinstance(value, list):
        for item in value:
            numbers(item, found)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, int):
                found.setdefault(name, []).append(inner)
            else:
                numbers(inner, found)


def parse(folder, datapath):
    "What os-ken reads in each capture."
    corpus = {}
    for path in sorted(folder.glob("*.bin")):
        wire = path.read_bytes()
        kind, length = wire[1], int.from_bytes(wire[2:4], "big")
        # Lists of 64 KiB say nothing that the others do not.
        if length > 8192:
            continue
        message = ofproto_parser.msg(
            datapath, wire[0], kind, length, int.from_bytes(wire[4:8], "big"), wire[:length])
        # os-ken refuses some, such as fields of Nicira's that it does not know.
        if message is None:
            print(f"os-ken does not read {path}", file=sys.stderr)
            continue
        found = {}
        numbers(message.to_jsondict(), found)
        if found:
            corpus[path.stem] = found
    return corpus


def main():
    captures = pathlib.Path(__file__).parent.parent / "captures"
    corpus = {
        "os-ken": version("os-ken"),
        "serialized": {"v10": serialize(serialized_10()), "v13": serialize(serialized_13())},
        "parsed": {"v10": parse(captures / "v10", D10), "v13": parse(captures / "v13", D13)},
    }
    json.dump(corpus, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
