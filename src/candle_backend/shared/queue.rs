//! The sequences that wait for a device, and the choice of those for the next pass. Nothing waits
//! or computes here.
//!
//! **Turns.** The call whose turn it is has its longest sequence in the pass. Then each call gives
//! one sequence after the other, in rounds, until the budget is used up. So a short call beside
//! long ones gets an equal share. The call whose turn it was goes to the end of the line.
//!
//! **Padding.** Sequences more than twice as long as the first one wait for another turn. Those
//! less than half as long as the longest come in only while padding is at most an eighth of the
//! budget: below that a pass of their own costs more than their padding.
//!
//! **Failures.** If a pass with sequences of several calls fails, each of these calls repeats its
//! own in passes of its own. So an error reaches only the call whose sequences cause it: a token
//! that the model does not have, or more memory than the device has.
//!
//! **Memory.** A call has at most one batch here. It takes part in no further pass before it has
//! read its results.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::mem;
use std::ops::Range;

use super::states::TokenStates;
use crate::call::Call;
use crate::engine::RaggedBatch;
use crate::{Error, Result};

/// The part of the budget that the padding of short sequences may take: one in so many tokens.
const FREE_PADDING: usize = 8;

/// Identifies a call in a queue.
pub(super) type Id = u64;

/// The calls that have sequences to compute.
#[derive(Default)]
pub(super) struct Queue {
    /// In the order of their turns.
    calls: Vec<Waiter>,
    last_id: Id,
    /// True while a pass runs.
    is_busy: bool,
}

/// A call with its batch.
struct Waiter {
    id: Id,
    limits: Call<'static>,
    batch: RaggedBatch,
    /// Indices of the sequences that are neither computed nor in a pass, longest first.
    waiting: Vec<usize>,
    /// States of sequences that the call has not read yet, with their indices.
    computed: Vec<(usize, TokenStates)>,
    /// The error of a pass with sequences of this call only.
    error: Option<Error>,
    /// True if its sequences are computed in passes of their own.
    is_alone: bool,
}

/// Sequences that are computed together.
pub(super) struct SharedPass {
    batch: RaggedBatch,
    /// The call of each sequence, and its index in the batch of the call.
    members: Vec<(Id, usize)>,
}

impl SharedPass {
    /// Returns the sequences, longest first.
    pub(super) fn batch(&self) -> &RaggedBatch {
        &self.batch
    }
}

impl Queue {
    /// Adds a call at the end of the line. `limits` end it.
    pub(super) fn enter(&mut self, batch: RaggedBatch, limits: Call<'static>) -> Id {
        self.last_id += 1;
        let waiting = (0..batch.len()).collect();
        let (id, computed) = (self.last_id, Vec::new());
        let mut waiter = Waiter { id, limits, batch, waiting, computed, error: None, is_alone: false };
        waiter.sort();
        self.calls.push(waiter);
        id
    }

    /// Removes a call with its waiting sequences and its results.
    pub(super) fn leave(&mut self, id: Id) {
        self.calls.retain(|call| call.id != id);
    }

    /// Returns the number of calls.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    /// Returns the results that a call has not read yet, or its error. `None` if there is neither.
    pub(super) fn outcome(&mut self, id: Id) -> Option<Result<Vec<(usize, TokenStates)>>> {
        let call = self.calls.iter_mut().find(|call| call.id == id)?;
        match call.error.take() {
            Some(error) => Some(Err(error)),
            None => (!call.computed.is_empty()).then(|| Ok(mem::take(&mut call.computed))),
        }
    }

    /// Returns true while a pass runs.
    pub(super) fn is_busy(&self) -> bool {
        self.is_busy
    }

    /// Begins the next pass, of at most `budget` tokens with padding; a longer sequence is a pass
    /// of its own. Returns `None` if a pass runs, or no sequence is ready.
    pub(super) fn begin(&mut self, budget: usize) -> Option<SharedPass> {
        if self.is_busy {
            return None;
        }
        let shares = self.shares(budget);
        let turn = shares.first()?.call;
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        for share in &shares {
            let taken = self.calls[share.call].waiting.drain(share.range.clone());
            chosen.extend(taken.map(|index| (share.call, index)));
        }
        chosen.sort_by_key(|&(call, index)| Reverse(self.calls[call].batch.sequence(index).len()));
        let mut batch = RaggedBatch::new();
        chosen.iter().for_each(|&(call, index)| batch.push_from(&self.calls[call].batch, index));
        let members = chosen.into_iter().map(|(call, index)| (self.calls[call].id, index)).collect();
        let had_turn = self.calls.remove(turn);
        self.calls.push(had_turn);
        self.is_busy = true;
        Some(SharedPass { batch, members })
    }

    /// Gives each call its results of a pass, or the error of a pass of its own.
    pub(super) fn end(&mut self, pass: SharedPass, outcome: Result<Vec<TokenStates>>) {
        self.is_busy = false;
        match outcome {
            Ok(states) if states.len() == pass.members.len() => self.deliver(pass.members, states),
            Ok(states) => {
                let message = format!("{} sequences have {} results", pass.members.len(), states.len());
                self.fail(pass.members, Error::Compute { context: "the forward pass failed".into(), message });
            }
            Err(error) => self.fail(pass.members, error),
        }
    }

    fn deliver(&mut self, members: Vec<(Id, usize)>, states: Vec<TokenStates>) {
        let indices = members.iter().map(|&(_, index)| index);
        let mut of_calls = by_call(members.iter().map(|&(id, _)| id).zip(indices.zip(states)));
        for call in &mut self.calls {
            call.computed.extend(of_calls.remove(&call.id).into_iter().flatten());
        }
    }

    fn fail(&mut self, members: Vec<(Id, usize)>, error: Error) {
        let mut of_calls = by_call(members.into_iter());
        let mut error = (of_calls.len() == 1).then_some(error);
        for call in &mut self.calls {
            let Some(indices) = of_calls.remove(&call.id) else { continue };
            match error.take() {
                Some(error) => call.error = Some(error),
                None => call.repeat_alone(indices),
            }
        }
    }

    /// Returns the waiting sequences of each call that go into the next pass.
    fn shares(&self, budget: usize) -> Vec<Share> {
        let team = self.team();
        let Some(&first) = team.first() else { return Vec::new() };
        let longest = 2 * self.calls[first].waiting_tokens(0).unwrap_or(0);
        let mut shares: Vec<Share> = team.iter().map(|&call| Share::of(call, &self.calls[call], longest)).collect();
        let widest = shares.iter().filter_map(|share| self.calls[share.call].waiting_tokens(share.range.end)).max();
        let mut fill = Fill { width: widest.unwrap_or(0).max(1), budget, sequences: 0, tokens: 0 };
        while shares.iter().any(|share| share.is_open) {
            for share in shares.iter_mut().filter(|share| share.is_open) {
                let next = self.calls[share.call].waiting_tokens(share.range.end);
                share.is_open = next.is_some_and(|tokens| fill.add(tokens));
                share.range.end += usize::from(share.is_open);
            }
        }
        shares
    }

    /// Returns the positions of the calls that may take part in the next pass. The one whose turn
    /// it is comes first.
    fn team(&self) -> Vec<usize> {
        let is_ready = |&at: &usize| self.calls[at].is_ready();
        let mut ready: Vec<usize> = (0..self.calls.len()).filter(is_ready).collect();
        match ready.first() {
            Some(&first) if self.calls[first].is_alone => ready.truncate(1),
            _ => ready.retain(|&at| !self.calls[at].is_alone),
        }
        ready
    }
}

impl Waiter {
    /// Returns true if the call may take part in the next pass.
    fn is_ready(&self) -> bool {
        let has_read = self.computed.is_empty() && self.error.is_none();
        !self.waiting.is_empty() && has_read && self.limits.check().is_ok()
    }

    /// Returns the number of tokens of a waiting sequence, by its position among them.
    fn waiting_tokens(&self, at: usize) -> Option<usize> {
        self.waiting.get(at).map(|&index| self.batch.sequence(index).len())
    }

    fn repeat_alone(&mut self, indices: Vec<usize>) {
        self.is_alone = true;
        self.waiting.extend(indices);
        self.sort();
    }

    fn sort(&mut self) {
        self.waiting.sort_by_key(|&index| (Reverse(self.batch.sequence(index).len()), index));
    }
}

/// The part of a call in a pass.
struct Share {
    /// Position of the call in the queue.
    call: usize,
    /// Positions among the call's waiting sequences.
    range: Range<usize>,
    /// True if the pass may get more of the call's sequences.
    is_open: bool,
}

impl Share {
    /// Creates an empty share of the sequences of up to `longest` tokens.
    fn of(call: usize, waiter: &Waiter, longest: usize) -> Self {
        let first = waiter.waiting.partition_point(|&index| waiter.batch.sequence(index).len() > longest);
        Self { call, range: first..first, is_open: true }
    }
}

/// The size of a pass while its sequences are chosen.
struct Fill {
    /// The number of tokens that every sequence is padded to.
    width: usize,
    budget: usize,
    sequences: usize,
    /// Without padding.
    tokens: usize,
}

impl Fill {
    /// Adds a sequence of `more` tokens, at most the width. Returns false if it does not fit.
    fn add(&mut self, more: usize) -> bool {
        let (sequences, tokens) = (self.sequences + 1, self.tokens + more);
        let padded = sequences * self.width;
        let is_cheap = 2 * more >= self.width || padded - tokens <= self.budget / FREE_PADDING;
        let fits = self.sequences == 0 || (padded <= self.budget && is_cheap);
        if fits {
            (self.sequences, self.tokens) = (sequences, tokens);
        }
        fits
    }
}

fn by_call<T>(members: impl Iterator<Item = (Id, T)>) -> BTreeMap<Id, Vec<T>> {
    let mut calls: BTreeMap<Id, Vec<T>> = BTreeMap::new();
    members.for_each(|(id, member)| calls.entry(id).or_default().push(member));
    calls
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ndarray::Array3;

    use super::*;
    use crate::call::CancelToken;

    /// Adds a call with sequences of these lengths.
    fn enter(queue: &mut Queue, lengths: &[usize]) -> Id {
        let sequences: Vec<Vec<u32>> = lengths.iter().map(|&length| vec![1; length]).collect();
        queue.enter(RaggedBatch::of(sequences.iter().map(Vec::as_slice)), Call::new())
    }

    fn succeed(queue: &mut Queue, pass: SharedPass) {
        let batch = pass.batch();
        let states = Array3::zeros((batch.len(), batch.max_seqlen(), 1));
        let states = TokenStates::of_pass(states, batch.sequences().map(<[u32]>::len));
        queue.end(pass, Ok(states));
    }

    fn lose(queue: &mut Queue, pass: SharedPass) {
        queue.end(pass, Err(Error::InvalidArgument("no memory".into())));
    }

    fn calls_of(pass: &SharedPass) -> BTreeSet<Id> {
        pass.members.iter().map(|&(id, _)| id).collect()
    }

    /// Runs a pass, after which its calls read their results. Returns the call and the tokens of
    /// each sequence.
    fn run(queue: &mut Queue, budget: usize) -> Option<Vec<(Id, usize)>> {
        let pass = queue.begin(budget)?;
        let tokens = pass.batch().sequences().map(<[u32]>::len);
        let members = pass.members.iter().zip(tokens).map(|(&(id, _), tokens)| (id, tokens)).collect();
        let calls = calls_of(&pass);
        succeed(queue, pass);
        calls.into_iter().for_each(|id| drop(queue.outcome(id).unwrap().unwrap()));
        Some(members)
    }

    fn count(members: &[(Id, usize)], call: Id) -> usize {
        members.iter().filter(|(id, _)| *id == call).count()
    }

    #[test]
    fn passes_hold_every_sequence_once_within_the_budget() {
        for budget in [1, 7, 30, 100, 1000] {
            let mut queue = Queue::default();
            let mut expected = Vec::new();
            for call in 1..5 {
                let lengths: Vec<usize> = (0..20).map(|at| (call * 7 + at * 13) % 29).collect();
                let id = enter(&mut queue, &lengths);
                expected.extend(lengths.into_iter().map(|tokens| (id, tokens)));
            }
            let mut found = Vec::new();
            while let Some(members) = run(&mut queue, budget) {
                let padded = members.len() * members[0].1;
                assert!(members.len() == 1 || padded <= budget, "budget {budget}: {members:?}");
                assert!(members.is_sorted_by_key(|(_, tokens)| Reverse(*tokens)), "{members:?}");
                found.extend(members);
            }
            expected.sort();
            found.sort();
            assert_eq!(found, expected, "budget {budget}");
        }
    }

    #[test]
    fn a_short_call_beside_long_ones_gets_an_equal_share_and_is_soon_done() {
        let mut queue = Queue::default();
        let long = enter(&mut queue, &[10; 40]);
        let short = enter(&mut queue, &[9; 3]);
        let members = run(&mut queue, 100).unwrap();
        assert_eq!((members.len(), count(&members, long), count(&members, short)), (10, 7, 3));

        let mut queue = Queue::default();
        let long: Vec<Id> = (0..3).map(|_| enter(&mut queue, &[10; 40])).collect();
        let short = enter(&mut queue, &[10; 3]);
        let members = run(&mut queue, 100).unwrap();
        assert_eq!(long.iter().map(|&id| count(&members, id)).collect::<Vec<_>>(), [3, 3, 2]);
        assert_eq!(count(&members, short), 2);
        assert_eq!(count(&run(&mut queue, 100).unwrap(), short), 1);
    }

    #[test]
    fn calls_of_very_different_lengths_have_passes_in_turns() {
        let mut queue = Queue::default();
        let long = enter(&mut queue, &[50; 30]);
        let short = enter(&mut queue, &[5; 40]);
        let shares = |members: Vec<(Id, usize)>| (count(&members, long), count(&members, short));
        assert_eq!(shares(run(&mut queue, 1000).unwrap()), (18, 2), "an eighth of 1000 is padding of two");
        assert_eq!(shares(run(&mut queue, 1000).unwrap()), (0, 38));
        assert_eq!(shares(run(&mut queue, 1000).unwrap()), (12, 0));
        assert!(run(&mut queue, 1000).is_none());
    }

    #[test]
    fn short_sequences_of_one_call_are_not_padded_to_a_long_one() {
        let mut queue = Queue::default();
        enter(&mut queue, &[&[400][..], &[10; 60]].concat());
        assert_eq!(run(&mut queue, 8000).unwrap().len(), 3);
        assert_eq!(run(&mut queue, 8000).unwrap().len(), 58);
    }

    #[test]
    fn a_call_that_has_ended_has_no_further_sequences_in_a_pass() {
        let mut queue = Queue::default();
        let token = CancelToken::new();
        let ended = queue.enter(RaggedBatch::of([&[1u32, 2][..]; 3].into_iter()), Call::new().cancel(&token).limits());
        let other = enter(&mut queue, &[2; 3]);
        token.cancel();
        assert_eq!(calls_of(&queue.begin(100).unwrap()), BTreeSet::from([other]));
        queue.is_busy = false;
        assert!(queue.begin(100).is_none() && !queue.is_busy());
        queue.leave(ended);
        assert_eq!(queue.calls.len(), 1);
    }

    #[test]
    fn a_call_takes_part_again_when_it_has_read_its_results() {
        let mut queue = Queue::default();
        let id = enter(&mut queue, &[5; 4]);
        let pass = queue.begin(10).unwrap();
        assert!(queue.is_busy() && queue.begin(10).is_none(), "one pass at a time");
        succeed(&mut queue, pass);
        assert!(!queue.is_busy() && queue.begin(10).is_none(), "two results are not read");
        assert_eq!(queue.outcome(id).unwrap().unwrap().len(), 2);
        assert!(queue.outcome(id).is_none());
        assert_eq!(queue.begin(10).unwrap().members.len(), 2);
    }

    #[test]
    fn a_shared_pass_that_fails_is_repeated_by_each_call_alone() {
        let mut queue = Queue::default();
        let (huge, good) = (enter(&mut queue, &[8; 3]), enter(&mut queue, &[8; 2]));
        let pass = queue.begin(100).unwrap();
        assert_eq!(pass.members.len(), 5);
        lose(&mut queue, pass);
        assert!(queue.outcome(huge).is_none() && queue.outcome(good).is_none());

        let late = enter(&mut queue, &[8; 2]);
        let mut alone = BTreeSet::new();
        while let Some(pass) = queue.begin(100) {
            let calls = calls_of(&pass);
            assert_eq!(calls.len(), 1, "{calls:?}");
            if calls.contains(&huge) {
                lose(&mut queue, pass)
            } else {
                succeed(&mut queue, pass)
            }
            alone.extend(calls);
        }
        assert_eq!(alone, BTreeSet::from([huge, good, late]));
        assert!(queue.outcome(huge).unwrap().is_err());
        for id in [good, late] {
            let indices: BTreeSet<usize> =
                queue.outcome(id).unwrap().unwrap().iter().map(|(index, _)| *index).collect();
            assert_eq!(indices, BTreeSet::from([0, 1]));
        }
    }

    #[test]
    fn results_of_a_call_that_has_left_are_dropped_and_those_of_others_arrive() {
        let mut queue = Queue::default();
        let (gone, other) = (enter(&mut queue, &[4; 2]), enter(&mut queue, &[4; 2]));
        let pass = queue.begin(100).unwrap();
        queue.leave(gone);
        succeed(&mut queue, pass);
        assert!(queue.outcome(gone).is_none());
        assert_eq!(queue.outcome(other).unwrap().unwrap().len(), 2);

        let lost = enter(&mut queue, &[4; 2]);
        let pass = queue.begin(100).unwrap();
        queue.end(pass, Ok(Vec::new()));
        assert!(queue.outcome(lost).unwrap().is_err(), "a backend that loses sequences");
    }
}
