//! The distribution of many texts over threads and batches.

use rayon::prelude::*;

use crate::Result;
use crate::call::Call;
use crate::candle_backend::Device;
use crate::engine::MICRO_BATCH_TOKENS;
use crate::threads::Threads;

/// There are more tasks than threads, so that a thread with short texts takes another task.
const TASKS_PER_THREAD: usize = 16;
/// Maximum number of texts in one task. Tokenized texts wait in memory.
const MAX_TEXTS_PER_TASK: usize = 32;
/// Maximum number of bytes in one task, about a micro-batch of English; a longer text is a task of
/// its own. After each task another call can have its turn.
const BYTES_PER_TASK: usize = 4 * MICRO_BATCH_TOKENS;

/// A tokenized text or pair.
pub(super) trait Tokens: Send + Sync {
    /// Returns the number of tokens.
    fn num_tokens(&self) -> usize;
}

/// Computes a batch of texts, each with its position, on a number of threads.
pub(super) type ForwardFn<'a, T> = dyn Fn(&[(usize, &T)], usize) -> Result<()> + Sync + 'a;

/// A list of texts or pairs to run through a model.
pub(super) struct BatchWork<'a, T> {
    /// The length of every text in bytes. Long texts are started first.
    pub lengths: &'a [usize],
    /// Maximum number of tokens in a batch, padding included.
    pub batch_tokens: usize,
    /// Tokenizes the text at a position.
    pub tokenize: &'a (dyn Fn(usize) -> Result<T> + Sync),
    /// The call, which may end the work between two texts or batches.
    pub call: &'a Call<'a>,
    /// The step that computes a tokenized batch.
    pub forward: &'a ForwardFn<'a, T>,
}

impl<T: Tokens> BatchWork<'_, T> {
    /// Runs all of the work on these threads, in turns with other calls.
    pub fn run(&self, threads: &Threads, device: Device) -> Result<()> {
        match device {
            Device::Cpu => self.on_cpu(threads),
            _ => self.on_gpu(threads),
        }
    }

    /// Gives each thread a few texts at a time.
    fn on_cpu(&self, threads: &Threads) -> Result<()> {
        let count = threads.count()?;
        let order = longest_first(self.lengths);
        let texts_per_task = order.len().div_ceil(count * TASKS_PER_THREAD).clamp(1, MAX_TEXTS_PER_TASK);
        let tasks = cut_tasks(&order, self.lengths, texts_per_task);
        let threads_per_task = (count / tasks.len().max(1)).max(1);
        let task = |indices: &[usize]| {
            let tokenized: Vec<T> = indices.iter().map(|&index| self.tokenize(index)).collect::<Result<_>>()?;
            self.batches(indices, &tokenized, threads_per_task, &|_| ())?;
            Ok(indices.len())
        };
        threads.in_turns(tasks, task, |texts| self.call.done(texts))
    }

    fn tokenize(&self, index: usize) -> Result<T> {
        self.call.check()?;
        (self.tokenize)(index)
    }

    /// Tokenizes all texts, then runs batch after batch on the device. Batches run on the caller's
    /// thread, because it waits for the device there, and the pool is free for the texts of others.
    fn on_gpu(&self, threads: &Threads) -> Result<()> {
        let all: Vec<usize> = (0..self.lengths.len()).collect();
        let tokenize = || all.par_iter().map(|&index| self.tokenize(index)).collect::<Result<Vec<T>>>();
        let tokenized = threads.run(tokenize)??;
        self.batches(&all, &tokenized, 1, &|texts| self.call.done(texts))
    }

    /// Cuts tokenized texts into batches of similar lengths. `indices` are their positions. `done`
    /// receives the number of texts of each batch.
    fn batches(&self, indices: &[usize], tokenized: &[T], threads: usize, done: &dyn Fn(usize)) -> Result<()> {
        let lengths: Vec<usize> = tokenized.iter().map(Tokens::num_tokens).collect();
        let order = longest_first(&lengths);
        cut_batches(&order, &lengths, self.batch_tokens).into_iter().try_for_each(|positions| {
            let text = |&position: &usize| (indices[position], &tokenized[position]);
            self.call.check()?;
            let batch: Vec<(usize, &T)> = positions.iter().map(text).collect();
            (self.forward)(&batch, threads)?;
            done(batch.len());
            Ok(())
        })
    }
}

/// Returns the positions of the texts, longest first. Texts of similar length share a batch, and
/// the last texts to run are short, so that no core waits long for another.
fn longest_first(lengths: &[usize]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| (std::cmp::Reverse(lengths[index]), index));
    order
}

/// Cuts `order` into runs of at most `texts` texts and [`BYTES_PER_TASK`]. A longer text is a run
/// of its own.
fn cut_tasks<'a>(order: &'a [usize], lengths: &[usize], texts: usize) -> Vec<&'a [usize]> {
    let mut bytes = 0;
    let mut first = 0;
    let mut tasks = Vec::new();
    for (at, &index) in order.iter().enumerate() {
        if at > first && (at - first == texts || bytes + lengths[index] > BYTES_PER_TASK) {
            tasks.push(&order[first..at]);
            (first, bytes) = (at, 0);
        }
        bytes += lengths[index];
    }
    tasks.extend((first < order.len()).then(|| &order[first..]));
    tasks
}

/// Cuts `order` (longest first) into batches whose padded size stays within `budget` tokens. The
/// padded size is the number of texts times the longest (the first). A text longer than the budget
/// is a batch of its own.
fn cut_batches<'a>(order: &'a [usize], lengths: &[usize], budget: usize) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut rest = order;
    while let Some(&longest) = rest.first() {
        let width = lengths[longest].max(1);
        let (batch, tail) = rest.split_at((budget / width).clamp(1, rest.len()));
        batches.push(batch);
        rest = tail;
    }
    batches
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn batches_hold_every_text_once_within_the_budget() {
        let lengths = [3, 9, 1, 9, 4, 20, 0, 5];
        let order = longest_first(&lengths);
        assert_eq!(order, [5, 1, 3, 7, 4, 0, 2, 6]);
        for budget in 1..60 {
            let batches = cut_batches(&order, &lengths, budget);
            assert_eq!(batches.concat(), order);
            for batch in batches {
                let width = lengths[batch[0]];
                assert!(batch.len() == 1 || batch.len() * width <= budget, "budget {budget}: {batch:?}");
            }
        }
        assert!(cut_batches(&[], &[], 10).is_empty());
    }

    impl Tokens for usize {
        fn num_tokens(&self) -> usize {
            *self
        }
    }

    #[test]
    fn on_a_gpu_the_pool_tokenizes_and_the_caller_waits_for_the_device() {
        let is_in_pool = || rayon::current_thread_index().is_some();
        let (call, batches) = (Call::new(), AtomicUsize::new(0));
        let work = BatchWork {
            lengths: &[7, 8, 9],
            batch_tokens: 2,
            call: &call,
            tokenize: &|index| {
                assert!(is_in_pool());
                Ok(index)
            },
            forward: &|batch: &[(usize, &usize)], _| {
                assert!(!is_in_pool() && batch.iter().all(|(index, tokens)| index == *tokens));
                batches.fetch_add(1, Ordering::Relaxed);
                Ok(())
            },
        };
        work.run(&Threads::new(Some(2)).unwrap(), Device::Cuda(0)).unwrap();
        assert_eq!(batches.into_inner(), 2, "two tokens, then one and none");
    }

    #[test]
    fn tasks_hold_every_text_once_and_about_a_micro_batch() {
        let lengths: Vec<usize> = (0..300).map(|at| at * 37 % (2 * BYTES_PER_TASK)).collect();
        let order = longest_first(&lengths);
        for texts in [1, 7, MAX_TEXTS_PER_TASK] {
            let tasks = cut_tasks(&order, &lengths, texts);
            assert_eq!(tasks.concat(), order);
            for task in tasks {
                let bytes: usize = task.iter().map(|&index| lengths[index]).sum();
                assert!(task.len() == 1 || (task.len() <= texts && bytes <= BYTES_PER_TASK), "{texts}: {task:?}");
            }
        }
        assert!(cut_tasks(&[], &[], 7).is_empty());
    }
}
