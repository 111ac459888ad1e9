//! Concurrent calls on a backend that is watched: echoes, and real models by candle on the CPU.
//!
//! The first pass waits until the test has all other calls in the queue. So the second pass is the
//! same on every run.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use ndarray::{Array3, ArrayView2};

use super::*;
use crate::call::CancelToken;
use crate::candle_backend::{CandleBackend, Device};

/// After this time a test has failed. No test that passes waits for it.
const NEVER: Duration = Duration::from_secs(120);

/// A token that fails its pass.
const BAD: u32 = 666;

/// The sequences of each pass.
type Passed = Vec<Vec<Vec<u32>>>;

/// What happens before a pass, by its number from 0.
type Before = Box<dyn Fn(usize, &RaggedBatch) -> Result<()> + Send + Sync>;

/// A backend whose hidden states are the token ids.
struct Echo;

impl Backend for Echo {
    fn hidden_size(&self) -> usize {
        1
    }

    fn forward(&self, _: &RaggedBatch, _: usize, _: &Call<'_>, _: &HiddenSink<'_>) -> Result<()> {
        panic!("only whole batches are asked for")
    }
}

impl Passes for Echo {
    fn states(&self, batch: &RaggedBatch) -> Result<Vec<TokenStates>> {
        let mut states = Array3::from_elem((batch.len(), batch.max_seqlen(), 1), f32::NAN);
        for (row, sequence) in batch.sequences().enumerate() {
            sequence.iter().enumerate().for_each(|(at, id)| states[[row, at, 0]] = *id as f32);
        }
        Ok(TokenStates::of_pass(states, batch.sequences().map(<[u32]>::len)))
    }
}

/// A backend that writes down the sequences of each pass.
struct Watched<B> {
    backend: B,
    passes: Arc<Mutex<Passed>>,
    before: Before,
}

impl<B: Passes> Backend for Watched<B> {
    fn hidden_size(&self) -> usize {
        self.backend.hidden_size()
    }

    fn forward(&self, batch: &RaggedBatch, threads: usize, call: &Call<'_>, sink: &HiddenSink<'_>) -> Result<()> {
        self.backend.forward(batch, threads, call, sink)
    }
}

impl<B: Passes> Passes for Watched<B> {
    fn states(&self, batch: &RaggedBatch) -> Result<Vec<TokenStates>> {
        let number = {
            let mut passes = self.passes.lock().unwrap();
            passes.push(batch.sequences().map(<[u32]>::to_vec).collect());
            passes.len() - 1
        };
        (self.before)(number, batch)?;
        self.backend.states(batch)
    }
}

/// Stops passes until the test lets them go on.
struct Gate {
    begun: Mutex<Receiver<()>>,
    go_on: Sender<()>,
}

impl Gate {
    /// Creates a gate for the passes with these numbers. `then` is what follows in every pass.
    fn new(
        passes: &'static [usize],
        then: impl Fn(&RaggedBatch) -> Result<()> + Send + Sync + 'static,
    ) -> (Self, Before) {
        let ((begins, begun), (go_on, goes_on)) = (channel(), channel());
        let goes_on = Mutex::new(goes_on);
        let before = move |number: usize, batch: &RaggedBatch| {
            if passes.contains(&number) {
                begins.send(()).unwrap();
                goes_on.lock().unwrap().recv_timeout(NEVER).expect("the test opens the gate");
            }
            then(batch)
        };
        (Self { begun: Mutex::new(begun), go_on }, Box::new(before))
    }

    fn wait_for_pass(&self) {
        self.begun.lock().unwrap().recv_timeout(NEVER).expect("a pass begins");
    }

    fn open(&self) {
        self.go_on.send(()).unwrap();
    }
}

/// A shared backend, its gate, and what it computed.
struct Stage<B> {
    shared: SharedBatches<Watched<B>>,
    gate: Gate,
    passes: Arc<Mutex<Passed>>,
}

impl<B: Passes> Stage<B> {
    fn new(
        backend: B,
        batch_tokens: usize,
        gates: &'static [usize],
        then: impl Fn(&RaggedBatch) -> Result<()> + Send + Sync + 'static,
    ) -> Self {
        let (gate, before) = Gate::new(gates, then);
        let passes = Arc::default();
        let watched = Watched { backend, passes: Arc::clone(&passes), before };
        Self { shared: SharedBatches::new(watched, batch_tokens), gate, passes }
    }

    fn call(&self, batch: &RaggedBatch, call: &Call<'_>) -> Result<Vec<Vec<f32>>> {
        collect(&self.shared, batch, call)
    }

    /// Runs these calls at once. The first one has its pass begun when the others come, and
    /// `while_waiting` runs when they all wait.
    fn meet(&self, calls: &[(RaggedBatch, Call<'_>)], while_waiting: impl FnOnce()) -> Vec<Result<Vec<Vec<f32>>>> {
        thread::scope(|scope| {
            let mut running = Vec::new();
            for (batch, call) in calls {
                running.push(scope.spawn(move || self.call(batch, call)));
                if running.len() == 1 {
                    self.gate.wait_for_pass();
                }
                wait_until(|| self.shared.lock().len() == running.len());
            }
            while_waiting();
            self.gate.open();
            running.into_iter().map(|call| call.join().unwrap()).collect()
        })
    }

    fn passes(&self) -> Passed {
        self.passes.lock().unwrap().clone()
    }
}

/// Returns the hidden states of each sequence.
fn collect(backend: &impl Backend, batch: &RaggedBatch, call: &Call<'_>) -> Result<Vec<Vec<f32>>> {
    let found = Mutex::new(vec![Vec::new(); batch.len()]);
    backend.forward(batch, 1, call, &|index, hidden| {
        found.lock().unwrap()[index] = hidden.iter().copied().collect();
    })?;
    Ok(found.into_inner().unwrap())
}

/// Fails if the condition does not come true.
fn wait_until(condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < NEVER, "what the test waits for does not come");
        thread::yield_now();
    }
}

/// Runs a test, which fails if it does not end.
fn bounded(test: impl FnOnce() + Send + 'static) {
    let (ends, ended) = channel();
    let running = thread::spawn(move || {
        test();
        let _ = ends.send(());
    });
    match ended.recv_timeout(NEVER + NEVER) {
        Ok(()) => (),
        Err(RecvTimeoutError::Timeout) => panic!("the test does not end"),
        Err(RecvTimeoutError::Disconnected) => resume_unwind(running.join().unwrap_err()),
    }
}

fn batch(sequences: &[&[u32]]) -> RaggedBatch {
    RaggedBatch::of(sequences.iter().copied())
}

fn anew(sequences: &[&[u32]]) -> (RaggedBatch, Call<'static>) {
    (batch(sequences), Call::new())
}

fn echoes(batch: &RaggedBatch) -> Vec<Vec<f32>> {
    batch.sequences().map(|sequence| sequence.iter().map(|&id| id as f32).collect()).collect()
}

#[test]
fn sequences_of_several_calls_meet_in_one_pass_and_return_to_their_own() {
    bounded(|| {
        let stage = Stage::new(Echo, 100, &[0], |_| Ok(()));
        let calls = [anew(&[&[1, 1]]), anew(&[&[2, 2], &[2, 2, 2]]), anew(&[&[3, 3, 3, 3], &[3, 3, 3]])];
        let found = stage.meet(&calls, || ());
        for (found, (batch, _)) in found.into_iter().zip(&calls) {
            assert_eq!(found.unwrap(), echoes(batch));
        }
        let shared = vec![vec![3, 3, 3, 3], vec![2, 2, 2], vec![3, 3, 3], vec![2, 2]];
        assert_eq!(stage.passes(), [vec![vec![1, 1]], shared]);
        assert_eq!(stage.shared.lock().len(), 0);
    });
}

#[test]
fn a_cancelled_call_takes_its_waiting_sequences_with_it() {
    bounded(|| {
        let stage = Stage::new(Echo, 100, &[0], |_| Ok(()));
        let token = CancelToken::new();
        let calls = [anew(&[&[1]]), (batch(&[&[2]]), Call::new().cancel(&token)), anew(&[&[3]])];
        let found = stage.meet(&calls, || token.cancel());
        assert!(found[0].is_ok() && found[2].is_ok());
        assert!(matches!(found[1], Err(Error::Cancelled)));
        assert_eq!(stage.passes(), [[[1]], [[3]]]);
        assert_eq!(stage.shared.lock().len(), 0);
    });
}

#[test]
fn a_pass_with_a_cancelled_call_ends_for_the_others() {
    bounded(|| {
        let stage = Stage::new(Echo, 2, &[0, 1], |_| Ok(()));
        let token = CancelToken::new();
        let calls = [anew(&[&[1]]), (batch(&[&[2], &[2], &[2]]), Call::new().cancel(&token)), anew(&[&[3]])];
        let found = thread::scope(|scope| {
            let found = scope.spawn(|| stage.meet(&calls, || ()));
            wait_until(|| stage.passes().len() == 2);
            stage.gate.wait_for_pass();
            token.cancel();
            stage.gate.open();
            found.join().unwrap()
        });
        assert_eq!(found[2].as_ref().unwrap(), &[[3.0]]);
        assert!(matches!(found[1], Err(Error::Cancelled)));
        assert_eq!(stage.passes(), [vec![vec![1]], vec![vec![2], vec![3]]]);
    });
}

/// Two calls meet, and the sequences of one of them fail.
fn only_the_call_that_causes_it_has_an_error(then: impl Fn(&RaggedBatch) -> Result<()> + Send + Sync + 'static) {
    bounded(|| {
        let stage = Stage::new(Echo, 100, &[0], then);
        let calls = [anew(&[&[1]]), anew(&[&[BAD], &[2]]), anew(&[&[3], &[3]])];
        let mut found = stage.meet(&calls, || ());
        assert_eq!(found.pop().unwrap().unwrap(), [[3.0], [3.0]]);
        let error = found.pop().unwrap().unwrap_err().to_string();
        assert!(error.contains("not that one"), "{error}");
        assert!(found.pop().unwrap().is_ok());
        let passes = stage.passes();
        assert_eq!(passes[1], [[BAD], [2], [3], [3]]);
        let mut alone = passes[2..].to_vec();
        alone.sort();
        assert_eq!(alone, [[[3], [3]], [[BAD], [2]]]);
        assert_eq!(stage.call(&batch(&[&[4]]), &Call::new()).unwrap(), [[4.0]], "the device is free");
    });
}

#[test]
fn an_error_reaches_only_the_call_whose_sequences_cause_it() {
    only_the_call_that_causes_it_has_an_error(|batch| match batch.sequences().any(|ids| ids == [BAD]) {
        true => Err(Error::InvalidArgument("not that one".into())),
        false => Ok(()),
    });
}

#[test]
fn a_panic_leaves_nobody_waiting() {
    only_the_call_that_causes_it_has_an_error(|batch| {
        assert!(!batch.sequences().any(|ids| ids == [BAD]), "not that one");
        Ok(())
    });
}

#[test]
fn who_reads_results_may_call_the_model_again() {
    bounded(|| {
        let stage = Stage::new(Echo, 2, &[], |_| Ok(()));
        let found = Mutex::new(Vec::new());
        let read = |_: usize, _: ArrayView2<'_, f32>| {
            found.lock().unwrap().extend(stage.call(&batch(&[&[7, 7]]), &Call::new()).unwrap());
        };
        stage.shared.forward(&batch(&[&[1], &[2], &[3]]), 1, &Call::new(), &read).unwrap();
        assert_eq!(found.into_inner().unwrap(), [[7.0, 7.0]; 3]);
    });
}

#[test]
fn many_calls_at_once_have_their_own_results_within_the_budget() {
    const BUDGET: usize = 64;
    bounded(|| {
        let stage = Stage::new(Echo, BUDGET, &[], |_| Ok(()));
        thread::scope(|scope| {
            for caller in 0..8u32 {
                let stage = &stage;
                scope.spawn(move || {
                    for round in 0..50u32 {
                        let length = |at: u32| ((caller * 5 + round * 3 + at * 7) % 40) as usize;
                        let sequences: Vec<Vec<u32>> =
                            (0..1 + round % 6).map(|at| vec![caller * 1000 + round * 10 + at; length(at)]).collect();
                        let batch = RaggedBatch::of(sequences.iter().map(Vec::as_slice));
                        assert_eq!(stage.call(&batch, &Call::new()).unwrap(), echoes(&batch));
                    }
                });
            }
        });
        for pass in stage.passes() {
            assert!(pass.len() == 1 || pass.len() * pass[0].len() <= BUDGET, "{pass:?}");
        }
        assert_eq!(stage.shared.lock().len(), 0);
    });
}

fn candle(name: &str) -> CandleBackend {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("models").join(name);
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let config = serde_json::from_str(&config).unwrap();
    CandleBackend::load(&config, &[folder.join("model.safetensors")], Device::Cpu, 64).unwrap()
}

/// Sequences of these lengths, each in two parts.
fn pairs(lengths: &[usize], first_id: u32) -> RaggedBatch {
    let mut batch = RaggedBatch::new();
    for &length in lengths {
        let ids: Vec<u32> = (0..length as u32).map(|at| first_id + at % 20).collect();
        let (first, second) = ids.split_at(length / 2);
        batch.push_pair(first, second);
    }
    batch
}

#[test]
fn in_shared_passes_real_models_compute_what_they_compute_of_each_sequence_alone() {
    const NAMES: [&str; 7] = [
        "tiny-bert",
        "tiny-distilbert",
        "tiny-jina-bert",
        "tiny-modernbert",
        "tiny-nomic-bert",
        "tiny-qwen3",
        "tiny-xlm-roberta",
    ];
    bounded(|| {
        for name in NAMES {
            let stage = Stage::new(candle(name), 1000, &[0], |_| Ok(()));
            let batches = [pairs(&[5], 10), pairs(&[3, 17, 17, 1], 20), pairs(&[17, 9, 30], 30)];
            let calls = batches.map(|batch| (batch, Call::new()));
            let found = stage.meet(&calls, || ());
            let lengths: Vec<usize> = stage.passes()[1].iter().map(Vec::len).collect();
            assert_eq!(lengths, [30, 17, 17, 17, 9, 3, 1], "{name}");
            let alone = candle(name);
            for (found, (batch, call)) in found.into_iter().zip(&calls) {
                let (found, expected) = (found.unwrap(), collect(&alone, batch, call).unwrap());
                for (found, expected) in found.iter().zip(&expected) {
                    assert_eq!(found.len(), expected.len(), "{name}");
                    let differ = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    assert!(differ < 1e-4, "{name}: hidden states differ by {differ}");
                }
            }
        }
    });
}
