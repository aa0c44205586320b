/// Asks the processor to fetch the cache lines of `value` that hold its first bytes, up to four,
/// while something else goes on. A hint: it reads nothing, and on other processors does nothing.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        const LINE: usize = 64;
        let start = std::ptr::from_ref(value).cast::<i8>();
        for line in 0..size_of::<T>().div_ceil(LINE).min(4) {
            // SAFETY: a prefetch accesses no memory as far as the program can tell and cannot fault
            // (Intel SDM volume 2, PREFETCHh); the address is within `value`.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.add(line * LINE)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
