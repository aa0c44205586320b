//! Entries in words, with the names that `ovs-ofctl` has for fields and actions.

use std::collections::BTreeMap;

use crate::Subnet;
use crate::entry::{Masked, Note, Pattern, Step};

/// The fields that count, by name.
pub(crate) fn pattern(pattern: &Pattern) -> BTreeMap<&'static str, String> {
    // Spelt out, so that a field which is added is not forgotten here.
    let Pattern {
        in_port,
        eth_source,
        eth_destination,
        eth_type,
        ip_protocol,
        ip_source,
        ip_destination,
        source_port,
        destination_port,
        icmpv6_type,
        tcp_flags,
        vlan,
        noted_port,
        noted_round,
    } = pattern;
    // As the metadata is written, with the mask of the bits that count.
    let noted = noted_port.map(|port| match noted_round {
        true => format!("0x1{port:08x}/0x1ffffffff"),
        false => format!("0x{port:08x}/0xffffffff"),
    });
    let fields = [
        ("in_port", in_port.map(|port| port.to_string())),
        ("eth_src", eth_source.map(|mac| mac.to_string())),
        ("eth_dst", eth_destination.map(|mac| masked(mac, crate::Mac::BROADCAST))),
        ("eth_type", eth_type.map(|kind| format!("0x{kind:04x}"))),
        ("ip_proto", ip_protocol.map(|protocol| protocol.to_string())),
        ("ipv4_src", ip_source.filter(is_ipv4).map(prefix)),
        ("ipv4_dst", ip_destination.filter(is_ipv4).map(prefix)),
        ("ipv6_src", ip_source.filter(|ip| !is_ipv4(ip)).map(prefix)),
        ("ipv6_dst", ip_destination.filter(|ip| !is_ipv4(ip)).map(prefix)),
        ("tp_src", source_port.map(|port| port.to_string())),
        ("tp_dst", destination_port.map(|port| port.to_string())),
        ("icmpv6_type", icmpv6_type.map(|kind| kind.to_string())),
        ("tcp_flags", tcp_flags.map(|flags| format!("0x{flags:03x}"))),
        ("vlan_vid", vlan.map(|vlan| masked(vlan, 0x0fff))),
        ("metadata", noted),
    ];
    fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn is_ipv4(prefix: &Subnet) -> bool {
    prefix.base().is_ipv4()
}

fn prefix(prefix: Subnet) -> String {
    prefix.single().map_or(prefix.to_string(), |address| address.to_string())
}

fn masked<T: std::fmt::Display + PartialEq>(field: Masked<T>, exact: T) -> String {
    if field.mask == exact {
        field.value.to_string()
    } else {
        format!("{}/{}", field.value, field.mask)
    }
}

/// What is noted for later tables.
pub(crate) fn note(note: Note) -> String {
    match note {
        Note::Port(port) => format!("write_metadata:0x{port:08x}/0xffffffff"),
        Note::Round => "write_metadata:0x100000000/0x100000000".to_owned(),
    }
}

/// One action.
pub(crate) fn step(step: &Step) -> String {
    match step {
        Step::SetEthSource(mac) => format!("set_field:{mac}->eth_src"),
        Step::SetEthDestination(mac) => format!("set_field:{mac}->eth_dst"),
        Step::SetIpSource(ip) => format!("set_field:{ip}->ip_src"),
        Step::SetIpDestination(ip) => format!("set_field:{ip}->ip_dst"),
        Step::Group(id) => format!("group:{id}"),
        Step::Output(port) => format!("output:{port}"),
        Step::Controller => "controller".to_owned(),
        Step::MeteredController(meter) => format!("controller(meter_id={meter})"),
        Step::Back => "in_port".to_owned(),
        Step::PushTag => "push_vlan:0x8100".to_owned(),
        Step::SetTag(label) => format!("set_field:{label}->vlan_vid"),
        Step::PopTag => "pop_vlan".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mac;

    #[test]
    fn only_what_counts_is_named_and_a_mask_where_there_is_one() {
        let group = Masked { value: Mac([1, 0, 0, 0, 0, 0]), mask: Mac([1, 0, 0, 0, 0, 0]) };
        let fields = pattern(&Pattern {
            eth_destination: Some(group),
            eth_type: Some(0x0800),
            ip_source: Some("10.254.0.0/16".parse().expect("a prefix")),
            ip_destination: Some("10.0.0.1".parse().expect("an address")),
            ..Pattern::default()
        });
        let text: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            text,
            [
                "eth_dst=01:00:00:00:00:00/01:00:00:00:00:00",
                "eth_type=0x0800",
                "ipv4_dst=10.0.0.1",
                "ipv4_src=10.254.0.0/16",
            ]
        );
        let fields = pattern(&Pattern {
            ip_source: Some("fd00::1".parse().expect("an address")),
            ..Pattern::default()
        });
        assert_eq!(fields, [("ipv6_src", "fd00::1".to_owned())].into());
        assert_eq!(step(&Step::Output(7)), "output:7");
    }
}
