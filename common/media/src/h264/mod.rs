//! H.264 (ITU-T H.264) bitstreams, as far as layers, chunks and stamps need them.
