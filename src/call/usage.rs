//! What a call used.

/// What one call used. It counts what was done, not what was asked: equal texts are read once, and a text that is read
/// in windows counts once for each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Texts that a model read, queries included; of a cross-encoder and a judge pairs.
    pub texts: u64,
    /// Tokens of these texts, special tokens and prompts included, where the model says.
    pub tokens: u64,
    /// Texts that were longer than the model takes, and were cut.
    pub truncated: u64,
    /// Texts that were not read because a cache had their vectors, or because they came several times in one piece of
    /// work.
    pub cached: u64,
    /// What services were asked for.
    pub service: ServiceUsage,
    /// What judging came to.
    pub judge: JudgeCounts,
}

/// What services were asked for, and what came of it. Equal for a run and its replay, but for `tries` and `from_recording`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ServiceUsage {
    /// Requests that were answered, by the service or a recording.
    pub requests: u64,
    /// Of these, requests that a recording answered.
    pub from_recording: u64,
    /// Requests that a kept answer made needless.
    pub from_cache: u64,
    /// Requests sent, each try counted.
    pub tries: u64,
    /// Tokens and search units of the answers.
    pub tokens: ServiceTokens,
    /// What the answers cost in dollars; `None` where a price is not known.
    pub dollars: Option<f64>,
}

/// Tokens and search units as a service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceTokens {
    /// Tokens sent, those that the service had in its own cache included.
    pub input: u64,
    /// Of these, tokens that the service had in its own cache.
    pub cached_input: u64,
    /// Tokens answered, hidden reasoning included.
    pub output: u64,
    /// Units by which some services bill searches instead of tokens.
    pub search_units: u64,
}

/// What judging came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeCounts {
    /// Questions: one for each candidate, or each window of candidates.
    pub questions: u64,
    /// Questions that were asked a second time, for the first answer was of no use.
    pub asked_again: u64,
    /// Questions without an answer of use: candidates that are unscored (or 0, if that was asked for), windows that stayed as they were.
    pub unparsed: u64,
    /// Grades that were refined by the probabilities of the model's tokens.
    pub refined: u64,
    /// Numbers of orders that came twice, named nothing or were missing.
    pub repairs: u64,
}

impl Default for ServiceUsage {
    fn default() -> Self {
        let tokens = ServiceTokens::default();
        Self { requests: 0, from_recording: 0, from_cache: 0, tries: 0, tokens, dollars: Some(0.0) }
    }
}

impl Usage {
    /// Adds what another call used.
    pub fn add(&mut self, other: &Self) {
        self.texts += other.texts;
        self.tokens += other.tokens;
        self.truncated += other.truncated;
        self.cached += other.cached;
        self.service.add(&other.service);
        self.judge.add(&other.judge);
    }

    /// Texts that a model read, by their tokens and whether each was cut.
    pub(crate) fn of_texts(tokens: &[u32], truncated: &[bool]) -> Self {
        Self {
            texts: tokens.len() as u64,
            tokens: tokens.iter().map(|&tokens| u64::from(tokens)).sum(),
            truncated: truncated.iter().filter(|cut| **cut).count() as u64,
            ..Self::default()
        }
    }
}

impl ServiceUsage {
    /// Adds what others were asked for.
    pub fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.from_recording += other.from_recording;
        self.from_cache += other.from_cache;
        self.tries += other.tries;
        self.tokens.add(&other.tokens);
        self.dollars = self.dollars.zip(other.dollars).map(|(sum, more)| sum + more);
    }
}

impl ServiceTokens {
    /// Adds the tokens of another answer. A service's numbers are outside data: a sum stops at the largest number.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in [
            (&mut self.input, other.input),
            (&mut self.cached_input, other.cached_input),
            (&mut self.output, other.output),
            (&mut self.search_units, other.search_units),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

impl JudgeCounts {
    /// Adds what other judging came to.
    pub fn add(&mut self, other: &Self) {
        self.questions += other.questions;
        self.asked_again += other.asked_again;
        self.unparsed += other.unparsed;
        self.refined += other.refined;
        self.repairs += other.repairs;
    }
}
