//! Grades, and scores with ties, as runs with a unique order.

use super::agreement::RankedList;
use crate::io::{Grades, ScoredDocument};

/// Returns scores by which a list, best first, keeps its order in every evaluation. The given
/// scores are returned if all are finite and each is below the one before; otherwise n, n - 1, ...
/// 1. trec_eval and others order equal scores by document ids, whatever the file's order is.
///
/// ```
/// use nearsort::eval::untied_scores;
/// assert_eq!(untied_scores(&[0.9, 0.5]), [0.9, 0.5]);
/// assert_eq!(untied_scores(&[3.0, 3.0, 1.0]), [3.0, 2.0, 1.0]);
/// ```
pub fn untied_scores(scores: &[f32]) -> Vec<f32> {
    let is_strict = scores.is_sorted_by(|before, after| before > after) && scores.iter().all(|score| score.is_finite());
    if is_strict { scores.to_vec() } else { (1..=scores.len()).rev().map(|place| place as f32).collect() }
}

/// A first stage's list ordered by grades.
#[derive(Debug, Clone, PartialEq)]
pub struct GradedList<'a> {
    /// The documents, best first: grades descending, equal ones in the first stage's order.
    /// Ungraded candidates come last, in that order too. Scores are n, n - 1, ... 1.
    pub documents: Vec<ScoredDocument<'a>>,
    /// The grade of each document.
    pub grades: Vec<Option<i32>>,
}

impl<'a> GradedList<'a> {
    /// Orders the candidates of a query. `grades` is `None` if the query has no grades.
    pub fn new(first_stage: &RankedList<'a>, grades: Option<&Grades>) -> Self {
        let graded = first_stage.ids().into_iter().map(|id| (id, grades.and_then(|grades| grades.get(id))));
        let mut graded: Vec<(&'a str, Option<i32>)> = graded.collect();
        graded.sort_by_key(|&(_, grade)| std::cmp::Reverse(grade));
        let places = (1..=graded.len()).rev().map(|place| place as f64);
        Self {
            documents: graded.iter().zip(places).map(|(&(id, _), score)| ScoredDocument { id, score }).collect(),
            grades: graded.into_iter().map(|(_, grade)| grade).collect(),
        }
    }

    /// Returns the number of candidates without a grade.
    pub fn num_ungraded(&self) -> usize {
        self.grades.iter().filter(|grade| grade.is_none()).count()
    }

    /// Returns the grades as scores, in the documents' order; minus infinity for documents without
    /// a grade.
    pub fn scores(&self) -> Vec<f32> {
        self.grades.iter().map(|grade| grade.map_or(f32::NEG_INFINITY, |grade| grade as f32)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Qrels;

    #[test]
    fn equal_grades_keep_the_first_stages_order_and_ungraded_ones_come_last() {
        let first = [("a", 9.0), ("b", 8.0), ("c", 7.0), ("d", 6.0), ("e", 5.0)];
        let first = RankedList::new(&first.map(|(id, score)| ScoredDocument { id, score }));
        let grades = Qrels::from_judgements([("q", "e", 2), ("q", "c", -1), ("q", "d", 2), ("q", "z", 3)]).unwrap();
        let list = GradedList::new(&first, grades.grades("q"));
        let order: Vec<&str> = list.documents.iter().map(|document| document.id).collect();
        assert_eq!(order, ["d", "e", "c", "a", "b"]);
        assert_eq!(RankedList::new(&list.documents).ids(), order, "evaluation keeps the order");
        assert_eq!((list.num_ungraded(), &list.scores()[..3]), (2, &[2.0, 2.0, -1.0][..]));
        let none = GradedList::new(&first, None);
        assert_eq!((none.num_ungraded(), none.documents[0].id), (5, "a"));
    }

    #[test]
    fn scores_that_do_not_order_become_places() {
        assert_eq!(untied_scores(&[2.0, f32::NEG_INFINITY]), [2.0, 1.0]);
        assert_eq!(untied_scores(&[1.0, 2.0]), [2.0, 1.0]);
        assert_eq!(untied_scores(&[0.0, -0.0]), [2.0, 1.0]);
        assert!(untied_scores(&[]).is_empty());
    }
}
