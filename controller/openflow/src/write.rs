//! How the encoders write: append, then fill in the lengths that were not known before.

/// Appends `count` zero bytes.
pub(crate) fn zeros(count: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + count, 0);
}

/// Appends zero bytes until what began at `start` is a multiple of eight long.
pub(crate) fn align(start: usize, out: &mut Vec<u8>) {
    zeros(padding(out.len() - start), out);
}

/// How many bytes bring `len` to a multiple of eight.
pub(crate) const fn padding(len: usize) -> usize {
    len.next_multiple_of(8) - len
}

/// Writes the length of what began at `start` into the 16 bits at `at`.
///
/// # Panics
/// If it is longer than a 16-bit length can say; OpenFlow has no way to carry it, and whoever built
/// it must split it.
pub(crate) fn fill_length(start: usize, at: usize, out: &mut [u8]) {
    let length = u16::try_from(out.len() - start)
        .expect("an OpenFlow structure is at most 65535 bytes long; split it before encoding");
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}
