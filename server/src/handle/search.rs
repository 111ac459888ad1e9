//! `POST /search`: the best rows of an index of `nearsort index`.

use std::sync::Arc;

use nearsort::index::IndexQuery;

use crate::app::App;
use crate::context::Context;
use crate::demand::Demand;
use crate::models::about_tokens;
use crate::wire::{Reply, SearchAnswer, SearchHit, SearchRequest, WireError};
use crate::work::run;

/// Answers a parsed request.
pub(super) async fn answer(
    app: &Arc<App>,
    request: Result<SearchRequest, WireError>,
    context: &Context,
) -> Result<Reply, WireError> {
    let request = request?;
    search(app, &request, context).await?.reply(&request)
}

impl App {
    /// Searches an index. Dropping the future ends the work within a task of the search.
    ///
    /// # Errors
    /// An unknown index; one that cannot be opened; no room; a deadline; errors of the model.
    pub async fn search(
        self: &Arc<Self>,
        request: &SearchRequest,
        context: &Context,
    ) -> Result<SearchAnswer, WireError> {
        search(self, request, context).await
    }
}

async fn search(app: &Arc<App>, request: &SearchRequest, context: &Context) -> Result<SearchAnswer, WireError> {
    let entry = app.indexes.entry(request.index.as_deref())?;
    let scorer = entry.scorer(&app.models).await?;
    let (query, top_n, name) = (request.query.clone(), request.top_n, entry.name.clone());
    let demand = Demand { time: request.deadline_ms, ..Demand::of(about_tokens(&query)) };
    let (answer, usage) = run(app, context, demand, move |job| {
        let call = job.call();
        let query: Vec<IndexQuery> = scorer.encode(&[query.as_str()], &call)?;
        let found = scorer.search(&query, top_n, &call)?.pop().unwrap_or_default();
        let hit = |hit: &nearsort::Hit| {
            let id = scorer.index().id(hit.index as u64)?.to_owned();
            Ok(SearchHit { row: hit.index as u64, id, score: f64::from(hit.score) })
        };
        let hits = found.iter().map(hit).collect::<nearsort::Result<Vec<_>>>()?;
        let usage = call.usage();
        let model = scorer.index().model().name.clone();
        Ok((SearchAnswer { id: String::new(), index: name, model, hits, tokens: usage.tokens }, usage))
    })
    .await?;
    app.worked(context, &answer.model, 1, &usage);
    Ok(SearchAnswer { id: context.id.clone(), ..answer })
}
