//! Counts usage and price, and enforces the budget.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Price, ServiceError, ServiceTokens, ServiceUsage, TokenCount};
use crate::call::Call;

/// Tolerance for comparing sums of dollars, far below the price of a token.
const ROUNDING: f64 = 1e-9;
/// Interval at which a wait for other requests checks its call.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Default)]
struct MeterState {
    usage: ServiceUsage,
    /// Dollars that this run really spent. The former price of recorded answers does not count.
    spent: f64,
    /// Dollars reserved by requests under way.
    reserved: f64,
}

/// Counts the usage of all services of a run, from all threads, and enforces the budget.
#[derive(Default)]
pub struct Meter {
    budget: Option<f64>,
    state: Mutex<MeterState>,
    settled: Condvar,
}

impl fmt::Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("budget", &self.budget).field("usage", &self.usage()).finish()
    }
}

impl Meter {
    /// Creates a meter with a budget in dollars; with `None` it only counts.
    pub fn new(budget: Option<f64>) -> Self {
        Self { budget, ..Self::default() }
    }

    /// Returns the usage of all calls so far. [`Call::usage`] has the usage of one call.
    pub fn usage(&self) -> ServiceUsage {
        self.state().usage
    }

    fn state(&self) -> MutexGuard<'_, MeterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reserves the maximum price of a request. Waits for requests under way if the rest of their
    /// reservations may be enough.
    fn reserve(&self, dollars: f64, call: &Call<'_>) -> Result<(), ServiceError> {
        let mut state = self.state();
        let budget = self.budget.unwrap_or(f64::INFINITY) + ROUNDING;
        while state.spent + state.reserved + dollars > budget {
            if state.spent + dollars > budget || state.reserved <= ROUNDING {
                let (spent, next) = (state.spent + state.reserved, dollars);
                return Err(ServiceError::OverBudget { budget: budget - ROUNDING, spent, next });
            }
            state = self.wait(state, call)?;
        }
        state.reserved += dollars;
        state.usage.tries += 1;
        Ok(())
    }

    /// Waits until a request under way is settled.
    fn wait<'a>(
        &self,
        state: MutexGuard<'a, MeterState>,
        call: &Call<'_>,
    ) -> Result<MutexGuard<'a, MeterState>, ServiceError> {
        if !call.can_stop() {
            return Ok(self.settled.wait(state).unwrap_or_else(PoisonError::into_inner));
        }
        call.check()?;
        Ok(self.settled.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner).0)
    }
}

/// The account of one model at a meter: the meter, and the model's price.
#[derive(Clone)]
pub struct Account {
    meter: Arc<Meter>,
    price: Option<Price>,
}

impl Account {
    /// Opens an account.
    ///
    /// # Errors
    /// [`ServiceError::Setup`] if the meter has a budget and the price is not known.
    pub fn new(meter: Arc<Meter>, model: &str, price: Option<Price>) -> Result<Self, ServiceError> {
        if let (Some(budget), None) = (meter.budget, &price) {
            return Err(ServiceError::Setup(format!(
                "a budget of ${budget:.2} cannot be kept: the price of '{model}' is not known; give it in a file with `prices=`, \
                 as lines [[model]], name = \"{model}\", input = 0.15, output = 0.60 (dollars per million tokens)"
            )));
        }
        Ok(Self { meter, price })
    }

    /// Returns the meter.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the model's price, if it is known.
    pub fn price(&self) -> Option<&Price> {
        self.price.as_ref()
    }

    /// Reserves the maximum price of one try, until the answer reports the actual usage.
    #[cfg_attr(not(feature = "remote"), allow(dead_code))]
    pub(super) fn reserve(&self, at_most: TokenCount, call: &Call<'_>) -> Result<Reservation<'_>, ServiceError> {
        let most = ServiceTokens::from(at_most);
        let dollars = self.dollars(most);
        self.meter.reserve(dollars, call)?;
        call.count(|usage| usage.service.tries += 1);
        Ok(Reservation { account: self, most, dollars })
    }

    /// Counts an answer from a recording.
    pub(super) fn recorded(&self, tokens: Option<ServiceTokens>, call: &Call<'_>) {
        let answer = ServiceUsage { from_recording: 1, ..self.answer(tokens.unwrap_or_default()) };
        self.meter.state().usage.add(&answer);
        call.count(|usage| usage.service.add(&answer));
    }

    /// Counts a request that was not sent because the answer was in the cache.
    pub(super) fn kept(&self, call: &Call<'_>) {
        self.meter.state().usage.from_cache += 1;
        call.count(|usage| usage.service.from_cache += 1);
    }

    fn dollars(&self, tokens: ServiceTokens) -> f64 {
        self.price.as_ref().map_or(0.0, |price| price.dollars(tokens))
    }

    /// Returns the usage of one answer.
    fn answer(&self, tokens: ServiceTokens) -> ServiceUsage {
        let dollars = self.price.as_ref().map(|price| price.dollars(tokens));
        ServiceUsage { requests: 1, tokens, dollars, ..ServiceUsage::default() }
    }
}

/// The reservation of one try. Dropping it releases all of it: the service did no work.
#[cfg_attr(not(feature = "remote"), allow(dead_code))]
pub(super) struct Reservation<'a> {
    account: &'a Account,
    most: ServiceTokens,
    dollars: f64,
}

#[cfg_attr(not(feature = "remote"), allow(dead_code))]
impl Reservation<'_> {
    /// Settles the reservation after an answer. An answer that does not report its usage counts
    /// with the maximum.
    pub fn settle(self, tokens: Option<ServiceTokens>, call: &Call<'_>) {
        let tokens = tokens.unwrap_or(self.most);
        let answer = self.account.answer(tokens);
        let mut state = self.account.meter.state();
        state.spent += self.account.dollars(tokens);
        state.usage.add(&answer);
        drop(state);
        call.count(|usage| usage.service.add(&answer));
    }

    /// Charges the whole reservation. The answer was lost, and the service may have done the work.
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
    use crate::call::{CancelToken, Stopped};
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
        let spent = ServiceTokens { input: MILLION / 3, ..ServiceTokens::default() };
        let refused = thread::scope(|scope| {
            let work = || {
                (0..40)
                    .filter(|_| match account.reserve(input(MILLION), &Call::new()) {
                        Ok(reservation) => {
                            thread::yield_now();
                            reservation.settle(Some(spent), &Call::new());
                            false
                        }
                        Err(error) => matches!(error, ServiceError::OverBudget { .. }),
                    })
                    .count()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(work)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        let usage = account.meter().usage();
        let dollars = usage.dollars.unwrap();
        assert!(dollars <= 1.0 && dollars > 0.96, "{dollars}");
        assert_eq!(usage.requests as usize + refused, 320);
    }

    #[test]
    fn a_lost_answer_is_paid_from_the_budget_and_a_refused_request_is_not() {
        let account = account(Some(1.0), 0.6, 0.0);
        let most = input(MILLION);
        drop(account.reserve(most, &Call::new()).unwrap());
        account.reserve(most, &Call::new()).unwrap().lose();
        let error = account.reserve(most, &Call::new()).err().unwrap();
        assert_eq!(error, ServiceError::OverBudget { budget: 1.0, spent: 0.6, next: 0.6 });
        let usage = account.meter().usage();
        assert_eq!((usage.tries, usage.requests, usage.dollars), (2, 0, Some(0.0)));
    }

    #[test]
    fn a_call_has_its_own_usage_and_ends_a_wait_for_the_budget() {
        let account = account(Some(1.0), 0.6, 0.0);
        let (one, other, token) = (Call::new(), Call::new(), CancelToken::new());
        let under_way = account.reserve(input(MILLION), &one).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| account.reserve(input(MILLION), &Call::new().cancel(&token)).err());
            token.cancel();
            assert_eq!(waiting.join().unwrap(), Some(ServiceError::Stopped(Stopped::Cancelled)));
        });
        under_way.settle(None, &one);
        account.kept(&other);
        let of = |call: &Call<'_>| (call.usage().service.requests, call.usage().service.from_cache);
        assert_eq!((of(&one), of(&other)), ((1, 0), (0, 1)));
        assert_eq!((one.usage().service.dollars, other.usage().service.dollars), (Some(0.6), Some(0.0)));
        assert_eq!((account.meter().usage().requests, account.meter().usage().from_cache), (1, 1));
    }

    #[test]
    fn what_a_recording_cost_is_shown_and_not_spent() {
        let account = account(Some(1.0), 1.0, 2.0);
        account.recorded(
            Some(ServiceTokens { input: MILLION, output: MILLION, ..ServiceTokens::default() }),
            &Call::new(),
        );
        account.kept(&Call::new());
        let usage = account.meter().usage();
        assert_eq!((usage.requests, usage.from_recording, usage.from_cache), (1, 1, 1));
        assert_eq!(usage.dollars, Some(3.0));
        account.reserve(input(MILLION), &Call::new()).unwrap().settle(None, &Call::new());
        assert_eq!(account.meter().usage().dollars, Some(4.0));
    }

    #[test]
    fn a_budget_without_a_price_is_an_error_and_costs_without_one_are_unknown() {
        let error = Account::new(Arc::new(Meter::new(Some(2.0))), "own", None).err().unwrap().to_string();
        assert!(error.contains("'own'") && error.contains("`prices=`"), "{error}");
        let account = Account::new(Arc::default(), "own", None).unwrap();
        account.reserve(input(5), &Call::new()).unwrap().settle(None, &Call::new());
        assert_eq!((account.meter().usage().dollars, account.meter().usage().tokens.input), (None, 5));
    }

    #[test]
    fn counts_that_no_service_can_have_do_not_wrap() {
        let claude = json!({"usage": {"input_tokens": u64::MAX, "cache_creation_input_tokens": u64::MAX, "output_tokens": u64::MAX}});
        let tokens = ServiceTokens::of(Provider::Anthropic, &claude);
        assert_eq!(tokens.map(|tokens| tokens.input), Some(u64::MAX));
        let account = account(None, 1e9, 1e9);
        (0..2).for_each(|_| account.recorded(tokens, &Call::new()));
        let usage = account.meter().usage();
        assert_eq!((usage.tokens.input, usage.tokens.output), (u64::MAX, u64::MAX));
        assert!(usage.dollars.unwrap().is_finite());
    }
}
