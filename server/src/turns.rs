//! The order in which requests begin: the more urgent first, and of about the same size one after
//! the other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::watch;

/// Number of requests of about the same size that may be under way in any case: while one is read
/// or answered, the other is computed.
const LEAST_UNDER_WAY: usize = 2;

/// Tokens per thread that keep the processor busy: two micro-batches of the engine.
const TOKENS_PER_THREAD: u64 = 1024;

/// The order of all requests.
///
/// A request waits until no more urgent one is under way or waits. A request with a [`Lane`] also
/// waits for earlier ones of about its size, as long as those keep the processor busy. Otherwise
/// equal requests would share the processor, and all of them would end at the end. Requests of
/// other sizes do not wait for each other, so that a short one never waits for a long one.
pub(crate) struct Turns {
    order: watch::Sender<Order>,
    busy_tokens: u64,
}

/// Requests whose sizes differ by less than four times, by the logarithm of their tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Lane {
    size: u32,
    tokens: u64,
}

#[derive(Default)]
struct Order {
    /// Number of requests that are under way or wait, by priority; 0 is the highest.
    priorities: BTreeMap<u16, usize>,
    /// By [`Lane::size`].
    lanes: BTreeMap<u32, Queue>,
    next_ticket: u64,
}

/// The requests of a lane.
#[derive(Default)]
struct Queue {
    under_way: usize,
    /// Of the requests under way.
    tokens: u64,
    /// Priority and ticket.
    waiting: BTreeSet<(u16, u64)>,
}

/// A request's place among all. Dropping it frees the place.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    priority: u16,
    ticket: u64,
    lane: Option<Lane>,
    has_begun: bool,
}

impl Turns {
    /// Creates an order for a processor with this number of threads.
    pub fn new(threads: usize) -> Arc<Self> {
        Arc::new(Self { order: watch::Sender::default(), busy_tokens: threads as u64 * TOKENS_PER_THREAD })
    }

    /// Takes a place. `tokens`: the size of a request that waits for earlier ones of its size;
    /// `None`: it waits for more urgent ones only.
    pub fn enter(self: &Arc<Self>, priority: u16, tokens: Option<u64>) -> Turn {
        let lane = tokens.map(|tokens| Lane { size: tokens.max(1).ilog2() / 2, tokens });
        let mut ticket = 0;
        self.order.send_modify(|order| {
            ticket = order.next_ticket;
            order.next_ticket += 1;
            *order.priorities.entry(priority).or_default() += 1;
            if let Some(lane) = lane {
                order.lanes.entry(lane.size).or_default().waiting.insert((priority, ticket));
            }
        });
        Turn { turns: Arc::clone(self), priority, ticket, lane, has_begun: false }
    }
}

impl Order {
    /// Begins a request if its turn has come. Returns true if it has.
    fn begin(&mut self, turn: &Turn) -> bool {
        if self.priorities.first_key_value().is_some_and(|(most_urgent, _)| *most_urgent < turn.priority) {
            return false;
        }
        let Some(lane) = turn.lane else { return true };
        let queue = self.lanes.entry(lane.size).or_default();
        let is_first = queue.waiting.first() == Some(&(turn.priority, turn.ticket));
        let has_room = queue.under_way < LEAST_UNDER_WAY || queue.tokens < turn.turns.busy_tokens;
        if is_first && has_room {
            queue.waiting.pop_first();
            queue.under_way += 1;
            queue.tokens += lane.tokens;
        }
        is_first && has_room
    }

    fn leave(&mut self, turn: &Turn) {
        let count = self.priorities.entry(turn.priority).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.priorities.remove(&turn.priority);
        }
        let Some(lane) = turn.lane else { return };
        let queue = self.lanes.entry(lane.size).or_default();
        if turn.has_begun {
            queue.under_way -= 1;
            queue.tokens -= lane.tokens;
        } else {
            queue.waiting.remove(&(turn.priority, turn.ticket));
        }
        if queue.under_way == 0 && queue.waiting.is_empty() {
            self.lanes.remove(&lane.size);
        }
    }
}

impl Turn {
    /// Waits for the request's turn.
    pub async fn comes(&mut self) {
        let turns = Arc::clone(&self.turns);
        let mut changes = turns.order.subscribe();
        while !self.begin() {
            // An error would say that there is no server any more.
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn begin(&mut self) -> bool {
        // The next one in the lane may begin too, so all look again.
        self.has_begun = self.has_begun || self.turns.order.send_if_modified(|order| order.begin(self));
        self.has_begun
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.order.send_modify(|order| order.leave(self));
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn has_come(turn: &mut Turn) -> bool {
        pin!(turn.comes()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_less_urgent_wait_for_the_more_urgent_alone() {
        let turns = Turns::new(1);
        let enter = |priority| turns.enter(priority, None);
        let (mut first, mut low, mut equal) = (enter(5), enter(9), enter(5));
        assert!(has_come(&mut first) && has_come(&mut equal) && !has_come(&mut low));
        let mut urgent = enter(0);
        let mut later = enter(5);
        assert!(has_come(&mut urgent) && !has_come(&mut later));
        drop(urgent);
        assert!(has_come(&mut later));
        drop(later);
        drop(first);
        assert!(!has_come(&mut low), "one of two is still there");
        drop(equal);
        assert!(has_come(&mut low));
    }

    #[test]
    fn requests_of_one_size_begin_in_the_order_of_their_arrival_and_others_do_not_wait_for_them() {
        let turns = Turns::new(2);
        let mut long: Vec<Turn> = (0..5).map(|_| turns.enter(0, Some(8000))).collect();
        assert!(!has_come(&mut long[3]) && !has_come(&mut long[1]), "the first has not begun");
        assert!(has_come(&mut long[0]) && has_come(&mut long[1]) && !has_come(&mut long[2]));
        let mut others = [turns.enter(0, Some(900)), turns.enter(0, Some(70_000)), turns.enter(0, None)];
        assert!(others.iter_mut().all(has_come));
        drop(long.remove(0));
        assert!(!has_come(&mut long[2]), "the third of the first five comes before");
        assert!(has_come(&mut long[1]) && !has_come(&mut long[2]));
        // One that has not begun leaves.
        drop(long.remove(2));
        drop(long.remove(0));
        assert!(has_come(&mut long[1]));
    }

    #[test]
    fn short_requests_begin_until_the_threads_are_busy() {
        let turns = Turns::new(2);
        let mut short: Vec<Turn> = (0..30).map(|_| turns.enter(0, Some(100))).collect();
        let begun = short.iter_mut().filter_map(|turn| has_come(turn).then_some(())).count();
        assert_eq!(begun, 21, "2,048 tokens and one more");
    }

    #[test]
    fn the_urgent_one_of_a_size_comes_first_and_nothing_is_left_behind() {
        let turns = Turns::new(1);
        let mut first: Vec<Turn> = (0..2).map(|_| turns.enter(1, Some(5000))).collect();
        assert!(first.iter_mut().all(has_come));
        let (mut low, mut urgent) = (turns.enter(1, Some(5000)), turns.enter(0, Some(5000)));
        assert!(!has_come(&mut low) && !has_come(&mut urgent), "two are under way");
        first.pop();
        assert!(!has_come(&mut low) && has_come(&mut urgent));
        drop((first, low, urgent));
        let order = turns.order.borrow();
        assert!(order.priorities.is_empty() && order.lanes.is_empty());
    }
}
