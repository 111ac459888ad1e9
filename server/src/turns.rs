//! The order of requests with priorities.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The number of requests that are under way or wait, by priority; 0 is the highest.
pub(crate) struct Turns {
    counts: watch::Sender<BTreeMap<u16, usize>>,
}

/// A request's place among all. Dropping it frees the place.
pub(crate) struct Turn {
    turns: Arc<Turns>,
    priority: u16,
}

impl Turns {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { counts: watch::Sender::default() })
    }

    /// Takes a place. Later requests of a lower priority wait for this one.
    pub fn enter(self: &Arc<Self>, priority: u16) -> Turn {
        self.counts.send_modify(|counts| *counts.entry(priority).or_default() += 1);
        Turn { turns: Arc::clone(self), priority }
    }
}

impl Turn {
    /// Waits until no request that is more urgent is under way or waits.
    pub async fn comes(&self) {
        let is_first = |counts: &BTreeMap<u16, usize>| {
            counts.first_key_value().is_none_or(|(most_urgent, _)| *most_urgent >= self.priority)
        };
        // An error would say that there is no server any more.
        let _ = self.turns.counts.subscribe().wait_for(is_first).await;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.counts.send_modify(|counts| {
            let count = counts.entry(self.priority).or_default();
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.priority);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn has_come(turn: &Turn) -> bool {
        pin!(turn.comes()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    #[test]
    fn the_less_urgent_wait_for_the_more_urgent_alone() {
        let turns = Turns::new();
        let (first, low, equal) = (turns.enter(5), turns.enter(9), turns.enter(5));
        assert!(has_come(&first) && has_come(&equal) && !has_come(&low));
        let urgent = turns.enter(0);
        assert!(has_come(&urgent) && !has_come(&equal));
        drop(urgent);
        drop(first);
        assert!(!has_come(&low), "one of two is still there");
        drop(equal);
        assert!(has_come(&low));
    }
}
