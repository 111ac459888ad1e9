//! A model that stops at a gate, so that a test knows where work stands.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

use nearsort::{Call, CandidateList, Model, Result, ScoreKind, Scored, ScoredList, Scorer};

/// The test's side of the gate.
pub struct Gate {
    arrived: Receiver<()>,
    pass: Sender<()>,
    left: Receiver<bool>,
}

struct Gated {
    arrive: Mutex<Sender<()>>,
    passed: Mutex<Receiver<()>>,
    leave: Mutex<Sender<bool>>,
}

/// A model whose every call says that it is there, and goes on when it may, or when it is
/// cancelled.
pub fn gated() -> (Model, Gate) {
    let ((arrive, arrived), (pass, passed), (leave, left)) = (channel(), channel(), channel());
    let gated = Gated { arrive: Mutex::new(arrive), passed: Mutex::new(passed), leave: Mutex::new(leave) };
    (Model::from_scorer(Arc::new(gated)), Gate { arrived, pass, left })
}

impl Gate {
    /// Waits until another call is at the gate.
    pub fn arrived(&self) {
        self.arrived.recv().unwrap();
    }

    /// Lets one call pass.
    pub fn open(&self) {
        self.pass.send(()).unwrap();
    }

    /// Waits until another call has left; whether it was cancelled.
    pub fn left_cancelled(&self) -> bool {
        self.left.recv().unwrap()
    }
}

impl Scorer for Gated {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
        Ok(candidates.iter().map(|text| Scored::new(1.0 / (1.0 + text.len() as f32))).collect::<Vec<_>>().into())
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        if lists.iter().any(|list| list.query != "wait") {
            return lists.iter().map(|list| self.list(list, texts)).collect();
        }
        // Nobody listens any more where the test has failed.
        let _ = self.arrive.lock().unwrap_or_else(PoisonError::into_inner).send(());
        let result = loop {
            if let Err(stopped) = call.check() {
                break Err(stopped.into());
            }
            if self.passed.lock().unwrap_or_else(PoisonError::into_inner).try_recv().is_ok() {
                break lists.iter().map(|list| self.list(list, texts)).collect();
            }
            std::thread::yield_now();
        };
        let _ = self.leave.lock().unwrap_or_else(PoisonError::into_inner).send(result.is_err());
        result
    }
}

impl Gated {
    fn list(&self, list: &CandidateList<'_>, texts: &[&str]) -> Result<ScoredList> {
        let candidates: Vec<&str> = list.candidates.iter().map(|&at| texts[at]).collect();
        self.score(list.query, &candidates)
    }
}
