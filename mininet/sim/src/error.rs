use nearcast_machine::Time;

/// What stops a simulation.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// More nodes than an event key can name.
    #[error("a run has at most 2^29 nodes; this population has {0}")]
    TooMany(usize),
    /// A node that leaves before it comes.
    #[error("node `{name}` is to leave at {depart:?}, not after it comes at {arrive:?}")]
    Lifetime {
        /// The node.
        name: String,
        /// When it comes.
        arrive: Time,
        /// When it leaves.
        depart: Time,
    },
    /// A node without a place that the delays know.
    #[error(
        "node `{name}` is at {place}, which the delays do not know: a matrix needs a site below its \
         size, a plane a point with finite coordinates"
    )]
    Place {
        /// The node.
        name: String,
        /// Its place.
        place: String,
    },
    /// A delay matrix that is no square.
    #[error("a delay matrix of {sites} sites has {sites} x {sites} entries, and not {spans}")]
    Matrix {
        /// Its sites.
        sites: u32,
        /// Its entries.
        spans: usize,
    },
    /// No thread to run on, or too many.
    #[error("a simulation runs on 1 to 1024 threads, and not on {0}")]
    Threads(usize),
    /// Virtual time stands still.
    #[error(
        "virtual time stands still at {time:?}: {events} events in that instant, the last one at node \
         `{name}`; a machine's deadline does not move on, or machines answer each other without delay"
    )]
    Stuck {
        /// The node of the last event.
        name: String,
        /// The instant.
        time: Time,
        /// How many events it has seen.
        events: u64,
    },
}
