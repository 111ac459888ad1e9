//! The result of a diagnosis, as data; rendering is done elsewhere.
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
    /// The verdict in one to three sentences.
    pub verdict: Verdict,
    /// The requested setting.
    pub setting: Setting,
    /// The measure's name.
    pub measure: String,
    /// The amount of data.
    pub counts: Counts,
    /// The results that need judgements; `None` if no candidate has one.
    pub quality: Option<Quality>,
    /// The recommendation; `None` if [`Report::quality`] is.
    pub recommendation: Option<Recommendation>,
    /// The agreement of the reranked order with the first stage's; `None` if no list has two
    /// candidates.
    pub agreement: Option<Agreement>,
    /// The distribution of the model's scores.
    pub spread: Spread,
    /// The lengths of the texts, and their unknown tokens.
    pub lengths: Lengths,
    /// Texts that occur in a list more than once.
    pub duplicates: Duplicates,
    /// The results of other prompts and poolings; empty without judgements.
    pub trials: Vec<TrialResult>,
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
    /// Questions that the data cannot answer, and the data that would.
    pub cannot_say: Vec<String>,
}

impl Report {
    /// Rewrites what names options, as [`with_names`](crate::error::with_names) does, in the words
    /// of a command or a language.
    pub fn say_options(&mut self, said: impl Fn(&str) -> String) {
        let remedies = self.findings.iter_mut().map(|finding| &mut finding.remedy);
        remedies.chain(&mut self.cannot_say).for_each(|text| *text = said(text));
    }
}

/// The answer to whether reranking helps.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The verdict in a word.
    pub kind: VerdictKind,
    /// The verdict in plain words, with the important numbers and the remedy.
    pub text: String,
}

/// The verdict in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictKind {
    /// The setting is better than the first stage, by more than chance.
    Helps,
    /// The setting is worse than the first stage, by more than chance.
    Hurts,
    /// The difference may be chance.
    NoEvidence,
    /// There are no judgements to measure by.
    CannotSay,
}

/// The amount of data.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Queries with at least one candidate.
    pub queries: usize,
    /// The part of `queries` with judgements. All statements on quality are about them.
    pub judged_queries: usize,
    /// Queries with judgements that are missing in the observations.
    pub judged_queries_missing: usize,
    /// Pairs of query and candidate.
    pub candidates: usize,
    /// The part of `candidates` that is judged. Without any, there is nothing on quality.
    pub judged_candidates: usize,
    /// Distinct documents among the candidates.
    pub documents: usize,
    /// Number of candidates of the shortest, the median and the longest list.
    pub list_lengths: [usize; 3],
}

/// The results that need judgements.
#[derive(Debug, Clone, Serialize)]
pub struct Quality {
    /// The effect of reranking with the setting.
    pub effect: Effect,
    /// The best possible order of these candidates.
    pub ceiling: Ceiling,
    /// The first stage, then each scoring alone and blended, the setting, and the choice.
    pub modes: Vec<Mode>,
    /// The cross-validated choice; `None` if there are too few queries.
    pub choice: Option<Choice>,
    /// Quality by depth: of the setting, and of the recommended configuration if it is another one.
    pub depth: Vec<DepthSweep>,
    /// Every judged query, in the observations' order.
    pub by_query: Vec<QueryEffect>,
    /// The queries that lose most, the worst first.
    pub worst: Vec<WorstQuery>,
}

/// The setting against the first stage.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// The first stage's mean with its 95 % interval.
    pub first_stage: Interval,
    /// The setting's mean with its 95 % interval.
    pub reranked: Interval,
    /// Setting less first stage; the p-value is that of the randomisation test.
    pub comparison: Comparison,
    /// Number of queries that would show a difference of this size (5 % level, 80 % power, by the
    /// normal approximation: `((1.960 + 0.842) * sd / mean)^2`); `None` if there is no difference
    /// at all.
    pub queries_needed: Option<usize>,
}

/// The recall ceiling.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Ceiling {
    /// The mean if each list is in its best order.
    pub oracle: f64,
    /// Number of judged queries with a relevant document in the judgements but none among their
    /// candidates.
    pub queries_without_relevant: usize,
    /// Their share of the queries with a relevant document.
    pub share_without_relevant: f64,
    /// The share of the relevant documents that is among the candidates, averaged over queries.
    pub recall: f64,
}

/// A row of the comparison of modes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mode {
    /// The name in tables.
    pub name: String,
    /// `None` for the first stage.
    pub configuration: Option<Configuration>,
    /// True for the requested setting.
    pub is_setting: bool,
    /// True for the chosen configuration. Its numbers here are biased upwards; [`Choice`] has the
    /// unbiased ones.
    pub is_choice: bool,
    /// The mean with its 95 % interval.
    pub mean: Interval,
    /// The difference to the first stage; `None` for the first stage. Its p-value is not adjusted.
    pub comparison: Option<Comparison>,
    /// The p-value after Holm's correction for all rows.
    pub adjusted_p: Option<f64>,
    /// The share of the gap between first stage and oracle that is closed; negative if it is worse.
    /// `None` if there is no gap.
    pub gap_closed: Option<f64>,
}

/// Cross-validation: in each fold the configuration is chosen by the other folds' queries and
/// measured on the fold's own.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Choice {
    /// Number of folds.
    pub folds: usize,
    /// Number of choices: two for each fold, one by each half of the documents.
    pub choices: usize,
    /// Number of configurations to choose from.
    pub configurations: usize,
    /// The configurations that were chosen, the most frequent first.
    pub picks: Vec<Pick>,
    /// The configuration that the same rule chooses on all queries.
    pub chosen: Configuration,
    /// The mean on queries that had no part in the choice.
    pub mean: Interval,
    /// The difference of this mean to the first stage.
    pub over_first_stage: Comparison,
    /// The difference of this mean to the setting.
    pub over_setting: Comparison,
    /// The difference to the setting on queries and documents that had no part in the choice. Each
    /// half of a list is measured as a list of its own, with half the cutoff.
    pub unseen_documents: Comparison,
}

/// A configuration that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Pick {
    /// The configuration.
    pub configuration: Configuration,
    /// The number of times.
    pub choices: usize,
}

/// Quality by the number of candidates that are reranked; the others stay below in the first
/// stage's order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DepthSweep {
    /// The configuration of the sweep.
    pub configuration: Configuration,
    /// Ascending by depth, from 0 (the first stage) to the longest list.
    pub points: Vec<DepthPoint>,
    /// The smallest depth of the points that has 90 % of the gain of the largest; `None` if there
    /// is no gain.
    pub depth_for_90_percent: Option<usize>,
}

/// A point of a depth sweep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DepthPoint {
    /// Number of candidates that are reranked.
    pub depth: usize,
    /// The mean.
    pub mean: f64,
    /// The difference to the first stage, with its 95 % interval.
    pub gain: Interval,
}

/// The effect of reranking on a query.
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
    /// The most harmful moves of documents: relevant ones that sank, then others that rose.
    pub moved: Vec<Moved>,
}

/// A document that reranking moved.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// Its id.
    pub id: String,
    /// Its grade; `None` if it is not judged, which counts as not relevant.
    pub grade: Option<i32>,
    /// Its rank in the first stage.
    pub rank_before: usize,
    /// Its rank after reranking.
    pub rank_after: usize,
    /// The first part of its text.
    pub excerpt: String,
}

/// The recommendation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recommendation {
    /// The recommended action.
    pub action: Action,
    /// The configuration to use; with [`Action::DoNotRerank`] the setting.
    pub configuration: Configuration,
    /// Number of candidates to rerank; `None`: all.
    pub depth: Option<usize>,
    /// The options of `nearsort rerank`, ready to use; empty for [`Action::DoNotRerank`].
    pub arguments: String,
    /// The reason, in a sentence with numbers.
    pub reason: String,
    /// The same settings for `rerank --profile`.
    pub profile: Profile,
}

/// The recommended action.
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

impl Action {
    /// Returns the name in JSON: `keep`, `change` or `do-not-rerank`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Change => "change",
            Self::DoNotRerank => "do-not-rerank",
        }
    }
}

/// The agreement of the reranked order with the first stage's, averaged over lists of at least two
/// candidates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Agreement {
    /// Kendall's tau-b of the two stages' scores, in -1..=1 (Kendall, 1945).
    pub kendall_tau: f64,
    /// Kendall's tau-b of the first stage's scores and the model's alone, before any blend.
    pub model_kendall_tau: f64,
    /// Rank-biased overlap with p = 0.9, extrapolated, in 0..=1 (Webber, Moffat and Zobel, 2010).
    pub rbo: f64,
    /// The share of the first ten documents that both orders have, in 0..=1.
    pub overlap_at_10: f64,
}

/// The distribution of the model's scores: those of the setting's scoring, before any blend, of
/// candidates with a text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Spread {
    /// The standard deviation of scores in the median list.
    pub median_deviation: f64,
    /// The highest less the lowest score in the median list.
    pub median_range: f64,
    /// The share of candidates with the same score, as f32, as another candidate of the list with
    /// another text.
    pub tied_share: f64,
    /// The share of candidates with the same first-stage score as another candidate of the list.
    pub first_stage_tied_share: f64,
    /// All scores.
    pub histogram: Histogram,
    /// The scores of relevant candidates, over the same range; empty without judgements.
    pub relevant: Histogram,
}

/// Counts of values by bins.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Histogram {
    /// The lower bound of the first bin.
    pub low: f64,
    /// The upper bound of the last bin.
    pub high: f64,
    /// The counts of bins of equal width; empty if nothing was counted.
    pub counts: Vec<usize>,
}

/// The lengths of the distinct documents, without those that have no text.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lengths {
    /// Tokens: minimum, quartiles, maximum.
    pub tokens: [u32; 5],
    /// Tokens of all documents.
    pub histogram: Histogram,
    /// The share of truncated documents.
    pub truncated_share: f64,
    /// The share of lists with a truncated document.
    pub lists_with_truncated_share: f64,
    /// Windows less truncation with the setting's scoring and blend; `None` if windows or
    /// judgements are missing.
    pub windows: Option<Comparison>,
    /// The share of tokens that the vocabulary lacks.
    pub unknown_share: f64,
    /// Letters of alphabetic scripts per token; small if words are split into small pieces. `None`
    /// if there are too few.
    pub letters_per_token: Option<f64>,
    /// Documents without text.
    pub empty: usize,
}

/// Texts that occur in a list more than once. Shares are of all candidates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Duplicates {
    /// Number of candidates whose document is already in the list; only the first one counts
    /// elsewhere.
    pub repeated_ids: usize,
    /// The share of candidates with the same text as an earlier one.
    pub same_text_share: f64,
    /// The share of the compared candidates with nearly the same text as an earlier one.
    pub near_share: f64,
}

/// A trial against the setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialResult {
    /// The change against the setting.
    pub change: Change,
    /// A short name for people.
    pub name: String,
    /// The options for the change.
    pub arguments: String,
    /// The scoring that compares both, without any blend: the setting's, except that a pooling is
    /// compared by cosine.
    pub scoring: String,
    /// Number of judged queries that were tried.
    pub queries: usize,
    /// Trial less setting on these queries.
    pub comparison: Comparison,
    /// The p-value after Holm's correction for all trials.
    pub adjusted_p: f64,
}
