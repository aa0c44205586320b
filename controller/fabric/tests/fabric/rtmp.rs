//! RTMP sessions between hosts of a world: real clients and servers of the media crate, their bytes
//! in TCP segments that cross the switches.

use std::net::{IpAddr, SocketAddr};

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use nearcast_media::Role;
use nearcast_media::rtmp::{Client, ClientConfig, Server, ServerEvent, Settings};
use rust_openflow::Mac;

use crate::world::World;

/// One end of a TCP connection that never loses anything.
struct End {
    host: &'static str,
    address: SocketAddr,
    sequence: u32,
}

pub(crate) struct Session {
    client: End,
    server: End,
    rtmp: (Client, Server),
    /// Bytes in one segment.
    pub(crate) mss: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    syn: bool,
    ack: bool,
    fin: bool,
    rst: bool,
}

const DATA: Flags = Flags { syn: false, ack: true, fin: false, rst: false };

impl Session {
    /// Opens a TCP connection and prepares an RTMP session; nothing of RTMP is said yet.
    pub(crate) fn open(
        world: &mut World,
        host: &'static str,
        port: u16,
        server: &'static str,
        role: Role,
        stream: &str,
    ) -> Session {
        let ends = [host, server].map(|name| world.hosts[name].ip.into());
        Session::between(world, (host, port), server, ends, (role, stream))
    }

    /// The same over IPv6.
    pub(crate) fn open6(
        world: &mut World,
        host: &'static str,
        port: u16,
        server: &'static str,
        role: Role,
        stream: &str,
    ) -> Session {
        let ends = [host, server].map(|name| world.hosts[name].ip6().into());
        Session::between(world, (host, port), server, ends, (role, stream))
    }

    fn between(
        world: &mut World,
        (host, port): (&'static str, u16),
        server: &'static str,
        [ip, server_ip]: [IpAddr; 2],
        (role, stream): (Role, &str),
    ) -> Session {
        resolve(world, host, server_ip);
        resolve(world, server, ip);
        let authority = SocketAddr::new(server_ip, 1935);
        let url = format!("rtmp://{authority}/{stream}").parse().expect("a URL");
        let settings = Settings::default();
        let config = ClientConfig { url, role, pipeline: false, settings };
        let mut session = Session {
            client: End { host, address: SocketAddr::new(ip, port), sequence: u32::MAX - 900 },
            server: End { host: server, address: authority, sequence: 77 },
            rtmp: (Client::new(config), Server::new(settings)),
            mss: 1448,
        };
        session.segment(world, true, Flags { syn: true, ..Flags::default() }, &[]);
        session.segment(world, false, Flags { syn: true, ack: true, ..Flags::default() }, &[]);
        session.client.sequence = session.client.sequence.wrapping_add(1);
        session.server.sequence += 1;
        session
    }

    /// Sends one segment and checks that it arrives.
    fn segment(&mut self, world: &mut World, by_client: bool, flags: Flags, payload: &[u8]) {
        let (from, to) =
            if by_client { (&self.client, &self.server) } else { (&self.server, &self.client) };
        let mac = resolve(world, from.host, to.address.ip());
        let frame = tcp((world.hosts[from.host].mac, from), (mac, to), flags, payload);
        world.hosts.get_mut(to.host).expect("a host").inbox.clear();
        world.send(from.host, frame);
        let inbox = std::mem::take(&mut world.hosts.get_mut(to.host).expect("a host").inbox);
        let arrived = inbox.iter().filter(|frame| tcp_payload(frame) == Some(payload)).count();
        assert_eq!(arrived, 1, "a segment from {} to {} arrives once", from.host, to.host);
    }

    fn bytes(&mut self, world: &mut World, by_client: bool, bytes: &[u8]) {
        for part in bytes.chunks(self.mss) {
            self.segment(world, by_client, DATA, part);
            let end = if by_client { &mut self.client } else { &mut self.server };
            end.sequence = end.sequence.wrapping_add(part.len() as u32);
        }
    }

    /// Lets both ends talk until they wait; the server accepts or refuses whatever it is asked.
    pub(crate) fn talk(&mut self, world: &mut World, accept: bool) {
        loop {
            let mut quiet = true;
            while let Some(bytes) = self.rtmp.0.output() {
                quiet = false;
                self.bytes(world, true, &bytes);
                self.rtmp.1.receive(&bytes).expect("sound RTMP");
            }
            while let Some(event) = self.rtmp.1.poll() {
                if let ServerEvent::PublishRequested { .. } | ServerEvent::PlayRequested { .. } =
                    event
                {
                    quiet = false;
                    match accept {
                        true => self.rtmp.1.accept().expect("it asked"),
                        false => self.rtmp.1.refuse("no").expect("it asked"),
                    }
                }
            }
            while let Some(bytes) = self.rtmp.1.output() {
                quiet = false;
                self.bytes(world, false, &bytes);
                self.rtmp.0.receive(&bytes).expect("sound RTMP");
            }
            while self.rtmp.0.poll().is_some() {}
            if quiet {
                return;
            }
        }
    }

    /// Sends what real programs said, as recorded by the media crate's example `capture`: a byte
    /// for the side, a length of four bytes, and as many bytes.
    pub(crate) fn replay(&mut self, world: &mut World, capture: &str) {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../common/media/tests/captures/");
        let path = format!("{folder}{capture}");
        let recorded = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut rest = recorded.as_slice();
        while let Some(([side, a, b, c, d], tail)) = rest.split_first_chunk::<5>() {
            let (bytes, tail) = tail.split_at(u32::from_be_bytes([*a, *b, *c, *d]) as usize);
            self.bytes(world, *side == 0, bytes);
            rest = tail;
        }
    }

    /// The client ends its stream by RTMP and keeps the connection.
    pub(crate) fn finish(&mut self, world: &mut World) {
        self.rtmp.0.finish();
        self.talk(world, true);
    }

    /// The client ends its stream by RTMP and closes the connection, and the FIN overtakes the
    /// bytes before it, which come only if `late`.
    pub(crate) fn finish_behind_fin(&mut self, world: &mut World, late: bool) {
        self.rtmp.0.finish();
        let last = self.rtmp.0.output().expect("it says that it stops");
        let start = self.client.sequence;
        self.client.sequence = start.wrapping_add(last.len() as u32);
        self.close(world);
        self.client.sequence = start;
        if late {
            self.bytes(world, true, &last);
        }
    }

    /// The client closes the connection.
    pub(crate) fn close(&mut self, world: &mut World) {
        self.segment(world, true, Flags { fin: true, ack: true, ..Flags::default() }, &[]);
    }

    /// The server resets the connection.
    pub(crate) fn reset(&mut self, world: &mut World) {
        self.segment(world, false, Flags { rst: true, ..Flags::default() }, &[]);
    }

    /// One more segment of media from the end that sends it, and the other's acknowledgement.
    pub(crate) fn media(&mut self, world: &mut World, by_client: bool) {
        self.bytes(world, by_client, &[0xee; 100]);
        self.segment(world, !by_client, DATA, &[]);
    }
}

/// A publisher that the server accepts, or not.
pub(crate) fn publish(
    world: &mut World,
    host: &'static str,
    port: u16,
    stream: &str,
    accept: bool,
) -> Session {
    let mut session = Session::open(world, host, port, "cdn", Role::Broadcaster, stream);
    session.talk(world, accept);
    session
}

/// A player that the server accepts.
pub(crate) fn play(world: &mut World, host: &'static str, port: u16, stream: &str) -> Session {
    let mut session = Session::open(world, host, port, "cdn", Role::Viewer, stream);
    session.talk(world, true);
    session
}

/// The MAC address by which a host reaches another.
fn resolve(world: &mut World, from: &str, address: IpAddr) -> Mac {
    let mac = match address {
        IpAddr::V4(address) => world.resolve(from, address),
        IpAddr::V6(address) => world.resolve6(from, address),
    };
    mac.expect("somebody answers for the address")
}

fn tcp(from: (Mac, &End), to: (Mac, &End), flags: Flags, payload: &[u8]) -> Vec<u8> {
    let ethernet = PacketBuilder::ethernet2(from.0.0, to.0.0);
    let ip = match (from.1.address.ip(), to.1.address.ip()) {
        (IpAddr::V4(a), IpAddr::V4(b)) => ethernet.ipv4(a.octets(), b.octets(), 64),
        (IpAddr::V6(a), IpAddr::V6(b)) => ethernet.ipv6(a.octets(), b.octets(), 64),
        mixed => panic!("of two families: {mixed:?}"),
    };
    let mut builder = ip.tcp(from.1.address.port(), to.1.address.port(), from.1.sequence, 65_535);
    if flags.syn {
        builder = builder.syn();
    }
    if flags.ack {
        builder = builder.ack(to.1.sequence);
    }
    if flags.fin {
        builder = builder.fin();
    }
    if flags.rst {
        builder = builder.rst();
    }
    if !payload.is_empty() {
        builder = builder.psh();
    }
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).expect("it fits");
    frame
}

fn tcp_payload(frame: &[u8]) -> Option<&[u8]> {
    match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Tcp(tcp) => Some(tcp.payload()),
        _ => None,
    }
}
