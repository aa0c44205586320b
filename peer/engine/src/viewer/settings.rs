use std::net::{Ipv4Addr, SocketAddrV4};

use nearcast_machine::Span;

/// What can be set about a viewer. The defaults are what the experiments use.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The controller's alias, the only address that offers are believed from: `10.254.0.1`.
    pub controller: Ipv4Addr,
    /// The virtual range, address and prefix length: `10.254.0.0/16`. Only from within it are
    /// neighbours served.
    pub range: (Ipv4Addr, u8),
    /// The CDN seed; without one, holes are repaired by neighbours only.
    pub seed: Option<SocketAddrV4>,
    /// How long a missing unit is asked for before playing goes on behind it: 3 s.
    pub give_up: Span,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            controller: Ipv4Addr::new(10, 254, 0, 1),
            range: (Ipv4Addr::new(10, 254, 0, 0), 16),
            seed: None,
            give_up: Span::from_secs(3),
        }
    }
}
