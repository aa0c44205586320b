//! Trains: datagrams of many lengths for one receiver, as one run.
//!
//! The kernel cuts a run into datagrams of one length, and a run costs it about the same however
//! many that are. Chunks have as many lengths as pictures have. So where much leaves for one
//! receiver in one turn, the datagrams are put behind each other, each with its length in front
//! (u16), and what comes of it is cut into cars of [`CAR`] bytes, the last one as short as it may
//! be:
//!
//! ```text
//! magic 0xc6 | version 1 | train u32 | car u8 | first u16 | bytes
//! ```
//!
//! All integers are big-endian. `train` is another one from train to train, cars are counted from
//! 0, and `first` is where in `bytes` the first datagram begins that begins in this car: their end,
//! if none does. So with a car that is lost, those datagrams are lost of which it held a part, two
//! or three chunks, and no others. The receiver keeps nothing but the part of a datagram that the
//! next car completes.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use super::Packet;

/// The first byte of every car.
const MAGIC: u8 = 0xc6;
const VERSION: u8 = 1;
/// The length of a car: that of the longest datagram of the mesh, which fits every usual path.
pub(super) const CAR: usize = nearcast_engine::mesh::wire::DATAGRAM_MAX;
const HEAD: usize = 1 + 1 + 4 + 1 + 2;
/// What stands in front of a datagram.
const LENGTH: usize = 2;
/// No datagram of ours is shorter: magic, version, type and stream. What claims to be is noise.
const SHORTEST: usize = 3 + 8;
/// Most senders of whom a part of a datagram is kept. Addresses may be forged: when there are more,
/// all parts are forgotten.
const SENDERS: usize = 256;

/// A train that is being written.
pub(super) struct Train<'a> {
    out: &'a mut Vec<u8>,
    number: u32,
    /// Where the last car begins.
    at: usize,
    cars: usize,
    /// Bytes that it can still take.
    left: usize,
}

impl<'a> Train<'a> {
    /// Begins train `number` at the end of `out`, which may have `most` cars, 256 at most.
    pub(super) fn new(out: &'a mut Vec<u8>, number: u32, most: usize) -> Train<'a> {
        let at = out.len();
        let left = most.min(256) * (CAR - HEAD);
        out.extend(head(number, 0, 0));
        Train { out, number, at, cars: 1, left }
    }

    /// How many cars it has.
    pub(super) fn cars(&self) -> usize {
        self.cars
    }

    /// Takes a packet of `length` bytes along, if there is room.
    pub(super) fn take(&mut self, length: usize, packet: &impl Packet) -> bool {
        if LENGTH + length > self.left {
            return false;
        }
        self.left -= LENGTH + length;
        let begins = self.out.len();
        self.out.extend((length as u16).to_be_bytes());
        packet.encode(self.out);
        while self.out.len() > self.at + CAR {
            let end = self.at + CAR;
            let over = self.out.len() - end;
            // Where the next packet would begin, if this one did not begin right here.
            let first = if begins == end { 0 } else { over.min(CAR - HEAD) };
            self.out.extend([0; HEAD]);
            self.out.copy_within(end..end + over, end + HEAD);
            self.out[end..end + HEAD].copy_from_slice(&head(self.number, self.cars, first));
            self.at = end;
            self.cars += 1;
        }
        true
    }
}

fn head(train: u32, car: usize, first: usize) -> [u8; HEAD] {
    let mut head = [MAGIC, VERSION, 0, 0, 0, 0, car as u8, 0, 0];
    head[2..6].copy_from_slice(&train.to_be_bytes());
    head[7..].copy_from_slice(&(first as u16).to_be_bytes());
    head
}

/// What has come of trains: takes the datagrams out of their cars.
#[derive(Debug, Default)]
pub struct Trains {
    parts: HashMap<SocketAddrV4, Part>,
}

/// The beginning of a datagram whose rest is in the next car, with its length in front.
#[derive(Debug, Default)]
struct Part {
    train: u32,
    /// The next car.
    car: u8,
    bytes: Vec<u8>,
}

impl Trains {
    /// Hands the datagrams of what came from `from` to `take`: of a car those that are complete
    /// with it, else the datagram itself. Answers `false` if it was a car, and malformed.
    pub fn unpack(
        &mut self,
        from: SocketAddrV4,
        bytes: &[u8],
        mut take: impl FnMut(&[u8]),
    ) -> bool {
        if bytes.first() != Some(&MAGIC) {
            take(bytes);
            return true;
        }
        let Some((train, car, first, bytes)) = parse(bytes) else { return false };
        let part = self.parts.get_mut(&from).filter(|part| !part.bytes.is_empty());
        if let Some(part) = part {
            let follows = (part.train, part.car) == (train, car);
            part.bytes.extend(&bytes[..first]);
            match split(&part.bytes) {
                Split::Whole(datagram, []) if follows => take(datagram),
                // Longer than a car.
                Split::Begun if follows && first == bytes.len() => {
                    part.car = part.car.wrapping_add(1);
                    return true;
                }
                // Its car was lost, or it never was one.
                _ => {}
            }
            part.bytes.clear();
        }
        let mut rest = &bytes[first..];
        loop {
            match split(rest) {
                Split::Whole(datagram, behind) => {
                    take(datagram);
                    rest = behind;
                }
                Split::Begun => {
                    self.keep(from, train, car, rest);
                    return true;
                }
                Split::Malformed => return false,
            }
        }
    }

    fn keep(&mut self, from: SocketAddrV4, train: u32, car: u8, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if self.parts.len() >= SENDERS && !self.parts.contains_key(&from) {
            self.parts.clear();
        }
        let part = self.parts.entry(from).or_default();
        (part.train, part.car) = (train, car.wrapping_add(1));
        part.bytes.extend(bytes);
    }
}

/// Train, car, `first` and bytes.
fn parse(bytes: &[u8]) -> Option<(u32, u8, usize, &[u8])> {
    let (head, bytes) = bytes.split_at_checked(HEAD)?;
    let train = u32::from_be_bytes(head[2..6].try_into().ok()?);
    let first = usize::from(u16::from_be_bytes([head[7], head[8]]));
    let sound = head[1] == VERSION && first <= bytes.len() && bytes.len() <= CAR - HEAD;
    sound.then_some((train, head[6], first, bytes))
}

/// What bytes begin with.
enum Split<'a> {
    /// A datagram, and what is behind it.
    Whole(&'a [u8], &'a [u8]),
    /// A part of one, or nothing.
    Begun,
    /// A length that no datagram has.
    Malformed,
}

fn split(bytes: &[u8]) -> Split<'_> {
    let Some((length, behind)) = bytes.split_first_chunk::<LENGTH>() else { return Split::Begun };
    let length = usize::from(u16::from_be_bytes(*length));
    if !(SHORTEST..=CAR).contains(&length) {
        return Split::Malformed;
    }
    behind.split_at_checked(length).map_or(Split::Begun, |(one, behind)| Split::Whole(one, behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn from(n: u8) -> SocketAddrV4 {
        SocketAddrV4::new([192, 0, 2, n].into(), 7935)
    }

    /// Packets of their own bytes, as far as a train of so many cars takes them; and its cars.
    fn train(number: u32, lengths: &[usize], most: usize) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
        let mut out = b"before".to_vec();
        let mut train = Train::new(&mut out, number, most);
        let packets = lengths.iter().zip(1..).map(|(&length, n)| vec![n; length]);
        let packets: Vec<Vec<u8>> =
            packets.take_while(|packet| train.take(packet.len(), packet)).collect();
        let cars = train.cars();
        let cut: Vec<Vec<u8>> = out[6..].chunks(CAR).map(<[u8]>::to_vec).collect();
        assert_eq!(cut.len(), cars);
        (packets, cut)
    }

    fn unpack<'a>(
        trains: &mut Trains,
        cars: impl IntoIterator<Item = &'a Vec<u8>>,
    ) -> Vec<Vec<u8>> {
        let mut came = Vec::new();
        for car in cars {
            assert!(trains.unpack(from(1), car, |one| came.push(one.to_vec())));
        }
        came
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out_and_a_lost_car_takes_only_what_it_held(
            lengths in prop::collection::vec(
                prop_oneof![Just(CAR), SHORTEST..=CAR, 1400usize..=CAR], 1..120,
            ),
            most in 1usize..=45,
            lost: prop::sample::Index,
        ) {
            let (packets, cars) = train(7, &lengths, most);
            prop_assert!(cars.len() <= most);
            if packets.len() < lengths.len() {
                let all: usize = lengths[..=packets.len()].iter().map(|length| LENGTH + length).sum();
                prop_assert!(all > most * (CAR - HEAD), "what there was room for went along");
            }
            prop_assert_eq!(&unpack(&mut Trains::default(), &cars), &packets);

            let lost = lost.index(cars.len());
            let left = cars.iter().enumerate().filter(|(at, _)| *at != lost);
            let came = unpack(&mut Trains::default(), left.map(|(_, car)| car));
            let held = lost * (CAR - HEAD)..(lost + 1) * (CAR - HEAD);
            let mut end = 0;
            let whole = packets.iter().filter(|packet| {
                let begin = end;
                end = begin + LENGTH + packet.len();
                end <= held.start || held.end <= begin
            });
            prop_assert!(whole.eq(&came), "of {} cars the {lost}th was lost", cars.len());
        }

        #[test]
        fn noise_is_no_panic_and_keeps_little(
            noise in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..CAR), 0..20),
        ) {
            let mut trains = Trains::default();
            for bytes in noise {
                let head = head(1, bytes.len() & 1, bytes.len() / 2);
                trains.unpack(from(1), &[&head[..], &bytes].concat(), |one| {
                    assert!((SHORTEST..=CAR).contains(&one.len()));
                });
                trains.unpack(from(1), &bytes, |_| {});
                prop_assert!(trains.parts.values().all(|part| part.bytes.len() < 2 * CAR));
            }
        }
    }

    #[test]
    fn parts_of_two_senders_or_trains_are_not_put_together() {
        let (packets, cars) = train(1, &[1000, 1000, 300], 9);
        let (_, others) = train(2, &[1000, 1000, 300], 9);
        let mut trains = Trains::default();
        assert_eq!(unpack(&mut trains, [&cars[0], &others[1]]), [&packets[0][..], &packets[2]]);
        assert_eq!(unpack(&mut trains, [&cars[0]]), [&packets[0][..]]);
        let mut came = Vec::new();
        trains.unpack(from(2), &cars[1], |one| came.push(one.to_vec()));
        assert_eq!(came, [&packets[2][..]]);
        assert_eq!(unpack(&mut trains, [&cars[1]]), [&packets[1][..], &packets[2]]);
        assert_eq!(unpack(&mut trains, [&cars[1]]), [&packets[2][..]], "said again");
    }

    #[test]
    fn forged_senders_leave_little_behind_and_what_is_no_train_passes() {
        let (_, cars) = train(1, &[1000, 1000], 9);
        let mut trains = Trains::default();
        for n in 0..10_000u32 {
            let from = SocketAddrV4::new(n.into(), 7935);
            trains.unpack(from, &cars[0], |_| {});
            assert!(trains.parts.len() <= SENDERS);
        }
        assert_eq!(unpack(&mut trains, [&b"hello".to_vec(), &vec![]]), [&b"hello"[..], b""]);
        for wrong in
            [&cars[0][..5], &[&cars[0][..], &[0]].concat(), &[MAGIC, 2, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert!(!trains.unpack(from(1), wrong, |_| panic!("nothing is in it")));
        }
    }
}
