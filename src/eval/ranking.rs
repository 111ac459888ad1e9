//! One query's results with their judgements: everything that a measure needs.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::io::{Grades, QueryResults, ScoredDocument};

/// The ranks of one query's judged documents in its ranking.
///
/// No measure depends on the other results, so only these are kept.
///
/// ```
/// use nearsort::eval::{JudgedRanking, Measure};
/// use nearsort::io::{Qrels, QueryResults, ScoredDocument};
/// let qrels = Qrels::from_judgements([("q1", "d1", 1), ("q1", "d2", 0)])?;
/// let documents = [("d1", 0.1), ("d2", 0.2)].map(|(id, score)| ScoredDocument { id, score });
/// let ranking = JudgedRanking::new(&QueryResults::new("q1", &documents)?, qrels.grades("q1").unwrap());
/// assert_eq!("RR".parse::<Measure>()?.value(&ranking), 0.5);
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct JudgedRanking {
    by_trec: Vec<JudgedHit>,
    /// The hits in the two other orders, which can differ only if scores are tied.
    by_gdeval_and_python: Option<[Vec<JudgedHit>; 2]>,
    num_retrieved: usize,
    /// The grades of all judged documents, retrieved or not, highest first.
    grades: Arc<[i32]>,
}

/// A retrieved document that is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JudgedHit {
    /// The rank among all retrieved documents, from 0.
    pub rank: u32,
    pub grade: i32,
}

/// The order of documents that a measure uses. The orders differ only for documents with the same
/// score as f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TieOrder {
    /// The order of trec_eval: scores as f32, then ids descending.
    Trec,
    /// The order of gdeval: scores as f64, then ids descending.
    Gdeval,
    /// The order of ir_measures' programs in Python: scores as f64, then ids ascending.
    Python,
}

impl JudgedRanking {
    /// Orders the results of a query and finds its judged documents among them.
    pub fn new(results: &QueryResults<'_>, grades: &Grades) -> Self {
        let documents = results.documents();
        let (order, has_ties) = trec_order(documents);
        let by_trec = judged_hits(&order, results, grades);
        let in_order = |order| judged_hits(&f64_order(documents, order), results, grades);
        let by_gdeval_and_python = has_ties.then(|| [TieOrder::Gdeval, TieOrder::Python].map(in_order));
        let grades = highest_first(grades.iter().map(|(_, grade)| grade));
        Self { by_trec, by_gdeval_and_python, num_retrieved: documents.len(), grades }
    }

    /// Returns the number of retrieved documents.
    pub fn num_retrieved(&self) -> usize {
        self.num_retrieved
    }

    /// Returns the number of retrieved documents with a judgement of any grade.
    pub fn num_judged_retrieved(&self) -> usize {
        self.by_trec.len()
    }

    pub(super) fn hits(&self, order: TieOrder) -> &[JudgedHit] {
        match (order, &self.by_gdeval_and_python) {
            (TieOrder::Gdeval, Some([hits, _])) | (TieOrder::Python, Some([_, hits])) => hits,
            (TieOrder::Trec, _) | (_, None) => &self.by_trec,
        }
    }

    /// Returns the grades of all judged documents, highest first.
    pub(super) fn grades(&self) -> &[i32] {
        &self.grades
    }

    /// Returns the number of documents with at least this grade.
    pub(super) fn num_relevant(&self, rel: i32) -> usize {
        self.grades.partition_point(|&grade| grade >= rel)
    }
}

/// Candidates of one query with their judgements, for measuring many orders of the same documents.
///
/// The judgements are looked up once. Ties are broken as in trec_eval, for every measure.
///
/// ```
/// use nearsort::eval::{JudgedCandidates, Measure};
/// use nearsort::io::Qrels;
/// let qrels = Qrels::from_judgements([("q1", "d1", 1)])?;
/// let candidates = JudgedCandidates::new(&["d1", "d2"], qrels.grades("q1").unwrap());
/// let order = candidates.order(&[0.5, 0.5]);
/// assert_eq!(order, [1, 0]); // the higher id first
/// assert_eq!("RR".parse::<Measure>()?.value(&candidates.ranking(&order)), 0.5);
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct JudgedCandidates {
    /// For each candidate, the number of candidates with smaller ids.
    id_ranks: Vec<u32>,
    grades: Vec<Option<i32>>,
    /// The grades of all judged documents, candidates or not, highest first.
    all_grades: Arc<[i32]>,
}

impl JudgedCandidates {
    /// Looks up the judgements of the candidates. Each id must occur once.
    pub fn new(ids: &[&str], grades: &Grades) -> Self {
        let mut by_id: Vec<u32> = (0..ids.len() as u32).collect();
        by_id.sort_unstable_by_key(|&place| ids[place as usize]);
        let mut id_ranks = vec![0; ids.len()];
        (0..).zip(by_id).for_each(|(rank, place)| id_ranks[place as usize] = rank);
        let all_grades = highest_first(grades.iter().map(|(_, grade)| grade));
        Self { id_ranks, grades: ids.iter().map(|id| grades.get(id)).collect(), all_grades }
    }

    /// Returns the same candidates as if only some documents were judged: those of `grades` with an
    /// id that `is_kept`. `grades` are those of [`JudgedCandidates::new`].
    #[cfg(feature = "diagnose")]
    pub(crate) fn judged_in_part(&self, ids: &[&str], grades: &Grades, is_kept: impl Fn(&str) -> bool) -> Self {
        let kept = grades.iter().filter(|(id, _)| is_kept(id)).map(|(_, grade)| grade);
        Self {
            id_ranks: self.id_ranks.clone(),
            grades: ids.iter().zip(&self.grades).map(|(id, grade)| grade.filter(|_| is_kept(id))).collect(),
            all_grades: highest_first(kept),
        }
    }

    /// Returns the grade of each candidate, `None` if it is not judged.
    pub fn grades(&self) -> &[Option<i32>] {
        &self.grades
    }

    /// Returns the grades of all judged documents, candidates or not, highest first.
    pub fn all_grades(&self) -> &[i32] {
        &self.all_grades
    }

    /// Returns the candidates' positions, best first: scores descending, then ids descending.
    /// `scores` has one per candidate, none NaN.
    pub fn order(&self, scores: &[f32]) -> Vec<u32> {
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        self.sort(&mut order, |place| scores[place as usize]);
        order
    }

    /// Sorts the positions of some of the candidates in the same way.
    pub fn sort(&self, places: &mut [u32], score: impl Fn(u32) -> f32) {
        let id = |place: u32| self.id_ranks[place as usize];
        places.sort_unstable_by(|&a, &b| {
            score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal).then_with(|| id(b).cmp(&id(a)))
        });
    }

    /// Returns the positions with the highest grades first; unjudged candidates count as not
    /// relevant. No order is better.
    pub fn best_order(&self) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.grades.len() as u32).collect();
        order.sort_by_key(|&place| std::cmp::Reverse(self.grades[place as usize].unwrap_or(0)));
        order
    }

    /// Returns the ranking for this order of the candidates, which may leave some out.
    pub fn ranking(&self, order: &[u32]) -> JudgedRanking {
        let hit = |(rank, &place): (u32, &u32)| self.grades[place as usize].map(|grade| JudgedHit { rank, grade });
        JudgedRanking {
            by_trec: (0..).zip(order).filter_map(hit).collect(),
            by_gdeval_and_python: None,
            num_retrieved: order.len(),
            grades: Arc::clone(&self.all_grades),
        }
    }
}

/// Sorts grades descending.
fn highest_first(grades: impl Iterator<Item = i32>) -> Arc<[i32]> {
    let mut grades: Vec<i32> = grades.collect();
    grades.sort_unstable_by_key(|&grade| std::cmp::Reverse(grade));
    grades.into()
}

/// Returns the positions of the documents, best first, and true if any two have the same score as
/// f32.
pub(super) fn trec_order(documents: &[ScoredDocument<'_>]) -> (Vec<u32>, bool) {
    let score = |place: u32| documents[place as usize].score as f32;
    let compare = |&a: &u32, &b: &u32| {
        let by_id = || documents[b as usize].id.cmp(documents[a as usize].id);
        score(b).partial_cmp(&score(a)).unwrap_or(Ordering::Equal).then_with(by_id)
    };
    let mut order: Vec<u32> = (0..documents.len() as u32).collect();
    // Most runs are already in order, and the check costs a fraction of sorting.
    if !order.is_sorted_by(|a, b| compare(a, b) == Ordering::Less) {
        order.sort_unstable_by(compare);
    }
    let has_ties = order.windows(2).any(|pair| score(pair[0]) == score(pair[1]));
    (order, has_ties)
}

/// Returns the positions of the documents by score as f64, best first.
fn f64_order(documents: &[ScoredDocument<'_>], ties: TieOrder) -> Vec<u32> {
    let mut order: Vec<u32> = (0..documents.len() as u32).collect();
    order.sort_unstable_by(|&a, &b| {
        let (a, b) = (&documents[a as usize], &documents[b as usize]);
        let by_id = || if ties == TieOrder::Python { a.id.cmp(b.id) } else { b.id.cmp(a.id) };
        b.score.partial_cmp(&a.score).unwrap_or(Ordering::Equal).then_with(by_id)
    });
    order
}

/// Returns the judged documents in this order, with their ranks.
fn judged_hits(order: &[u32], results: &QueryResults<'_>, grades: &Grades) -> Vec<JudgedHit> {
    let mut ranks = vec![0; order.len()];
    for (rank, &place) in (0..).zip(order) {
        ranks[place as usize] = rank;
    }
    let hit = |(id, grade)| results.position(id).map(|place| JudgedHit { rank: ranks[place], grade });
    let mut hits: Vec<JudgedHit> = grades.iter().filter_map(hit).collect();
    hits.sort_unstable_by_key(|hit| hit.rank);
    hits
}
