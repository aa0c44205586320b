//! Lines of the cache, for [`Peer::foresee`](super::Peer::foresee).

/// The size of one, on nearly all processors.
pub(super) const LINE: usize = 64;

/// Names the lines that a slice lies in.
pub(super) fn lines<T>(of: &[T], name: &mut impl FnMut(*const u8)) {
    let start = of.as_ptr().cast::<u8>();
    for at in (0..size_of_val(of)).step_by(LINE) {
        name(start.wrapping_add(at));
    }
}
