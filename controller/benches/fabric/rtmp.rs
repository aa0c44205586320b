//! RTMP sessions as the segments that cross a switch.

use std::net::SocketAddrV4;

use etherparse::PacketBuilder;
use nearcast_media::Role;
use nearcast_media::rtmp::{
    Client, ClientConfig, Dialogue, DialogueEvent, Server, ServerEvent, Settings, Side,
};

use crate::frames::Host;

/// Bytes of a segment on Ethernet, with timestamps.
pub(crate) const MSS: usize = 1448;
/// Where servers listen.
pub(crate) const PORT: u16 = 1935;

/// Who said it, and what.
pub(crate) type Said = (Side, Vec<u8>);

/// What both ends say, from the first byte to those by which the server accepts.
pub(crate) fn session(role: Role, stream: &str) -> Vec<Said> {
    let url = format!("rtmp://cdn/{stream}").parse().expect("a URL");
    let settings = Settings::default();
    let mut client = Client::new(ClientConfig { url, role, pipeline: false, settings });
    let mut server = Server::new(settings);
    let mut observer = Dialogue::new(u64::MAX);
    let mut said = Vec::new();
    loop {
        while let Some(bytes) = client.output() {
            server.receive(&bytes).expect("sound RTMP");
            observer.receive(Side::Client, &bytes);
            said.push((Side::Client, bytes.to_vec()));
        }
        while let Some(event) = server.poll() {
            let asked = matches!(
                event,
                ServerEvent::PublishRequested { .. } | ServerEvent::PlayRequested { .. }
            );
            if asked {
                server.accept().expect("it asked");
            }
        }
        while let Some(bytes) = server.output() {
            client.receive(&bytes).expect("sound RTMP");
            for part in bytes.chunks(MSS) {
                observer.receive(Side::Server, part);
                said.push((Side::Server, part.to_vec()));
                while let Some(event) = observer.poll() {
                    if matches!(event, DialogueEvent::Accepted { .. }) {
                        return said;
                    }
                }
            }
        }
        while client.poll().is_some() {}
    }
}

/// One end of a TCP connection.
struct End {
    host: Host,
    address: SocketAddrV4,
    sequence: u32,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    syn: bool,
    ack: bool,
}

/// The frames of a TCP connection in which that is said, from its SYN on, in segments of at most
/// `mss` bytes, and the ports they come in by.
pub(crate) fn frames(
    said: &[Said],
    client: (Host, SocketAddrV4),
    server: (Host, SocketAddrV4),
    mss: usize,
) -> Vec<(u32, Vec<u8>)> {
    // One of the two sequences wraps on the way.
    let mut client = End { host: client.0, address: client.1, sequence: u32::MAX - 900 };
    let mut server = End { host: server.0, address: server.1, sequence: 77 };
    let syn = Flags { syn: true, ack: false };
    let mut frames = vec![
        (client.host.port, segment(&client, &server, syn, &[])),
        (server.host.port, segment(&server, &client, Flags { ack: true, ..syn }, &[])),
    ];
    client.sequence = client.sequence.wrapping_add(1);
    server.sequence += 1;
    for (side, bytes) in said {
        let (from, to) = match side {
            Side::Client => (&mut client, &server),
            Side::Server => (&mut server, &client),
        };
        for part in bytes.chunks(mss) {
            let data = Flags { syn: false, ack: true };
            frames.push((from.host.port, segment(from, to, data, part)));
            from.sequence = from.sequence.wrapping_add(part.len() as u32);
        }
    }
    frames
}

/// The frame by which a client resets its connection, and the port it comes in by.
pub(crate) fn reset(client: (Host, SocketAddrV4), server: (Host, SocketAddrV4)) -> (u32, Vec<u8>) {
    let builder = PacketBuilder::ethernet2(client.0.mac.0, server.0.mac.0)
        .ipv4(client.1.ip().octets(), server.1.ip().octets(), 64)
        .tcp(client.1.port(), server.1.port(), 0, 0)
        .rst();
    let mut frame = Vec::with_capacity(builder.size(0));
    builder.write(&mut frame, &[]).expect("a Vec takes it");
    (client.0.port, frame)
}

fn segment(from: &End, to: &End, flags: Flags, payload: &[u8]) -> Vec<u8> {
    let mut builder = PacketBuilder::ethernet2(from.host.mac.0, to.host.mac.0)
        .ipv4(from.address.ip().octets(), to.address.ip().octets(), 64)
        .tcp(from.address.port(), to.address.port(), from.sequence, 65_535);
    if flags.syn {
        builder = builder.syn();
    }
    if flags.ack {
        builder = builder.ack(to.sequence);
    }
    if !payload.is_empty() {
        builder = builder.psh();
    }
    let mut frame = Vec::with_capacity(builder.size(payload.len()));
    builder.write(&mut frame, payload).expect("a Vec takes it");
    frame
}
