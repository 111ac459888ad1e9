//! Batches of a device that concurrent calls share.
//!
//! On a GPU a small batch takes nearly as long as a full one. Therefore the sequences of all calls
//! stand in one queue. One call at a time has the device: it takes sequences of all calls, up to
//! the token budget, runs one pass, and gives each call its own results (`queue.rs` has the rules).
//! There is no thread for this and no delay: a call that finds the device free begins at once, and
//! what arrives during a pass is the next batch.
//!
//! A call reads its results on its own thread, after the device is free again. So the next pass
//! runs while earlier results are pooled, and whoever reads them may call the model again.

mod queue;
mod states;
#[cfg(test)]
mod tests;

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use queue::{Id, Queue, SharedPass};
pub(super) use states::{Passes, TokenStates};

use crate::call::Call;
use crate::engine::{Backend, HiddenSink, ModelMemory, RaggedBatch};
use crate::{Error, Result, foreign};

/// A backend whose concurrent calls share batches of at most `batch_tokens` tokens, padding
/// included.
pub(super) struct SharedBatches<B> {
    backend: B,
    batch_tokens: usize,
    queue: Mutex<Queue>,
    /// Signals the end of a pass.
    ended: Condvar,
}

/// The next step of a call.
enum Next {
    /// It runs a pass, for itself and others.
    Run(SharedPass),
    /// It reads the states of its sequences with these indices.
    Read(Vec<(usize, TokenStates)>),
}

/// A call's place in the queue. The call's waiting sequences leave the queue with it.
struct QueuePlace<'a, B> {
    shared: &'a SharedBatches<B>,
    id: Id,
}

impl<B> Drop for QueuePlace<'_, B> {
    fn drop(&mut self) {
        self.shared.lock().leave(self.id);
    }
}

impl<B> SharedBatches<B> {
    /// Creates the wrapper of a backend.
    pub(super) fn new(backend: B, batch_tokens: usize) -> Self {
        Self { backend, batch_tokens, queue: Mutex::default(), ended: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a call has results, or may run the next pass.
    fn next(&self, id: Id, call: &Call<'_>) -> Result<Next> {
        let mut queue = self.lock();
        loop {
            if let Some(outcome) = queue.outcome(id) {
                return outcome.map(Next::Read);
            }
            call.check()?;
            if let Some(pass) = queue.begin(self.batch_tokens) {
                return Ok(Next::Run(pass));
            }
            // A free device without a pass: the call has ended since it was checked.
            if queue.is_busy() {
                queue = self.ended.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

impl<B: Passes> SharedBatches<B> {
    /// Runs a pass. A panic of the backend is an error of the pass, because other calls wait for
    /// its end.
    fn run(&self, pass: SharedPass) {
        let outcome = foreign::call(|| self.backend.states(pass.batch()));
        let outcome = outcome.unwrap_or_else(|panic| Err(failed(format!("the backend stopped: {panic}"))));
        self.lock().end(pass, outcome);
        self.ended.notify_all();
    }
}

impl<B: Passes> Backend for SharedBatches<B> {
    fn hidden_size(&self) -> usize {
        self.backend.hidden_size()
    }

    fn memory(&self) -> ModelMemory {
        self.backend.memory()
    }

    /// A pass that runs is not ended by `call`, because other calls may have sequences in it.
    fn forward(&self, batch: &RaggedBatch, _threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()> {
        call.check()?;
        let place = QueuePlace { shared: self, id: self.lock().enter(batch.clone(), call.limits()) };
        let mut left = batch.len();
        while left > 0 {
            match self.next(place.id, call)? {
                Next::Run(pass) => self.run(pass),
                Next::Read(results) => {
                    left -= results.len();
                    results.into_iter().for_each(|(index, states)| sink(index, states.view()));
                }
            }
        }
        Ok(())
    }

    fn forward_padded(&self, batch: &RaggedBatch, sink: &HiddenSink<'_>) -> Result<()> {
        self.backend.forward_padded(batch, sink)
    }

    fn check_expanded(&self, tokens: usize) -> Result<()> {
        self.backend.check_expanded(tokens)
    }
}

fn failed(message: String) -> Error {
    Error::Compute { context: "the forward pass failed".into(), message }
}
