//! Questions about the switch, and answers.

use proptest::array::uniform;
use proptest::collection::vec;
use proptest::prelude::*;
use rust_openflow::v13::*;

use super::field::*;
use super::table_features::table_features;

fn flow_request() -> impl Strategy<Value = FlowStatsRequest> {
    each!(FlowStatsRequest {
        table_id: some(),
        out_port: some(),
        out_group: some(),
        cookie: some(),
        cookie_mask: some(),
        matching: matching(),
    })
}

pub(super) fn request() -> impl Strategy<Value = MultipartRequest> {
    let body = prop_oneof![
        Just(Request::Desc),
        flow_request().prop_map(Request::Flow),
        flow_request().prop_map(Request::Aggregate),
        Just(Request::Table),
        some().prop_map(Request::PortStats),
        each!(QueueStatsRequest { port: some(), queue_id: some() }).prop_map(Request::Queue),
        some().prop_map(Request::Group),
        Just(Request::GroupDesc),
        Just(Request::GroupFeatures),
        some().prop_map(Request::Meter),
        some().prop_map(Request::MeterConfig),
        Just(Request::MeterFeatures),
        vec(table_features(), 0..3).prop_map(Request::TableFeatures),
        Just(Request::PortDesc),
        experimenter().prop_map(Request::Experimenter),
        (14..0xffffu16, bytes(40)).prop_map(|(kind, body)| Request::Unknown { kind, body }),
    ];
    each!(MultipartRequest { more: some(), body: body })
}

fn desc() -> impl Strategy<Value = Desc> {
    each!(Desc {
        manufacturer: name(255),
        hardware: name(255),
        software: name(255),
        serial: name(31),
        datapath: name(255),
    })
}

fn flow() -> impl Strategy<Value = FlowStats> {
    each!(FlowStats {
        table_id: some(),
        duration_sec: some(),
        duration_nsec: some(),
        priority: some(),
        idle_timeout: some(),
        hard_timeout: some(),
        flags: some(),
        cookie: some(),
        packet_count: some(),
        byte_count: some(),
        matching: matching(),
        instructions: instructions(),
    })
}

fn port_stats() -> impl Strategy<Value = PortStats> {
    (some(), any::<[u64; 12]>(), some(), some()).prop_map(
        |(number, counters, duration_sec, duration_nsec)| {
            let [rx_packets, tx_packets, rx_bytes, tx_bytes, rx_dropped, tx_dropped, ..] = counters;
            let [.., rx_errors, tx_errors, rx_frame_err, rx_over_err, rx_crc_err, collisions] =
                counters;
            PortStats {
                number,
                rx_packets,
                tx_packets,
                rx_bytes,
                tx_bytes,
                rx_dropped,
                tx_dropped,
                rx_errors,
                tx_errors,
                rx_frame_err,
                rx_over_err,
                rx_crc_err,
                collisions,
                duration_sec,
                duration_nsec,
            }
        },
    )
}

fn table_stats() -> impl Strategy<Value = TableStats> {
    each!(TableStats {
        table_id: some(),
        active_count: some(),
        lookup_count: some(),
        matched_count: some(),
    })
}

fn queue_stats() -> impl Strategy<Value = QueueStats> {
    each!(QueueStats {
        port: some(),
        queue_id: some(),
        tx_bytes: some(),
        tx_packets: some(),
        tx_errors: some(),
        duration_sec: some(),
        duration_nsec: some(),
    })
}

fn group_stats() -> impl Strategy<Value = GroupStats> {
    each!(GroupStats {
        group_id: some(),
        ref_count: some(),
        packet_count: some(),
        byte_count: some(),
        duration_sec: some(),
        duration_nsec: some(),
        buckets: vec(each!(BucketCounter { packet_count: some(), byte_count: some() }), 0..4),
    })
}

fn group_desc() -> impl Strategy<Value = GroupDesc> {
    each!(GroupDesc { kind: group_type(), group_id: some(), buckets: vec(bucket(), 0..3) })
}

fn group_features() -> impl Strategy<Value = GroupFeatures> {
    each!(GroupFeatures {
        types: some(),
        capabilities: some(),
        max_groups: uniform(some()),
        actions: uniform(some()),
    })
}

fn meter_stats() -> impl Strategy<Value = MeterStats> {
    each!(MeterStats {
        meter_id: some(),
        flow_count: some(),
        packet_in_count: some(),
        byte_in_count: some(),
        duration_sec: some(),
        duration_nsec: some(),
        bands: vec(each!(BandCounter { packet_count: some(), byte_count: some() }), 0..4),
    })
}

fn meter_features() -> impl Strategy<Value = MeterFeatures> {
    each!(MeterFeatures {
        max_meter: some(),
        band_types: some(),
        capabilities: some(),
        max_bands: some(),
        max_color: some(),
    })
}

pub(super) fn reply() -> impl Strategy<Value = MultipartReply> {
    let config = each!(MeterConfig { flags: some(), meter_id: some(), bands: vec(band(), 0..4) });
    let sum =
        each!(AggregateStats { packet_count: some(), byte_count: some(), flow_count: some() });
    let body = prop_oneof![
        desc().prop_map(Reply::Desc),
        vec(flow(), 0..4).prop_map(Reply::Flow),
        sum.prop_map(Reply::Aggregate),
        vec(table_stats(), 0..4).prop_map(Reply::Table),
        vec(port_stats(), 0..4).prop_map(Reply::PortStats),
        vec(queue_stats(), 0..4).prop_map(Reply::Queue),
        vec(group_stats(), 0..4).prop_map(Reply::Group),
        vec(group_desc(), 0..4).prop_map(Reply::GroupDesc),
        group_features().prop_map(Reply::GroupFeatures),
        vec(meter_stats(), 0..4).prop_map(Reply::Meter),
        vec(config, 0..4).prop_map(Reply::MeterConfig),
        meter_features().prop_map(Reply::MeterFeatures),
        vec(table_features(), 0..3).prop_map(Reply::TableFeatures),
        vec(port(), 0..4).prop_map(Reply::PortDesc),
        experimenter().prop_map(Reply::Experimenter),
        (14..0xffffu16, bytes(40)).prop_map(|(kind, body)| Reply::Unknown { kind, body }),
    ];
    each!(MultipartReply { more: some(), body: body })
}
