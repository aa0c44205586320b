use std::collections::HashMap;
use std::net::SocketAddrV4;

/// Most packets of a turn that are held back until its end: of larger ones a part goes out before.
const MOST: usize = 4096;
/// The longest run: what fits behind the headers of IP and UDP in the longest datagram of IP.
const RUN_MAX: usize = 65_507;

/// What becomes a datagram when it is sent.
pub(crate) trait Packet {
    /// How many bytes [`encode`](Packet::encode) writes.
    fn encoded_len(&self) -> usize;
    /// Writes the datagram to the end of `out`.
    fn encode(&self, out: &mut Vec<u8>);
}

/// Datagrams to one receiver, one after the other: all of `segment` bytes, of which the last may have
/// fewer. That is what the kernel cuts apart by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) contents: &'a [u8],
    pub(crate) segment: usize,
}

impl Run<'_> {
    /// How many datagrams it is.
    pub(crate) fn count(&self) -> u64 {
        self.contents.len().div_ceil(self.segment.max(1)) as u64
    }
}

/// What a turn wants sent. Packets wait unwritten, so that a chunk for many receivers is not copied
/// before each is sent to, and leave by receiver: everybody's in their order, the receivers in the order
/// in which the turn came to them.
pub(crate) struct Outbox<P> {
    waiting: Vec<Waiting<P>>,
    receivers: Vec<Receiver>,
    /// Places in `receivers`.
    known: HashMap<SocketAddrV4, usize>,
    buffer: Vec<u8>,
}

struct Waiting<P> {
    packet: P,
    /// The next one for the same receiver.
    next: Option<usize>,
}

struct Receiver {
    address: SocketAddrV4,
    first: usize,
    last: usize,
}

impl<P: Packet> Outbox<P> {
    pub(crate) fn new() -> Outbox<P> {
        Outbox {
            waiting: Vec::new(),
            receivers: Vec::new(),
            known: HashMap::new(),
            buffer: Vec::new(),
        }
    }

    /// Holds `packet` back; answers whether it is time to [`flush`](Outbox::flush).
    pub(crate) fn push(&mut self, to: SocketAddrV4, packet: P) -> bool {
        let at = self.waiting.len();
        self.waiting.push(Waiting { packet, next: None });
        let place = *self.known.entry(to).or_insert(self.receivers.len());
        match self.receivers.get_mut(place) {
            Some(receiver) => {
                self.waiting[receiver.last].next = Some(at);
                receiver.last = at;
            }
            None => self.receivers.push(Receiver { address: to, first: at, last: at }),
        }
        self.waiting.len() >= MOST
    }

    /// Hands everything to `send`, in runs of at most `segments` datagrams.
    pub(crate) fn flush(&mut self, segments: usize, mut send: impl FnMut(SocketAddrV4, Run<'_>)) {
        let Outbox { waiting, receivers, known, buffer } = self;
        for receiver in receivers.drain(..) {
            let (mut segment, mut count) = (0, 0);
            let mut next = Some(receiver.first);
            while let Some(Waiting { packet, next: following }) = next.map(|at| &waiting[at]) {
                next = *following;
                let length = packet.encoded_len();
                // Behind a shorter one nothing can follow.
                let whole = buffer.len() == segment * count;
                let joins = whole && length <= segment && count < segments;
                if count > 0 && !(joins && buffer.len() + length <= RUN_MAX) {
                    send(receiver.address, Run { contents: buffer, segment });
                    buffer.clear();
                    count = 0;
                }
                if count == 0 {
                    segment = length;
                }
                packet.encode(buffer);
                count += 1;
            }
            send(receiver.address, Run { contents: buffer, segment });
            buffer.clear();
        }
        waiting.clear();
        known.clear();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Packet for Vec<u8> {
        fn encoded_len(&self) -> usize {
            self.len()
        }

        fn encode(&self, out: &mut Vec<u8>) {
            out.extend(self);
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
        outbox.flush(segments, |to, run| {
            assert!(run.contents.len() <= RUN_MAX);
            let cut = run.contents.chunks(run.segment).map(<[u8]>::to_vec).collect();
            runs.push((to, cut));
        });
        outbox.flush(segments, |_, _| panic!("nothing is left"));
        runs
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
                let theirs: Vec<Vec<u8>> = packets.iter().filter_map(of).collect();
                let mine = runs.iter().filter(|(to, _)| *to == receiver(n));
                let got: Vec<Vec<u8>> = mine.flat_map(|(_, run)| run.clone()).collect();
                prop_assert_eq!(got, theirs);
            }
            prop_assert!(runs.iter().all(|(_, run)| run.len() <= segments));
        }
    }

    #[test]
    fn a_run_goes_on_while_lengths_are_equal_and_ends_with_a_shorter_one() {
        let lengths = [1250, 1250, 83, 1250, 1250, 1300, 20, 20];
        let packets: Vec<_> = lengths.iter().map(|&length| (1, vec![7; length])).collect();
        let runs = flushed(&packets, 64);
        let counts: Vec<usize> = runs.iter().map(|(_, run)| run.len()).collect();
        assert_eq!(counts, [3, 2, 2, 1]);
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
}
