//! Topologies as data.
