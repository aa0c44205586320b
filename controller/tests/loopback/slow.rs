//! A switch that does not read what it is sent.

use rust_openflow::v13::Body;

use crate::world::{Controller, encoded};

/// What the kernel holds for a connection at most, both ends together, and what the controller
/// does: a bound on both, many times over.
const ENOUGH: usize = 256 << 20;

#[test]
fn a_switch_that_does_not_read_is_let_go_and_others_are_served_all_the_while() {
    let controller = Controller::start();
    let mut sound = controller.connect();
    sound.introduce(1);
    let mut deaf = controller.connect();
    deaf.introduce(2);
    deaf.stream.set_nonblocking(true).expect("a socket option");

    // Each of these is answered with as many bytes, and no answer is ever read.
    let echo = encoded(7, Body::EchoRequest(vec![0x5a; 60_000]));
    let (mut written, mut offset, mut round_trips) = (0, 0, 0);
    while written < ENOUGH {
        match std::io::Write::write(&mut deaf.stream, &echo[offset..]) {
            Ok(n) => {
                written += n;
                offset = (offset + n) % echo.len();
            }
            // It is not heard for now: that is what holds it back.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        // Whatever becomes of the one, the other is answered at once: without end if it were not.
        if round_trips * (1 << 20) <= written || offset == 0 {
            assert!(sound.is_served());
            round_trips += 1;
        }
        if controller.happened("switch_gone", "does not take") {
            break;
        }
    }
    controller.event("switch_gone", "0000000000000002");
    assert!(written < ENOUGH, "it was never let go");
    assert!(sound.is_served());

    // It may come back, and is served if it reads.
    let mut again = controller.connect();
    again.introduce(2);
    assert!(again.is_served());
}
