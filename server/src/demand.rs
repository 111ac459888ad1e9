//! The demands of a request's work, by which it is admitted and begun.

/// The demands of a request's work.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demand {
    /// Estimated number of tokens.
    pub tokens: u64,
    /// The deadline in the request's body, in milliseconds.
    pub time: Option<u64>,
    /// Cohere's priority: work begins when none with a lower number is under way.
    pub priority: u16,
    /// True for work of this machine's processor, which begins after earlier work of its size.
    pub in_order: bool,
}

impl Demand {
    /// Creates work of about this many tokens, without a deadline, of the highest priority.
    pub fn of(tokens: u64) -> Self {
        Self { tokens, ..Self::default() }
    }
}
