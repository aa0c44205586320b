//! What `GET /metrics` answers: the status in Prometheus' text format (version 0.0.4).

use std::fmt::Write;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::status::{MeshStatus, Status, StreamStatus};

/// The status as a response, with further gauges.
pub(crate) fn answer(status: &Status, more: &[(&'static str, f64)]) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
    (headers, text(status, more)).into_response()
}

/// Samples by metric: all of one metric stand together, as the format wants it.
#[derive(Default)]
struct Samples(Vec<(&'static str, &'static str, Vec<String>)>);

impl Samples {
    fn add(&mut self, kind: &'static str, name: &'static str, labels: &[(&str, &str)], value: f64) {
        let mut line = name.to_owned();
        for (at, (label, text)) in labels.iter().enumerate() {
            let text = text.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n");
            let before = if at == 0 { '{' } else { ',' };
            // Writing to a string cannot fail.
            let _ = write!(line, "{before}{label}=\"{text}\"");
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = write!(line, "{after} {value}");
        match self.0.iter_mut().find(|(_, known, _)| *known == name) {
            Some((_, _, lines)) => lines.push(line),
            None => self.0.push((kind, name, vec![line])),
        }
    }
}

fn text(status: &Status, more: &[(&'static str, f64)]) -> String {
    let mut samples = Samples::default();
    for &(name, value) in more {
        samples.add("gauge", name, &[], value);
    }
    let totals = &status.totals;
    for (name, value) in [
        ("nearcast_units_total", totals.units),
        ("nearcast_units_lost_total", totals.lost),
        ("nearcast_datagrams_received_total", totals.datagrams_in),
        ("nearcast_datagrams_sent_total", totals.datagrams_out),
        ("nearcast_received_bytes_total", totals.bytes_in),
        ("nearcast_sent_bytes_total", totals.bytes_out),
        ("nearcast_rejected_total", totals.rejected),
    ] {
        samples.add("counter", name, &[], value as f64);
    }
    for stream in &status.streams {
        of_stream(&mut samples, stream);
    }
    let mut text = String::new();
    for (kind, name, lines) in samples.0 {
        let _ = writeln!(text, "# TYPE {name} {kind}");
        for line in lines {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn of_stream(samples: &mut Samples, stream: &StreamStatus) {
    let name = [("stream", stream.stream.as_str())];
    samples.add("gauge", "nearcast_stream_bits_per_second", &name, stream.rate as f64);
    samples.add("gauge", "nearcast_stream_readers", &name, stream.readers as f64);
    let peered = u8::from(stream.peered);
    samples.add("gauge", "nearcast_stream_peered", &name, peered.into());
    let Some(mesh) = &stream.mesh else { return };
    of_mesh(samples, &stream.stream, mesh);
}

fn of_mesh(samples: &mut Samples, stream: &str, mesh: &MeshStatus) {
    let name = [("stream", stream)];
    samples.add("gauge", "nearcast_mesh_upload_bits_per_second", &name, mesh.upload as f64);
    samples.add("gauge", "nearcast_mesh_pace_bits_per_second", &name, mesh.pace as f64);
    samples.add("gauge", "nearcast_mesh_regular_layers", &name, mesh.regular_layers.into());
    if let Some(offload) = mesh.offload {
        samples.add("gauge", "nearcast_mesh_offload_ratio", &name, offload);
    }
    for (source, count) in
        [("neighbour", mesh.chunks_neighbours), ("fallback", mesh.chunks_fallback)]
    {
        let labels = [("stream", stream), ("source", source)];
        samples.add("counter", "nearcast_mesh_chunks_total", &labels, count as f64);
    }
    for (metric, count) in [
        ("nearcast_mesh_duplicates_total", mesh.duplicates),
        ("nearcast_mesh_late_total", mesh.late),
        ("nearcast_mesh_refused_total", mesh.refused),
        ("nearcast_mesh_forged_total", mesh.forged),
        ("nearcast_mesh_polluted_total", mesh.polluted),
        ("nearcast_mesh_served_total", mesh.served),
        ("nearcast_mesh_served_bytes_total", mesh.served_bytes),
        ("nearcast_mesh_requests_expired_total", mesh.requests_expired),
    ] {
        samples.add("counter", metric, &name, count as f64);
    }
    for (layer, number) in mesh.layers.iter().zip(1..) {
        let number: String = i32::to_string(&number);
        let labels = [("stream", stream), ("layer", number.as_str())];
        samples.add("counter", "nearcast_mesh_chunks_due_total", &labels, layer.due as f64);
        samples.add("counter", "nearcast_mesh_chunks_played_total", &labels, layer.played as f64);
        samples.add("gauge", "nearcast_mesh_chunks_held", &labels, layer.held.into());
    }
    for neighbour in &mesh.neighbours {
        let Some(peer) = neighbour.peer else { continue };
        let peer = peer.to_string();
        let labels = [("stream", stream), ("peer", peer.as_str())];
        let (rate_in, rate_out) = (neighbour.rate_in as f64, neighbour.rate_out as f64);
        samples.add("gauge", "nearcast_neighbour_in_bits_per_second", &labels, rate_in);
        samples.add("gauge", "nearcast_neighbour_out_bits_per_second", &labels, rate_out);
        if let Some(nanos) = neighbour.round_trip {
            samples.add("gauge", "nearcast_neighbour_rtt_seconds", &labels, nanos as f64 / 1e9);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{Role, Summary};
    use crate::status::{MeshLayer, MeshNeighbour};

    #[test]
    fn each_metric_stands_together_and_names_are_escaped() {
        let neighbour = |port: u16| MeshNeighbour {
            peer: Some(([10, 0, 0, 1], port).into()),
            rate_in: 60_000,
            round_trip: Some(20_000_000),
            ..MeshNeighbour::default()
        };
        let mesh = MeshStatus {
            layers: vec![MeshLayer { due: 10, played: 9, ..MeshLayer::default() }; 2],
            neighbours: vec![neighbour(1), neighbour(2)],
            ..MeshStatus::default()
        };
        let stream = StreamStatus {
            stream: "live/a\"b".to_owned(),
            epoch: None,
            unit: None,
            rate: 620_000,
            readers: 1,
            peered: false,
            way: None,
            at_cdn: false,
            mesh: Some(mesh),
        };
        let totals = Summary { units: 5, ..Summary::default() };
        let status = Status { role: Role::Mesh, now: 0, streams: vec![stream], totals };
        let text = text(&status, &[]);
        for line in [
            "nearcast_units_total 5",
            r#"nearcast_stream_bits_per_second{stream="live/a\"b"} 620000"#,
            r#"nearcast_mesh_chunks_played_total{stream="live/a\"b",layer="2"} 9"#,
            r#"nearcast_neighbour_rtt_seconds{stream="live/a\"b",peer="10.0.0.1:2"} 0.02"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let mut seen: Vec<&str> = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(seen.last() == Some(&name) || !seen.contains(&name), "{name} is torn apart");
            seen.push(name);
        }
    }
}
