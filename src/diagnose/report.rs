//! What a diagnosis says. Data only: rendering it is another's business.
//!
//! Values are in the measure's own unit (nDCG: 0 to 1); shares are from 0 to 1; ranks count from 1.

use serde::Serialize;

use super::finding::Finding;
use super::observations::{Change, Setting};
use super::{Configuration, Profile};
use crate::eval::{Comparison, Interval};

/// The whole diagnosis.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The answer in a sentence or three.
    pub verdict: Verdict,
    /// What was asked for.
    pub setting: Setting,
    /// The measure's name.
    pub measure: String,
    /// How much there was to look at.
    pub counts: Counts,
    /// All that needs judgements; `None` when no candidate has one.
    pub quality: Option<Quality>,
    /// What to use; `None` where [`Report::quality`] is.
    pub recommendation: Option<Recommendation>,
    /// How far reranking leaves the first stage's order; `None` when no list has two candidates.
    pub agreement: Option<Agreement>,
    /// How the model's scores lie.
    pub spread: Spread,
    /// How long the texts are, and what of them the model knows.
    pub lengths: Lengths,
    /// Texts that stand in a list more than once.
    pub duplicates: Duplicates,
    /// What other prompts and poolings came to; empty without judgements.
    pub trials: Vec<TrialResult>,
    /// What was found, the gravest first.
    pub findings: Vec<Finding>,
    /// Questions that these data do not answer, and what would.
    pub cannot_say: Vec<String>,
}

/// Whether reranking helps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// In a word.
    pub kind: VerdictKind,
    /// In plain words, with the numbers that matter and what to do.
    pub text: String,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The setting is better than the first stage, by more than chance.
    Helps,
    /// It is worse, by more than chance.
    Hurts,
    /// The difference may be chance.
    NoEvidence,
    /// There is nothing to measure by.
    CannotSay,
}

/// How much there was to look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Queries with at least one candidate.
    pub queries: usize,
    /// Of these, queries with judgements: all that is said of quality is said of them.
    pub judged_queries: usize,
    /// Queries with judgements that the observations lack.
    pub judged_queries_missing: usize,
    /// Pairs of query and candidate.
    pub candidates: usize,
    /// Of these, pairs that somebody judged; without any nothing is said of quality.
    pub judged_candidates: usize,
    /// Distinct documents among the candidates.
    pub documents: usize,
    /// Candidates of the shortest, the middle and the longest list.
    pub list_lengths: [usize; 3],
}

/// All that needs judgements.
#[derive(Debug, Clone, Serialize)]
pub struct Quality {
    /// What reranking with the setting does.
    pub effect: Effect,
    /// The best that any order of these candidates could be.
    pub ceiling: Ceiling,
    /// The first stage, then each scoring alone and blended, the setting, and the choice.
    pub modes: Vec<Mode>,
    /// The cross-validated choice; `None` with too few queries.
    pub choice: Option<Choice>,
    /// Quality by depth: of the setting, and of the recommended configuration where it is another.
    pub depth: Vec<DepthSweep>,
    /// Every judged query, in the observations' order.
    pub by_query: Vec<QueryEffect>,
    /// The queries that lose most, the worst first.
    pub worst: Vec<WorstQuery>,
}

/// The setting beside the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// The first stage's mean with its 95 % interval.
    pub first_stage: Interval,
    /// The setting's mean with its 95 % interval.
    pub reranked: Interval,
    /// Setting less first stage; the p-value is the randomisation test's.
    pub comparison: Comparison,
    /// How many queries would show a difference of this size (5 % level, 80 % power, by the normal approximation: `((1.960 + 0.842) * sd / mean)^2`);
    /// `None` when there is no difference at all.
    pub queries_needed: Option<usize>,
}

/// The recall ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceiling {
    /// The mean when each list is put in its best order.
    pub oracle: f64,
    /// Judged queries that have a relevant document in the judgements and none among their candidates.
    pub queries_without_relevant: usize,
    /// The same as a share of the queries that have a relevant document.
    pub share_without_relevant: f64,
    /// The share of the relevant documents that is among the candidates, averaged over queries.
    pub recall: f64,
}

/// A row of the comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// For tables.
    pub name: String,
    /// `None` for the first stage.
    pub configuration: Option<Configuration>,
    /// Whether it is what was asked for.
    pub is_setting: bool,
    /// Whether it is what the choice came to. Its numbers here are then flattering; [`Choice`] has the honest ones.
    pub is_choice: bool,
    /// The mean with its 95 % interval.
    pub mean: Interval,
    /// Less the first stage; `None` for the first stage. Its p-value is not adjusted.
    pub comparison: Option<Comparison>,
    /// The p-value after Holm's correction for all rows.
    pub adjusted_p: Option<f64>,
    /// The share of the way from the first stage to the oracle; negative where it is worse. `None` where there is no way to go.
    pub gap_closed: Option<f64>,
}

/// Cross-validation: in each fold the configuration is chosen by the other folds' queries and measured on the fold's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// How many folds.
    pub folds: usize,
    /// How many configurations there were to choose from.
    pub configurations: usize,
    /// What was chosen, and in how many folds; the most frequent first.
    pub picks: Vec<Pick>,
    /// What the same rule chooses on all queries.
    pub chosen: Configuration,
    /// The mean on queries that had no part in the choice.
    pub mean: Interval,
    /// The same less the first stage.
    pub over_first_stage: Comparison,
    /// The same less the setting.
    pub over_setting: Comparison,
}

/// A configuration that folds chose.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Pick {
    /// Which.
    pub configuration: Configuration,
    /// How many folds.
    pub folds: usize,
}

/// Quality by the number of candidates that are reranked; the others stay below in the first stage's order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DepthSweep {
    /// Of which configuration.
    pub configuration: Configuration,
    /// Ascending by depth, from 0 (the first stage) to the longest list.
    pub points: Vec<DepthPoint>,
    /// The smallest depth of the points that has 90 % of the gain of the largest; `None` when there is no gain.
    pub depth_for_90_percent: Option<usize>,
}

/// A point of a depth sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DepthPoint {
    /// How many candidates are reranked.
    pub depth: usize,
    /// The mean.
    pub mean: f64,
    /// Less the first stage, with its 95 % interval.
    pub gain: Interval,
}

/// What reranking does to a query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryEffect {
    /// Its id.
    pub id: String,
    /// The first stage's value.
    pub before: f64,
    /// The setting's value.
    pub after: f64,
}

/// A query that reranking made worse.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorstQuery {
    /// Its id.
    pub id: String,
    /// Its text.
    pub text: String,
    /// The first stage's value.
    pub before: f64,
    /// The setting's value.
    pub after: f64,
    /// Documents that moved most harmfully: relevant ones that sank, then others that rose.
    pub moved: Vec<Moved>,
}

/// A document that reranking moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Its id.
    pub id: String,
    /// Its grade; `None` when nobody judged it, which counts as not relevant.
    pub grade: Option<i32>,
    /// Its rank in the first stage.
    pub rank_before: usize,
    /// Its rank after reranking.
    pub rank_after: usize,
    /// The beginning of its text.
    pub excerpt: String,
}

/// What to use.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// In a word.
    pub action: Action,
    /// What to score by; with [`Action::DoNotRerank`] the setting.
    pub configuration: Configuration,
    /// How many candidates to rerank; `None`: all.
    pub depth: Option<usize>,
    /// The options of `nearsort rerank`, ready to use; empty for [`Action::DoNotRerank`].
    pub arguments: String,
    /// Why, in a sentence with numbers.
    pub reason: String,
    /// The same for `rerank --profile`.
    pub profile: Profile,
}

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Stay with the setting: nothing was shown to be better.
    Keep,
    /// Use another configuration.
    Change,
    /// Leave the first stage's order: every configuration loses against it.
    DoNotRerank,
}

/// How far the setting leaves the first stage's order, averaged over lists of at least two candidates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Kendall's tau-b of the two stages' scores, in -1..=1 (Kendall, 1945).
    pub kendall_tau: f64,
    /// The same of the first stage's scores and the model's alone, before any blend.
    pub model_kendall_tau: f64,
    /// Rank-biased overlap with p = 0.9, extrapolated, in 0..=1 (Webber, Moffat and Zobel, 2010).
    pub rbo: f64,
    /// The share of the first ten that both have, in 0..=1.
    pub overlap_at_10: f64,
}

/// How the model's scores lie: those of the setting's scoring, before any blend, of candidates with a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The middle list's standard deviation.
    pub median_deviation: f64,
    /// The middle list's highest less lowest score.
    pub median_range: f64,
    /// The share of candidates whose score, as f32, another candidate of the list with another text has too.
    pub tied_share: f64,
    /// The share of candidates whose first-stage score another candidate of the list has too.
    pub first_stage_tied_share: f64,
    /// All scores.
    pub histogram: Histogram,
    /// Those of relevant candidates, over the same range; empty without judgements.
    pub relevant: Histogram,
}

/// Counts by value.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// Where the first bin begins.
    pub low: f64,
    /// Where the last bin ends.
    pub high: f64,
    /// Of bins of equal width; empty where nothing was counted.
    pub counts: Vec<usize>,
}

/// How long the texts are. Of the distinct documents, those without text left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lengths {
    /// Tokens: minimum, quartiles, maximum.
    pub tokens: [u32; 5],
    /// Tokens of all documents.
    pub histogram: Histogram,
    /// The share of documents that were cut.
    pub truncated_share: f64,
    /// The share of lists with a document that was cut.
    pub lists_with_truncated_share: f64,
    /// Windows less truncation with the setting's scoring and blend; `None` when windows or judgements are missing.
    pub windows: Option<Comparison>,
    /// The share of tokens that the vocabulary lacks.
    pub unknown_share: f64,
    /// Letters of alphabetic scripts per token; small where words fall to pieces. `None` when there are too few.
    pub letters_per_token: Option<f64>,
    /// Documents without text.
    pub empty: usize,
}

/// Texts that stand in a list more than once. Shares are of all candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// Candidates whose document stands in the list already; only the first counts anywhere else.
    pub repeated_ids: usize,
    /// The share of candidates with the same text as one before.
    pub same_text_share: f64,
    /// The share of the compared candidates with nearly the same text as one before.
    pub near_share: f64,
}

/// A trial beside the setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialResult {
    /// What was other.
    pub change: Change,
    /// A few words for people.
    pub name: String,
    /// The options that ask for it.
    pub arguments: String,
    /// By which scoring both are compared, without any blend: the setting's, except that a pooling is compared by cosine.
    pub scoring: String,
    /// How many judged queries were tried.
    pub queries: usize,
    /// Trial less setting on these queries.
    pub comparison: Comparison,
    /// The p-value after Holm's correction for all trials.
    pub adjusted_p: f64,
}
