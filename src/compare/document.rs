//! The JSON form of a comparison. Fields stand in the order in which they are written.

use serde::Serialize;

use super::judgements::Judgements;
use super::report::{ComparisonReport, DisputedQuery, SystemReport, TopDocument};
use super::system::Cost;
use crate::answer::ModelDocument;
use crate::eval::{JudgementsDocument, MeanAgreement, Measured, OVERLAP_DEPTH, Pairs, RBO_P, percentile};

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(title = "A comparison of systems"))]
struct ComparisonDocument<'a> {
    /// The command line that made this comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    /// Number of queries of the first system.
    queries: usize,
    /// The relevance judgements; null if there are none.
    judgements: Option<JudgementsDocument<'a>>,
    /// Name of the first system. The others are compared with it.
    baseline: &'a str,
    /// Test of the differences: `randomisation`, `t` or `none`.
    test: &'static str,
    /// Correction of the p-values for the number of systems.
    correction: &'static str,
    /// Confidence level of the intervals, 0 to 1.
    confidence: f64,
    /// Number of resamples for the intervals and the randomisation test.
    resamples: usize,
    /// Seed of the random numbers.
    seed: u64,
    /// The systems; the first is the baseline.
    systems: Vec<SystemDocument<'a>>,
    /// Agreement of the systems' orders. It needs no judgements.
    agreement: AgreementDocument<'a>,
    /// The queries on which the systems agree least, the least first.
    disputed: Vec<DisputedDocument<'a>>,
    /// Notes on queries and documents that were left out, and on inputs that do not fit together.
    notes: &'a [String],
}

/// A system of the comparison.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SystemDocument<'a> {
    /// The system's name.
    name: &'a str,
    /// `first stage`, `model`, `run` or `grades`.
    kind: &'static str,
    /// The file of a run, or the model's name as given.
    source: &'a str,
    /// Number of queries with a ranking by this system.
    queries: usize,
    /// Ids of the judged queries without a ranking by this system. They count 0.
    missing_queries: Vec<String>,
    /// Number of this system's queries without judgements.
    num_unjudged_queries: usize,
    /// Values of the measures by name; empty if there are no judgements.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, crate::eval::MeasuredDocument>"))]
    measures: Pairs<&'a Measured>,
    /// Ties: candidates with equal scores.
    ties: TiesDocument,
    /// Number of candidates without a score; null if a run does not show it.
    unscored: Option<usize>,
    /// Time and cost of a model; null for other systems.
    cost: Option<CostDocument<'a>>,
}

/// Ties in the scores of a system.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TiesDocument {
    /// Share of candidate pairs with equal scores, 0 to 1; the mean over lists.
    tied_pairs: f64,
    /// Number of lists where a tie decides which candidates are among the first ten.
    lists_tied_at_10: usize,
}

/// Time and cost of a model, for all lists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CostDocument<'a> {
    /// The model, its engine and its options.
    #[serde(flatten)]
    model: ModelDocument<'a>,
    /// Kind of the scores, such as `cosine`, `hybrid` or `logit`.
    score_kind: String,
    /// Handling of long texts: `truncate` or `window`.
    long: String,
    /// Blend with the first stage's scores.
    blend: &'a str,
    /// Feedback from a list's best candidates: `auto`, `off` or a weight.
    feedback: &'a str,
    /// Seconds of ranking, with the model already loaded.
    seconds: SecondsDocument,
    /// Number of candidates scored.
    candidates: usize,
    /// Candidates per second; null if the time is too short to measure.
    candidates_per_second: Option<f64>,
    /// Number of tokens of queries and candidates.
    tokens: u64,
    /// Number of candidates truncated to the model's limit.
    truncated: usize,
    /// Number of queries truncated to the model's limit.
    query_truncated: usize,
    /// Cost of all lists in US dollars; 0 for local models, null if no price is known.
    dollars: Option<f64>,
    /// Cost of 1,000 queries in US dollars.
    dollars_per_1000_queries: Option<f64>,
}

/// Seconds that lists took.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SecondsDocument {
    /// Total of all lists.
    total: f64,
    /// Median of a list.
    p50: Option<f64>,
    /// 95th percentile of a list.
    p95: Option<f64>,
}

/// Agreement of the systems' orders.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AgreementDocument<'a> {
    /// Persistence p of the rank-biased overlap.
    rbo_p: f64,
    /// Number of top documents that the overlap compares.
    overlap_depth: usize,
    /// Every pair of systems.
    pairs: Vec<PairDocument<'a>>,
}

/// The agreement of two systems.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PairDocument<'a> {
    /// Name of the system that comes first in `systems`.
    first: &'a str,
    /// Name of the other system.
    second: &'a str,
    /// Means over the queries that both systems rank; null if there are none.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, f64>>"))]
    mean: Option<&'a MeanAgreement>,
}

/// A query on which systems disagree.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DisputedDocument<'a> {
    /// The query's id.
    id: &'a str,
    /// The query's text; null if not known.
    text: Option<&'a str>,
    /// 1 minus the mean rank-biased overlap of all pairs of systems, 0 to 1.
    disagreement: f64,
    /// The first three documents of each system, by its name; null for a system without the query.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, Option<Vec<TopDocumentDocument<'a>>>>"))]
    first: Pairs<Option<Vec<TopDocumentDocument<'a>>>>,
}

/// A document near the top.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TopDocumentDocument<'a> {
    /// The document's id.
    id: &'a str,
    /// The judged grade; null if not judged.
    grade: Option<i32>,
    /// The document's text; null if not known.
    text: Option<&'a str>,
}

impl ComparisonReport {
    /// Returns the JSON form, with a line end: `docs/comparison.schema.json`. `command` is the
    /// command line that asked for the comparison, if there is one.
    pub fn to_json(&self, command: Option<&str>) -> String {
        // Names and numbers always have a JSON form.
        serde_json::to_string_pretty(&self.document(command)).unwrap_or_default() + "\n"
    }

    fn document<'a>(&'a self, command: Option<&'a str>) -> ComparisonDocument<'a> {
        ComparisonDocument {
            command,
            queries: self.num_queries,
            judgements: self.judgements.as_ref().map(judgements_document),
            baseline: &self.systems[0].system.name,
            test: self.options.test.name(),
            correction: "holm",
            confidence: 0.95,
            resamples: self.options.resampling.resamples,
            seed: self.options.resampling.seed,
            systems: self.systems.iter().map(|system| self.system_document(system)).collect(),
            agreement: AgreementDocument { rbo_p: RBO_P, overlap_depth: OVERLAP_DEPTH, pairs: self.pairs() },
            disputed: self.disputed.iter().map(|query| self.disputed_document(query)).collect(),
            notes: &self.notes,
        }
    }

    fn system_document<'a>(&self, found: &'a SystemReport) -> SystemDocument<'a> {
        let SystemReport { system, evaluation, measured } = found;
        let measures = self.options.measures.iter().map(ToString::to_string).zip(measured);
        SystemDocument {
            name: &system.name,
            kind: system.kind.name(),
            source: &system.source,
            queries: system.run.num_queries(),
            missing_queries: evaluation.as_ref().map_or(Vec::new(), |found| found.missing_query_ids()),
            num_unjudged_queries: evaluation.as_ref().map_or(0, |found| found.num_unjudged_queries()),
            measures: Pairs(measures.collect()),
            ties: TiesDocument { tied_pairs: system.tied_pairs(), lists_tied_at_10: system.tied_at_cutoff() },
            unscored: system.unscored,
            cost: system.cost.as_ref().map(cost_document),
        }
    }

    fn pairs<'a>(&'a self) -> Vec<PairDocument<'a>> {
        let name = |at: usize| self.systems[at].system.name.as_str();
        let rows = self.agreement.iter().enumerate();
        let pairs = rows.flat_map(|(second, row)| row.iter().enumerate().map(move |(at, mean)| (at, second, mean)));
        let pair = |(at, second, mean): (usize, usize, &'a Option<_>)| PairDocument {
            first: name(at),
            second: name(second),
            mean: mean.as_ref(),
        };
        pairs.map(pair).collect()
    }

    fn disputed_document<'a>(&self, query: &'a DisputedQuery) -> DisputedDocument<'a> {
        let DisputedQuery { id, text, disagreement, tops } = query;
        let names = self.systems.iter().map(|system| system.system.name.clone());
        let tops = tops.iter().map(|tops| tops.as_ref().map(|tops| tops.iter().map(top_document).collect()));
        let first = Pairs(names.zip(tops).collect());
        DisputedDocument { id, text: text.as_deref(), disagreement: *disagreement, first }
    }
}

fn judgements_document(judgements: &Judgements) -> JudgementsDocument<'_> {
    JudgementsDocument::new(&judgements.source, judgements.by_model, judgements.qrels.num_queries())
}

fn cost_document(cost: &Cost) -> CostDocument<'_> {
    let percentile = |share| percentile(&cost.seconds, share);
    CostDocument {
        model: ModelDocument::of(&cost.model),
        score_kind: cost.model.scoring.to_string(),
        long: cost.model.long_text.to_string(),
        blend: &cost.blend,
        feedback: &cost.feedback,
        seconds: SecondsDocument { total: cost.seconds.iter().sum(), p50: percentile(0.5), p95: percentile(0.95) },
        candidates: cost.candidates,
        candidates_per_second: cost.candidates_per_second(),
        tokens: cost.tokens,
        truncated: cost.truncated,
        query_truncated: cost.readings.truncated,
        dollars: cost.dollars,
        dollars_per_1000_queries: cost.dollars_per_1000(),
    }
}

fn top_document(top: &TopDocument) -> TopDocumentDocument<'_> {
    TopDocumentDocument { id: &top.id, grade: top.grade, text: top.text.as_deref() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rewrites an outdated schema, so that the change can be reviewed before it is committed.
    #[test]
    fn the_schema_under_docs_is_that_of_the_documents() {
        let schema = serde_json::to_string_pretty(&schemars::schema_for!(ComparisonDocument<'_>)).unwrap() + "\n";
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/comparison.schema.json");
        if std::fs::read_to_string(&path).unwrap_or_default() != schema {
            std::fs::write(&path, &schema).unwrap();
            panic!("{} was out of date and is written anew: look at the change, then commit it", path.display());
        }
    }
}
