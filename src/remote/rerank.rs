//! A scorer over `/rerank`.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::asking::{ask_and_read, fingerprint, malformed, model_info};
use super::parallel;
use super::requests::{ModelLimits, RequestText};
use crate::call::{Call, Usage};
use crate::encoder::ModelInfo;
use crate::provider::Reranks;
use crate::scorer::{CandidateList, ScoreKind, Scored, ScoredList, Scorer, WhyNot, score_one_list};
use crate::service::{Request, Service, TokenCount, TokenCounter};
use crate::text::is_blank;
use crate::{Error, Result};

/// Tokens that a model puts around a query and a document; a generous bound.
const PAIR_OVERHEAD: usize = 8;

/// Options of a model that reranks.
#[derive(Clone)]
pub struct RerankServiceOptions {
    /// Maximum number of tokens of a candidate. The rest is cut here and reported. `None`:
    /// candidates are sent whole, and the service cuts those that are too long for its model,
    /// without a report.
    pub max_tokens: Option<usize>,
    /// Maximum number of candidates in one request, at least 1. `None`: the provider's limit.
    pub request_documents: Option<usize>,
    /// Number of requests under way at once, at least 1.
    pub concurrency: usize,
}

impl Default for RerankServiceOptions {
    fn default() -> Self {
        Self { max_tokens: None, request_documents: None, concurrency: 8 }
    }
}

impl RerankServiceOptions {
    fn check(&self) -> Result<()> {
        let wrong = |message: &str| Err(Error::InvalidArgument(message.into()));
        match self {
            Self { concurrency: 0, .. } => wrong("the number of requests at once must be at least 1"),
            Self { max_tokens: Some(0), .. } => wrong("candidates need at least one token"),
            Self { request_documents: Some(0), .. } => wrong("a request needs at least one candidate"),
            _ => Ok(()),
        }
    }
}

/// Scores candidates by a service that reranks.
///
/// The scores are the service's: [`ScoreKind::Probability`] if the provider promises numbers from 0
/// to 1 (Cohere, text-embeddings-inference), else [`ScoreKind::Custom`]. The service scores each
/// pair of query and candidate by itself, so a long list is sent in several requests. Candidates
/// without text are never sent.
///
/// It is an error if an answer has too few or too many results, a missing, repeated or out-of-range
/// index, or a score that is not a finite number. The error names the problem.
pub struct RerankScorer {
    service: Arc<dyn Service>,
    wire: &'static dyn Reranks,
    options: RerankServiceOptions,
    limits: ModelLimits,
}

/// The candidates of one list that go into one request.
struct RequestPiece {
    list: usize,
    inputs: Range<usize>,
}

impl RerankScorer {
    /// Creates a scorer over a model of a service.
    ///
    /// # Errors
    /// [`ServiceError::Setup`](crate::service::ServiceError::Setup) for a provider without rerank
    /// models; [`Error::InvalidArgument`] for options out of range.
    pub fn new(service: Arc<dyn Service>, options: RerankServiceOptions) -> Result<Self> {
        options.check()?;
        let wire = service.provider().reranks()?;
        let limits = ModelLimits {
            counter: TokenCounter::for_model(service.provider(), service.model()),
            max_tokens: options.max_tokens,
            request_inputs: options.request_documents.unwrap_or(usize::MAX).min(wire.max_documents()),
            request_tokens: wire.max_tokens(),
        };
        Ok(Self { service, wire, options, limits })
    }

    /// Returns a list's candidates as they are sent; `tokens` counts the pair.
    fn inputs<'a>(&self, list: &CandidateList<'_>, query_tokens: usize, texts: &[&'a str]) -> Vec<RequestText<'a>> {
        let candidates: Vec<&'a str> = list.candidates.iter().map(|&text| texts[text]).collect();
        let mut inputs = self.limits.inputs(&candidates, "");
        inputs.retain(|input| !is_blank(&input.text));
        inputs.iter_mut().for_each(|input| input.tokens += query_tokens + PAIR_OVERHEAD);
        inputs
    }

    /// Returns the scores of one request's candidates.
    fn ask(&self, query: &str, inputs: &[RequestText<'_>], call: &Call<'_>) -> Result<Vec<f32>> {
        let documents: Vec<&str> = inputs.iter().map(|input| input.text.as_ref()).collect();
        let mut pairs = inputs.iter().map(|input| input.tokens);
        let at_most = TokenCount {
            input: pairs.clone().map(|tokens| tokens as u64).sum(),
            output: 0,
            search_units: self.wire.search_units(&mut pairs),
        };
        let body = self.wire.body(self.service.model(), query, &documents);
        let request = Request { path: self.wire.path(), body, at_most };
        let read = |body: &Value| self.wire.scores(body, documents.len());
        let scores = ask_and_read(&*self.service, &request, call, read, Result::is_ok)?;
        let scores = scores.map_err(|wrong| malformed(&*self.service, wrong, inputs))?;
        call.add(&usage_of(inputs));
        call.done(inputs.len());
        Ok(scores)
    }

    /// Returns a list before its scores are known. Candidates without text are marked.
    fn unscored(&self, list: &CandidateList<'_>, inputs: &[RequestText<'_>]) -> ScoredList {
        let without_text = Scored { why_not: Some(WhyNot::NoText), ..Scored::new(self.kind().lowest()) };
        let mut pairs = vec![without_text; list.candidates.len()];
        for input in inputs {
            pairs[input.position] = Scored { truncated: input.truncated, ..Scored::new(0.0) };
        }
        pairs.into()
    }
}

/// Returns the usage of one request's candidates. The service counts the tokens.
fn usage_of(inputs: &[RequestText<'_>]) -> Usage {
    let truncated = inputs.iter().filter(|input| input.truncated).count() as u64;
    Usage { texts: inputs.len() as u64, truncated, ..Usage::default() }
}

impl Scorer for RerankScorer {
    fn kind(&self) -> ScoreKind {
        if self.wire.has_probabilities() { ScoreKind::Probability } else { ScoreKind::Custom }
    }

    fn model(&self) -> Option<ModelInfo> {
        Some(model_info(&*self.service, self.limits.max_tokens.unwrap_or(u32::MAX as usize)))
    }

    /// A score depends on its pair alone, but each piece of a list sends the query again, and
    /// searches are billed by the request.
    fn needs_whole_lists(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        let settings = json!({ "rerank": true, "max_tokens": self.limits.max_tokens });
        Ok(Some(fingerprint(&*self.service, &settings)))
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        call.check()?;
        let of_list = |list: &CandidateList<'_>| self.inputs(list, self.limits.counter.count(list.query), texts);
        let inputs: Vec<Vec<RequestText<'_>>> = lists.iter().map(of_list).collect();
        let pieces = inputs.iter().enumerate().flat_map(|(list, inputs)| {
            self.limits.batches(inputs).into_iter().map(move |inputs| RequestPiece { list, inputs })
        });
        let pieces: Vec<RequestPiece> = pieces.collect();
        let ask = |at: usize| {
            let RequestPiece { list, inputs: range } = &pieces[at];
            self.ask(lists[*list].query, &inputs[*list][range.clone()], call)
        };
        let answers = parallel::in_order(pieces.len(), self.options.concurrency, ask)?;
        let unscored = lists.iter().zip(&inputs).map(|(list, inputs)| self.unscored(list, inputs));
        let mut scores: Vec<ScoredList> = unscored.collect();
        for (RequestPiece { list, inputs: range }, answer) in pieces.into_iter().zip(answers) {
            for (input, score) in inputs[list][range].iter().zip(answer) {
                let pair = &mut scores[list].pairs[input.position];
                (pair.score, pair.ranked_by) = (score, score);
            }
        }
        Ok(scores)
    }
}
