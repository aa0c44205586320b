//! A port for a program that has to be told one.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// A TCP port of the loopback that nobody else is given for as long as this lives, and that a
/// program can listen at.
///
/// The port is held by a socket that is bound and does not listen. A listener that is closed before
/// the program starts would not do: processes that are forked at that moment keep it until they
/// execute, so that the program cannot bind, and whoever connects is reset.
pub(crate) struct Reserved {
    pub(crate) address: SocketAddr,
    _held: Socket,
}

impl Reserved {
    pub(crate) fn new() -> Reserved {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        // The program's listener has it as well; without, only one socket may be bound.
        held.set_reuse_address(true).expect("a socket that is not bound");
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a free port");
        let address = held.local_addr().expect("bound").as_socket().expect("of IPv4");
        Reserved { address, _held: held }
    }
}
