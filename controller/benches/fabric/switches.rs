//! Many switches connected at once.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use rust_openflow::Framer;
use rust_openflow::v13::Message;

use crate::frames::{Host, is_arp_reply, is_lldp};
use crate::process::Controller;
use crate::quantiles::{COLUMNS, Times};
use crate::switch::{Switch, Told};

/// The table that sends up ARP and LLDP.
const INSPECT: u8 = 0;
/// How long any part of it may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Ports of each switch: its two hosts, the switch above, and those below.
const ASKER: u32 = 1;
const OWNER: u32 = 2;
const UP: u32 = 3;

/// What is measured.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Switches.
    #[arg(long, default_value_t = Arguments::default().switches)]
    switches: u32,

    /// ARP requests of each, one after the other. A port may ask 125 times at once and 250 times a
    /// second; what is above is not answered, and waited for in vain.
    #[arg(long, default_value_t = Arguments::default().requests)]
    requests: u32,

    /// Links every switch to so many others below it, as a tree; 0: to none.
    #[arg(long, default_value_t = Arguments::default().fan_out)]
    fan_out: u32,
}

impl Default for Arguments {
    fn default() -> Arguments {
        Arguments { switches: 1000, requests: 100, fan_out: 0 }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| errno.to_string())?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|errno| errno.to_string())?;

    // Audits ask what our switches do not know.
    let controller = Controller::start("[timing]\naudit_interval = \"3600s\"\n")?;
    let (before, _) = controller.memory()?;
    let start = Instant::now();
    let mut network = Network::connect(controller.address(), arguments)?;
    let connected = start.elapsed();
    network
        .run("every switch to have its pipeline", |network| network.up == network.links.len())?;
    let up = start.elapsed();
    println!(
        "{} switches: connected in {:.0} ms, pipelines installed in {:.0} ms; each:{COLUMNS:>49}",
        network.links.len(),
        connected.as_secs_f64() * 1e3,
        up.as_secs_f64() * 1e3
    );
    println!("{:>79}", format!("connection -> pipeline {}", network.pipelines));

    network.settle()?;
    if arguments.fan_out > 0 {
        // A tree has a link less than switches, and each has two directions.
        let directions = 2.0 * (network.links.len() - 1) as f64;
        while controller.gauge("links")? < directions {
            if start.elapsed() > PATIENCE {
                return Err(format!("not all {directions} directions of links were found"));
            }
            network.serve(Duration::from_millis(50))?;
        }
        println!("all links found {:.0} ms after the start", start.elapsed().as_secs_f64() * 1e3);
    }
    let (idle, _) = controller.memory()?;

    let start = Instant::now();
    network.announce()?;
    network.settle()?;
    println!(
        "{} hosts learned in {:.0} ms",
        2 * network.links.len(),
        start.elapsed().as_secs_f64() * 1e3
    );

    let (start, processor) = (Instant::now(), controller.processor()?);
    network.ask(arguments.requests)?;
    network.run("every request to be answered", |network| network.open == 0)?;
    let took = start.elapsed();
    println!(
        "{} packet-ins of all switches at once answered in {:.0} ms: {:.0} /s, {:.1} us of a core \
         each",
        network.answers.len(),
        took.as_secs_f64() * 1e3,
        network.answers.len() as f64 / took.as_secs_f64(),
        (controller.processor()? - processor).as_secs_f64() * 1e6 / network.answers.len() as f64
    );
    println!("{:>79}", format!("request -> reply {}", network.answers));
    let (now, most) = controller.memory()?;
    println!(
        "controller's resident memory: {before:.0} MiB alone, {idle:.0} MiB with all switches, \
         {now:.0} MiB in the end, {most:.0} MiB at most"
    );
    Ok(())
}

/// All switches, and the cables between them.
struct Network {
    epoll: Epoll,
    links: Vec<Link>,
    fan_out: u32,
    buffer: Vec<u8>,
    /// Switches whose pipeline is installed.
    up: usize,
    pipelines: Times,
    /// Requests without an answer, and those still to be made.
    open: usize,
    answers: Times,
    /// Switches that did not answer our echo yet.
    unsettled: usize,
}

/// One switch's connection.
struct Link {
    stream: TcpStream,
    switch: Switch,
    framer: Framer,
    unsent: Vec<u8>,
    /// Whether epoll was told to wait for room.
    blocked: bool,
    connected: Instant,
    /// Whether it was told to change something before, and asked to confirm that.
    changed: bool,
    up: bool,
    asked: Instant,
    /// Requests still to be made.
    requests: u32,
}

impl Network {
    fn connect(address: SocketAddr, arguments: &Arguments) -> Result<Network, String> {
        let failed = |error: std::io::Error| format!("connecting switches: {error}");
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).map_err(|e| failed(e.into()))?;
        let mut links = Vec::new();
        for place in 0..arguments.switches {
            let stream = TcpStream::connect(address).map_err(failed)?;
            stream.set_nodelay(true).map_err(failed)?;
            stream.set_nonblocking(true).map_err(failed)?;
            let interest = EpollEvent::new(EpollFlags::EPOLLIN, place.into());
            epoll.add(&stream, interest).map_err(|errno| failed(errno.into()))?;
            let switch = Switch::new(u64::from(place) + 1, UP + arguments.fan_out);
            let mut unsent = Vec::new();
            Switch::hello().encode(&mut unsent);
            let now = Instant::now();
            links.push(Link {
                stream,
                switch,
                framer: Framer::new(),
                unsent,
                blocked: false,
                connected: now,
                changed: false,
                up: false,
                asked: now,
                requests: 0,
            });
        }
        let mut network = Network {
            epoll,
            links,
            fan_out: arguments.fan_out,
            buffer: vec![0; 64 << 10],
            up: 0,
            pipelines: Times::default(),
            open: 0,
            answers: Times::default(),
            unsettled: 0,
        };
        (0..network.links.len()).try_for_each(|place| network.send(place))?;
        Ok(network)
    }

    /// Serves the controller until `done`.
    fn run(&mut self, what: &str, done: impl Fn(&Network) -> bool) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        let mut events = [EpollEvent::empty(); 256];
        while !done(self) {
            if Instant::now() > end {
                return Err(format!("waited {PATIENCE:?} in vain for {what}"));
            }
            let count = self.epoll.wait(&mut events, EpollTimeout::from(10u16));
            for event in &events[..count.map_err(|errno| format!("waiting failed: {errno}"))?] {
                let place = event.data() as usize;
                if event.events().contains(EpollFlags::EPOLLIN) {
                    self.receive(place)?;
                }
                self.send(place)?;
            }
        }
        Ok(())
    }

    /// Serves the controller for a while.
    fn serve(&mut self, time: Duration) -> Result<(), String> {
        let end = Instant::now() + time;
        self.run("time to pass", |_| Instant::now() >= end)
    }

    /// Sees that everything said so far was handled.
    fn settle(&mut self) -> Result<(), String> {
        self.unsettled = self.links.len();
        self.say_all(|_, _| vec![Switch::echo()])?;
        self.run("all echoes", |network| network.unsettled == 0)
    }

    /// Each switch's two hosts make themselves known.
    fn announce(&mut self) -> Result<(), String> {
        self.say_all(|place, _| {
            let announce = |host: Host| Switch::packet_in(INSPECT, host.port, host.arp(&host));
            hosts(place).map(announce).to_vec()
        })
    }

    /// One host of each switch asks for the other's address, so often.
    fn ask(&mut self, requests: u32) -> Result<(), String> {
        self.open = self.links.len() * requests as usize;
        if requests == 0 {
            return Ok(());
        }
        self.say_all(|place, link| {
            link.requests = requests - 1;
            link.asked = Instant::now();
            vec![request(place)]
        })
    }

    fn say_all(
        &mut self,
        mut what: impl FnMut(usize, &mut Link) -> Vec<Message>,
    ) -> Result<(), String> {
        for place in 0..self.links.len() {
            let link = &mut self.links[place];
            for message in what(place, link) {
                message.encode(&mut link.unsent);
            }
            self.send(place)?;
        }
        Ok(())
    }

    fn receive(&mut self, place: usize) -> Result<(), String> {
        let link = &mut self.links[place];
        match link.stream.read(&mut self.buffer) {
            Ok(0) => return Err(format!("the controller let switch {} go", place + 1)),
            Ok(read) => link.framer.push(&self.buffer[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(format!("switch {}: {error}", place + 1)),
        }
        let unreadable = |error| format!("what the controller sends cannot be read: {error}");
        loop {
            let link = &mut self.links[place];
            let Some(frame) = link.framer.next_slice().map_err(unreadable)? else { return Ok(()) };
            let (told, reply) = link.switch.receive(Message::parse(frame).map_err(unreadable)?);
            if let Some(reply) = reply {
                reply.encode(&mut link.unsent);
            }
            self.told(place, told)?;
        }
    }

    fn told(&mut self, place: usize, told: Told) -> Result<(), String> {
        let link = &mut self.links[place];
        match told {
            Told::Change => link.changed = true,
            Told::Barrier if link.changed && !link.up => {
                link.up = true;
                self.pipelines.push(link.connected.elapsed());
                self.up += 1;
            }
            Told::Echo => self.unsettled = self.unsettled.saturating_sub(1),
            Told::Frame(ASKER, frame) if is_arp_reply(&frame) && self.open > 0 => {
                self.answers.push(link.asked.elapsed());
                self.open -= 1;
                if link.requests > 0 {
                    link.requests -= 1;
                    link.asked = Instant::now();
                    request(place).encode(&mut link.unsent);
                }
            }
            Told::Frame(port, frame) if is_lldp(&frame) => {
                if let Some((other, port)) = self.other_end(place, port) {
                    let message = Switch::packet_in(INSPECT, port, frame);
                    message.encode(&mut self.links[other].unsent);
                    self.send(other)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Where a port's cable leads: the switches below `n` are `n * fan_out + 1` and those after it.
    fn other_end(&self, place: usize, port: u32) -> Option<(usize, u32)> {
        let fan_out = self.fan_out as usize;
        if fan_out == 0 || port < UP {
            return None;
        }
        let end = if port == UP {
            let above = place.checked_sub(1)?;
            (above / fan_out, UP + 1 + (above % fan_out) as u32)
        } else {
            (place * fan_out + (port - UP) as usize, UP)
        };
        (end.0 < self.links.len()).then_some(end)
    }

    fn send(&mut self, place: usize) -> Result<(), String> {
        let link = &mut self.links[place];
        if !link.unsent.is_empty() {
            match link.stream.write(&link.unsent) {
                Ok(sent) => drop(link.unsent.drain(..sent)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(format!("switch {}: {error}", place + 1)),
            }
        }
        if link.unsent.is_empty() == link.blocked {
            link.blocked = !link.blocked;
            let mut flags = EpollFlags::EPOLLIN;
            flags.set(EpollFlags::EPOLLOUT, link.blocked);
            let mut interest = EpollEvent::new(flags, place as u64);
            self.epoll
                .modify(&link.stream, &mut interest)
                .map_err(|errno| format!("waiting failed: {errno}"))?;
        }
        Ok(())
    }
}

/// The two hosts of a switch: who asks, and who is asked for.
fn hosts(place: usize) -> [Host; 2] {
    let first = 2 * place as u32;
    [Host::new(first, ASKER), Host::new(first + 1, OWNER)]
}

fn request(place: usize) -> Message {
    let [asker, owner] = hosts(place);
    Switch::packet_in(INSPECT, ASKER, asker.arp(&owner))
}
