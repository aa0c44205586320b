//! Any message of any version, whole, cut short and spoiled.

#[path = "../laws/mod.rs"]
mod laws;
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
    properties!(v13, 0x04, 30);
}

/// So that no type is forgotten above.
#[test]
fn every_type_of_message_and_multipart_is_among_those_tried() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..5000 {
        let message = v13::message().new_tree(&mut runner).expect("a message").current();
        seen.insert(v13::kind(&laws::encode(&message)));
    }
    let parts = (0..14).chain([0xffff]);
    let multiparts =
        [18, 19].into_iter().flat_map(|kind| parts.clone().map(move |p| (kind, Some(p))));
    let plain = (0..30).filter(|kind| ![18, 19].contains(kind)).map(|kind| (kind, None));
    let missing: Vec<_> = plain.chain(multiparts).filter(|kind| !seen.contains(kind)).collect();
    assert_eq!(missing, []);
}
