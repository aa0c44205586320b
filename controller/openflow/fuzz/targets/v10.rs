//! One message of OpenFlow 1.0. The length in its header is made to be right, so that the fuzzer
//! need not find that out; whatever parses must encode to the same bytes but for padding.
#![no_main]

#[path = "../../tests/laws/mod.rs"]
mod laws;

use libfuzzer_sys::fuzz_target;
use rust_openflow::v10::Message;

fuzz_target!(|bytes: &[u8]| {
    laws::sound::<Message>(bytes);
    let mut framed = bytes[..bytes.len().min(usize::from(u16::MAX))].to_vec();
    if framed.len() >= 8 {
        let length = framed.len() as u16;
        framed[2..4].copy_from_slice(&length.to_be_bytes());
        laws::sound::<Message>(&framed);
    }
});
