//! Threads for computing: one pool per process, and one per model that has its own number of
//! threads.
//!
//! **Fork.** The threads of a pool do not exist in a forked child, and work given to them there
//! never ends. Therefore a pool is looked up by the id of the process: a child starts threads of
//! its own on first use, and does not touch the parent's pool. rayon's global pool has the same
//! fault and is not used, unless the caller runs on it.
//!
//! **Turns.** Work is cut into pieces of about one micro-batch. A call has only a few pieces in the
//! pool's queue, first in, first out, so that the pieces of concurrent calls alternate. A short
//! call waits for a piece of a long one, not for its end. The other calls do not influence a
//! piece's result.

use std::mem;
use std::process;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, OnceLock};

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::{Error, Result};

/// Maximum number of threads of a pool, several times the cores of the largest machines. Each
/// thread takes memory, and systems limit their number.
pub const MAX_THREADS: usize = 1024;

/// The default pool: one thread per core, or `RAYON_NUM_THREADS`.
static SHARED: Pool = Pool::new(0);

/// Runs `work` on the process's shared pool, so that rayon inside it uses that pool. A caller on a
/// pool's thread stays there.
pub(crate) fn on_shared<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    match SHARED.get() {
        Ok(pool) if rayon::current_thread_index().is_none() => pool.install(work),
        _ => work(),
    }
}

/// The threads of a model. Clones share the threads.
#[derive(Clone)]
pub(crate) struct Threads(Option<Arc<Pool>>);

impl Threads {
    /// Creates `count` threads; `None` uses the shared pool.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for 0 or more than [`MAX_THREADS`]; [`Error::Compute`] if they
    /// cannot be started.
    pub fn new(count: Option<usize>) -> Result<Self> {
        let Some(count) = count else { return Ok(Self(None)) };
        if !(1..=MAX_THREADS).contains(&count) {
            let why = format!("{count}; expected 1 to {MAX_THREADS}");
            return Err(Error::InvalidOption { option: "threads", why });
        }
        let pool = Pool::new(count);
        pool.get()?;
        Ok(Self(Some(Arc::new(pool))))
    }

    /// Returns the pool to move work to; `None` for a caller that is on a shared pool's thread and
    /// stays there.
    fn pool(&self) -> Result<Option<&ThreadPool>> {
        match &self.0 {
            Some(own) => own.get().map(Some),
            None if rayon::current_thread_index().is_some() => Ok(None),
            None => SHARED.get().map(Some),
        }
    }

    /// Runs `work` on these threads, so that rayon inside it uses them.
    ///
    /// # Errors
    /// [`Error::Compute`] if the threads cannot be started.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        Ok(match self.pool()? {
            Some(pool) => pool.install(work),
            None => work(),
        })
    }

    /// Returns the number of threads.
    ///
    /// # Errors
    /// [`Error::Compute`] if they cannot be started.
    pub fn count(&self) -> Result<usize> {
        Ok(self.pool()?.map_or_else(rayon::current_num_threads, ThreadPool::current_num_threads))
    }

    /// Runs `work` for every piece, in turns with the pieces of concurrent calls, and passes each
    /// result to `done`. After an error no further piece is started.
    ///
    /// `done` runs on the caller's thread, unless that is a pool's thread. It may wait for another
    /// call. A thread of a pool must not wait, because the other call's work may be below it on the
    /// same stack.
    ///
    /// # Errors
    /// The first error of a piece; [`Error::Compute`] if the threads cannot be started.
    pub fn in_turns<P: Send, T: Send>(
        &self,
        pieces: Vec<P>,
        work: impl Fn(P) -> Result<T> + Sync,
        done: impl Fn(T) + Sync,
    ) -> Result<()> {
        match self.pool()? {
            Some(pool) => in_turns(pool, pieces.into_iter(), &work, &done),
            None => pieces.into_par_iter().with_max_len(1).try_for_each(|piece| work(piece).map(&done)),
        }
    }
}

fn in_turns<P: Send, T: Send>(
    pool: &ThreadPool,
    pieces: impl Iterator<Item = P>,
    work: &(impl Fn(P) -> Result<T> + Sync),
    done: &impl Fn(T),
) -> Result<()> {
    // One more than run at once, so that no thread waits for the caller to wake up.
    let most_queued = pool.current_num_threads() + 1;
    let (sender, ended) = channel::<Option<Result<T>>>();
    pool.in_place_scope(|scope| {
        let mut queued = 0;
        for piece in pieces {
            if queued == most_queued {
                ended.recv().ok().flatten().map_or(Ok(()), |result| result.map(done))?;
                queued -= 1;
            }
            let end = End { sender: sender.clone(), result: None };
            scope.spawn(move |_| {
                let mut end = end;
                end.result = Some(work(piece));
            });
            queued += 1;
        }
        drop(sender);
        ended.into_iter().flatten().try_for_each(|result| result.map(done))
    })
}

/// Reports the end of a piece, even if it panicked, so that its caller does not wait forever. The
/// panic itself goes up through the scope.
struct End<T> {
    sender: Sender<Option<Result<T>>>,
    /// `None` until the piece is done.
    result: Option<Result<T>>,
}

impl<T> Drop for End<T> {
    fn drop(&mut self) {
        // After an error there is no receiver.
        let _ = self.sender.send(self.result.take());
    }
}

/// A pool for every process that uses it.
struct Pool {
    /// Number of threads; 0 for rayon's default.
    count: usize,
    first: OnceLock<Box<Generation>>,
}

/// The threads of one process, and those of its children. The list has no locks, because a lock
/// that was held during a fork would be held forever in the child.
struct Generation {
    pid: u32,
    /// `None` only while it is dropped.
    pool: Option<ThreadPool>,
    next: OnceLock<Box<Generation>>,
}

impl Pool {
    const fn new(count: usize) -> Self {
        Self { count, first: OnceLock::new() }
    }

    fn get(&self) -> Result<&ThreadPool> {
        let pid = process::id();
        let mut slot = &self.first;
        loop {
            match slot.get().map(Box::as_ref) {
                Some(Generation { pid: theirs, pool: Some(pool), .. }) if *theirs == pid => return Ok(pool),
                Some(other) => slot = &other.next,
                // If another thread was faster, this pool ends and the other one is used.
                None => drop(slot.set(Box::new(Generation::start(pid, self.count)?))),
            }
        }
    }
}

impl Generation {
    fn start(pid: u32, count: usize) -> Result<Self> {
        let failed = |e| Error::Compute { context: format!("cannot start {count} threads"), message: format!("{e}") };
        let pool = ThreadPoolBuilder::new().num_threads(count).build().map_err(failed)?;
        Ok(Self { pid, pool: Some(pool), next: OnceLock::new() })
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        // The threads of another process do not exist here and cannot be stopped.
        if self.pid != process::id() {
            mem::forget(self.pool.take());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, Mutex};
    use std::{iter, thread};

    use super::*;

    fn pool(threads: usize) -> ThreadPool {
        ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn a_short_call_waits_for_the_pieces_of_a_long_one_that_are_queued_and_not_for_its_end() {
        let (pool, log) = (pool(1), Mutex::new(Vec::new()));
        let ((is_begun, begun), (is_queued, queued)) = (channel(), channel());
        let queued = Mutex::new(queued);
        thread::scope(|scope| {
            scope.spawn(|| {
                let long = |piece: usize| {
                    if piece == 0 {
                        is_begun.send(()).unwrap();
                        queued.lock().unwrap().recv().unwrap();
                    }
                    log.lock().unwrap().push(("long", piece));
                    Ok(())
                };
                in_turns(&pool, 0..9, &long, &drop).unwrap();
            });
            begun.recv().unwrap();
            // A piece is queued when the next one is requested.
            let none_left = iter::from_fn(|| {
                is_queued.send(()).unwrap();
                None
            });
            let short = |piece: usize| {
                log.lock().unwrap().push(("short", piece));
                Ok(())
            };
            in_turns(&pool, iter::once(0).chain(none_left), &short, &drop).unwrap();
        });
        let log = log.into_inner().unwrap();
        assert_eq!((log[..4].to_vec(), log.len()), (vec![("long", 0), ("long", 1), ("short", 0), ("long", 2)], 10));
    }

    #[test]
    fn all_pieces_are_done_on_any_number_of_threads() {
        for threads in [1, 2, 5] {
            let threads = Threads::new(Some(threads)).unwrap();
            for pieces in [0, 1, 2, 100] {
                let sum = AtomicUsize::new(0);
                let add = |piece: usize| _ = sum.fetch_add(piece, Ordering::Relaxed);
                threads.in_turns((0..pieces).collect(), |piece| Ok(piece + 1), add).unwrap();
                assert_eq!(sum.into_inner(), pieces * (pieces + 1) / 2);
            }
        }
    }

    /// A piece that waits for shares of its own work runs another call's piece in the meantime, and
    /// cannot continue before that ends.
    #[test]
    fn who_is_told_of_a_piece_may_wait_for_another_call_although_pieces_run_inside_each_other() {
        let (threads, both) = (Threads::new(Some(2)).unwrap(), Barrier::new(2));
        let call = || {
            let shares = |_| {
                (0..64).into_par_iter().with_max_len(1).for_each(|_| thread::yield_now());
                Ok(())
            };
            let was_told = AtomicUsize::new(0);
            let wait = |()| {
                if was_told.fetch_add(1, Ordering::SeqCst) == 0 {
                    both.wait();
                }
            };
            for _ in 0..50 {
                was_told.store(0, Ordering::SeqCst);
                threads.in_turns(vec![()], shares, wait).unwrap();
            }
        };
        thread::scope(|scope| {
            scope.spawn(call);
            call();
        });
    }

    #[test]
    fn after_an_error_no_further_piece_is_begun() {
        let (pool, begun) = (pool(1), AtomicUsize::new(0));
        let fail = |_| -> Result<()> {
            begun.fetch_add(1, Ordering::Relaxed);
            Err(Error::InvalidArgument("no".into()))
        };
        assert!(in_turns(&pool, 0..100, &fail, &drop).is_err());
        assert!(begun.into_inner() <= 3, "one piece, and those that were queued");
    }

    #[test]
    fn a_panic_in_a_piece_reaches_the_caller() {
        let panics = |piece: usize| if piece == 3 { panic!("piece 3") } else { Ok(()) };
        let caught = catch_unwind(AssertUnwindSafe(|| in_turns(&pool(2), 0..50, &panics, &drop)));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"piece 3"));
    }

    #[test]
    fn who_is_on_a_pool_stays_there_without_threads_of_their_own() {
        let (shared, own) = (Threads::new(None).unwrap(), Threads::new(Some(3)).unwrap());
        pool(5).install(|| {
            assert_eq!((shared.count().unwrap(), own.count().unwrap()), (5, 3));
            assert_eq!(shared.run(rayon::current_num_threads).unwrap(), 5);
            assert_eq!(own.run(rayon::current_num_threads).unwrap(), 3);
            assert_eq!(on_shared(rayon::current_num_threads), 5);
            shared.in_turns((0..20).collect(), |_| Ok(()), drop).unwrap();
        });
    }

    #[test]
    fn too_many_threads_and_none_are_refused() {
        for count in [0, MAX_THREADS + 1] {
            let refused = Threads::new(Some(count)).err().unwrap();
            assert!(matches!(refused, Error::InvalidOption { option: "threads", .. }), "{refused}");
        }
    }
}
