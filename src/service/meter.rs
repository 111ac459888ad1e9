//! What is used and what it costs, and the budget that it must not exceed.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{Price, ServiceError, TokenCount, Usage};

/// Sums of dollars are compared with this tolerance, far below the price of a token.
const ROUNDING: f64 = 1e-9;

/// What was asked, and what came of it. Equal for a run and its replay, but for `tries` and `from_recording`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Summary {
    /// Requests that were answered, by the service or a recording.
    pub requests: u64,
    /// Of these, requests that a recording answered.
    pub from_recording: u64,
    /// Requests that a kept answer made needless.
    pub from_cache: u64,
    /// Requests sent, each try counted.
    pub tries: u64,
    /// Tokens and search units of the answers.
    pub usage: Usage,
    /// What the answers cost in dollars; `None` where a price is not known.
    pub dollars: Option<f64>,
}

#[derive(Default)]
struct State {
    summary: Summary,
    dollars: f64,
    unpriced: bool,
    /// Dollars that this run really spent; what a recording cost once is not among them.
    spent: f64,
    /// Dollars that requests under way may cost.
    reserved: f64,
}

/// Counts for all services of a run, threads side by side, and keeps the budget.
#[derive(Default)]
pub struct Meter {
    budget: Option<f64>,
    state: Mutex<State>,
    settled: Condvar,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("budget", &self.budget).field("summary", &self.summary()).finish()
    }
}

impl Meter {
    /// A meter with a budget in dollars; `None`: it only counts.
    pub fn new(budget: Option<f64>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// The counts so far.
    pub fn summary(&self) -> Summary {
        let state = self.state();
        Summary { dollars: (!state.unpriced).then_some(state.dollars), ..state.summary }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets aside what a request may cost. Waits for requests under way where what they leave over may be enough.
    fn reserve(&self, dollars: f64) -> Result<(), ServiceError> {
        let mut state = self.state();
        let budget = self.budget.unwrap_or(f64::INFINITY) + ROUNDING;
        while state.spent + state.reserved + dollars > budget {
            if state.spent + dollars > budget || state.reserved <= ROUNDING {
                let (spent, next) = (state.spent + state.reserved, dollars);
                return Err(ServiceError::OverBudget { budget: budget - ROUNDING, spent, next });
            }
            state = self.settled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.reserved += dollars;
        state.summary.tries += 1;
        Ok(())
    }
}

/// One model's account at a meter: the meter, and the model's price.
#[derive(Clone)]
pub struct Account {
    meter: Arc<Meter>,
    price: Option<Price>,
}

impl Account {
    /// Opens an account.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] when the meter has a budget and the price is not known.
    pub fn new(meter: Arc<Meter>, model: &str, price: Option<Price>) -> Result<Self, ServiceError> {
        if let (Some(budget), None) = (meter.budget, &price) {
            return Err(ServiceError::Setup(format!(
                "a budget of ${budget:.2} cannot be kept: the price of '{model}' is not known; give it in a file with --prices, \
                 as lines [[model]], name = \"{model}\", input = 0.15, output = 0.60 (dollars per million tokens)"
            )));
        }
        Ok(Self { meter, price })
    }

    /// The meter.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The model's price, where it is known.
    pub fn price(&self) -> Option<&Price> {
        self.price.as_ref()
    }

    /// Sets aside the most that one try may cost, until the answer says how much it was.
    #[cfg_attr(not(feature = "remote"), allow(dead_code))]
    pub(super) fn reserve(&self, at_most: TokenCount) -> Result<Reservation<'_>, ServiceError> {
        let most = Usage::from(at_most);
        let dollars = self.dollars(most);
        self.meter.reserve(dollars)?;
        Ok(Reservation { account: self, most, dollars })
    }

    /// Counts an answer of a recording.
    pub(super) fn recorded(&self, usage: Option<Usage>) {
        let mut state = self.meter.state();
        state.summary.from_recording += 1;
        self.count(&mut state, usage.unwrap_or_default());
    }

    /// Counts a request that a kept answer made needless.
    pub(super) fn kept(&self) {
        self.meter.state().summary.from_cache += 1;
    }

    fn dollars(&self, usage: Usage) -> f64 {
        self.price.as_ref().map_or(0.0, |price| price.dollars(usage))
    }

    fn count(&self, state: &mut State, usage: Usage) {
        let sum = &mut state.summary;
        sum.requests += 1;
        for (sum, more) in [
            (&mut sum.usage.input, usage.input),
            (&mut sum.usage.cached_input, usage.cached_input),
            (&mut sum.usage.output, usage.output),
            (&mut sum.usage.search_units, usage.search_units),
        ] {
            *sum = sum.saturating_add(more);
        }
        state.dollars += self.dollars(usage);
        state.unpriced |= self.price.is_none();
    }
}

/// What is set aside for one try. Dropped, it is given back whole: the service did not do the work.
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
pub(super) struct Reservation<'a> {
    account: &'a Account,
    most: Usage,
    dollars: f64,
}

#[cfg_attr(not(feature = "remote"), allow(dead_code))]
impl Reservation<'_> {
    /// The answer is there. Without a `usage` it counts as much as it may have taken.
    pub fn settle(self, usage: Option<Usage>) {
        let usage = usage.unwrap_or(self.most);
        let mut state = self.account.meter.state();
        state.spent += self.account.dollars(usage);
        self.account.count(&mut state, usage);
    }

    /// The answer was lost on the way: the service may have done the work, so the budget pays for it.
    pub fn lose(self) {
        self.account.meter.state().spent += self.dollars;
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let meter = &self.account.meter;
        let mut state = meter.state();
        state.reserved = (state.reserved - self.dollars).max(0.0);
        drop(state);
        meter.settled.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;

    use super::*;
    use crate::service::Provider;

    fn account(budget: Option<f64>, input: f64, output: f64) -> Account {
        let price = Price { input, output, ..Price::default() };
        Account::new(Arc::new(Meter::new(budget)), "m", Some(price)).unwrap()
    }

    const MILLION: u64 = 1_000_000;

    fn input(tokens: u64) -> TokenCount {
        TokenCount { input: tokens, ..TokenCount::default() }
    }

    #[test]
    fn a_budget_is_not_exceeded_by_eight_threads() {
        let account = account(Some(1.0), 0.03, 0.0);
        let spent = Usage { input: MILLION / 3, ..Usage::default() };
        let refused = thread::scope(|scope| {
            let work = || {
                (0..40)
                    .filter(|_| match account.reserve(input(MILLION)) {
                        Ok(reservation) => {
                            thread::yield_now();
                            reservation.settle(Some(spent));
                            false
                        }
                        Err(error) => matches!(error, ServiceError::OverBudget { .. }),
                    })
                    .count()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        let summary = account.meter().summary();
        let dollars = summary.dollars.unwrap();
        assert!(dollars <= 1.0 && dollars > 0.96, "{dollars}");
        assert_eq!(summary.requests as usize + refused, 320);
    }

    #[test]
    fn a_lost_answer_is_paid_from_the_budget_and_a_refused_request_is_not() {
        let account = account(Some(1.0), 0.6, 0.0);
        let most = input(MILLION);
        drop(account.reserve(most).unwrap());
        account.reserve(most).unwrap().lose();
        let error = account.reserve(most).err().unwrap();
        assert_eq!(error, ServiceError::OverBudget { budget: 1.0, spent: 0.6, next: 0.6 });
        let summary = account.meter().summary();
        assert_eq!((summary.tries, summary.requests, summary.dollars), (2, 0, Some(0.0)));
    }

    #[test]
    fn what_a_recording_cost_is_shown_and_not_spent() {
        let account = account(Some(1.0), 1.0, 2.0);
        account.recorded(Some(Usage { input: MILLION, output: MILLION, ..Usage::default() }));
        account.kept();
        let summary = account.meter().summary();
        assert_eq!((summary.requests, summary.from_recording, summary.from_cache), (1, 1, 1));
        assert_eq!(summary.dollars, Some(3.0));
        account.reserve(input(MILLION)).unwrap().settle(None);
        assert_eq!(account.meter().summary().dollars, Some(4.0));
    }

    #[test]
    fn a_budget_without_a_price_is_an_error_and_costs_without_one_are_unknown() {
        let error = Account::new(Arc::new(Meter::new(Some(2.0))), "own", None).err().unwrap().to_string();
        assert!(error.contains("'own'") && error.contains("--prices"), "{error}");
        let account = Account::new(Arc::default(), "own", None).unwrap();
        account.reserve(input(5)).unwrap().settle(None);
        assert_eq!((account.meter().summary().dollars, account.meter().summary().usage.input), (None, 5));
    }

    #[test]
    fn counts_that_no_service_can_have_do_not_wrap() {
        let claude = json!({"usage": {"input_tokens": u64::MAX, "cache_creation_input_tokens": u64::MAX, "output_tokens": u64::MAX}});
        let usage = Usage::of(Provider::Anthropic, &claude);
        assert_eq!(usage.map(|usage| usage.input), Some(u64::MAX));
        let account = account(None, 1e9, 1e9);
        (0..2).for_each(|_| account.recorded(usage));
        let summary = account.meter().summary();
        assert_eq!((summary.usage.input, summary.usage.output), (u64::MAX, u64::MAX));
        assert!(summary.dollars.unwrap().is_finite());
    }
}
