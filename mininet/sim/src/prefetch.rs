/// The size of a line of the cache.
const LINE: usize = 64;

/// Asks the processor to fetch so many bytes from an address on while something else goes on. A
/// hint: it reads nothing, and on other processors does nothing.
#[inline]
pub(crate) fn prefetch(start: *const u8, bytes: usize) {
    // From the beginning of the first line: what begins within one may end in one more.
    let before = start.addr() % LINE;
    for at in (0..before + bytes).step_by(LINE) {
        prefetch_line(start.wrapping_add(at).wrapping_sub(before));
    }
}

/// The same of the line that holds the byte at an address, whatever that is.
#[inline]
pub(crate) fn prefetch_line(at: *const u8) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch accesses no memory as far as the program can tell and cannot fault,
        // even at an address that is none (Intel SDM volume 2, PREFETCHh).
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
