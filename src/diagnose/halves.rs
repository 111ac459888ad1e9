//! The documents in two halves. A choice by the judgements of one half is measured by those of the
//! other, because what is learnt must hold for documents that the choice did not see.
//!
//! Lists are ordered as a whole, as in use. Then each half of an order is measured as a list of its
//! own. The cutoff is half as large too: about so many of a half stand above the measure's cutoff.

use crate::eval::{JudgedCandidates, Measure, hashed};
use crate::io::Grades;

/// Number of halves.
pub(super) const HALVES: usize = 2;

/// The halves of one list.
pub(super) struct Halves {
    /// The half of each place.
    half_of: Vec<usize>,
    /// The judgements of each half.
    judged: [JudgedCandidates; HALVES],
}

/// Returns the half of a document, 0 or 1. It depends on the id and the seed alone, so a document
/// is in the same half for every query.
pub(super) fn half_of(id: &str, seed: u64) -> usize {
    usize::from(hashed(seed, id) >> 63 == 1)
}

/// Returns the measure for a half of a list: with half the cutoff, rounded up.
pub(super) fn of_half(measure: Measure) -> Measure {
    measure.cutoff().and_then(|cutoff| measure.at(cutoff.div_ceil(HALVES))).unwrap_or(measure)
}

impl Halves {
    /// Divides the candidates and all judged documents of a query.
    pub fn new(ids: &[&str], judged: &JudgedCandidates, grades: &Grades, seed: u64) -> Self {
        let part = |half: usize| judged.judged_in_part(ids, grades, |id| half_of(id, seed) == half);
        Self { half_of: ids.iter().map(|id| half_of(id, seed)).collect(), judged: [part(0), part(1)] }
    }

    /// Returns the value of each half of an order; `None` for a half without a relevant document,
    /// in which all orders are equal. `measure` is that of [`of_half`].
    pub fn values(&self, order: &[u32], measure: Measure) -> [Option<f64>; HALVES] {
        let value = |half: usize| {
            let judged = &self.judged[half];
            let has_relevant = judged.all_grades().first().is_some_and(|&grade| grade >= measure.rel());
            has_relevant.then(|| {
                let is_in = |place: &u32| self.half_of[*place as usize] == half;
                let some: Vec<u32> = order.iter().copied().filter(is_in).collect();
                measure.value(&judged.ranking(&some))
            })
        };
        [value(0), value(1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Qrels;

    /// The first ids of a half.
    fn ids(half: usize, number: usize) -> Vec<String> {
        (0..).map(|at| format!("d{at}")).filter(|id| half_of(id, 1) == half).take(number).collect()
    }

    #[test]
    fn documents_fall_into_halves_of_about_the_same_size_by_the_seed() {
        let number = |seed: u64| (0..1000).filter(|at| half_of(&format!("d{at}"), seed) == 0).count();
        assert!((450..550).contains(&number(1)) && (450..550).contains(&number(2)));
        let is_same = |at: &usize| half_of(&format!("d{at}"), 1) == half_of(&format!("d{at}"), 2);
        assert!((400..600).contains(&(0..1000).filter(is_same).count()), "the seed makes other halves");
    }

    #[test]
    fn each_half_is_measured_as_a_list_of_its_own() {
        let (first, second) = (ids(0, 2), ids(1, 2));
        let all = [first[0].as_str(), &second[0], &first[1], &second[1]];
        // The relevant document of the first half is the third of all, and the second of its half.
        let qrels = Qrels::from_judgements([("q", all[2], 1), ("q", all[1], 0)]).unwrap();
        let grades = qrels.grades("q").unwrap();
        let halves = Halves::new(&all, &JudgedCandidates::new(&all, grades), grades, 1);
        let rank: Measure = "RR".parse().unwrap();
        assert_eq!(halves.values(&[0, 1, 2, 3], rank), [Some(0.5), None]);
        assert_eq!(halves.values(&[1, 3, 2, 0], rank), [Some(1.0), None]);
        assert_eq!(halves.values(&[0, 1, 2, 3], "RR@1".parse().unwrap()), [Some(0.0), None]);
    }

    #[test]
    fn half_a_list_has_half_the_cutoff() {
        let of = |name: &str| of_half(name.parse().unwrap()).to_string();
        assert_eq!([of("nDCG@10"), of("P@5"), of("RR@1"), of("AP")], ["nDCG@5", "P@3", "RR@1", "AP"]);
    }
}
