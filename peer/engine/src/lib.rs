//! The sans-IO peer: chunks, sources, repair and in-order release.
