/// The Mininet classes for `mn --custom` and for the bridge: `Topo`, `Link`, `Switch` and
/// `Controller` in one Python file that needs nothing but Mininet.
pub const MININET_CLASSES: &str = include_str!("../nearcast.py");

const FILES: [(&str, &str); 6] = [
    ("single", include_str!("../single.toml")),
    ("multi", include_str!("../multi.toml")),
    ("ring", include_str!("../ring.toml")),
    ("fat-tree", include_str!("../fat-tree.toml")),
    ("campus", include_str!("../campus.toml")),
    ("remote", include_str!("../remote.toml")),
];

/// The topologies that come with nearcast.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The file of the topology called `name`.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
