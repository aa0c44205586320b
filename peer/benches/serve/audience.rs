//! The receivers, in a process of their own, and how that is told when to count.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddrV4;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use nearcast_media::rtmp::Url;
use nix::libc;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::task::LocalSet;

use crate::stage::Stage;
use crate::truth::{Name, Truth};
use crate::{Way, members, players, pulls, tails};

/// One in so many of what comes is compared with the stream.
const SAMPLED: u64 = 61;
/// How long what is under way may take after the count, and who leaves.
const GRACE: Duration = Duration::from_millis(500);
/// After all have got something: bursts at the beginning are no steady state. Who joins the mesh
/// asks for the whole window first.
const SETTLED: Duration = Duration::from_millis(2500);
const SETTLED_MESH: Duration = Duration::from_secs(6);

/// What the process is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[arg(long, value_enum)]
    way: Way,
    #[arg(long)]
    receivers: usize,
    /// The stream at nginx.
    #[arg(long)]
    url: Url,
    /// The seed.
    #[arg(long)]
    seed: SocketAddrV4,
}

/// What the process saw while it counted.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Messages by RTMP, else chunks, of all receivers.
    pub(crate) came: u64,
    /// Of the one who got fewest.
    pub(crate) least: u64,
    /// Bytes of the stream that came to all.
    pub(crate) bytes: u64,
    /// Units and chunks of the stream itself meanwhile.
    pub(crate) units: u64,
    pub(crate) chunks: u64,
    /// Compared with the stream, and not the same.
    pub(crate) compared: u64,
    pub(crate) wrong: u64,
}

/// The process, from outside.
pub(crate) struct Audience {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Audience {
    /// Starts it; all receive when this returns.
    pub(crate) fn gather(stage: &Stage, way: Way, receivers: usize) -> Audience {
        let own = std::env::current_exe().expect("this program");
        let name = clap::ValueEnum::to_possible_value(&way).expect("a name");
        let mut child = Command::new(own)
            .args(["audience", "--way", name.get_name()])
            .args(["--receivers", &receivers.to_string(), "--url", &stage.url()])
            .args(["--seed", &stage.seed_address().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started again");
        let orders = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut audience = Audience { child, orders, answers };
        assert_eq!(audience.answer(), "ready\n", "all receive");
        audience
    }

    pub(crate) fn begin(&mut self) {
        self.order("begin");
    }

    /// Answers what it saw, and ends it.
    pub(crate) fn end(mut self) -> Seen {
        self.order("end");
        let seen = serde_json::from_str(&self.answer()).expect("what it saw");
        self.child.wait().expect("it ends");
        seen
    }

    fn order(&mut self, order: &str) {
        writeln!(self.orders, "{order}").expect("it listens");
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("it answers");
        line
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// What all receivers share.
#[derive(Clone)]
pub(crate) struct Shared {
    ledger: Rc<RefCell<Ledger>>,
    over: watch::Receiver<bool>,
}

#[derive(Default)]
struct Ledger {
    truth: Truth,
    /// What came to each since it was last asked.
    came: Vec<u64>,
    bytes: u64,
    all: u64,
    samples: Vec<(Name, Bytes)>,
}

impl Shared {
    /// Comes true when it is time to leave: who is sent what comes would be sent it for seconds
    /// more.
    pub(crate) async fn over(&self) {
        self.over.clone().wait_for(|over| *over).await.expect("the sender waits for us");
    }

    /// Notes that `bytes` of the stream came to receiver `at`.
    pub(crate) fn came(&self, at: usize, name: impl FnOnce() -> Option<Name>, bytes: &Bytes) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.came[at] += 1;
        ledger.bytes += bytes.len() as u64;
        ledger.all += 1;
        if ledger.all.is_multiple_of(SAMPLED)
            && let Some(name) = name()
        {
            ledger.samples.push((name, Bytes::copy_from_slice(bytes)));
        }
    }

    /// Looks at the stream as it is.
    pub(crate) fn truth<T>(&self, look: impl FnOnce(&Truth) -> T) -> T {
        look(&self.ledger.borrow().truth)
    }

    /// Counts anew.
    fn begin(&self) -> (u64, u64) {
        let ledger = &mut *self.ledger.borrow_mut();
        ledger.came.fill(0);
        (ledger.bytes, ledger.samples) = (0, Vec::new());
        ledger.truth.totals()
    }

    fn end(&self, (units, chunks): (u64, u64)) -> Seen {
        let ledger = self.ledger.borrow();
        let totals = ledger.truth.totals();
        Seen {
            came: ledger.came.iter().sum(),
            least: ledger.came.iter().copied().min().unwrap_or(0),
            bytes: ledger.bytes,
            units: totals.0 - units,
            chunks: totals.1 - chunks,
            compared: 0,
            wrong: 0,
        }
    }

    /// Compares what was kept with the stream, as far as that was seen.
    fn compare(&self, seen: &mut Seen) {
        let ledger = self.ledger.borrow();
        for (name, bytes) in &ledger.samples {
            if let Some(agrees) = ledger.truth.agrees(*name, bytes) {
                seen.compared += 1;
                seen.wrong += u64::from(!agrees);
            }
        }
    }
}

/// Runs the process.
pub(crate) fn run(arguments: &Arguments) {
    // A receiver that fails is the end of it, and not of its task alone.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        hook(panic);
        std::process::exit(1);
    }));
    give_way();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let local = LocalSet::new();
    local.block_on(&runtime.expect("an event loop"), receive(arguments));
}

/// Receivers are on other machines: waking one up must not take the core away from who serves it
/// (`sched(7)`, SCHED_BATCH).
fn give_way() {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: `priority` outlives the call; 0 is the calling thread.
    let answer = unsafe { libc::sched_setscheduler(0, libc::SCHED_BATCH, &priority) };
    assert_eq!(answer, 0, "SCHED_BATCH is everybody's");
}

async fn receive(arguments: &Arguments) {
    let Arguments { way, receivers, ref url, seed } = *arguments;
    let (leave, over) = watch::channel(false);
    let ledger = Ledger { came: vec![0; receivers], ..Ledger::default() };
    let shared = Shared { ledger: Rc::new(RefCell::new(ledger)), over };
    let (of_truth, truth_url) = (shared.clone(), url.clone());
    tokio::task::spawn_local(async move {
        loop {
            let take = |media| of_truth.ledger.borrow_mut().truth.receive(media);
            let over = players::play(&truth_url, take).await.expect_err("a live stream goes on");
            let began = of_truth.truth(|truth| truth.latest().is_some());
            assert!(!began, "the stream: {over}");
            // It has not begun yet.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    until("the stream is there", || shared.truth(|truth| truth.latest().is_some())).await;
    let stream = url.stream().id();
    for at in 0..receivers {
        let shared = shared.clone();
        match way {
            Way::Nginx => tokio::task::spawn_local(players::watch(shared, at, url.clone())),
            Way::Push => tokio::task::spawn_local(tails::watch(shared, at, stream, seed)),
            Way::Mesh => tokio::task::spawn_local(members::watch(shared, at, stream, seed)),
            Way::Pull => tokio::task::spawn_local(pulls::watch(shared, at, stream, seed)),
        };
        // All at once would be another measurement.
        if at % 16 == 15 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    until("all receive", || shared.ledger.borrow().came.iter().all(|&came| came > 0)).await;
    tokio::time::sleep(if way == Way::Mesh { SETTLED_MESH } else { SETTLED }).await;

    let mut orders = orders();
    println!("ready");
    assert_eq!(orders.recv().await.as_deref(), Some("begin"));
    let totals = shared.begin();
    assert_eq!(orders.recv().await.as_deref(), Some("end"));
    let mut seen = shared.end(totals);
    leave.send_replace(true);
    tokio::time::sleep(GRACE).await;
    shared.compare(&mut seen);
    println!("{}", serde_json::to_string(&seen).expect("JSON"));
}

/// Lines of standard input, read by a thread.
fn orders() -> tokio::sync::mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    for _ in 0..3000 {
        if is() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("in vain: {what}");
}
