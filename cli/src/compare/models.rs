//! Models rerank the first stage's lists, query by query and timed.

use std::path::Path;
use std::time::Instant;

use nearsort::eval::{OVERLAP_DEPTH, RankedList, Ties, untied_scores};
use nearsort::io::{Row, Run};
use nearsort::scorer::list::order;
use nearsort::{Call, QueryReading, Reranker, ScoredList};

use super::input::Texts;
use super::spec::Spec;
use super::system::{Cost, Kind, System};
use crate::args::{CompareArgs, ModelArgs, Talk};
use crate::hints::{Warning, warn};
use crate::outcome::CHECK_MODEL;
use crate::progress::Counter;
use crate::reading::warn_of_readings;
use crate::{Failure, model};
use nearsort::answer::Readings;
use nearsort::job::missing_message;

/// Ids that are kept for a warning.
const SHOWN_IDS: usize = 6;

/// What models rerank.
pub struct Lists<'a> {
    args: &'a CompareArgs,
    texts: &'a Texts,
    lists: Vec<List<'a>>,
    num_candidates: usize,
}

/// The candidates of a query, best first by the first stage.
struct List<'a> {
    query_id: &'a str,
    query: &'a str,
    ranked: RankedList<'a>,
    /// Whether the corpus has the candidate's text; those without are left out.
    has_text: Vec<bool>,
}

/// What a model made of a list.
struct Answer {
    /// Best first; the rest of the first stage's list below.
    ids: Vec<String>,
    scores: Vec<f32>,
    ties: Ties,
    unscored: usize,
    empty: Vec<String>,
    seconds: f64,
    candidates: usize,
    tokens: u64,
    truncated: usize,
    reading: QueryReading,
}

impl<'a> Lists<'a> {
    /// Looks up what the first stage names. What is not there is an error before a model is loaded, unless unusable rows are to be left out.
    pub fn new(args: &'a CompareArgs, first_stage: &'a Run, texts: &'a Texts, talk: Talk) -> Result<Self, Failure> {
        let (mut lists, mut missing) = (Vec::new(), [Vec::new(), Vec::new()]);
        for (query_id, documents) in first_stage.iter() {
            let Some(query) = texts.query(query_id) else {
                missing[0].push(query_id);
                continue;
            };
            let ranked = RankedList::new(&documents);
            let mut has_text = Vec::with_capacity(documents.len());
            for id in ranked.ids() {
                has_text.push(texts.document(id)?.is_some());
                if has_text.last() == Some(&false) {
                    missing[1].push(id);
                }
            }
            lists.push(List { query_id, query: &query.text, ranked, has_text });
        }
        complain(args, &missing, texts.corpus_name(), lists.is_empty(), talk)?;
        let depth = args.depth.map_or(usize::MAX, |depth| depth as usize);
        let num_candidates = lists.iter().map(|list| list.ranked.documents().len().min(depth)).sum();
        Ok(Self { args, texts, lists, num_candidates })
    }

    /// Reranks every list with a model.
    pub fn rerank(&self, spec: &Spec, name: &str, talk: Talk) -> Result<System, Failure> {
        let counter = Counter::new(talk);
        let model = ModelArgs { name: Some(spec.model.clone()), ..self.args.model.clone() };
        let reranker = model::reranker(&model, &spec.scoring, talk)?.build()?;
        let call = counter.call();
        counter.expect(self.num_candidates + self.lists.len(), true);
        let answers: Result<Vec<Answer>, Failure> =
            self.lists.iter().map(|list| self.answer(list, &reranker, &call)).collect();
        counter.finish();
        let answers = answers?;
        // Recorded answers at what they once cost.
        let dollars = call.usage().service.dollars;
        self.warn(&answers, &reranker, talk);
        let mut run = Run::default();
        for (list, answer) in self.lists.iter().zip(&answers) {
            answer.ids.iter().zip(&answer.scores).for_each(|(id, &score)| run.push(list.query_id, id, score.into()));
        }
        Ok(System {
            name: name.to_owned(),
            kind: Kind::Model,
            source: spec.text.clone(),
            run,
            ties: answers.iter().map(|answer| answer.ties).collect(),
            unscored: Some(answers.iter().map(|answer| answer.unscored).sum()),
            cost: Some(cost(&answers, &reranker, dollars)),
        })
    }

    /// The best candidates reranked, the others below in the first stage's order.
    fn answer(&self, list: &List<'_>, reranker: &Reranker, call: &Call<'_>) -> Result<Answer, Failure> {
        let all = list.ranked.documents();
        let (head, tail) = all.split_at(all.len().min(self.args.depth.map_or(usize::MAX, |depth| depth as usize)));
        let has_text = |at: &usize| list.has_text[*at];
        let asked: Vec<usize> = (0..head.len()).filter(has_text).collect();
        let rows = asked.iter().filter_map(|&at| self.texts.document(head[at].id).transpose());
        let rows = rows.collect::<Result<Vec<Row>, _>>()?;
        let wrong = |error: nearsort::Error| match &error {
            nearsort::Error::NotANumber { index } => {
                let id = asked.get(*index).map_or("?", |&at| head[at].id);
                Failure::Error(format!("the query '{}': {error}: id '{id}'; {CHECK_MODEL}", list.query_id))
            }
            nearsort::Error::QueryNotANumber { .. } => {
                Failure::Error(format!("the query '{}': {error}; {CHECK_MODEL}", list.query_id))
            }
            _ => Failure::Error(format!("the query '{}': {error}", list.query_id)),
        };
        let (scored, seconds) = timed(reranker, list.query, &rows, call).map_err(wrong)?;
        let first_stage: Vec<Option<f64>> = asked.iter().map(|&at| Some(head[at].score)).collect();
        let options = reranker.list_options();
        let hits = order(&scored.pairs, &first_stage, &options).map_err(wrong)?.hits;
        let below = (0..head.len()).filter(|at| !has_text(at)).map(|at| &head[at]).chain(tail);
        let ids = hits.iter().map(|hit| head[asked[hit.index]].id).chain(below.map(|document| document.id));
        let ids: Vec<String> = ids.map(str::to_owned).collect();
        let mut scores: Vec<f32> = hits.iter().map(|hit| hit.score).collect();
        scores.resize(ids.len(), f32::NEG_INFINITY);
        Ok(Answer {
            ids,
            scores: untied_scores(&scores),
            ties: Ties::of(&scored.scores(), OVERLAP_DEPTH),
            unscored: scored.unscored().count() + head.len() - asked.len(),
            empty: scored.empty().map(|at| head[asked[at]].id.to_owned()).collect(),
            seconds,
            candidates: asked.len(),
            tokens: scored.document_tokens + u64::from(scored.query.tokens),
            truncated: scored.num_truncated(),
            reading: scored.query,
        })
    }

    fn readings(&self, answers: &[Answer]) -> Readings {
        let mut readings = Readings::default();
        self.lists.iter().zip(answers).for_each(|(list, answer)| readings.add(list.query_id, answer.reading));
        readings
    }

    fn warn(&self, answers: &[Answer], reranker: &Reranker, talk: Talk) {
        let empty = answers.iter().flat_map(|answer| &answer.empty);
        let ids = empty.clone().take(SHOWN_IDS).cloned().collect();
        warn(talk, &Warning::Empty { number: empty.count(), ids });
        let candidates = answers.iter().map(|answer| answer.candidates).sum();
        let truncated = answers.iter().map(|answer| answer.truncated).sum();
        let max_tokens = reranker.model().map_or(0, |model| model.max_tokens);
        warn(talk, &Warning::Truncated { truncated, candidates, max_tokens });
        warn_of_readings(talk, &self.readings(answers), max_tokens, reranker.score_kind());
    }
}

/// Says what the run names and nobody has, queries and documents: an error unless unusable rows are to be left out and something is left.
fn complain(
    args: &CompareArgs,
    missing: &[Vec<&str>; 2],
    corpus: &str,
    nothing_left: bool,
    talk: Talk,
) -> Result<(), Failure> {
    let run = args.run.as_deref().unwrap_or(Path::new("-"));
    let queries = args.queries.as_ref().map_or(String::new(), |path| path.display().to_string());
    let nouns = [["query", "queries"], ["document", "documents"]];
    for ((ids, file), noun) in missing.iter().zip([queries.as_str(), corpus]).zip(nouns) {
        let Some(example) = ids.first() else { continue };
        let message = missing_message(run, ids.len(), noun, file, example);
        if nothing_left || !args.reading.leaves_out() {
            return Err(Failure::Error(format!(
                "{message}; give the files that belong together, or leave them out with --bad-rows skip"
            )));
        }
        warn(talk, &Warning::LeftOut { message });
    }
    Ok(())
}

/// Scores a list, and the seconds that it took.
fn timed(
    reranker: &Reranker,
    query: &str,
    rows: &[Row],
    call: &Call<'_>,
) -> Result<(ScoredList, f64), nearsort::Error> {
    let passages: Vec<_> = rows.iter().map(Row::passage).collect();
    let started = Instant::now();
    let scored = reranker.score_queries(&[query], &passages, call)?.swap_remove(0);
    Ok((scored, started.elapsed().as_secs_f64()))
}

fn cost(answers: &[Answer], reranker: &Reranker, dollars: Option<f64>) -> Cost {
    Cost {
        model: reranker.model_run(),
        blend: reranker.blend().to_string(),
        seconds: answers.iter().map(|answer| answer.seconds).collect(),
        candidates: answers.iter().map(|answer| answer.candidates).sum(),
        tokens: answers.iter().map(|answer| answer.tokens).sum(),
        truncated: answers.iter().map(|answer| answer.truncated).sum(),
        truncated_queries: answers.iter().filter(|answer| answer.reading.truncated).count(),
        dollars,
    }
}
