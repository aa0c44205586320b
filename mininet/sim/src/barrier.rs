use std::hint;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Where threads wait for each other, many thousand times a second.
///
/// Waiting is spinning at first: a window is often over in some microseconds, less than it takes
/// the system to wake a sleeper. Then the time slice is given away, for there may be more threads
/// than cores. Unlike the standard library's, it can break: when one thread panics the others are
/// let go.
pub(crate) struct Barrier {
    threads: usize,
    arrived: AtomicUsize,
    turn: AtomicUsize,
    broken: AtomicBool,
}

/// A thread panicked; there is nothing left to wait for.
#[derive(Debug)]
pub(crate) struct Broken;

/// Breaks the barrier if its thread panics.
pub(crate) struct Breaker<'a>(pub(crate) &'a Barrier);

const SPINS: u32 = 2_000;

impl Barrier {
    pub(crate) fn new(threads: usize) -> Barrier {
        Barrier {
            threads,
            arrived: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            broken: AtomicBool::new(false),
        }
    }

    /// Returns when all threads are here; what each did before, the others then see.
    pub(crate) fn wait(&self) -> Result<(), Broken> {
        let turn = self.turn.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.threads {
            self.arrived.store(0, Ordering::Relaxed);
            self.turn.store(turn.wrapping_add(1), Ordering::Release);
            return Ok(());
        }
        let mut spins = 0;
        while self.turn.load(Ordering::Acquire) == turn {
            if self.broken.load(Ordering::Relaxed) {
                return Err(Broken);
            }
            if spins < SPINS {
                spins += 1;
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
        Ok(())
    }
}

impl Drop for Breaker<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.broken.store(true, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_runs_ahead() {
        let (barrier, steps) = (Barrier::new(3), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for round in 0..1_000 {
                        steps.fetch_add(1, Ordering::Relaxed);
                        barrier.wait().expect("nobody panics");
                        assert_eq!(steps.load(Ordering::Relaxed), 3 * (round + 1));
                        barrier.wait().expect("nobody panics");
                    }
                });
            }
        });
    }

    #[test]
    fn a_panic_lets_the_others_go() {
        let barrier = Barrier::new(2);
        thread::scope(|scope| {
            let fails = scope.spawn(|| {
                let _breaker = Breaker(&barrier);
                panic!("on purpose");
            });
            assert!(barrier.wait().is_err());
            assert!(fails.join().is_err());
        });
    }
}
