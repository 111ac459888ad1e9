//! The tools.

use std::future::Future;
use std::sync::Arc;

use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{Implementation, ServerCapabilities, ServerConfig};
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, tool, tool_handler, tool_router};

use super::shapes::{
    FoundRow, ModelsOutput, RankedText, RerankInput, RerankOutput, SearchInput, SearchOutput, TOP_K, shown,
};
use crate::app::App;
use crate::context::Context;
use crate::files::{FileCandidate, Roots};
use crate::wire::{self, Contract, RerankAnswer, RerankRequest, ScoreMap, SearchRequest, SpanOptions};

const INSTRUCTIONS: &str = "Ranks texts by how well they answer a query, with a model on this machine. Use `rerank` for texts that \
you have or that are in a file, `search` for an index, `models` for the names of models and indexes.";

/// Shows the best window of every document, whatever its score.
const BEST_WINDOW: SpanOptions = SpanOptions { threshold: 0.0, max_spans: Some(1) };

/// A tool's result; the text of a failure is for the language model, which can try again.
type ToolAnswer<T> = Result<Json<T>, String>;

/// The tools of one server.
#[derive(Clone)]
pub(crate) struct Tools {
    app: Arc<App>,
    roots: Roots,
}

impl Tools {
    pub fn new(app: Arc<App>, roots: Roots) -> Self {
        Self { app, roots }
    }
}

// The macro derives the output's schema from `Result<Json<..>, ..>`, which must be spelled out.
#[tool_router]
impl Tools {
    /// Rank texts by how well they answer a query, best first. Give the texts as `documents`, or a
    /// `file` on the server.
    #[tool(annotations(
        title = "Rerank",
        read_only_hint = true,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn rerank(
        &self,
        Parameters(input): Parameters<RerankInput>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<RerankOutput>, String> {
        until_cancelled(&context, self.ranked(input)).await
    }

    /// Find the texts of an index that are closest to a query. Gives ids: an index keeps no texts.
    #[tool(annotations(
        title = "Search",
        read_only_hint = true,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn search(
        &self,
        Parameters(input): Parameters<SearchInput>,
        context: RequestContext<RoleServer>,
    ) -> Result<Json<SearchOutput>, String> {
        until_cancelled(&context, self.found(input)).await
    }

    /// List the models for `rerank` and the indexes for `search`.
    #[tool(annotations(
        title = "Models",
        read_only_hint = true,
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn models(&self) -> Result<Json<ModelsOutput>, String> {
        Ok(Json(ModelsOutput { models: self.app.model_names(), indexes: self.app.indexes.names() }))
    }
}

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("nearsort", env!("CARGO_PKG_VERSION")))
            .with_instructions(INSTRUCTIONS)
    }
}

/// Runs `work` until the client cancels the call. Dropping the work ends it.
async fn until_cancelled<T>(
    context: &RequestContext<RoleServer>,
    work: impl Future<Output = ToolAnswer<T>>,
) -> ToolAnswer<T> {
    tokio::select! {
        answer = work => answer,
        () = context.ct.cancelled() => Err("the call was cancelled".into()),
    }
}

impl Tools {
    async fn ranked(&self, input: RerankInput) -> ToolAnswer<RerankOutput> {
        let best = top_k(input.top_k)?;
        let candidates = self.candidates(input.documents, input.file).await?;
        let (ids, texts): (Vec<_>, Vec<_>) = candidates.into_iter().map(|found| (found.id, found.text)).unzip();
        let request = RerankRequest::new(input.query, texts, &self.app.options.limits.request);
        let request = request.map_err(|error| error.to_string())?;
        let model = input.model.filter(|name| !name.is_empty());
        let request = Arc::new(RerankRequest { model, relevant_spans: Some(BEST_WINDOW), ..request });
        let answer = self.app.rank(&request, &Context::new()).await.map_err(|error| error.to_string())?;
        Ok(Json(output(&answer, &request, &ids, best)))
    }

    async fn found(&self, input: SearchInput) -> ToolAnswer<SearchOutput> {
        if input.query.trim().is_empty() {
            return Err("'query' is blank; expected: a text to search for".into());
        }
        let request = SearchRequest {
            index: input.index,
            query: input.query,
            top_n: top_k(input.top_k)?.min(self.app.options.limits.request.texts),
            deadline_ms: None,
            warnings: Vec::new(),
        };
        let found = self.app.search(&request, &Context::new()).await.map_err(|error| error.to_string())?;
        let results =
            found.hits.into_iter().map(|hit| FoundRow { id: hit.id, row: hit.row, score: hit.score }).collect();
        Ok(Json(SearchOutput { index: found.index, model: found.model, results }))
    }

    async fn candidates(
        &self,
        documents: Option<Vec<String>>,
        file: Option<String>,
    ) -> Result<Vec<FileCandidate>, String> {
        match (documents, file) {
            (Some(texts), None) => Ok(texts.into_iter().map(|text| FileCandidate { id: None, text }).collect()),
            (None, Some(file)) => {
                let (roots, limit) = (self.roots.clone(), self.app.options.limits.request.texts);
                let read = tokio::task::spawn_blocking(move || roots.candidates(&file, limit)).await;
                read.unwrap_or_else(|_| Err("the file could not be read".into()))
            }
            (Some(_), Some(_)) => Err("both 'documents' and 'file' are given; expected: one of them".into()),
            (None, None) => Err("'documents' and 'file' are missing; expected: one of them".into()),
        }
    }
}

fn top_k(given: Option<usize>) -> Result<usize, String> {
    match given {
        Some(0) => Err("'top_k' is 0; expected: at least 1".into()),
        given => Ok(given.unwrap_or(TOP_K)),
    }
}

fn output(answer: &RerankAnswer, request: &RerankRequest, ids: &[Option<String>], top_k: usize) -> RerankOutput {
    let map = ScoreMap::choose(answer.native, Contract::Unit);
    let result = |ranked: &wire::Candidate| RankedText {
        index: ranked.index,
        id: ids[ranked.index].clone(),
        score: map.apply(ranked.native),
        best_window: shown(window(&request.documents[ranked.index].text, ranked.spans.first())),
    };
    RerankOutput {
        model: answer.model.clone(),
        score_kind: map.name().to_owned(),
        candidates: request.documents.len(),
        results: answer.ranked().iter().take(top_k).map(result).collect(),
    }
}

/// Returns the part of a text that its score comes from, or the whole text if it is not known.
fn window<'a>(text: &'a str, span: Option<&wire::Span>) -> &'a str {
    let place = |points: usize| text.char_indices().nth(points).map_or(text.len(), |(at, _)| at);
    span.map_or(text, |span| &text[place(span.start)..place(span.end).max(place(span.start))])
}
