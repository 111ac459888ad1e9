//! Checks that run and judgements belong together.

use super::{Finding, FindingKind, Measurements, Severity};
use crate::diagnose::effect::mean;
use crate::diagnose::figures::{EXAMPLES, percent, share};
use crate::diagnose::lists::{ObservedList, Scene};

/// Minimum share of judged queries with a judged candidate. Below it the ids do not match, because
/// a first stage finds a judged document for far more than one query in twenty.
const MIN_MATCHED: f64 = 0.05;
/// Minimum share of documents judged not relevant for judgements from a pool. With fewer, only
/// relevant documents were noted, and unjudged ones are expected.
const POOLED: f64 = 0.1;
/// Minimum share of judged results. A system in the pool has its first results judged to the pool's
/// depth. With less than half of them judged, values reflect the judgements more than the quality.
const MIN_JUDGED: f64 = 0.5;
/// Maximum loss of judged results by reranking. Beyond it the reranked results are at a
/// disadvantage: each point of judged@10 costs some points of nDCG@10.
const MAX_JUDGED_LOSS: f64 = 0.1;
const JUDGED_DEPTH: usize = 10;

pub(super) fn findings(scene: &Scene<'_>, measured: &Measurements) -> Vec<Finding> {
    let Some(qrels) = &scene.observations.qrels else { return Vec::new() };
    let judged_ids: Vec<&str> = qrels.query_ids().take(EXAMPLES).collect();
    [
        queries_not_in_qrels(scene, measured, &judged_ids),
        queries_not_in_run(scene, measured),
        ids_not_in_qrels(scene),
        measured.judged.as_ref().and_then(|_| unjudged_documents(scene)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn queries_not_in_qrels(scene: &Scene<'_>, measured: &Measurements, judged_ids: &[&str]) -> Option<Finding> {
    let counts = &measured.counts;
    let without = counts.queries - counts.judged_queries;
    let ids = scene.lists.iter().filter(|list| !list.is_judged()).map(|list| list.query.id.clone());
    let (severity, evidence, remedy) = match (without, counts.judged_queries) {
        (0, _) => return None,
        (_, 0) => (
            Severity::Problem,
            format!(
                "none of the run's {} queries has judgements; the judgements know {} ...",
                counts.queries,
                judged_ids.join(", ")
            ),
            "give the judgements of these queries, or use the same query ids in both files",
        ),
        (..) => (
            Severity::Info,
            format!(
                "{without} of the run's {} queries have no judgements and are left out of all measures of quality",
                counts.queries
            ),
            "nothing if the judgements are meant for some of the queries; otherwise compare the query ids of both files",
        ),
    };
    let finding = Finding::new(FindingKind::QueriesNotInQrels, severity, evidence, remedy);
    Some(finding.number("queries_without_judgements", without as f64).examples(ids.take(EXAMPLES)))
}

fn queries_not_in_run(scene: &Scene<'_>, measured: &Measurements) -> Option<Finding> {
    let missing = measured.counts.judged_queries_missing;
    // If nothing matches at all, another finding reports that.
    if missing == 0 || scene.observations.is_sample || measured.counts.judged_queries == 0 {
        return None;
    }
    let qrels = scene.observations.qrels.as_ref()?;
    let in_run: std::collections::HashSet<&str> = scene.lists.iter().map(|list| list.query.id.as_str()).collect();
    let ids = qrels.query_ids().filter(|id| !in_run.contains(id)).map(str::to_owned);
    let finding = Finding::new(
        FindingKind::QueriesNotInRun,
        Severity::Warning,
        format!(
            "the run has no candidates for {missing} of {} judged queries; they are left out here, and count 0 in `nearsort eval`",
            qrels.num_queries()
        ),
        "let the first stage answer all judged queries, or give the judgements of the queries that it answered",
    );
    Some(finding.number("queries_without_candidates", missing as f64).examples(ids.take(EXAMPLES)))
}

fn ids_not_in_qrels(scene: &Scene<'_>) -> Option<Finding> {
    let judged = scene.judged();
    let has_match = |list: &&&ObservedList<'_>| list.judged.grades().iter().any(Option::is_some);
    let matched = judged.iter().filter(has_match).count();
    let matched_share = share(matched, judged.len());
    if judged.is_empty() || matched_share >= MIN_MATCHED {
        return None;
    }
    let qrels = scene.observations.qrels.as_ref()?;
    let in_qrels = |list: &ObservedList<'_>| qrels.grades(&list.query.id)?.iter().next().map(|(id, _)| id.to_owned());
    let pair =
        |list: &&ObservedList<'_>| Some(format!("run {}, judgements {}", list.documents.first()?.id, in_qrels(list)?));
    let mut evidence = format!(
        "{matched} of {} judged queries have a judged candidate: run and judgements name documents differently",
        judged.len()
    );
    if by_digits(scene) > matched_share.max(MIN_MATCHED) {
        evidence.push_str(&format!(
            "; by the digits of the ids alone {} of the queries would match",
            percent(by_digits(scene))
        ));
    }
    let remedy = "make the document ids of corpus, run and judgements the same (prefixes, file extensions, leading zeros, `id_field=`)";
    let finding = Finding::new(FindingKind::IdsNotInQrels, Severity::Problem, evidence, remedy);
    Some(
        finding
            .number("queries_with_judged_candidates", matched_share)
            .examples(judged.iter().filter_map(pair).take(EXAMPLES)),
    )
}

/// Returns the share of judged queries with a judged candidate if only the digits of ids are
/// compared.
fn by_digits(scene: &Scene<'_>) -> f64 {
    fn digits(id: &str) -> Option<String> {
        let digits: String = id.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        (!digits.is_empty()).then(|| digits.to_owned())
    }
    let Some(qrels) = &scene.observations.qrels else { return 0.0 };
    let matches = |list: &&&ObservedList<'_>| {
        let judged: std::collections::HashSet<String> = qrels
            .grades(&list.query.id)
            .into_iter()
            .flat_map(|grades| grades.iter())
            .filter_map(|(id, _)| digits(id))
            .collect();
        list.documents.iter().filter_map(|document| digits(&document.id)).any(|id| judged.contains(&id))
    };
    let judged = scene.judged();
    share(judged.iter().filter(matches).count(), judged.len())
}

fn unjudged_documents(scene: &Scene<'_>) -> Option<Finding> {
    let judged = scene.judged();
    let rel = scene.options.measure.rel();
    let grades = || judged.iter().flat_map(|list| list.judged.all_grades());
    if share(grades().filter(|&&grade| grade < rel).count(), grades().count()) < POOLED {
        return None;
    }
    let judged_share = |list: &ObservedList<'_>, order: &[u32]| {
        let top = &order[..order.len().min(JUDGED_DEPTH)];
        share(top.iter().filter(|&&place| list.judged.grades()[place as usize].is_some()).count(), top.len())
    };
    let depth = scene.observations.setting.depth;
    let before = mean(&judged.iter().map(|list| judged_share(list, &list.first_order)).collect::<Vec<_>>());
    let after: Vec<f64> = judged.iter().map(|list| judged_share(list, &list.order(scene.setting(), depth))).collect();
    let after = mean(&after);
    if after >= MIN_JUDGED && before - after <= MAX_JUDGED_LOSS {
        return None;
    }
    let finding = Finding::new(
        FindingKind::UnjudgedDocuments,
        Severity::Warning,
        format!(
            "{} of the first {JUDGED_DEPTH} results are judged after reranking, {} before; unjudged documents count as not relevant, which is \
             unfair to documents without a judgement",
            percent(after),
            percent(before)
        ),
        "compare by a measure of judged documents only, such as `measure='nDCG(judged_only=True)@10'`, or judge the new ones",
    );
    Some(finding.number("judged_at_10_before", before).number("judged_at_10_after", after))
}
