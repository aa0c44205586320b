//! The baseline: what answers as fast as anything can that reads, tells messages apart, and writes.
//!
//! It has one epoll and one thread, learns nothing, and answers each packet-in by the same flow-mod
//! but for the buffer. What a controller reaches of its rate is what its work leaves over.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rust_openflow::v10::{Action, Body, FlowMod, Message};
use rust_openflow::{Header, Hello};

const READ: usize = 256 << 10;
const PACKET_IN: u8 = 10;
const HELLO: u8 = 0;
const LISTENER: u64 = u64::MAX;

struct Client {
    stream: TcpStream,
    /// The beginning of a message.
    unread: Vec<u8>,
    /// What was not taken.
    unsent: Vec<u8>,
}

/// Answers whoever connects, until the process ends.
pub(crate) fn respond(listener: &TcpListener) -> std::io::Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::empty())?;
    listener.set_nonblocking(true)?;
    epoll.add(listener, EpollEvent::new(EpollFlags::EPOLLIN, LISTENER))?;
    let mut answer = Vec::new();
    FlowMod::add([Action::output(2)]).encode_message(0, &mut answer);
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = [EpollEvent::empty(); 256];
    let mut buffer = vec![0; READ + (64 << 10)];
    let mut out = Vec::with_capacity(READ + READ / 2);
    loop {
        let count = epoll.wait(&mut events, EpollTimeout::NONE)?;
        for event in &events[..count] {
            if event.data() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true)?;
                    stream.set_nodelay(true)?;
                    epoll
                        .add(&stream, EpollEvent::new(EpollFlags::EPOLLIN, clients.len() as u64))?;
                    clients.push(Some(Client { stream, unread: Vec::new(), unsent: Vec::new() }));
                }
                continue;
            }
            let place = event.data() as usize;
            let Some(client) = &mut clients[place] else { continue };
            out.clear();
            let blocked = !client.unsent.is_empty();
            let alive = (blocked || receive(client, &mut buffer, &answer, &mut out).is_ok())
                && send(client, &out).is_ok();
            if !alive {
                clients[place] = None;
                continue;
            }
            if blocked == client.unsent.is_empty() {
                let flags = if blocked { EpollFlags::EPOLLIN } else { EpollFlags::EPOLLOUT };
                epoll.modify(&client.stream, &mut EpollEvent::new(flags, event.data()))?;
            }
        }
    }
}

fn receive(
    client: &mut Client,
    buffer: &mut [u8],
    answer: &[u8],
    out: &mut Vec<u8>,
) -> std::io::Result<()> {
    let left = client.unread.len();
    buffer[..left].copy_from_slice(&client.unread);
    let read = match client.stream.read(&mut buffer[left..left + READ]) {
        Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
        Ok(read) => read,
        Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut rest = &buffer[..left + read];
    while let Ok(header) = Header::parse(rest) {
        let Some((message, after)) = rest.split_at_checked(header.length.into()) else { break };
        match header.kind {
            PACKET_IN => {
                let start = out.len();
                out.extend_from_slice(answer);
                out[start + 64..start + 68].copy_from_slice(&message[8..12]);
            }
            HELLO => {
                Message::new(0, Body::Hello(Hello::default())).encode(out);
                Message::new(0, Body::FeaturesRequest).encode(out);
            }
            _ => {}
        }
        rest = after;
    }
    client.unread.clear();
    client.unread.extend_from_slice(rest);
    Ok(())
}

fn send(client: &mut Client, more: &[u8]) -> std::io::Result<()> {
    client.unsent.extend_from_slice(more);
    match client.stream.write(&client.unsent) {
        Ok(sent) => drop(client.unsent.drain(..sent)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}
