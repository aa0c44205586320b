//! The mesh's datagrams as bytes. `docs/layerp2p.md` has the layout.

/// The largest datagram, as UDP payload. With IPv4 and UDP headers it takes 1468 bytes, which fits
/// Ethernet, PPPoE (1492) and a GRE tunnel (1476), and leaves a full chunk 150 bytes for news.
pub const DATAGRAM_MAX: usize = 1440;
