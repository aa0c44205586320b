//! Switches that do not keep to the protocol.

use std::net::Shutdown;

use rust_openflow::v13::Body;

use crate::world::{Controller, encoded};

#[test]
fn a_switch_that_disconnects_in_mid_message_harms_nobody() {
    let controller = Controller::start();
    let mut sound = controller.connect();
    sound.introduce(1);

    let mut torn = controller.connect();
    torn.introduce(2);
    let echo = encoded(7, Body::EchoRequest(vec![0; 100]));
    torn.write(&echo[..60]);
    // Closed with messages unread it would be reset, and the 60 bytes with it.
    torn.stream.shutdown(Shutdown::Write).expect("it is open");
    controller.event("switch_gone", "60 bytes into a message");
    assert!(sound.is_served());

    // And it may come back.
    let mut again = controller.connect();
    again.introduce(2);
    assert!(again.is_served());
}

#[test]
fn bytes_that_are_no_openflow_end_only_their_own_connection() {
    let controller = Controller::start();
    let mut sound = controller.connect();
    sound.introduce(1);

    let mut lost = controller.connect();
    lost.introduce(2);
    // A header whose length does not even cover the header.
    lost.write(&[4, 2, 0, 3, 0, 0, 0, 0]);
    controller.event("switch_gone", "cannot be told apart");

    let mut stranger = controller.connect();
    stranger.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    drop(stranger);
    controller.event("connection_refused", "");
    assert!(sound.is_served());
}

#[test]
fn a_message_byte_by_byte_is_a_message() {
    let controller = Controller::start();
    let mut slow = controller.connect();
    slow.stream.set_nodelay(true).expect("a socket option");
    slow.introduce(3);
    for byte in encoded(9, Body::EchoRequest(b"slowly".to_vec())) {
        slow.write(&[byte]);
    }
    let answer = loop {
        let message = slow.read();
        if message.xid == 9 {
            break message.body;
        }
    };
    assert_eq!(answer, Body::EchoReply(b"slowly".to_vec()));
}
