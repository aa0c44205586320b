//! Plain L2 learning for OpenFlow 1.0, the mode in which controllers are compared: a switch asks
//! about each packet it knows nothing of, and is answered by one flow entry that carries on with
//! its like.
//!
//! [`Learner`] decides, [`Answers`] puts it in the words of OpenFlow 1.0, [`Dialogue`] is one
//! switch's connection in bytes in and bytes out; none of them knows sockets or clocks.
//! [`LearningServer`] drives them: it accepts, and a few workers read, answer and write, each with
//! an epoll of its own.

mod answer;
mod dialogue;
mod learner;
mod server;
mod table;
mod worker;

pub use answer::{Answer, Answers, HARD_TIMEOUT, IDLE_TIMEOUT};
pub use dialogue::{Counts, Dialogue, Fault};
pub use learner::{Decision, Flow, Learner};
pub use server::LearningServer;
pub use table::{AGEING, CAPACITY, MacTable, Station};
