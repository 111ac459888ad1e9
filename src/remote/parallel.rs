//! Runs several requests at once.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Runs `count` pieces of work on `threads` threads. The results are in the order of the pieces.
///
/// # Errors
/// The error of the first piece that failed, in the order of the pieces. After a failure no new
/// piece begins; those under way are finished.
pub(super) fn in_order<T: Send, E: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let (next, has_failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let worker = || {
        let mut done = Vec::new();
        while !has_failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                break;
            }
            let result = work(at);
            if result.is_err() {
                has_failed.store(true, Ordering::Relaxed);
            }
            done.push((at, result));
        }
        done
    };
    let mut done: Vec<(usize, Result<T, E>)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, count.max(1))).map(|_| scope.spawn(worker)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn results_are_in_order_and_as_many_threads_work_as_asked() {
        let (working, most, together) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(4));
        let work = |at: usize| {
            most.fetch_max(working.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            if at < 4 {
                // No thread goes on before four are at work.
                together.wait();
            }
            working.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, ()>(at * at)
        };
        let squares = in_order(50, 4, work).unwrap();
        assert_eq!(squares, (0..50).map(|at| at * at).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 4);
        assert_eq!(in_order(0, 4, Ok::<_, ()>), Ok(Vec::new()));
    }

    #[test]
    fn a_failure_ends_the_work() {
        let begun = AtomicUsize::new(0);
        let work = |at: usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if at == 3 { Err("three") } else { Ok(at) }
        };
        assert_eq!(in_order(1000, 1, work), Err("three"));
        assert_eq!(begun.into_inner(), 4);
    }

    #[test]
    fn of_several_failures_the_first_piece_counts_and_those_under_way_are_done() {
        let both = Barrier::new(2);
        let work = |at: usize| -> Result<(), usize> {
            both.wait();
            Err(at)
        };
        assert_eq!(in_order(2, 2, work), Err(0));
    }
}
