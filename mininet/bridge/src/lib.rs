//! Rust drives Mininet by a handful of coarse calls.
