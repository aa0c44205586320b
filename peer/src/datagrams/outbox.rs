use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::SocketAddrV4;

use super::Batch;

/// Most packets of a turn that are held back until its end: of larger ones a part goes out before.
const MOST: usize = 4096;
/// From so many packets a turn on, those of a receiver that would be several runs leave as a train.
/// A train is one run, and costs as much as any, but a datagram of it that is lost is two or three
/// packets. So who has little to send sends it as it is.
const BUSY: usize = 64;

/// What becomes a datagram when it is sent.
pub(crate) trait Packet {
    /// How many bytes [`encode`](Packet::encode) writes.
    fn encoded_len(&self) -> usize;
    /// Writes the datagram to the end of `out`.
    fn encode(&self, out: &mut Vec<u8>);
    /// Whether it is the same to its receiver in which order this one and its neighbours of the
    /// same kind come.
    fn is_unordered(&self) -> bool;
    /// Whether its receiver knows [trains](super::Trains).
    fn may_ride(&self) -> bool;
}

/// What a turn wants sent. Packets wait unwritten, so that a chunk for many receivers is not copied
/// before each is sent to, and leave by receiver: the receivers in the order in which the turn came
/// to them, everybody's packets in theirs. Only those whose order is the same to the receiver, and
/// which follow each other, leave by length: the fewer runs they are, the less they cost. In a busy
/// turn those of many lengths leave as a [train](super::Trains), in their order.
pub(crate) struct Outbox<P> {
    waiting: Vec<Waiting<P>>,
    receivers: Vec<Receiver>,
    /// Places in `receivers`.
    known: HashMap<SocketAddrV4, usize>,
    /// Whom the last packet is for, of `receivers`.
    latest: usize,
    /// Trains so far.
    trains: u32,
    /// Room for the lengths and places of one receiver's packets.
    theirs: Vec<(usize, usize)>,
    batch: Batch,
}

struct Waiting<P> {
    packet: P,
    length: usize,
    /// The next one for the same receiver.
    next: Option<usize>,
}

struct Receiver {
    address: SocketAddrV4,
    first: usize,
    last: usize,
    /// Whether all of them may ride.
    may_ride: bool,
}

impl<P: Packet> Outbox<P> {
    pub(crate) fn new() -> Outbox<P> {
        Outbox {
            waiting: Vec::new(),
            receivers: Vec::new(),
            known: HashMap::new(),
            latest: 0,
            trains: 0,
            theirs: Vec::new(),
            batch: Batch::default(),
        }
    }

    /// Holds `packet` back; answers whether it is time to [`flush`](Outbox::flush).
    pub(crate) fn push(&mut self, to: SocketAddrV4, packet: P) -> bool {
        let at = self.waiting.len();
        let (length, may_ride) = (packet.encoded_len(), packet.may_ride());
        self.waiting.push(Waiting { packet, length, next: None });
        // Mostly it is for whom the last one was for.
        let again = self.receivers.get(self.latest).is_some_and(|latest| latest.address == to);
        if !again {
            self.latest = *self.known.entry(to).or_insert(self.receivers.len());
        }
        match self.receivers.get_mut(self.latest) {
            Some(receiver) => {
                self.waiting[receiver.last].next = Some(at);
                receiver.last = at;
                receiver.may_ride &= may_ride;
            }
            None => {
                self.receivers.push(Receiver { address: to, first: at, last: at, may_ride });
            }
        }
        self.waiting.len() >= MOST
    }

    /// Hands everything to `send`, in runs of at most `segments` datagrams.
    pub(crate) fn flush(&mut self, segments: usize, mut send: impl FnMut(&Batch)) {
        let Outbox { waiting, receivers, known, trains, theirs, batch, .. } = self;
        for receiver in receivers.drain(..) {
            let follow = |&at: &usize| waiting[at].next;
            let places = std::iter::successors(Some(receiver.first), follow);
            theirs.clear();
            theirs.extend(places.map(|at| (waiting[at].length, at)));
            let packet = |at: usize| &waiting[at].packet;
            let ride = segments > 1
                && waiting.len() >= BUSY
                && receiver.may_ride
                && runs(theirs, segments) > 1;
            let unordered = |at: usize| !ride && packet(at).is_unordered();
            for streak in theirs.chunk_by_mut(|one, next| unordered(one.1) && unordered(next.1)) {
                // Equal ones make a run, and a shorter one ends it: this way they all find their
                // run.
                streak.sort_by_key(|&(length, _)| Reverse(length));
            }
            let mut left = &theirs[..];
            while let Some(&(length, at)) = left.first() {
                let to = receiver.address;
                let joins = !ride && batch.joins(to, length, segments);
                if !joins && batch.is_full(length) {
                    send(batch);
                    batch.clear();
                }
                let taken = if ride {
                    *trains = trains.wrapping_add(1);
                    let packets = left.iter().map(|&(length, at)| (length, packet(at)));
                    batch.couple((to, *trains), packets, segments)
                } else {
                    if !joins {
                        batch.begin(to, length);
                    }
                    batch.write(|out| packet(at).encode(out));
                    1
                };
                left = &left[taken..];
            }
        }
        if !batch.is_empty() {
            send(batch);
            batch.clear();
        }
        waiting.clear();
        known.clear();
    }
}

/// As how many runs of at most `segments` datagrams packets leave, of which the lengths are given.
fn runs(lengths: &[(usize, usize)], segments: usize) -> usize {
    let (mut runs, mut room, mut longest) = (0, 0, 0);
    for &(length, _) in lengths {
        if room == 0 || length > longest {
            (runs, room, longest) = (runs + 1, segments, length);
        }
        // Behind a shorter one nothing can follow.
        room = if length < longest { 0 } else { room - 1 };
    }
    runs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All of one byte, which says by its lowest bit whether its place matters, and whether it may
    /// ride by being 200 or more.
    impl Packet for Vec<u8> {
        fn encoded_len(&self) -> usize {
            self.len()
        }

        fn encode(&self, out: &mut Vec<u8>) {
            out.extend(self);
        }

        fn is_unordered(&self) -> bool {
            self[0] & 1 == 1
        }

        fn may_ride(&self) -> bool {
            self[0] >= 200
        }
    }

    fn receiver(n: u8) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, n].into(), 7935)
    }

    /// Runs as they were sent, cut apart again.
    fn flushed(packets: &[(u8, Vec<u8>)], segments: usize) -> Vec<(SocketAddrV4, Vec<Vec<u8>>)> {
        let mut outbox = Outbox::new();
        for (to, packet) in packets {
            outbox.push(receiver(*to), packet.clone());
        }
        let mut runs = Vec::new();
        outbox.flush(segments, |batch| {
            for run in batch.runs() {
                assert!(run.contents.len() <= 65_507, "no datagram of IP is longer");
                let cut = run.contents.chunks(run.segment).map(<[u8]>::to_vec).collect();
                runs.push((run.to, cut));
            }
        });
        outbox.flush(segments, |_| panic!("nothing is left"));
        runs
    }

    /// How many datagrams each run has.
    fn counts(runs: &[(SocketAddrV4, Vec<Vec<u8>>)]) -> Vec<usize> {
        runs.iter().map(|(_, run)| run.len()).collect()
    }

    proptest! {
        #[test]
        fn everybody_gets_theirs_in_order_and_runs_are_what_the_kernel_takes(
            packets in prop::collection::vec(
                (0u8..6, prop_oneof![Just(1250usize), 1usize..1440]), 0..200,
            ),
            segments in 1usize..65,
        ) {
            let numbered = packets.iter().zip(0u8..).map(|(&(to, length), n)| (to, vec![n; length]));
            let packets: Vec<(u8, Vec<u8>)> = numbered.collect();
            let runs = flushed(&packets, segments);
            for n in 0..6 {
                let of = |(to, packet): &(u8, Vec<u8>)| (*to == n).then(|| packet.clone());
                let mut theirs: Vec<Vec<u8>> = packets.iter().filter_map(of).collect();
                for odd in theirs.split_mut(|packet| packet[0] & 1 == 0) {
                    odd.sort_by_key(|packet| Reverse(packet.len()));
                }
                let mine = runs.iter().filter(|(to, _)| *to == receiver(n));
                let got: Vec<Vec<u8>> = mine.flat_map(|(_, run)| run.clone()).collect();
                prop_assert_eq!(got, theirs);
            }
            prop_assert!(counts(&runs).into_iter().all(|count| count <= segments));
        }
    }

    #[test]
    fn a_run_goes_on_while_lengths_are_equal_and_ends_with_a_shorter_one() {
        let lengths = [1250, 1250, 83, 1250, 1250, 1300, 20, 20];
        let packets: Vec<_> = lengths.iter().map(|&length| (1, vec![8; length])).collect();
        assert_eq!(counts(&flushed(&packets, 64)), [3, 2, 2, 1]);
    }

    #[test]
    fn what_may_overtake_makes_fewer_runs_and_passes_nothing_that_may_not() {
        let run = |fill: u8, lengths: &[usize]| {
            lengths.iter().map(|&length| (1, vec![fill; length])).collect::<Vec<_>>()
        };
        let lengths = [1250, 83, 1250, 700, 1250, 83];
        assert_eq!(counts(&flushed(&run(7, &lengths), 64)), [4, 2]);
        let parts = [run(7, &[83, 1250]), run(8, &[1300]), run(7, &[83, 1250])].concat();
        let runs = flushed(&parts, 64);
        let lengths: Vec<usize> = runs.iter().flat_map(|(_, run)| run).map(Vec::len).collect();
        assert_eq!(lengths, [1250, 83, 1300, 1250, 83]);
    }

    #[test]
    fn in_a_busy_turn_many_lengths_leave_as_trains_in_their_order() {
        let packets = |lengths: std::ops::Range<usize>| {
            lengths.map(|length| (1, vec![201; length])).collect::<Vec<_>>()
        };
        let (few, many) = (packets(1300..1306), packets(1300..1400));
        assert_eq!(counts(&flushed(&few, 64)), [2, 2, 2], "there is time for that");
        assert_eq!(flushed(&many, 1).len(), 100, "where runs are refused there is none");
        let mixed = [&many[..], &[(1, vec![8; 50])]].concat();
        assert_eq!(flushed(&mixed, 64).len(), 51, "one would not know them");

        let runs = flushed(&many, 64);
        assert_eq!(runs.len(), 3, "100 times 1350 bytes, of which a run takes 65,507");
        let (mut trains, mut came) = (crate::datagrams::Trains::default(), Vec::new());
        for car in runs.iter().flat_map(|(_, run)| run) {
            assert!(trains.unpack(receiver(9), car, |one| came.push((1, one.to_vec()))));
        }
        assert_eq!(came, many);
    }

    #[test]
    fn receivers_that_take_turns_get_runs_and_a_long_turn_goes_out_in_parts() {
        let packets: Vec<_> = (0..12).map(|n| (n % 3, vec![n; 100])).collect();
        let runs = flushed(&packets, 64);
        let counts: Vec<_> =
            runs.iter().map(|(to, run)| (to.ip().octets()[3], run.len())).collect();
        assert_eq!(counts, [(0, 4), (1, 4), (2, 4)]);
        let mut outbox = Outbox::new();
        let full = (0..).take_while(|_| !outbox.push(receiver(1), vec![0; 10])).count();
        assert_eq!(full + 1, MOST);
    }

    #[test]
    fn what_leaves_at_once_is_bounded_and_nothing_is_left_out() {
        let mut outbox = Outbox::new();
        for n in 0..400u32 {
            let fill = n.to_be_bytes()[3];
            outbox.push(receiver((n % 200) as u8), vec![fill; 1400]);
        }
        let (mut batches, mut datagrams) = (Vec::new(), 0);
        outbox.flush(64, |batch| {
            batches.push(batch.runs().len());
            datagrams += batch.runs().map(|run| run.count()).sum::<u64>();
        });
        assert_eq!((datagrams, batches.iter().sum::<usize>()), (400, 200));
        assert!(batches.iter().all(|&runs| runs <= super::super::calls::RUNS_AT_ONCE));
    }
}
