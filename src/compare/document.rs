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
    /// The command line that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<&'a str>,
    /// Of the first system.
    queries: usize,
    /// What quality rests on; null without.
    judgements: Option<JudgementsDocument<'a>>,
    /// The first system, which the others are compared with.
    baseline: &'a str,
    /// How differences were tested: randomisation, t or none.
    test: &'static str,
    /// How p-values of several systems were corrected.
    correction: &'static str,
    /// Of intervals.
    confidence: f64,
    /// For intervals and the randomisation test.
    resamples: usize,
    /// Where the random numbers began.
    seed: u64,
    /// The first is the baseline.
    systems: Vec<SystemDocument<'a>>,
    /// Of the orders, judgements or not.
    agreement: AgreementDocument<'a>,
    /// The queries on which the systems agree least.
    disputed: Vec<DisputedDocument<'a>>,
    /// What was left out, and what does not fit together.
    notes: &'a [String],
}

/// A system.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SystemDocument<'a> {
    /// What it is called.
    name: &'a str,
    /// `first stage`, `model`, `run` or `grades`.
    kind: &'static str,
    /// The file, or the model as it was asked for.
    source: &'a str,
    /// Queries that it ranks candidates of.
    queries: usize,
    /// Judged queries that it lacks, which count 0.
    missing_queries: Vec<String>,
    /// Its queries that nobody judged.
    num_unjudged_queries: usize,
    /// By the names of measures; empty without judgements.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, crate::eval::MeasuredDocument>"))]
    measures: Pairs<&'a Measured>,
    /// What its scores do not tell apart.
    ties: TiesDocument,
    /// Candidates that it gave no score; null where a run does not say.
    unscored: Option<usize>,
    /// What a model took; null for others.
    cost: Option<CostDocument<'a>>,
}

/// Equal scores.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TiesDocument {
    /// The share of pairs with the same score, averaged over lists.
    tied_pairs: f64,
    /// Lists in which a tie decides who is among the first ten.
    lists_tied_at_10: usize,
}

/// What a model took for all lists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct CostDocument<'a> {
    /// The model.
    #[serde(flatten)]
    model: ModelDocument<'a>,
    /// What its scores mean.
    score_kind: String,
    /// What became of long texts.
    long: String,
    /// How the first stage's scores were mixed in.
    blend: &'a str,
    /// Whether a list's best candidates changed the order of the others: auto, off or a weight.
    feedback: &'a str,
    /// The model being loaded.
    seconds: SecondsDocument,
    /// Candidates that were scored.
    candidates: usize,
    /// null where no time passed.
    candidates_per_second: Option<f64>,
    /// Of queries and candidates.
    tokens: u64,
    /// Candidates that were cut.
    truncated: usize,
    /// Queries that were cut.
    query_truncated: usize,
    /// For all lists; 0 for what runs here, null where nobody knows.
    dollars: Option<f64>,
    /// The same for 1,000 queries.
    dollars_per_1000_queries: Option<f64>,
}

/// Seconds of lists.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct SecondsDocument {
    /// Of all together.
    total: f64,
    /// The median.
    p50: Option<f64>,
    /// The 95th percentile.
    p95: Option<f64>,
}

/// How far the systems' orders agree.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct AgreementDocument<'a> {
    /// The persistence of rank-biased overlap.
    rbo_p: f64,
    /// The depth of the overlap.
    overlap_depth: usize,
    /// Every two systems.
    pairs: Vec<PairDocument<'a>>,
}

/// Two systems.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct PairDocument<'a> {
    /// The earlier one.
    first: &'a str,
    /// The later one.
    second: &'a str,
    /// Over the queries that both have; null where there is none.
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, f64>>"))]
    mean: Option<&'a MeanAgreement>,
}

/// A query on which systems disagree.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct DisputedDocument<'a> {
    /// The query's id.
    id: &'a str,
    /// Its text, where it is known.
    text: Option<&'a str>,
    /// 1 less the mean rank-biased overlap of all pairs.
    disagreement: f64,
    /// By the systems' names: their first three documents; null where a system lacks the query.
    #[cfg_attr(test, schemars(with = "std::collections::BTreeMap<String, Option<Vec<TopDocumentDocument<'a>>>>"))]
    first: Pairs<Option<Vec<TopDocumentDocument<'a>>>>,
}

/// A document near the top.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct TopDocumentDocument<'a> {
    /// The document's id.
    id: &'a str,
    /// null where nobody judged it.
    grade: Option<i32>,
    /// Its text, where it is known.
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
