//! Flow entries, for people and programs to read.

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::entry::{Entry, EntryKey, Purpose};
use crate::fabric::Fabric;
use crate::{Attachment, DatapathId, describe};

/// A part of the entries that switches should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FlowsView {
    /// How many there are in all of what was asked for.
    pub total: usize,
    /// Some of them, by switch, table and priority; those that a controller before left come last.
    pub flows: Vec<FlowView>,
}

/// One entry that a switch should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FlowView {
    /// The switch.
    pub switch: DatapathId,
    /// The table.
    pub table: u8,
    /// Higher ones are matched first.
    pub priority: u16,
    /// Whose entry it is and what for, in hex.
    pub cookie: String,
    /// What it is for: `pipeline`, `forwarding`, `bypass` (an RTMP connection that is no longer
    /// inspected), `alias` or `peering`.
    pub purpose: &'static str,
    /// What a packet must look like, field by field. No field: any packet.
    #[serde(rename = "match")]
    pub matching: BTreeMap<&'static str, String>,
    /// What happens to the packet, in order. Nothing, and no table to go to: it is dropped.
    pub actions: Vec<String>,
    /// The meter that the packet must pass first, or it is dropped.
    pub meter: Option<u32>,
    /// The table that goes on with it.
    pub goto: Option<u8>,
    /// Seconds without a packet after which the entry goes.
    pub idle_timeout_s: Option<u16>,
    /// It was left by a controller before, and nobody has taken it up yet.
    pub orphan: bool,
}

impl Fabric {
    /// At most `limit` entries from number `offset` on, of one switch or of all.
    pub fn flow_views(&self, switch: Option<DatapathId>, offset: usize, limit: usize) -> FlowsView {
        let chosen = || self.switches.values().filter(|s| switch.is_none_or(|id| id == s.id));
        let orphans = |switch: &crate::switch::Switch| switch.ledger.orphans().len();
        let all = chosen().flat_map(|switch| {
            let left = switch.ledger.orphans().iter().map(|of| (of, true));
            let wanted = switch.ledger.entries().map(|of| (of, false));
            wanted.chain(left).map(|(of, orphan)| (switch.id, of, orphan))
        });
        let some = all.skip(offset).take(limit);
        FlowsView {
            total: chosen().map(|switch| switch.ledger.len().0 + orphans(switch)).sum(),
            flows: some.map(|(id, (key, entry), orphan)| view(id, key, entry, orphan)).collect(),
        }
    }
}

fn view(switch: DatapathId, key: &EntryKey, entry: &Entry, orphan: bool) -> FlowView {
    let purpose = match entry.cookie.purpose() {
        Some(Purpose::Pipeline) => "pipeline",
        Some(Purpose::Forwarding) => "forwarding",
        Some(Purpose::Bypass) => "bypass",
        Some(Purpose::Alias) => "alias",
        Some(Purpose::Peering) => "peering",
        None => "unknown",
    };
    FlowView {
        switch,
        table: key.table,
        priority: key.priority,
        cookie: format!("0x{:016x}", entry.cookie.0),
        purpose,
        matching: describe::pattern(&key.pattern),
        actions: {
            let steps = entry.steps.iter().map(describe::step);
            steps.chain(entry.note.map(describe::note)).collect()
        },
        meter: entry.meter,
        goto: entry.goto,
        idle_timeout_s: Some(entry.idle_secs).filter(|secs| *secs > 0),
        orphan,
    }
}

impl JsonSchema for DatapathId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DatapathId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })
    }
}

impl JsonSchema for Attachment {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Attachment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9a-f]{16}:[0-9]+$",
            "description": "A port: datapath id and number.",
        })
    }
}
