//! The northbound interface: what the fabric knows as JSON over HTTP, its events as they come, and
//! figures for Prometheus.
//!
//! Handlers own nothing of the fabric. They put a [`Question`] to the loop that does, and what it
//! answers is a value of its own, so a slow reader of a large answer holds nobody up. There is room
//! for few questions; whoever finds none is told to come again (503).

mod api;
mod figures;
mod openapi;
mod schema;
mod serve;
mod token;

use std::sync::Arc;
use std::time::Instant;

use nearcast_fabric::Fabric;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot};

use crate::Journal;

pub(crate) use figures::Durations;
pub(crate) use serve::serve;
pub(crate) use token::Token;

/// Questions that may wait.
pub(crate) const QUESTIONS: usize = 64;
/// Events that a reader of the stream may be behind before it loses some, and is told so.
pub(crate) const EVENTS: usize = 1024;
/// Readers of the event stream.
const READERS: usize = 64;

/// What a question is put to.
pub(crate) struct Glance<'a> {
    pub(crate) fabric: &'a Fabric,
    pub(crate) journal: &'a Journal,
    pub(crate) started: Instant,
    /// Bytes waiting for each connected switch.
    pub(crate) queues: Vec<schema::Queue>,
    /// What this controller is to its switches.
    pub(crate) standing: schema::Standing,
    /// How many links and parts of streams the other controller told of.
    pub(crate) told: usize,
}

pub(crate) use schema::{Queue, Standing};

/// Something to be worked out between two messages of switches.
pub(crate) type Question = Box<dyn FnOnce(&Glance<'_>) + Send>;

/// The way to the loop that owns the fabric.
#[derive(Clone)]
pub(crate) struct North {
    questions: mpsc::Sender<Question>,
    events: broadcast::Sender<Arc<str>>,
    readers: Arc<Semaphore>,
    /// Who does not know it is answered nothing.
    token: Option<Token>,
}

/// The loop has more questions than it takes, or is stopping.
pub(crate) struct Busy;

impl North {
    /// Questions go to `questions`; lines that are sent to `events` go to whoever reads the stream.
    pub(crate) fn new(
        questions: mpsc::Sender<Question>,
        events: broadcast::Sender<Arc<str>>,
        token: Option<Token>,
    ) -> North {
        North { questions, events, readers: Arc::new(Semaphore::new(READERS)), token }
    }

    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Glance<'_>) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (answer, answered) = oneshot::channel();
        let question = move |glance: &Glance<'_>| {
            // Whoever asked may have gone.
            let _ = answer.send(question(glance));
        };
        self.questions.try_send(Box::new(question)).map_err(|_| Busy)?;
        answered.await.map_err(|_| Busy)
    }
}
