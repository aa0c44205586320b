use std::collections::HashMap;

use crate::{v10, v13};

/// An answer that may come in several messages: the list of one kind of thing, begun in one and
/// continued in the next. Implemented by the replies of each version.
pub trait Answer: Sized {
    /// What a message brings.
    type Part;
    /// The answer in a part, and whether the rest of it follows.
    fn open(part: Self::Part) -> (Self, bool);
    /// Puts what `next` lists after this; gives it back if it does not continue this answer.
    ///
    /// # Errors
    /// `next`.
    fn append(&mut self, next: Self) -> Result<(), Self>;
    /// Its length on the wire, in bytes.
    fn encoded_len(&self) -> usize;
}

macro_rules! answer {
    ($($reply:ty, $part:ty;)*) => {$(
        impl Answer for $reply {
            type Part = $part;
            fn open(part: $part) -> ($reply, bool) {
                (part.body, part.more)
            }
            fn append(&mut self, next: $reply) -> Result<(), $reply> {
                self.append(next)
            }
            fn encoded_len(&self) -> usize {
                self.encoded_len()
            }
        }
    )*};
}

answer! {
    v10::Reply, v10::StatsReply;
    v13::Reply, v13::MultipartReply;
}

/// How much of answers is held until they are whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReassemblyLimits {
    /// Questions that may be open at a time.
    pub questions: usize,
    /// Parts of one answer.
    pub parts: usize,
    /// Bytes of one answer, as they are on the wire.
    pub bytes: usize,
}

impl Default for ReassemblyLimits {
    /// 64 questions; 1024 parts and 16 MiB each, which is a hundred thousand flow entries.
    fn default() -> ReassemblyLimits {
        ReassemblyLimits { questions: 64, parts: 1024, bytes: 16 << 20 }
    }
}

/// Why parts did not become an answer. But for
/// [`TooManyQuestions`](ReassemblyError::TooManyQuestions), what came so far is forgotten, and the
/// rest of the answer will be [`Unasked`](ReassemblyError::Unasked).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// Nothing was asked with this transaction, or its answer is over.
    #[error("part of an answer to transaction 0x{xid:08x}, in which nothing is asked")]
    Unasked {
        /// Which.
        xid: u32,
    },
    /// A part is not of the kind that the parts before it are, or of a kind that has no parts.
    #[error("the answer to transaction 0x{xid:08x} changes its kind, or cannot have parts")]
    NotContinued {
        /// Whose answer.
        xid: u32,
    },
    /// The answer has too many parts.
    #[error("the answer to transaction 0x{xid:08x} has more than {limit} parts")]
    TooManyParts {
        /// Whose answer.
        xid: u32,
        /// How many it may have.
        limit: usize,
    },
    /// The answer is too long.
    #[error("the answer to transaction 0x{xid:08x} is longer than {limit} bytes")]
    TooLong {
        /// Whose answer.
        xid: u32,
        /// How long it may be.
        limit: usize,
    },
    /// Too many questions are open. This one will not be answered here.
    #[error("{limit} questions are open already")]
    TooManyQuestions {
        /// How many may be.
        limit: usize,
    },
}

/// Puts the parts of multipart (OpenFlow 1.3.5, 7.3.5) and statistics (1.0.2, 5.3.5) answers
/// together.
///
/// Say what is asked with [`Reassembly::ask`], then hand every reply to [`Reassembly::take`]. Only
/// what was asked for is held, so that neither a switch that makes up answers nor the tail of an
/// answer that was refused takes memory or passes for a whole. A question whose answer never ends
/// stays open until [`Reassembly::forget`]; when to give up is for the caller to say, who has the
/// clock.
///
/// ```
/// use rust_openflow::Reassembly;
/// use rust_openflow::v13::{FlowStats, MultipartReply, Reply};
///
/// let mut answers = Reassembly::<Reply>::default();
/// answers.ask(7)?;
/// let part = |more| MultipartReply { more, body: Reply::Flow(vec![FlowStats::default()]) };
/// assert_eq!(answers.take(7, part(true))?, None);
/// let whole = Reply::Flow(vec![FlowStats::default(), FlowStats::default()]);
/// assert_eq!(answers.take(7, part(false))?, Some(whole));
/// # Ok::<(), rust_openflow::ReassemblyError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reassembly<A> {
    limits: ReassemblyLimits,
    open: HashMap<u32, Open<A>>,
}

#[derive(Debug, Clone)]
struct Open<A> {
    answer: Option<A>,
    parts: usize,
    bytes: usize,
}

impl<A: Answer> Default for Reassembly<A> {
    fn default() -> Reassembly<A> {
        Reassembly::new(ReassemblyLimits::default())
    }
}

impl<A: Answer> Reassembly<A> {
    /// Nothing asked yet.
    pub fn new(limits: ReassemblyLimits) -> Reassembly<A> {
        Reassembly { limits, open: HashMap::new() }
    }

    /// Something is asked in transaction `xid`. If something was, and is not answered, that is
    /// forgotten.
    ///
    /// # Errors
    /// [`ReassemblyError::TooManyQuestions`].
    pub fn ask(&mut self, xid: u32) -> Result<(), ReassemblyError> {
        let limit = self.limits.questions;
        if self.open.len() >= limit && !self.open.contains_key(&xid) {
            return Err(ReassemblyError::TooManyQuestions { limit });
        }
        self.open.insert(xid, Open { answer: None, parts: 0, bytes: 0 });
        Ok(())
    }

    /// Takes a reply; gives the answer once it is whole.
    ///
    /// # Errors
    /// Every error but [`ReassemblyError::TooManyQuestions`]; the question is over then.
    pub fn take(&mut self, xid: u32, part: A::Part) -> Result<Option<A>, ReassemblyError> {
        let (next, more) = A::open(part);
        // Put back only if more is to come, and all is well.
        let mut open = self.open.remove(&xid).ok_or(ReassemblyError::Unasked { xid })?;
        open.parts += 1;
        open.bytes += next.encoded_len();
        if open.parts > self.limits.parts {
            return Err(ReassemblyError::TooManyParts { xid, limit: self.limits.parts });
        }
        if open.bytes > self.limits.bytes {
            return Err(ReassemblyError::TooLong { xid, limit: self.limits.bytes });
        }
        let answer = match open.answer.take() {
            None => next,
            Some(mut answer) => {
                answer.append(next).map_err(|_| ReassemblyError::NotContinued { xid })?;
                answer
            }
        };
        if !more {
            return Ok(Some(answer));
        }
        open.answer = Some(answer);
        self.open.insert(xid, open);
        Ok(None)
    }

    /// Waits for the answer in `xid` no longer, because an error came in its place or none at all.
    /// Whether anything was asked there.
    pub fn forget(&mut self, xid: u32) -> bool {
        self.open.remove(&xid).is_some()
    }

    /// Forgets every question, as when the connection ends.
    pub fn clear(&mut self) {
        self.open.clear();
    }

    /// How many questions are open.
    pub fn pending(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::v13::{Desc, GroupStats, MultipartReply, Reply, TableStats};

    const LIMITS: ReassemblyLimits = ReassemblyLimits { questions: 2, parts: 3, bytes: 24 * 5 };

    fn tables(ids: &[u8], more: bool) -> MultipartReply {
        let table = |id: &u8| TableStats { table_id: *id, ..TableStats::default() };
        MultipartReply { more, body: Reply::Table(ids.iter().map(table).collect()) }
    }

    fn asked(xid: u32) -> Reassembly<Reply> {
        let mut answers = Reassembly::new(LIMITS);
        answers.ask(xid).expect("room");
        answers
    }

    #[test]
    fn answers_that_interleave_come_whole_and_in_order() {
        let mut answers = asked(1);
        answers.ask(2).expect("room");
        assert_eq!(answers.take(1, tables(&[1, 2], true)), Ok(None));
        assert_eq!(answers.take(2, tables(&[8], true)), Ok(None));
        assert_eq!(answers.take(1, tables(&[3], false)), Ok(Some(tables(&[1, 2, 3], false).body)));
        assert_eq!(answers.take(2, tables(&[], false)), Ok(Some(tables(&[8], false).body)));
        assert_eq!(answers.pending(), 0);
    }

    #[test]
    fn what_is_refused_leaves_nothing_and_its_tail_is_no_answer() {
        let mut answers = asked(1);
        assert_eq!(answers.take(1, tables(&[1; 5], true)), Ok(None));
        let long = ReassemblyError::TooLong { xid: 1, limit: 120 };
        assert_eq!(answers.take(1, tables(&[6], true)), Err(long));
        assert_eq!(answers.pending(), 0);
        assert_eq!(answers.take(1, tables(&[7], false)), Err(ReassemblyError::Unasked { xid: 1 }));

        let mut answers = asked(1);
        for _ in 0..3 {
            assert_eq!(answers.take(1, tables(&[], true)), Ok(None));
        }
        let parts = ReassemblyError::TooManyParts { xid: 1, limit: 3 };
        assert_eq!(answers.take(1, tables(&[], false)), Err(parts));
    }

    #[test]
    fn an_answer_keeps_its_kind() {
        let mut answers = asked(1);
        answers.take(1, tables(&[1], true)).expect("the first part");
        let groups = MultipartReply::new(Reply::Group(vec![GroupStats::default()]));
        assert_eq!(answers.take(1, groups), Err(ReassemblyError::NotContinued { xid: 1 }));

        let limits = ReassemblyLimits { bytes: 4096, ..LIMITS };
        let mut answers = Reassembly::<Reply>::new(limits);
        answers.ask(1).expect("room");
        let desc = |more| MultipartReply { more, body: Reply::Desc(Desc::default()) };
        assert_eq!(answers.take(1, desc(true)), Ok(None));
        assert_eq!(answers.take(1, desc(false)), Err(ReassemblyError::NotContinued { xid: 1 }));
    }

    #[test]
    fn questions_are_bounded_and_can_be_dropped() {
        let mut answers = asked(1);
        answers.ask(2).expect("room");
        answers.ask(2).expect("it is open already");
        let full = ReassemblyError::TooManyQuestions { limit: 2 };
        assert_eq!(answers.ask(3), Err(full));
        assert!(answers.forget(1));
        assert!(!answers.forget(1));
        answers.ask(3).expect("room again");
        answers.clear();
        assert_eq!(answers.pending(), 0);
    }
}
