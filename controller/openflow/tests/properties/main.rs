//! Any message of any version, whole, cut short and spoiled.

#[path = "../laws/mod.rs"]
mod laws;
mod v10;
mod v13;

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

/// A few changes: which byte, by its place among all, and to what.
fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)
}

/// A header that is right, and anything after it.
fn random(version: u8, kinds: u8) -> impl Strategy<Value = Vec<u8>> {
    (0..kinds, vec(prop_oneof![2 => Just(0u8), 2 => 0..32u8, 1 => any::<u8>()], 0..200)).prop_map(
        move |(kind, body)| {
            let length = u8::try_from(8 + body.len()).expect("at most 208");
            [&[version, kind, 0, length, 0, 0, 0, 0], body.as_slice()].concat()
        },
    )
}

macro_rules! properties {
    ($version:ident, $number:literal, $kinds:literal) => {
        mod $version {
            use super::*;
            use crate::$version::message;
            use rust_openflow::$version::Message;

            proptest! {
                #[test]
                fn messages_come_back_as_they_were(message in message()) {
                    laws::round_trip(&message);
                }

                #[test]
                fn cut_short_they_are_incomplete_or_malformed(message in message()) {
                    laws::truncated::<Message>(&laws::encode(&message));
                }

                #[test]
                fn spoiled_they_are_refused_or_kept(message in message(), changes in changes()) {
                    let mut bytes = laws::encode(&message);
                    for (place, value) in changes {
                        let place = place.index(bytes.len());
                        bytes[place] = value;
                    }
                    laws::sound::<Message>(&bytes);
                }

                #[test]
                fn bytes_that_nobody_meant_are_refused_or_kept(bytes in random($number, $kinds)) {
                    laws::sound::<Message>(&bytes);
                }

                #[test]
                fn bytes_without_a_header_are_refused(bytes in vec(any::<u8>(), 0..40)) {
                    laws::sound::<Message>(&bytes);
                }
            }
        }
    };
}

mod of {
    use super::*;
    properties!(v10, 0x01, 22);
    properties!(v13, 0x04, 30);
}

/// So that no type is forgotten above: of messages, `types` there are, those in `multiparts` with
/// parts of the first `parts` types and of experimenters.
fn every_type(message: impl Strategy<Value = Vec<u8>>, types: u8, multiparts: [u8; 2], parts: u16) {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..3000 {
        let bytes = message.new_tree(&mut runner).expect("a message").current();
        let part = u16::from_be_bytes([*bytes.get(8).unwrap_or(&0), *bytes.get(9).unwrap_or(&0)]);
        seen.insert((bytes[1], multiparts.contains(&bytes[1]).then_some(part)));
    }
    let parts = (0..parts).chain([0xffff]);
    let several = multiparts.iter().flat_map(|kind| parts.clone().map(|part| (*kind, Some(part))));
    let single = (0..types).filter(|kind| !multiparts.contains(kind)).map(|kind| (kind, None));
    let missing: Vec<_> = single.chain(several).filter(|kind| !seen.contains(kind)).collect();
    assert_eq!(missing, []);
}

#[test]
fn every_type_of_message_is_among_those_tried() {
    every_type(v10::message().prop_map(|message| laws::encode(&message)), 22, [16, 17], 6);
    every_type(v13::message().prop_map(|message| laws::encode(&message)), 30, [18, 19], 14);
}
