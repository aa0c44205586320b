//! Lines of the cache, for [`Peer::foresee`](super::Peer::foresee).

/// The size of one, on nearly all processors.
pub(super) const LINE: usize = 64;

/// Names the lines that a slice lies in.
pub(super) fn lines<T>(of: &[T], name: &mut impl FnMut(*const u8)) {
    let start = of.as_ptr().cast::<u8>();
    // From the beginning of the first line: what begins within one may end in one more.
    let before = start.addr() % LINE;
    for at in (0..before + size_of_val(of)).step_by(LINE) {
        name(start.wrapping_add(at).wrapping_sub(before));
    }
}
