//! Answers of services: the first byte chooses who asked.

use std::sync::Arc;
use std::time::Duration;

use nearsort::remote::judge::{JudgeOptions, JudgeScorer, ListwiseScorer, Windows};
use nearsort::remote::{RemoteEncoder, RemoteOptions, RerankScorer, RerankServiceOptions};
use nearsort::service::{Origin, Provider, Reply, Request, Service, ServiceError};
use nearsort::{Call, Encoder, Role, Scorer};

/// Answers everything by the same body.
struct Says(Provider, serde_json::Value);

impl Service for Says {
    fn provider(&self) -> Provider {
        self.0
    }

    fn model(&self) -> &str {
        "text-embedding-3-large"
    }

    fn host(&self) -> String {
        "localhost".into()
    }

    fn send(&self, _: &Request, _: &Call<'_>) -> Result<Reply, ServiceError> {
        Ok(Reply { body: self.1.clone(), latency: Duration::ZERO, origin: Origin::Service })
    }
}

const CANDIDATES: [&str; 3] = ["The Eiffel Tower", "Paris", "sourdough"];

pub fn run(data: &[u8]) -> bool {
    let Some((&chosen, body)) = data.split_first() else { return false };
    let Ok(body) = serde_json::from_slice(body) else { return false };
    if chosen & 8 != 0 {
        let provider = [Provider::Cohere, Provider::Jina, Provider::Voyage, Provider::Tei][usize::from(chosen % 4)];
        let service: Arc<dyn Service> = Arc::new(Says(provider, body));
        return scored(&RerankScorer::new(service, RerankServiceOptions::default()).expect("a reranker"));
    }
    let provider = if chosen & 4 == 0 { Provider::OpenAi } else { Provider::Anthropic };
    let service: Arc<dyn Service> = Arc::new(Says(provider, body));
    let options = JudgeOptions { concurrency: 1, ..JudgeOptions::default() };
    match chosen % 4 {
        0 | 3 => {
            let Ok(encoder) = RemoteEncoder::new(service, 3, RemoteOptions::default()) else { return false };
            let Ok(embeddings) = encoder.encode(&CANDIDATES[..2], Role::Document) else { return false };
            assert!(embeddings.vectors.iter().all(|number| number.is_finite()), "a vector that is no vector");
            true
        }
        1 => scored(&JudgeScorer::new(service, options).expect("a judge")),
        _ => scored(&ListwiseScorer::new(service, options, Windows::default()).expect("a judge")),
    }
}

fn scored(scorer: &dyn Scorer) -> bool {
    let Ok(scores) = scorer.score("where is it", &CANDIDATES) else { return false };
    assert_eq!(scores.pairs.len(), CANDIDATES.len());
    assert!(scores.pairs.iter().all(|pair| !pair.score.is_nan()), "a score that is none");
    scores.unscored().count() == 0
}

pub fn seeds() -> Vec<Vec<u8>> {
    let embeddings = r#"{"data": [{"index": 0, "embedding": [0.1, 0.2, 0.3]}, {"index": 1, "embedding": "AACAPwAAAEAAAEBA"}], "usage": {"prompt_tokens": 5, "total_tokens": 5}}"#;
    let grade = r#"{"choices": [{"message": {"content": "{\"score\": 7}", "refusal": null}, "finish_reason": "stop", "logprobs": {"content": [{"token": "7", "logprob": -0.1, "top_logprobs": [{"token": "7", "logprob": -0.1}, {"token": "8", "logprob": -2.5}]}]}}], "usage": {"prompt_tokens": 100, "completion_tokens": 5}}"#;
    let order = r#"{"choices": [{"message": {"content": "{\"order\": [2, 1, 3]}"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}"#;
    let message = r#"{"content": [{"type": "text", "text": "Score: 8/10"}], "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}"#;
    let cohere = r#"{"results": [{"index": 2, "relevance_score": 0.99}, {"index": 0, "relevance_score": 0.5}, {"index": 1, "relevance_score": 0.1}], "meta": {"billed_units": {"search_units": 1}}}"#;
    let voyage = r#"{"data": [{"index": 0, "relevance_score": 0.4}, {"index": 1, "relevance_score": -3.5}, {"index": 2, "relevance_score": 1}], "usage": {"total_tokens": 26}}"#;
    let tei = r#"[{"index": 1, "score": 0.9}, {"index": 0, "score": 0.2}, {"index": 2, "score": 0}]"#;
    [(0u8, embeddings), (1, grade), (2, order), (5, message), (6, message)]
        .into_iter()
        .chain([(8, cohere), (9, cohere), (10, voyage), (11, tei)])
        .map(|(who, body)| [&[who], body.as_bytes()].concat())
        .collect()
}
