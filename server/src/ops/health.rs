//! Liveness and readiness of the process.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time of work without a finished text after which the server counts as stuck; at least ten times
/// the longest pause so far.
const STUCK: Duration = Duration::from_secs(120);

/// The heartbeat of the workers: a text was finished, or work began.
pub(crate) struct Heart {
    began: Instant,
    /// Milliseconds since `began` of the last beat.
    last: AtomicU64,
    longest: AtomicU64,
}

impl Heart {
    pub fn new() -> Self {
        Self { began: Instant::now(), last: AtomicU64::new(0), longest: AtomicU64::new(0) }
    }

    pub fn beat(&self) {
        self.beat_at(self.now());
    }

    fn beat_at(&self, now: u64) {
        let last = self.last.fetch_max(now, Ordering::AcqRel);
        self.longest.fetch_max(now.saturating_sub(last).min(STUCK.as_millis() as u64), Ordering::AcqRel);
    }

    /// Returns the time without a beat, if there is work and the time is too long.
    pub fn stuck(&self, is_working: bool) -> Option<Duration> {
        self.stuck_at(self.now(), is_working)
    }

    fn stuck_at(&self, now: u64, is_working: bool) -> Option<Duration> {
        if !is_working {
            // A pause without work does not count; the next one starts here.
            self.last.fetch_max(now, Ordering::AcqRel);
            return None;
        }
        let silent = now.saturating_sub(self.last.load(Ordering::Acquire));
        let allowed = (STUCK.as_millis() as u64).max(10 * self.longest.load(Ordering::Acquire));
        (silent > allowed).then(|| Duration::from_millis(silent))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The models that failed their self-test, and whether the server has begun to take requests.
#[derive(Default)]
pub(crate) struct Proofs(Mutex<ProofState>);

#[derive(Default)]
struct ProofState {
    is_warm: bool,
    failed: BTreeMap<String, String>,
}

impl Proofs {
    /// Records that all models to be loaded at the start are loaded.
    pub fn warmed_up(&self) {
        self.lock().is_warm = true;
    }

    /// Records the result of a model's self-test.
    pub fn note(&self, model: &str, result: Result<(), String>) {
        let mut state = self.lock();
        match result {
            Ok(()) => state.failed.remove(model),
            Err(reason) => state.failed.insert(model.to_owned(), reason),
        };
    }

    pub fn complaint(&self) -> Option<String> {
        let state = self.lock();
        if !state.is_warm {
            return Some("models are being loaded".to_owned());
        }
        let (model, reason) = state.failed.first_key_value()?;
        Some(format!("the self-test of {model} failed: {reason}"))
    }

    fn lock(&self) -> MutexGuard<'_, ProofState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_with_work_is_a_fault_and_long_pauses_raise_the_bound() {
        let heart = Heart::new();
        assert_eq!(heart.stuck_at(500_000, false), None, "nothing to do");
        heart.beat_at(500_010);
        assert_eq!(heart.stuck_at(620_000, true), None);
        assert_eq!(heart.stuck_at(620_011, true), Some(Duration::from_millis(120_001)));
        heart.beat_at(620_011);
        assert_eq!(heart.stuck_at(620_011 + 1_200_000, true), None, "ten times the longest pause");
        assert!(heart.stuck_at(620_012 + 1_200_000, true).is_some());
    }

    #[test]
    fn a_failed_self_test_is_named_until_it_passes() {
        let proofs = Proofs::default();
        assert!(proofs.complaint().unwrap().contains("loaded"));
        proofs.warmed_up();
        assert_eq!(proofs.complaint(), None);
        proofs.note("m", Err("NaN".into()));
        assert_eq!(proofs.complaint().unwrap(), "the self-test of m failed: NaN");
        proofs.note("m", Ok(()));
        assert_eq!(proofs.complaint(), None);
    }
}
