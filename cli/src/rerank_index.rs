//! `nearsort rerank --index`: candidates are ids of an index, and only queries are encoded.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use nearsort::Blend;
use nearsort::answer::{AnswerShape, Format, ModelRun, check_trec_query};
use nearsort::index::{Index, IndexScorer};
use nearsort::io::{BadRows, ReadOptions, read_delimited_queries};
use nearsort::job::{IdList, RunOfIds, rank_ids};
use nearsort::scorer::ListOptions;

use crate::args::{ShownArgs, SourceArgs, Talk};
use crate::hints::{Warning, say, warn, warn_of_skipped};
use crate::output::{Target, warn_of_repeated};
use crate::progress::Counter;
use crate::ranker::{Ranker, query};
use crate::reading::warn_of_readings;
use crate::{Failure, Outcome, Run, index, model};

pub fn run(
    folder: &Path,
    source: &SourceArgs,
    reading: &ReadOptions,
    (ranker, shown): (&Ranker<'_>, &ShownArgs),
    target: &Target,
) -> Run {
    let talk = ranker.session.talk;
    let index = Arc::new(Index::open(folder)?);
    let scoring = ranker.args.scoring.scoring;
    let own_blend = || scoring.map_or(Blend::default(), |scoring| scoring.default_blend());
    let blend = model::blend(&ranker.args.scoring)?.unwrap_or_else(own_blend);
    let feedback = ranker.args.scoring.feedback.unwrap_or_default();
    let lists = lists(source, reading, blend != Blend::None, talk)?;
    if target.format == Format::Trec && source.query.is_none() {
        lists.iter().try_for_each(|list| check_trec_query(&list.query, "queries"))?;
    }
    let counter = Counter::new(talk);
    let encoder = index::encoder(ranker.model, &index, ranker.session)?;
    let scorer = IndexScorer::new(Arc::clone(&index), Arc::clone(&encoder), scoring)?;
    let model = ModelRun::of_encoder(encoder.as_ref(), scorer.kind());
    counter.expect(lists.len(), true);
    let started = Instant::now();
    let options = ListOptions::new(blend).feedback(feedback).top_k(shown.top_k).min_score(shown.min_score);
    let leaves_out = !matches!(reading.bad_rows, BadRows::Fail);
    let ranked = rank_ids(&scorer, &lists, &options, &model, leaves_out, &counter.call());
    counter.finish();
    let ranked = ranked?;
    if let Some(unknown) = &ranked.unknown {
        warn(talk, &Warning::Note { message: format!("{}; they are left out", unknown.message(&index)) });
    }
    warn_of_readings(talk, &ranked.readings, encoder.max_tokens(), scorer.kind());
    if talk == Talk::Verbose {
        let candidates: usize = lists.iter().map(|list| list.ids.len()).sum();
        let (encoding, all) = (ranked.encoding.as_secs_f64(), started.elapsed().as_secs_f64());
        say(format_args!(
            "{candidates} candidates of {} queries in {all:.4} s after loading, {encoding:.4} s of it for encoding the queries",
            lists.len()
        ));
    }
    // An index keeps no texts.
    let mut out = target.open_as(AnswerShape { with_text: false, ..target.shape })?;
    ranked.answers.iter().try_for_each(|answer| out.write(answer))?;
    out.finish()?;
    warn(talk, &Warning::Empty { number: ranked.empty.len(), ids: ranked.empty });
    warn_of_repeated(talk, target.format, &ranked.answers);
    Ok(Outcome::of(ranked.answers.iter().map(|answer| answer.results.len()).sum()))
}

fn lists(source: &SourceArgs, reading: &ReadOptions, needs_scores: bool, talk: Talk) -> Result<Vec<IdList>, Failure> {
    let ignore_identical_ids = source.ignore_identical_ids;
    let of_file = |path: &Path| read_delimited_queries(path, reading.delimiter);
    if let (Some(run), Some(queries)) = (&source.run, &source.query_file) {
        let leaves_out = !matches!(reading.bad_rows, BadRows::Fail);
        let options = RunOfIds { depth: source.depth, ignore_identical_ids, leaves_out };
        return Ok(IdList::of_run(run, of_file(queries)?, &options)?);
    }
    let mut rows = model::open_rows(std::slice::from_ref(&source.input), reading, talk)?;
    if needs_scores {
        rows.need_scores();
    }
    let queries = match (&source.query, &source.query_file) {
        (None, Some(path)) => of_file(path)?,
        (text, _) => query(text.as_deref())?,
    };
    let lists = IdList::of_rows(&mut rows, queries, ignore_identical_ids)?;
    warn_of_skipped(talk, rows.skipped(), rows.name(), rows.skip_reasons());
    Ok(lists)
}
