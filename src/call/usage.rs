//! The usage of a call.

/// The usage of one call. It counts the work that was done: equal texts are read once, and a text
/// that is read in windows counts once for each window.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// Texts that a model read, queries included. For cross-encoders and judges: pairs.
    pub texts: u64,
    /// Tokens of these texts, special tokens and prompts included, if the model reports them.
    pub tokens: u64,
    /// Texts that were longer than the model reads, and were cut.
    pub truncated: u64,
    /// Texts that were not read because a cache had their vectors, or because they occurred several
    /// times in one piece of work.
    pub cached: u64,
    /// The usage of services.
    pub service: ServiceUsage,
    /// The counts of judges.
    pub judge: JudgeCounts,
}

/// The usage of services. A run and its replay have equal values, except for `tries` and
/// `from_recording`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ServiceUsage {
    /// Requests that were answered, by the service or a recording.
    pub requests: u64,
    /// The part of `requests` that a recording answered.
    pub from_recording: u64,
    /// Requests that were not sent because the answer was in the cache.
    pub from_cache: u64,
    /// Requests sent, where each try counts.
    pub tries: u64,
    /// Tokens and search units of the answers.
    pub tokens: ServiceTokens,
    /// The price of the answers in dollars; `None` if a price is not known.
    pub dollars: Option<f64>,
}

/// Tokens and search units as a service counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServiceTokens {
    /// Tokens sent, including those that the service had in its own cache.
    pub input: u64,
    /// The part of `input` that the service had in its own cache.
    pub cached_input: u64,
    /// Tokens of the answers, hidden reasoning included.
    pub output: u64,
    /// Units by which some services bill searches, in place of tokens.
    pub search_units: u64,
}

/// The counts of judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct JudgeCounts {
    /// Questions: one for each candidate, or for each window of candidates.
    pub questions: u64,
    /// Questions that were asked again because the first answer could not be read.
    pub asked_again: u64,
    /// Questions without a readable answer. Their candidates are unscored (or 0, if that was asked
    /// for); their windows keep their order.
    pub unparsed: u64,
    /// Grades that were refined by the probabilities of the model's tokens.
    pub refined: u64,
    /// Repairs of orders: numbers that occurred twice, named no candidate or were missing.
    pub repairs: u64,
}

impl Default for ServiceUsage {
    fn default() -> Self {
        let tokens = ServiceTokens::default();
        Self { requests: 0, from_recording: 0, from_cache: 0, tries: 0, tokens, dollars: Some(0.0) }
    }
}

impl Usage {
    /// Adds the usage of another call.
    pub fn add(&mut self, other: &Self) {
        self.texts += other.texts;
        self.tokens += other.tokens;
        self.truncated += other.truncated;
        self.cached += other.cached;
        self.service.add(&other.service);
        self.judge.add(&other.judge);
    }

    /// Returns the usage for texts that a model read, by the number of tokens and the truncation of
    /// each.
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
    /// Adds the usage of other services.
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
    /// Adds the tokens of another answer. The numbers come from outside, so a sum saturates at the
    /// maximum.
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
    /// Adds the counts of other judges.
    pub fn add(&mut self, other: &Self) {
        self.questions += other.questions;
        self.asked_again += other.asked_again;
        self.unparsed += other.unparsed;
        self.refined += other.refined;
        self.repairs += other.repairs;
    }
}
