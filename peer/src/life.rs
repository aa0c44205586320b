use std::future::Future;
use std::io;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

/// How long tasks may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(3);

/// The life of the program as its tasks see it. Whoever holds one is waited for at the end.
#[derive(Clone)]
pub(crate) struct Life {
    closing: watch::Receiver<bool>,
    _alive: mpsc::Sender<()>,
}

/// The end of all lives.
pub(crate) struct Death {
    closing: watch::Sender<bool>,
    alive: mpsc::Receiver<()>,
}

impl Life {
    /// The beginning and the end.
    pub(crate) fn new() -> (Life, Death) {
        let (close, closing) = watch::channel(false);
        let (holder, alive) = mpsc::channel(1);
        (Life { closing, _alive: holder }, Death { closing: close, alive })
    }

    /// Waits until the program is to end.
    pub(crate) async fn closing(&self) {
        // An error means that nobody is left who could say so, which is the same.
        self.closing.clone().wait_for(|closing| *closing).await.ok();
    }

    /// Whether the program is about to end.
    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// What `work` gives, unless the program is to end before.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.closing() => None,
            answer = work => Some(answer),
        }
    }
}

impl Death {
    /// Tells all tasks to end and waits, for three seconds at most, until they did.
    pub(crate) async fn come(mut self) {
        self.closing.send_replace(true);
        tokio::time::timeout(GOODBYE, self.alive.recv()).await.ok();
    }
}

/// From now on SIGINT and SIGTERM no longer kill, but fulfil what is answered.
pub(crate) fn told_to_end() -> io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
