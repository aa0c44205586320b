use std::sync::atomic::{AtomicUsize, Ordering};

/// Does `work` with each of `items` on all processors; answers what comes of them, in their order.
pub(super) fn abreast<I: Sync, T: Send>(items: &[I], work: impl Fn(&I) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else { return done };
            done.push((at, work(item)));
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(items.len());
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("no worker panics")).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, what)| what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_done_once_and_comes_back_in_its_place() {
        let items: Vec<u32> = (0..1000).collect();
        let count = AtomicUsize::new(0);
        let done = abreast(&items, |item| {
            count.fetch_add(1, Ordering::Relaxed);
            item * 2
        });
        assert!(done.into_iter().eq((0..1000).map(|item| item * 2)));
        assert_eq!(count.into_inner(), 1000);
        assert!(abreast(&[], |item: &u32| *item).is_empty());
    }
}
