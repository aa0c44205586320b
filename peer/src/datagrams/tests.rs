//! Runs of datagrams on the devices of an emulation: they must come as if each had been sent alone.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

use super::*;

const SEGMENT: usize = 1280;
const TAP: &str = "t0";

/// Does `test` in a network namespace that goes with it; not at all, where that is not permitted.
/// `make test` sets `NEARCAST_TESTS=all`, and then it must be.
fn in_namespace(test: impl AsyncFnOnce() + Send + 'static) {
    if !nix::unistd::geteuid().is_root() || !std::path::Path::new("/dev/net/tun").exists() {
        let lacks = "network namespaces and TAP devices need root and /dev/net/tun";
        assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "{lacks}");
        eprintln!("skipped: {lacks}");
        return;
    }
    let inside = move || {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace");
        std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("IPv4 alone");
        ip("link set lo up");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(test());
    };
    thread::spawn(inside).join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("iproute2");
    assert!(status.success(), "ip {arguments}");
}

/// A host's interface as Mininet's hosts have it here: no checksum and no segmentation offload.
fn tap(mtu: usize) -> File {
    nix::ioctl_write_ptr_bad!(set_interface, 0x4004_54ca, libc::ifreq);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).custom_flags(libc::O_NONBLOCK);
    let file = options.open("/dev/net/tun").expect("a TAP device");
    // SAFETY: all zeroes is a valid ifreq.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(TAP.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the descriptor is open, and the request is a whole ifreq with a terminated name.
    unsafe { set_interface(file.as_raw_fd(), &request) }.expect("a TAP device");
    ip(&format!("link set {TAP} mtu {mtu} up"));
    ip(&format!("addr add 10.0.0.1/24 dev {TAP}"));
    ip(&format!("neigh add 10.0.0.2 lladdr 02:00:00:00:00:02 dev {TAP}"));
    file
}

/// What the other side of a TAP device sees of IP, until there have been so many packets.
fn packets(tap: &mut File, count: usize) -> Vec<Vec<u8>> {
    let (mut packets, started) = (Vec::new(), Instant::now());
    let mut frame = vec![0; 70_000];
    while packets.len() < count {
        assert!(started.elapsed() < Duration::from_secs(10), "{} of {count}", packets.len());
        match tap.read(&mut frame) {
            Ok(length) if frame[12..14] == [8, 0] => packets.push(frame[14..length].to_vec()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => thread::yield_now(),
            Err(error) => panic!("the TAP device cannot be read: {error}"),
        }
    }
    packets
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]))
}

/// The ones' complement sum of UDP's checksum (RFC 768) over an IPv4 packet: 0xffff if it is right.
fn udp_sum(packet: &[u8]) -> u32 {
    let udp = &packet[20..];
    let padded = [udp, &[0][..udp.len() % 2]].concat();
    let words = |bytes: &[u8]| (0..bytes.len()).step_by(2).map(|at| word(bytes, at)).sum::<u32>();
    let mut sum = words(&packet[12..20]) + 17 + udp.len() as u32 + words(&padded);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

/// Waits until something may be read.
async fn comes(datagrams: &Datagrams) {
    let readable = tokio::time::timeout(Duration::from_secs(10), datagrams.readable());
    readable.await.expect("it comes").expect("a socket");
}

async fn bound(address: &str) -> Datagrams {
    let address = format!("{address}:7935").parse().expect("an address");
    Datagrams::bind(address).expect("a socket")
}

/// Runs of 40, 2 and 5 datagrams, the last one of each shorter, every datagram of its own byte.
fn runs() -> Vec<Vec<u8>> {
    let mut fill = 0..;
    [40, 2, 5]
        .into_iter()
        .map(|count| {
            let lengths = (1..=count).map(|n| if n == count { 77 } else { SEGMENT });
            lengths.flat_map(|length| vec![fill.next().expect("numbers go on"); length]).collect()
        })
        .collect()
}

/// Sends the runs; answers what is to come: the datagrams in their order.
fn send_runs(datagrams: &Datagrams, to: &str) -> Vec<Vec<u8>> {
    let to = format!("{to}:7935").parse().expect("an address");
    let runs = runs();
    let batch = batch(runs.iter().map(|contents| (to, &contents[..])));
    let all = Sent { datagrams: 47, bytes: runs.iter().map(|run| run.len() as u64).sum() };
    assert_eq!(datagrams.send(&batch), all, "everything counts as sent");
    runs.iter().flat_map(|contents| contents.chunks(SEGMENT)).map(<[u8]>::to_vec).collect()
}

/// What leaves at once.
fn batch<'a>(runs: impl Iterator<Item = (SocketAddrV4, &'a [u8])>) -> Batch {
    let mut batch = Batch::default();
    for (to, contents) in runs {
        batch.begin(to, SEGMENT);
        contents.chunks(SEGMENT).for_each(|one| batch.write(|out| out.extend(one)));
    }
    batch
}

#[test]
fn without_offload_each_datagram_of_a_run_leaves_by_itself_with_its_checksum() {
    in_namespace(async || {
        let mut tap = tap(1500);
        let datagrams = bound("10.0.0.1").await;
        let expected = send_runs(&datagrams, "10.0.0.2");
        let packets = packets(&mut tap, expected.len());
        for (packet, expected) in packets.iter().zip(&expected) {
            assert_eq!(
                (word(packet, 2) as usize, packet.len()),
                (28 + expected.len(), 28 + expected.len())
            );
            assert_eq!(
                word(packet, 6),
                0x4000,
                "not a fragment, and none may be made of it on the way"
            );
            assert_eq!(udp_sum(packet), 0xffff);
            assert_eq!(&packet[28..], expected);
        }
    });
}

#[test]
fn what_the_path_does_not_take_whole_goes_in_fragments() {
    in_namespace(async || {
        let mut tap = tap(1000);
        let datagrams = bound("10.0.0.1").await;
        let expected = send_runs(&datagrams, "10.0.0.2");
        let long = expected.iter().filter(|datagram| datagram.len() == SEGMENT).count();
        let packets = packets(&mut tap, expected.len() + long);
        let mut datagrams: Vec<Vec<u8>> = Vec::new();
        for packet in &packets {
            assert!(packet.len() <= 1000);
            // The fragments of a datagram follow each other (offset: RFC 791 3.1).
            match (word(packet, 6) & 0x1fff, datagrams.last_mut()) {
                (1.., Some(datagram)) => datagram.extend(&packet[20..]),
                _ => datagrams.push(packet[28..].to_vec()),
            }
        }
        assert_eq!(datagrams, expected);
    });
}

#[test]
fn where_runs_are_refused_datagrams_go_alone_and_no_run_is_tried_again() {
    in_namespace(async || {
        let mut tap = tap(1500);
        let datagrams = bound("10.0.0.1").await;
        let before = datagrams.segments();
        // Runs are not for sockets without checksums: EINVAL (udp_send_skb).
        let on: libc::c_int = 1;
        // SAFETY: the pointer and length are of `on`.
        let answer = unsafe {
            let (fd, length) = (datagrams.socket.as_raw_fd(), size_of_val(&on) as libc::socklen_t);
            libc::setsockopt(
                fd,
                libc::SOL_SOCKET,
                libc::SO_NO_CHECK,
                (&raw const on).cast(),
                length,
            )
        };
        assert_eq!(answer, 0);
        let expected = send_runs(&datagrams, "10.0.0.2");
        let packets = packets(&mut tap, expected.len());
        let came: Vec<&[u8]> = packets.iter().map(|packet| &packet[28..]).collect();
        assert_eq!(came, expected);
        assert_eq!(datagrams.segments(), 1, "it was {before}");
    });
}

#[test]
fn what_was_sent_as_runs_is_received_as_datagrams() {
    in_namespace(async || {
        let (sender, receiver) = (bound("127.0.0.1").await, bound("127.0.0.2").await);
        let expected = send_runs(&sender, "127.0.0.2");
        let (mut inbox, mut came) = (Inbox::new(), Vec::new());
        while came.len() < expected.len() {
            comes(&receiver).await;
            receiver.receive(&mut inbox);
            for (from, bytes) in inbox.datagrams() {
                assert_eq!(from.to_string(), "127.0.0.1:7935");
                came.push(bytes.to_vec());
            }
        }
        assert_eq!(came, expected);
        assert!(!receiver.receive(&mut inbox), "nothing is left");
        assert_eq!(inbox.datagrams().count(), 0);

        // To whom nobody listens: the refusal concerns no other datagram.
        let nobody = "127.0.0.3:7935".parse().expect("an address");
        for _ in 0..3 {
            let hello = batch([(nobody, &b"hello"[..])].into_iter());
            assert_eq!(sender.send(&hello).datagrams, 1);
        }
        assert_eq!(send_runs(&sender, "127.0.0.2").len(), expected.len());
        comes(&receiver).await;
    });
}

#[test]
fn of_what_leaves_at_once_only_what_has_no_way_is_lost() {
    in_namespace(async || {
        let (sender, receiver) = (bound("127.0.0.1").await, bound("127.0.0.2").await);
        let [near, nowhere] =
            ["127.0.0.2:7935", "192.0.2.1:7935"].map(|a| a.parse().expect("an address"));
        let (whole, short) = ([7; 3 * SEGMENT], [9; 5]);
        let runs = [(nowhere, &whole[..]), (near, &whole), (nowhere, &short), (near, &short)];
        // ENETUNREACH, of which the kernel tells only once it is the first.
        let sent = sender.send(&batch(runs.into_iter()));
        assert_eq!(sent, Sent { datagrams: 4, bytes: 3 * SEGMENT as u64 + 5 });
        let (mut inbox, mut came) = (Inbox::new(), Vec::new());
        while came.len() < 4 {
            comes(&receiver).await;
            receiver.receive(&mut inbox);
            came.extend(inbox.datagrams().map(|(_, bytes)| bytes.len()));
        }
        assert_eq!(came, [SEGMENT, SEGMENT, SEGMENT, 5]);
    });
}
