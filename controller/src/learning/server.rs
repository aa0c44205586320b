use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::dialogue::Counts;
use super::worker::{Arrival, Worker};
use crate::{Error, server};

/// The learning mode on its sockets: it accepts, and its workers do the rest.
#[derive(Debug)]
pub struct LearningServer {
    listener: TcpListener,
    workers: Vec<Worker>,
    /// Draws the seeds of the switches' tables.
    random: RandomState,
}

impl LearningServer {
    /// Opens the socket for switches at `address` and starts `workers` threads.
    ///
    /// # Errors
    /// If the system denies either.
    pub fn bind(address: SocketAddr, workers: usize) -> Result<LearningServer, Error> {
        let listener =
            server::listen(address).map_err(|source| Error::Listen { address, source })?;
        let start = |n| Worker::start(format!("learning-{n}"));
        let workers = (0..workers.max(1))
            .map(start)
            .collect::<Result<_, _>>()
            .map_err(|source| Error::System { what: "cannot start a worker", source })?;
        Ok(LearningServer { listener, workers, random: RandomState::new() })
    }

    /// The address that switches connect to.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves switches until `stop` is done, and says what all their connections came to.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Counts {
        tokio::pin!(stop);
        let mut number = 0;
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.listener.accept() => accepted,
            };
            match accepted.and_then(|(stream, peer)| self.arrival(number, stream, peer)) {
                Ok(arrival) => {
                    // In turn: a switch's work is not known when it comes.
                    self.workers[number % self.workers.len()].serve(arrival);
                    number += 1;
                }
                Err(error) => {
                    // Out of descriptors, most likely: those that are there go on.
                    tracing::warn!("cannot accept a switch: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        let mut counts = Counts::default();
        self.workers.into_iter().for_each(|worker| counts.add(&worker.stop()));
        counts
    }

    fn arrival(
        &self,
        number: usize,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> std::io::Result<Arrival> {
        // An answer that waits for the switch's acknowledgement comes 40 ms late.
        stream.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(10))
            .with_interval(Duration::from_secs(5))
            .with_retries(3);
        SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
        let seed = self.random.hash_one(number);
        Ok(Arrival { stream: stream.into_std()?, peer, seed })
    }
}
