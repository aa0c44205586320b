const FILES: [(&str, &str); 4] = [
    ("fig2", include_str!("../../scenarios/fig2.toml")),
    ("fig3", include_str!("../../scenarios/fig3.toml")),
    ("single", include_str!("../../scenarios/single.toml")),
    ("fallback", include_str!("../../scenarios/fallback.toml")),
];

/// The scenarios that come with nearcast.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The file of the scenario called `name`.
pub(super) fn text(name: &str) -> Option<&'static str> {
    FILES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
