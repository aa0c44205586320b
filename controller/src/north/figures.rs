//! Figures for Prometheus, in the OpenMetrics text format.

use std::collections::BTreeMap;

use nearcast_fabric::{Event, Role, Statistics};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::{Glance, Standing};

/// OpenMetrics 1.0.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From 0.25 ms to 8 s, each twice the one before.
fn durations() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

/// How long things took, kept from the start on; all else is counted elsewhere already.
#[derive(Debug)]
pub(crate) struct Durations {
    installed: Histogram,
    joined: Histogram,
}

impl Durations {
    pub(crate) fn new() -> Durations {
        Durations { installed: durations(), joined: durations() }
    }

    /// Takes note of an event that says how long something took.
    pub(crate) fn observe(&self, event: &Event) {
        let (histogram, took) = match event {
            Event::Offered { role: Role::Viewer, volatile, .. } => (&self.installed, volatile),
            Event::Joined { role: Role::Viewer, volatile, .. } => (&self.joined, volatile),
            _ => return,
        };
        histogram.observe(took.since_role_us as f64 / 1e6);
    }
}

/// Of packet-ins; see [`nearcast_fabric::Fabric::packet_ins`].
const CLASSES: [&str; 5] = ["lldp", "arp", "rtmp", "answer", "unknown"];

type Labels = Vec<(&'static str, String)>;

struct Page(Registry);

impl Page {
    fn counters(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, u64)>,
    ) {
        let family = Family::<Labels, Counter>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).inc_by(value);
        }
        self.0.register(name, help, family);
    }

    fn gauges(
        &mut self,
        name: &str,
        help: &str,
        values: impl IntoIterator<Item = (Labels, usize)>,
    ) {
        let family = Family::<Labels, Gauge>::default();
        for (labels, value) in values {
            family.get_or_create(&labels).set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.0.register(name, help, family);
    }
}

/// The page that is scraped.
pub(super) fn text(glance: &Glance<'_>) -> String {
    let mut page = Page(Registry::with_prefix("nearcast_controller"));
    let statistics = glance.fabric.statistics();
    sizes(&mut page, &statistics, glance.told);
    let classes = |suffix: &str| {
        let count = |class| statistics.packet_ins.get(&format!("{class}{suffix}")).copied();
        CLASSES.map(|class| (vec![("class", class.to_owned())], count(class).unwrap_or(0)))
    };
    page.counters("packet_ins", "Packet-ins by class", classes(""));
    let limited = "Packet-ins that came faster than they are taken, by class";
    page.counters("packet_ins_limited", limited, classes(" dropped"));
    let metered = "What meters of switches dropped that else were packet-ins, by class";
    page.counters("packet_ins_metered", metered, classes(" metered"));
    page.counters("refused", "What had no room, by the bound", by("limit", &statistics.refused));
    let evicted = "What had to make room, by the bound";
    page.counters("evictions", evicted, by("limit", &statistics.evicted));
    let (sent, received, events) = glance.journal.counts();
    let messages =
        [("sent", sent), ("received", received)].into_iter().flat_map(|(way, counts)| {
            let labels =
                move |kind: &str| vec![("direction", way.to_owned()), ("type", kind.to_owned())];
            counts.iter().map(move |(kind, count)| (labels(kind), *count))
        });
    page.counters("messages", "OpenFlow messages by direction and type", messages);
    page.counters("events", "Events by name", by("event", events));
    let endings = by("cause", glance.journal.endings());
    page.counters("connections_ended", "Connections of switches that ended, by why", endings);
    let queues = glance.queues.iter().map(|q| (vec![("switch", q.switch.to_string())], q.bytes));
    page.gauges("queue_bytes", "Bytes that a switch has not taken yet", queues);
    let roles = Standing::ALL.map(|(role, name)| {
        (vec![("role", name.to_owned())], usize::from(role == glance.standing))
    });
    page.gauges("role", "1 for what this controller is to its switches", roles);
    let durations = glance.journal.durations();
    let installed = "From an accepted play to its peering on the switch, confirmed";
    page.0.register_with_unit(
        "peering_installed",
        installed,
        Unit::Seconds,
        durations.installed.clone(),
    );
    let joined = "From an accepted play to the viewer's joining";
    page.0.register_with_unit("viewer_joined", joined, Unit::Seconds, durations.joined.clone());
    let mut text = String::new();
    // It fails only if writing to the string does.
    if encode(&mut text, &page.0).is_err() {
        tracing::error!("figures cannot be written");
    }
    text
}

fn by<K: ToString>(
    label: &'static str,
    counts: &BTreeMap<K, u64>,
) -> impl Iterator<Item = (Labels, u64)> {
    counts.iter().map(move |(name, count)| (vec![(label, name.to_string())], *count))
}

fn sizes(page: &mut Page, statistics: &Statistics, told: usize) {
    let sizes = [
        ("switches", "Switches that ever connected", statistics.switches),
        ("switches_live", "Switches connected and up to date", statistics.switches_live),
        ("ports", "Ports that are up", statistics.ports),
        ("links", "Proven directions of links", statistics.links),
        ("hosts", "Hosts", statistics.hosts),
        ("addresses", "Addresses of hosts", statistics.addresses),
        ("held_frames", "Frames held while their destination is asked for", statistics.held_frames),
        ("connections", "RTMP connections followed", statistics.connections),
        ("streams", "Streams with a role", statistics.streams),
        ("peerings", "Peerings", statistics.peerings),
        ("viewers", "Viewers that joined a peering", statistics.viewers),
        ("entries", "Flow entries wanted on all switches", statistics.entries),
        ("groups", "Groups wanted on all switches", statistics.groups),
        ("meters", "Meters wanted on all switches", statistics.meters),
        ("replica", "Links and parts of streams that the other controller told of", told),
    ];
    for (name, help, value) in sizes {
        let gauge = <Gauge>::default();
        gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        page.0.register(name, help, gauge);
    }
}
