//! The controller as a process, on a real Open vSwitch, with real programs in namespaces.
//!
//! Needs root, a running ovs-vswitchd, nginx with its RTMP module and FFmpeg; without them the
//! tests say so and do nothing, unless `NEARCAST_TESTS=all`, as `make test` has it.

mod lab;

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::sync::mpsc;
use std::time::Duration;

use lab::{Lab, wait_for};
use nearcast_media::peering::{Answer, Message, Offer, PORT};

macro_rules! needs_a_lab {
    () => {
        if let Some(reason) = lab::unable() {
            assert!(std::env::var_os("NEARCAST_TESTS").is_none(), "{reason}");
            eprintln!("skipped: {reason}");
            return;
        }
    };
}

mod channel;
mod detour;
mod ipv6;
mod meters;
#[path = "../../../common/media/tests/support/reserved.rs"]
mod reserved;
mod tls;
mod two;

/// What a host's peer hears.
struct Peer {
    offers: mpsc::Receiver<Offer>,
    chunks: mpsc::Receiver<(SocketAddrV4, Vec<u8>)>,
    socket: UdpSocket,
}

/// Answers offers from now on, and passes on what else comes.
fn peer(lab: &Lab, host: &str) -> Peer {
    let socket = lab.socket(host, Ipv4Addr::UNSPECIFIED, PORT);
    let (offered, offers) = mpsc::channel();
    let (came, chunks) = mpsc::channel();
    let listening = socket.try_clone().expect("a second handle");
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        loop {
            let (length, from) = match listening.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
                Err(_) => return,
            };
            let std::net::SocketAddr::V4(from) = from else { continue };
            let gone = match Message::parse(&buffer[..length]) {
                Ok(Message::Offer(offer)) => {
                    assert_eq!(*from.ip(), Ipv4Addr::new(10, 254, 0, 1), "the controller's alias");
                    let Offer { peering, generation, role, .. } = offer;
                    let answer = Answer { peering, generation, role, accept: true };
                    let answer = Message::Answer(answer).encode();
                    let _ = listening.send_to(&answer, from);
                    offered.send(offer).is_err()
                }
                Ok(_) => false,
                Err(_) => came.send((from, buffer[..length].to_vec())).is_err(),
            };
            if gone {
                return;
            }
        }
    });
    Peer { offers, chunks, socket }
}

impl Peer {
    fn offer(&self) -> Offer {
        self.offers.recv_timeout(Duration::from_secs(15)).expect("an offer")
    }

    /// Waits for a chunk, past older ones.
    fn expect(&self, chunk: &[u8], from: Ipv4Addr) {
        assert!(self.gets(chunk, from, Duration::from_secs(3)), "{chunk:?} did not come");
    }

    fn gets(&self, chunk: &[u8], from: Ipv4Addr, bound: Duration) -> bool {
        while let Ok((source, got)) = self.chunks.recv_timeout(bound) {
            assert_eq!(source, SocketAddrV4::new(from, PORT), "nobody's real address is seen");
            if got == chunk {
                return true;
            }
        }
        false
    }

    /// Sends a chunk to the group until it comes to these and to no other. An event says what the
    /// controller has decided, and the switch does it a little later.
    fn reaches_only(&self, chunk: &[u8], group: Ipv4Addr, these: &[&Peer], others: &[&Peer]) {
        let soon = Duration::from_millis(400);
        wait_for("a chunk to go to those it is for", Duration::from_secs(15), || {
            self.socket.send_to(chunk, (group, PORT)).expect("sent");
            let came = these.iter().all(|peer| peer.gets(chunk, group, soon));
            let strayed = others.iter().filter(|peer| peer.gets(chunk, group, soon)).count();
            (came && strayed == 0).then_some(())
        });
    }

    fn expect_nothing(&self) {
        let got = self.chunks.recv_timeout(Duration::from_millis(400));
        assert!(got.is_err(), "{got:?}");
    }
}

/// Starts nginx with its RTMP module in a host.
fn nginx(lab: &mut Lab, host: &str) {
    let folder = lab.folder.path().display().to_string();
    let settings = format!(
        "load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
         daemon off; master_process off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log;\n\
         events {{ worker_connections 64; }}\n\
         rtmp {{ server {{ listen 1935; listen [::]:1935 ipv6only=on; application live {{ live on; idle_streams on; }} }} }}\n"
    );
    let path = format!("{folder}/nginx.conf");
    std::fs::write(&path, settings).expect("written");
    lab.spawn(host, "nginx", &["-p", &folder, "-c", &path]);
    let listens = || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, 1935)).ok();
    lab.inside(host, || wait_for("nginx to listen", Duration::from_secs(10), listens));
}

const ROOM: &str = "rtmp://10.0.0.100/live/room";

fn publish(lab: &mut Lab, host: &str) -> usize {
    publish_to(lab, host, ROOM)
}

fn publish_to(lab: &mut Lab, host: &str, url: &str) -> usize {
    let arguments = "-loglevel error -re -f lavfi -i testsrc=size=160x120:rate=25 -c:v libx264 \
                     -preset ultrafast -tune zerolatency -g 25 -f flv";
    let arguments = arguments.split_whitespace().chain([url]);
    lab.spawn(host, "ffmpeg", &arguments.collect::<Vec<_>>())
}

fn play(lab: &mut Lab, host: &str) -> usize {
    play_from(lab, host, ROOM)
}

fn play_from(lab: &mut Lab, host: &str, url: &str) -> usize {
    let arguments = ["-loglevel", "error", "-probesize", "32", "-i", url];
    let arguments = arguments.into_iter().chain(["-c", "copy", "-f", "null", "-"]);
    lab.spawn(host, "ffmpeg", &arguments.collect::<Vec<_>>())
}

#[test]
fn a_stream_is_carried_by_the_switch() {
    needs_a_lab!();
    let hosts = [("b", 1), ("cdn", 100), ("v1", 11), ("v2", 12), ("v3", 13)];
    let mut lab = Lab::new("OpenFlow13", &hosts);
    lab.start_controller(&["--cdn", "10.0.0.100"]);
    lab.wait_events("switch_ready", 1);

    // Hosts that nobody knows yet reach each other.
    let a = lab.socket("v1", Ipv4Addr::UNSPECIFIED, 900);
    let b = lab.socket("v2", Ipv4Addr::UNSPECIFIED, 900);
    let mut buffer = [0; 64];
    a.send_to(b"hello", "10.0.0.12:900").expect("sent");
    b.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
    let (_, from) = b.recv_from(&mut buffer).expect("the first datagram arrives");
    assert_eq!(from.to_string(), "10.0.0.11:900");

    nginx(&mut lab, "cdn");
    let peers = [peer(&lab, "b"), peer(&lab, "v1"), peer(&lab, "v2")];
    let [broadcaster, v1, v2] = &peers;
    let publisher = publish(&mut lab, "b");
    lab.wait_events("role_accepted", 1);
    let player = play(&mut lab, "v1");
    play(&mut lab, "v2");
    let (offer, of_v1, of_v2) = (broadcaster.offer(), v1.offer(), v2.offer());
    assert_eq!(offer.stream.as_str(), "live/room");
    assert_eq!([of_v1.group, of_v2.group], [offer.group; 2]);
    lab.wait_events("joined", 3);

    // One datagram, two viewers, nobody's real address.
    let group = SocketAddrV4::new(offer.group, PORT);
    broadcaster.reaches_only(b"\x01chunk", offer.group, &[v1, v2], &[]);
    // A request between viewers.
    v1.socket.send_to(b"\x02request", (of_v2.alias, PORT)).expect("sent");
    v2.expect(b"\x02request", of_v1.alias);

    // Strangers, spoofers and viewers do not get through to the group, nor to an alias.
    let stranger = lab.socket("v3", Ipv4Addr::UNSPECIFIED, PORT);
    stranger.send_to(b"\x01stranger", group).expect("sent");
    stranger.send_to(b"\x01stranger", (of_v1.alias, PORT)).expect("sent");
    lab.address_add("v3", "10.254.0.1/32");
    let spoofer = lab.socket("v3", Ipv4Addr::new(10, 254, 0, 1), 901);
    spoofer.send_to(b"\x01spoofed", (Ipv4Addr::new(10, 0, 0, 11), PORT)).expect("sent");
    v1.socket.send_to(b"\x01viewer", group).expect("sent");
    v1.expect_nothing();
    v2.expect_nothing();

    // A viewer that stops loses its bucket; the other keeps its own.
    lab.kill(player);
    lab.wait_events("withdrawn", 1);
    broadcaster.reaches_only(b"\x01second", offer.group, &[v2], &[v1]);

    // The controller stops and starts: the stream does not notice.
    lab.stop_controller();
    let summary = lab.wait_events("summary", 1).remove(0);
    assert!(summary["sent"]["flow_mod"].as_u64() > Some(10), "{summary}");
    let before = lab.flows();
    broadcaster.socket.send_to(b"\x01third", group).expect("sent");
    v2.expect(b"\x01third", offer.group);
    lab.start_controller(&["--cdn", "10.0.0.100"]);
    let ready = lab.wait_events("switch_ready", 1).remove(0);
    assert!(ready["kept"].as_u64() > Some(10), "{ready}");
    assert_eq!(ready["removed"], 0, "{ready}");
    lab.wait_events("orphan_kept", 1);
    broadcaster.socket.send_to(b"\x01fourth", group).expect("sent");
    v2.expect(b"\x01fourth", offer.group);
    let peering = |flows: &[String]| {
        let peered = |flow: &&String| flow.contains("0x6e6305") || flow.contains("0x6e6304");
        flows.iter().filter(peered).cloned().collect::<Vec<_>>()
    };
    assert_eq!(peering(&lab.flows()), peering(&before));

    // And a stream that begins anew is carried again.
    lab.kill(publisher);
    publish(&mut lab, "b");
    play(&mut lab, "v1");
    lab.wait_events("joined", 2);
}

#[test]
fn a_switch_that_speaks_another_version_is_told_apart() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow10", &[("b", 1)]);
    lab.start_controller(&[]);
    let refused = lab.wait_events("connection_refused", 1).remove(0);
    let reason = refused["reason"].as_str().expect("a text");
    assert!(reason.contains("OpenFlow13"), "{reason}");
}

#[test]
fn a_stream_crosses_switches_and_survives_what_is_done_to_them() {
    needs_a_lab!();
    let mut lab = Lab::new("OpenFlow13", &[("b", 1), ("cdn", 100)]);
    lab.add_bridge("x", &[("v1", 11)]);
    lab.add_bridge("y", &[("v2", 12)]);
    for (a, b) in [("br", "x"), ("x", "y"), ("y", "br")] {
        lab.link(a, b);
    }
    lab.start_controller(&["--cdn", "10.0.0.100"]);
    lab.wait_events("switch_ready", 3);
    lab.wait_events("link", 6);

    nginx(&mut lab, "cdn");
    let peers = [peer(&lab, "b"), peer(&lab, "v1"), peer(&lab, "v2")];
    let [broadcaster, v1, v2] = &peers;
    publish(&mut lab, "b");
    lab.wait_events("role_accepted", 1);
    play(&mut lab, "v1");
    play(&mut lab, "v2");
    let (offer, of_v1, of_v2) = (broadcaster.offer(), v1.offer(), v2.offer());
    lab.wait_events("joined", 3);
    let routed = |lab: &Lab, switches: u64, links: usize| {
        wait_for("chunks to go that way", Duration::from_secs(10), || {
            let last = lab.wait_events("peering_routed", 1).pop()?;
            let count = last["links"].as_array().map(Vec::len);
            (last["switches"] == switches && count == Some(links)).then_some(last)
        })
    };
    let before = routed(&lab, 3, 2);
    broadcaster.reaches_only(b"\x01direct", offer.group, &[v1, v2], &[]);
    v1.socket.send_to(b"\x02request", (of_v2.alias, PORT)).expect("sent");
    v2.expect(b"\x02request", of_v1.alias);
    v2.socket.send_to(b"\x02request", (offer.alias, PORT)).expect("sent");
    broadcaster.expect(b"\x02request", of_v2.alias);

    // Without the link between b's switch and v1's there is the way by v2's.
    lab.cut("br", "x");
    let after = wait_for("another way", Duration::from_secs(10), || {
        lab.wait_events("peering_routed", 1).pop().filter(|last| last["links"] != before["links"])
    });
    assert_eq!(after["switches"], 3, "{after}");
    broadcaster.reaches_only(b"\x01round", offer.group, &[v1, v2], &[]);

    // Somebody deletes everything on the switch in the middle.
    let middle = lab.bridge_name("y");
    lab::run(&format!("ovs-ofctl -O OpenFlow13 del-groups {middle}"));
    lab.wait_events("restored", 1);
    lab::run(&format!("ovs-ofctl -O OpenFlow13 del-flows {middle}"));
    let restored = lab.wait_events("restored", 2);
    // Trees that were replaced just now have groups there as well.
    let counts = (restored[0]["groups"].as_u64(), restored[1]["entries"].as_u64());
    assert!(counts.0 >= Some(1) && counts.1 > Some(20), "{restored:?}");
    broadcaster.reaches_only(b"\x01again", offer.group, &[v1, v2], &[]);
    let errors: Vec<_> =
        lab.events().into_iter().filter(|event| event["event"] == "switch_error").collect();
    assert!(errors.is_empty(), "{errors:?}");
}
