//! A connection: bytes in pieces (the first byte says how long each is), cut into messages of
//! either version, their multipart answers put together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rust_openflow::{Framer, Header, Reassembly, ReassemblyLimits, v10, v13};

const LIMITS: ReassemblyLimits = ReassemblyLimits { questions: 4, parts: 8, bytes: 4096 };

fuzz_target!(|bytes: &[u8]| {
    let Some((step, stream)) = bytes.split_first() else { return };
    let mut framer = Framer::new();
    let mut stats = Reassembly::<v10::Reply>::new(LIMITS);
    let mut multiparts = Reassembly::<v13::Reply>::new(LIMITS);
    for piece in stream.chunks(usize::from(*step) + 1) {
        framer.push(piece);
        loop {
            let Ok(frame) = framer.next_slice() else { return };
            let Some(frame) = frame else { break };
            let header = Header::parse(frame).expect("the framer has read it");
            assert_eq!(usize::from(header.length), frame.len());
            let _ = v10::PacketIn::borrowed(frame);
            // Odd transactions are asked for.
            if header.xid % 2 == 1 {
                let _ = stats.ask(header.xid);
                let _ = multiparts.ask(header.xid);
            }
            if let Ok(v10::Message { xid, body: v10::Body::StatsReply(reply), .. }) =
                v10::Message::parse(frame)
            {
                let _ = stats.take(xid, reply);
            }
            if let Ok(v13::Message { xid, body: v13::Body::MultipartReply(reply), .. }) =
                v13::Message::parse(frame)
            {
                let _ = multiparts.take(xid, reply);
            }
            assert!(stats.pending() <= LIMITS.questions && multiparts.pending() <= LIMITS.questions);
        }
    }
    assert!(framer.pending() <= stream.len());
});
