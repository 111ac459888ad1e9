//! `nearsort search`: searches an index without another first stage.

use std::sync::Arc;

use nearsort::answer::ModelRun;
use nearsort::index::{Index, IndexScorer};
use nearsort::job::search_index;
use nearsort::{ScoreKind, Scoring};

use crate::args::{SearchArgs, Talk};
use crate::hints::{Warning, say, warn};
use crate::output::Target;
use crate::progress::Counter;
use crate::ranker::queries;
use crate::reading::warn_of_readings;
use crate::service::DryRun;
use crate::session::Session;
use crate::{Outcome, Run, index, model};

pub fn run(args: &SearchArgs, session: &Session) -> Run {
    let talk = session.talk;
    let target = Target::of_search(args)?;
    if let Some(path) = &args.output {
        model::check_target(path, &[args.query_file.as_ref()])?;
    }
    let queries = queries(args.query.as_deref(), args.query_file.as_deref(), args.table.delimiter, target.format)?;
    let counter = Counter::new(talk);
    let index = Arc::new(Index::open(&args.index)?);
    if let Some(mut dry) = DryRun::of(&index::named(&args.model, &index))? {
        dry.queries(queries.iter().map(|query| query.text.as_str()));
        return dry.print();
    }
    let encoder = index::encoder(&args.model, &index, session)?;
    let model = ModelRun::of_encoder(encoder.as_ref(), ScoreKind::Cosine);
    let max_tokens = encoder.max_tokens();
    let scorer = IndexScorer::new(Arc::clone(&index), encoder, Some(Scoring::Cosine))?;
    let mut out = target.open()?;
    counter.expect(queries.len(), true);
    let kept = (args.top_k as usize, args.ignore_identical_ids);
    let found = search_index(&scorer, &queries, kept, &model, &counter.call(), |answer| out.write(answer))?;
    counter.finish();
    warn_of_readings(talk, &found.readings, max_tokens, ScoreKind::Cosine);
    out.finish()?;
    if index.len().saturating_sub(found.empty_rows) < u64::from(args.top_k) {
        warn(talk, &Warning::FewerFound { rows: index.len(), empty: found.empty_rows, top_k: args.top_k });
    }
    if talk == Talk::Verbose {
        let (queries, rows) = (queries.len(), index.len());
        say(format_args!("{queries} queries over {rows} rows searched in {:.3} s", found.searching.as_secs_f64()));
    }
    Ok(Outcome::of(found.results))
}
