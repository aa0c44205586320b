//! What a fabric is told at its start.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use nearcast_machine::{Seed, Span};

use crate::{Policy, VirtualRange};

/// The TCP port of RTMP.
pub const RTMP_PORT: u16 = 1935;

/// A setting that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not a prefix.
    #[error("`{0}` is not a subnet: expected a prefix such as 10.1.0.0/16 or fd00:1::/32")]
    Subnet(String),
    /// Not a prefix, or one too small or too large.
    #[error(
        "`{0}` is not a virtual range: expected an IPv4 prefix of 8 to 28 bits such as 10.254.0.0/16"
    )]
    VirtualRange(String),
}

/// The settings of a [`Fabric`](crate::Fabric).
#[derive(Debug, Clone)]
pub struct Config {
    /// Where group addresses and aliases come from.
    pub virtual_range: VirtualRange,
    /// RTMP servers that count as the CDN. Empty: every server that accepts a publisher is learned
    /// as one, and streams of different servers are different streams.
    pub cdn: Vec<SocketAddr>,
    /// Who may take part.
    pub policy: Policy,
    /// By which part the direct path must be shorter than the one by the CDN: with 0.1, at most
    /// nine tenths of it. From 0 to below 1.
    pub margin: f64,
    /// Inspect and report, what peerings there would be as well, but form none.
    pub observe_only: bool,
    /// One-way delays of links by the name of the switch port they end at, such as `s1-eth1`.
    pub link_delays: BTreeMap<String, Span>,
    /// How long an offer holds if it is not renewed.
    pub lease: Span,
    /// How often links are probed.
    pub probe_interval: Span,
    /// How long a port that came up is watched for a link before hosts are broadcast to.
    pub settle: Span,
    /// How long a switch may be silent before it is asked for an echo; twice that, and it is gone.
    pub echo_interval: Span,
    /// How often a switch is asked whether it still holds what it should.
    pub audit_interval: Span,
    /// What random choices, and the names of peerings, derive from.
    pub seed: Seed,
    /// The secret that authenticates link probes. Unlike the seed it should differ in every run.
    pub probe_key: [u8; 32],
    /// Rises from one start of the controller to the next (Unix seconds do), so that a peer which
    /// outlives a controller takes the next one's offers for newer.
    pub incarnation: u32,
    /// Bounds of everything that is kept.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            virtual_range: VirtualRange::default(),
            cdn: Vec::new(),
            policy: Policy::default(),
            margin: 0.1,
            observe_only: false,
            link_delays: BTreeMap::new(),
            lease: Span::from_secs(30),
            probe_interval: Span::from_secs(5),
            settle: Span::from_millis(500),
            echo_interval: Span::from_secs(5),
            audit_interval: Span::from_secs(10),
            seed: Seed::new(0),
            probe_key: [0; 32],
            incarnation: 0,
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// The TCP ports that are inspected: RTMP's and those of the configured servers.
    pub(crate) fn rtmp_ports(&self) -> BTreeSet<u16> {
        let configured = self.cdn.iter().map(SocketAddr::port);
        configured.chain([RTMP_PORT]).collect()
    }
}

/// How much a fabric keeps at most. What is above a bound is refused, and an event says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Switches.
    pub switches: usize,
    /// Ports of one switch.
    pub ports: usize,
    /// Hosts in all.
    pub hosts: usize,
    /// Hosts at one port.
    pub hosts_per_port: usize,
    /// How long the controller must not have heard a host before another at its port may take its
    /// place, if there is no other room.
    pub host_idle: Span,
    /// RTMP connections followed at once.
    pub connections: usize,
    /// RTMP connections of one client address followed at once.
    pub connections_per_client: usize,
    /// Bytes of one RTMP connection looked at before it is let go undecided.
    pub inspect_bytes: u64,
    /// How long an RTMP connection is looked at before it is let go undecided.
    pub inspect_time: Span,
    /// Bytes of one direction held behind a hole.
    pub reassembly_bytes: usize,
    /// Streams with at least one role.
    pub streams: usize,
    /// Roles of one host.
    pub roles_per_host: usize,
    /// Groups on one switch.
    pub groups_per_switch: usize,
    /// Viewers in one peering.
    pub viewers: usize,
    /// Frames held while their destination is asked for.
    pub held_frames: usize,
    /// Packet-ins a second, per switch: LLDP and ARP (with IPv6 neighbour discovery) each. A
    /// quarter of this, and of what frames to hosts not known may take, is what one port may take.
    pub control_rate: u32,
    /// Packet-ins a second, per switch: copies of RTMP segments.
    pub rtmp_rate: u32,
    /// Packet-ins a second, per switch: frames to hosts not known.
    pub unknown_rate: u32,
    /// Packet-ins a second, per switch: answers of peers.
    pub answer_rate: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            switches: 1024,
            ports: 1024,
            hosts: 65_536,
            hosts_per_port: 256,
            host_idle: Span::from_secs(600),
            connections: 16_384,
            connections_per_client: 256,
            inspect_bytes: 64 << 10,
            inspect_time: Span::from_secs(30),
            reassembly_bytes: 64 << 10,
            streams: 4096,
            roles_per_host: 64,
            groups_per_switch: 1024,
            viewers: 1024,
            held_frames: 256,
            control_rate: 1000,
            rtmp_rate: 20_000,
            unknown_rate: 500,
            answer_rate: 2000,
        }
    }
}
