//! Measures, with the names of ir_measures.

use super::ranking::{JudgedRanking, TieOrder};

/// The highest grade for `ERR`, as in gdeval. A document of this grade ends the search with
/// probability 15/16.
pub(super) const MAX_ERR_GRADE: i32 = 4;

/// The kind of a measure. trec_eval's names are in brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MeasureKind {
    /// `nDCG`, `nDCG@k` (`ndcg`, `ndcg_cut_k`): gains by rank over those of the best possible
    /// order, a gain being the grade and its discount log2(rank + 1). In 0..=1. (Järvelin and
    /// Kekäläinen, 2002)
    Ndcg,
    /// `nDCG(dcg='exp-log2')@k` (gdeval): the same with 2^grade - 1 as the gain. (Burges et
    /// al., 2005)
    NdcgExp,
    /// `RR`, `RR@k` (`recip_rank`): 1 over the rank of the first relevant document. In 0..=1.
    Rr,
    /// `AP`, `AP@k` (`map`, `map_cut_k`): the mean, over all relevant documents, of the precision
    /// at their ranks. In 0..=1.
    Ap,
    /// `P@k` (`P_k`): the share of relevant documents among the first k, whether or not k were
    /// retrieved. In 0..=1.
    P,
    /// `R@k` (`recall_k`): the share of the relevant documents that is among the first k. In 0..=1.
    R,
    /// `Success@k` (`success_k`): 1 when a relevant document is among the first k, else 0.
    Success,
    /// `Judged`, `Judged@k`: the share of judged documents among the first k, or among all if they
    /// are fewer. In 0..=1.
    Judged,
    /// `Rprec` (`Rprec`): precision at the rank that is the number of relevant documents. In 0..=1.
    Rprec,
    /// `ERR@k` (gdeval): the expected reciprocal rank at which a reader stops who is content with a
    /// document of grade g with the chance (2^g - 1) / 16; for grades up to 4. In 0..1. (Chapelle
    /// et al., 2009)
    Err,
    /// `Bpref` (`bpref`): how many documents judged not relevant stand above relevant ones. In
    /// 0..=1. (Buckley and Voorhees, 2004)
    Bpref,
    /// `NumQ` (`num_q`): judged queries that the run has. Summed over queries.
    NumQ,
    /// `NumRet` (`num_ret`): retrieved documents. Summed over queries.
    NumRet,
    /// `NumRelRet`, which is `NumRet(rel=1)` (`num_rel_ret`): relevant documents that were
    /// retrieved. Summed over queries.
    NumRelRet,
    /// `NumRel` (`num_rel`): relevant documents of the queries that the run has. Summed over
    /// queries.
    NumRel,
}

/// The need of a measure for a cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cutoff {
    Never,
    MayHave,
    MustHave,
}

/// A measure with its parameters: `nDCG@10`, `P(rel=2)@5`, `AP(rel=2,judged_only=True)@100`.
///
/// Parsed from and printed as ir_measures' names.
///
/// ```
/// use nearsort::eval::{Measure, MeasureKind};
/// let measure: Measure = "MRR(rel=2)@10".parse()?;
/// assert_eq!((measure.kind(), measure.cutoff(), measure.rel()), (MeasureKind::Rr, Some(10), 2));
/// assert_eq!(measure.to_string(), "RR(rel=2)@10");
/// # Ok::<(), nearsort::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Measure {
    pub(super) kind: MeasureKind,
    pub(super) cutoff: Option<usize>,
    pub(super) rel: i32,
    pub(super) judged_only: bool,
}

impl Measure {
    /// Returns `nDCG@k`, the default measure of reranking.
    pub const fn ndcg_at(cutoff: usize) -> Self {
        Self { kind: MeasureKind::Ndcg, cutoff: Some(cutoff), rel: 1, judged_only: false }
    }

    /// Returns the kind of the measure.
    pub fn kind(&self) -> MeasureKind {
        self.kind
    }

    /// Returns the number of results that count, `None` for all of them.
    pub fn cutoff(&self) -> Option<usize> {
        self.cutoff
    }

    /// Returns the lowest grade that counts as relevant, at least 1.
    pub fn rel(&self) -> i32 {
        self.rel
    }

    /// True if unjudged results are left out before ranks are counted.
    pub fn judged_only(&self) -> bool {
        self.judged_only
    }

    /// Returns the same measure over the first `cutoff` results, `None` if it takes no cutoff.
    pub fn at(&self, cutoff: usize) -> Option<Self> {
        let takes_cutoff = self.kind.spec().cutoff != Cutoff::Never;
        takes_cutoff.then_some(Self { cutoff: Some(cutoff), ..*self })
    }

    /// True if values are counts, which are summed over queries; all others are averaged.
    pub fn is_count(&self) -> bool {
        use MeasureKind::{NumQ, NumRel, NumRelRet, NumRet};
        matches!(self.kind, NumQ | NumRet | NumRelRet | NumRel)
    }

    /// Returns the value over all queries: the mean, or the sum of counts. The mean of no values is
    /// NaN.
    pub fn aggregate(&self, values: &[f64]) -> f64 {
        let sum: f64 = values.iter().sum();
        if self.is_count() { sum } else { sum / values.len() as f64 }
    }

    /// Returns the value for one query that the run has. (For a query that it lacks, every measure
    /// is 0.)
    ///
    /// A measure that would divide by zero because no document is relevant is 0. Grades above 4
    /// count as 4 in `ERR`.
    pub fn value(&self, ranking: &JudgedRanking) -> f64 {
        let num_relevant = ranking.num_relevant(self.rel);
        let num_found = || self.relevant_ranks(ranking).count();
        let value = match self.kind {
            MeasureKind::Ndcg => self.ndcg(ranking, f64::from),
            MeasureKind::NdcgExp => self.ndcg(ranking, |grade| f64::from(grade).exp2() - 1.0),
            MeasureKind::Rr => self.relevant_ranks(ranking).next().map_or(0.0, |rank| 1.0 / (rank + 1) as f64),
            MeasureKind::Ap => ratio(self.sum_of_precisions(ranking), num_relevant),
            MeasureKind::P => ratio(num_found() as f64, self.cutoff.unwrap_or(ranking.num_retrieved())),
            MeasureKind::R => ratio(num_found() as f64, num_relevant),
            MeasureKind::Success => f64::from(num_found() > 0),
            MeasureKind::Judged => self.judged(ranking),
            MeasureKind::Rprec => {
                let first = self.relevant_ranks(ranking).take_while(|&rank| rank < num_relevant).count();
                ratio(first as f64, num_relevant)
            }
            MeasureKind::Err => self.expected_reciprocal_rank(ranking),
            MeasureKind::Bpref => self.binary_preference(ranking),
            MeasureKind::NumQ => 1.0,
            MeasureKind::NumRet => ranking.num_retrieved() as f64,
            MeasureKind::NumRelRet => num_found() as f64,
            MeasureKind::NumRel => num_relevant as f64,
        };
        // The sum of no floats is -0.0, which would be printed.
        value + 0.0
    }

    /// Returns the order in which ir_measures computes the measure.
    fn tie_order(&self) -> TieOrder {
        match (self.kind, self.cutoff) {
            (MeasureKind::Rr, Some(_)) | (MeasureKind::Judged, _) => TieOrder::Python,
            (MeasureKind::NdcgExp | MeasureKind::Err, _) => TieOrder::Gdeval,
            _ => TieOrder::Trec,
        }
    }

    /// Returns ranks, from 0, and grades of the results that count as judged, down to the cutoff.
    fn judged_ranks(&self, ranking: &JudgedRanking) -> impl Iterator<Item = (usize, i32)> {
        let (judged_only, cutoff) = (self.judged_only, self.cutoff.unwrap_or(usize::MAX));
        let hits = ranking.hits(self.tie_order()).iter().filter(|hit| hit.grade >= 0).enumerate();
        hits.map(move |(place, hit)| (if judged_only { place } else { hit.rank as usize }, hit.grade))
            .take_while(move |&(rank, _)| rank < cutoff)
    }

    fn relevant_ranks(&self, ranking: &JudgedRanking) -> impl Iterator<Item = usize> {
        let rel = self.rel;
        self.judged_ranks(ranking).filter(move |&(_, grade)| grade >= rel).map(|(rank, _)| rank)
    }

    fn ndcg(&self, ranking: &JudgedRanking, gain: impl Fn(i32) -> f64) -> f64 {
        let discounted = |(rank, grade): (usize, i32)| gain(grade) / ((rank + 2) as f64).log2();
        let dcg: f64 = self.judged_ranks(ranking).filter(|&(_, grade)| grade > 0).map(discounted).sum();
        let best = ranking.grades().iter().copied().take_while(|&grade| grade > 0);
        let ideal: f64 = best.take(self.cutoff.unwrap_or(usize::MAX)).enumerate().map(discounted).sum();
        if ideal > 0.0 { dcg / ideal } else { 0.0 }
    }

    fn sum_of_precisions(&self, ranking: &JudgedRanking) -> f64 {
        self.relevant_ranks(ranking).enumerate().map(|(before, rank)| (before + 1) as f64 / (rank + 1) as f64).sum()
    }

    fn judged(&self, ranking: &JudgedRanking) -> f64 {
        let depth = self.cutoff.unwrap_or(usize::MAX).min(ranking.num_retrieved());
        let judged = ranking.hits(self.tie_order()).iter().take_while(|hit| (hit.rank as usize) < depth).count();
        ratio(judged as f64, depth)
    }

    fn expected_reciprocal_rank(&self, ranking: &JudgedRanking) -> f64 {
        let (mut expected, mut still_reading) = (0.0, 1.0);
        for (rank, grade) in self.judged_ranks(ranking) {
            let content = (f64::from(grade.min(MAX_ERR_GRADE)).exp2() - 1.0) / f64::from(MAX_ERR_GRADE).exp2();
            expected += still_reading * content / (rank + 1) as f64;
            still_reading *= 1.0 - content;
        }
        expected
    }

    fn binary_preference(&self, ranking: &JudgedRanking) -> f64 {
        let num_relevant = ranking.num_relevant(self.rel);
        let fewer = num_relevant.min(ranking.num_relevant(0) - num_relevant);
        let (mut sum, mut not_relevant) = (0.0, 0);
        for (_, grade) in self.judged_ranks(ranking) {
            match grade >= self.rel {
                true if not_relevant == 0 => sum += 1.0,
                true => sum += 1.0 - not_relevant.min(num_relevant) as f64 / fewer as f64,
                false => not_relevant += 1,
            }
        }
        ratio(sum, num_relevant)
    }
}

fn ratio(part: f64, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part / whole as f64 }
}
