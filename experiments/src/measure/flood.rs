use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nearcast_machine::{Bitrate, Bytes};

/// Bytes of UDP payload of each packet.
const PAYLOAD: usize = 1400;
/// Ethernet 14, IPv4 20, UDP 8: what a link is charged for beside the payload.
const OVERHEAD: usize = 42;
/// What distinguishes these packets from anything else that finds the port.
const MARK: [u8; 8] = *b"nearcast";

/// What a flood came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flooded {
    /// Packets sent.
    pub sent: u64,
    /// Packets that arrived.
    pub arrived: u64,
    /// Bits per second that arrived between the first and the last, headers included.
    pub carried: u64,
}

/// A receiver that counts the packets of a flood.
#[derive(Debug)]
pub struct Drain {
    thread: JoinHandle<io::Result<(u64, Option<Duration>)>>,
    stop: Arc<AtomicBool>,
}

impl Drain {
    /// Begins to count what arrives at `socket`.
    ///
    /// # Errors
    /// If no thread can be started.
    pub fn start(socket: UdpSocket) -> io::Result<Drain> {
        // What is lost on the way must be lost on the link, not here.
        let large = socket2::SockRef::from(&socket);
        let _ = large.set_recv_buffer_size(8 << 20);
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        let count = move || count(&socket, &flag);
        let thread = std::thread::Builder::new().name("drain".to_owned()).spawn(count)?;
        Ok(Drain { thread, stop })
    }

    /// Ends once nothing has arrived for a twentieth of a second.
    fn stop(self) -> io::Result<(u64, Option<Duration>)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn count(socket: &UdpSocket, stop: &AtomicBool) -> io::Result<(u64, Option<Duration>)> {
    let mut buffer = [0; 2048];
    let (mut arrived, mut first, mut last) = (0, None, None);
    loop {
        match socket.recv(&mut buffer) {
            Ok(length) if length == PAYLOAD && buffer.starts_with(&MARK) => {
                arrived += 1;
                let now = Instant::now();
                first.get_or_insert(now);
                last = Some(now);
            }
            Ok(_) => {}
            Err(error)
                if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) =>
            {
                if stop.load(Ordering::Relaxed) {
                    let took = first.zip(last).map(|(first, last)| last - first);
                    return Ok((arrived, took));
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Sends at twice the link's rate for `lasting`, which overflows any queue that drains slower,
/// waits for what is still queued, and counts what arrived. `queued` is how long a full queue takes
/// to drain, propagation included.
///
/// # Errors
/// Whatever a socket answers.
pub fn flood(
    socket: &UdpSocket,
    to: SocketAddr,
    drain: Drain,
    rate: Bitrate,
    (lasting, queued): (Duration, Duration),
) -> io::Result<Flooded> {
    let mut packet = [0; PAYLOAD];
    packet[..MARK.len()].copy_from_slice(&MARK);
    let gap = Duration::from(rate.serialisation(Bytes::new((PAYLOAD + OVERHEAD) as u64))) / 2;
    let begin = Instant::now();
    let mut sent: u32 = 0;
    while begin.elapsed() < lasting {
        match socket.send_to(&packet, to) {
            Ok(_) => sent += 1,
            // The interface's own queue is full: not sent, so not counted.
            Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {}
            Err(error) => return Err(error),
        }
        std::thread::sleep((begin + gap * sent).saturating_duration_since(Instant::now()));
    }
    std::thread::sleep(queued);
    let (arrived, took) = drain.stop()?;
    let bits = arrived.saturating_sub(1) * (PAYLOAD + OVERHEAD) as u64 * 8;
    let carried =
        took.filter(|took| !took.is_zero()).map_or(0.0, |took| bits as f64 / took.as_secs_f64());
    Ok(Flooded { sent: u64::from(sent), arrived, carried: carried.round() as u64 })
}

/// The bytes on the wire of each packet of a flood.
pub const FLOOD_FRAME: u64 = (PAYLOAD + OVERHEAD) as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_carries_what_is_sent_and_at_the_rate_it_is_sent() {
        let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let to = receiver.local_addr().expect("bound");
        let sender = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let drain = Drain::start(receiver).expect("a thread");
        sender.send_to(b"something else", to).expect("sent");
        let rate = Bitrate::from_bits_per_sec(10_000_000);
        let times = (Duration::from_millis(300), Duration::from_millis(50));
        let flooded = flood(&sender, to, drain, rate, times).expect("flooded");
        assert_eq!(flooded.sent, flooded.arrived);
        // Twice the rate is offered, and loopback has none of its own.
        assert!((10_000_000..25_000_000).contains(&flooded.carried), "{flooded:?}");
    }
}
