#!/usr/bin/env python3
"""Times os-ken's parser and serializer, for benches/os_ken.rs to stand beside ours.

Reads {"v10": {NAME: HEX}, "v13": {NAME: HEX}}, messages to be parsed, and writes {"parse": {VERSION:
{NAME: NS}}, "write": {VERSION: {NAME: [NS, HEX]}}}: nanoseconds a message, and the bytes of what it wrote.
"""

import json
import statistics
import sys
import timeit

from os_ken.ofproto import ofproto_parser
from os_ken.ofproto import ofproto_v1_0 as o10
from os_ken.ofproto import ofproto_v1_0_parser as p10
from os_ken.ofproto import ofproto_v1_3 as o13
from os_ken.ofproto import ofproto_v1_3_parser as p13
from os_ken.ofproto.ofproto_protocol import ProtocolDesc

DESCRIPTIONS = {"v10": ProtocolDesc(version=1), "v13": ProtocolDesc(version=4)}
MAC = bytes([2, 0, 0, 0, 0, 1])
# What packet-outs carry.
FRAME = bytes(64)


def nanoseconds(what):
    "The median of five times, each long enough to tell."
    timer = timeit.Timer(what)
    number, _ = timer.autorange()
    return statistics.median(timer.repeat(5, max(1, number // 4))) / max(1, number // 4) * 1e9


def written():
    "Version, name and message of what is serialized."
    d, o, p = DESCRIPTIONS["v10"], o10, p10
    match = p.OFPMatch(in_port=3, dl_dst=MAC)
    yield "v10", "flow-mod", p.OFPFlowMod(
        d, match, 0, o.OFPFC_ADD, 0, 0, 0x8000, 0xFFFFFFFF, o.OFPP_NONE, 0, [p.OFPActionOutput(4, 0)])
    yield "v10", "packet-out", p.OFPPacketOut(d, 0xFFFFFFFF, 3, [p.OFPActionOutput(4, 0)], FRAME)
    d, o, p = DESCRIPTIONS["v13"], o13, p13
    match = p.OFPMatch(in_port=3, eth_dst="02:00:00:00:00:01", eth_type=0x0800, ip_proto=6, tcp_dst=1935)
    apply = p.OFPInstructionActions(o.OFPIT_APPLY_ACTIONS, [p.OFPActionOutput(4, 0)])
    yield "v13", "flow-mod", p.OFPFlowMod(
        d, match=match, instructions=[apply], out_port=o.OFPP_ANY, out_group=o.OFPG_ANY)
    yield "v13", "packet-out", p.OFPPacketOut(
        d, buffer_id=0xFFFFFFFF, in_port=3, actions=[p.OFPActionOutput(4, 0)], data=FRAME)


def main():
    "Everything, once."
    report = {"parse": {}, "write": {}}
    for version, messages in json.load(sys.stdin).items():
        times = report["parse"].setdefault(version, {})
        for name, wire in messages.items():
            wire = bytes.fromhex(wire)
            header = ofproto_parser.header(wire)
            times[name] = nanoseconds(
                lambda: ofproto_parser.msg(DESCRIPTIONS[version], *header, wire))
    for version, name, message in written():
        message.set_xid(7)
        time = nanoseconds(message.serialize)
        report["write"].setdefault(version, {})[name] = [time, message.buf.hex()]
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
