//! Services that rerank: Cohere, Jina, Voyage, text-embeddings-inference, and the many servers with
//! one of their formats. [`RerankFamily`] lists their differences.

use serde_json::{Map, Value, json};

use super::answer::{AnswerSize, Wrong};
use super::kind::ServiceKind;
use super::wire::{ErrorWords, Facts, Reranks, Wire};
use crate::call::ServiceTokens;

/// Room for the result around a document that the service repeats.
const RESULT_BYTES: u64 = 512;
const RESULT_VALUES: u64 = 16;
/// Maximum number of bytes for one byte of a document that an answer repeats: `\u001f`.
const ESCAPED_BYTES: u64 = 6;

/// The billing of searches by a provider.
struct Searches {
    /// Number of documents in a unit.
    documents: u64,
    /// Maximum tokens of a pair of query and document; a longer one counts as several documents.
    pair_tokens: usize,
}

/// The differences between the providers.
pub(crate) struct RerankFamily {
    facts: Facts,
    /// The field of a request with the documents.
    documents: &'static str,
    /// True if a request names the model.
    names_model: bool,
    /// Other fields of a request.
    more: &'static [(&'static str, bool)],
    /// The field of an answer with the results; empty if the answer is the list.
    results: &'static str,
    /// The field of a result with the score.
    score: &'static str,
    has_probabilities: bool,
    max_documents: usize,
    max_tokens: usize,
    /// JSON pointers to the number of tokens in an answer; the first one that exists is used.
    tokens: &'static [&'static str],
    searches: Option<Searches>,
}

/// Marks no limit of tokens in a request.
const ANY: usize = usize::MAX;

/// `POST /v2/rerank`. Takes at most 10,000 chunks at once and advises 1,000 documents. A search
/// unit is 100 documents of at most 500 tokens, the query's included.
pub(super) static COHERE: RerankFamily = RerankFamily {
    facts: Facts {
        name: "cohere",
        title: "Cohere",
        base_url: Some("https://api.cohere.com/v2"),
        base_url_variable: "COHERE_BASE_URL",
        key_variables: &["COHERE_API_KEY", "CO_API_KEY"],
        domains: &["api.cohere.com", "api.cohere.ai"],
        prices_of: "cohere",
        results: &["results"],
        ..COMMON
    },
    documents: "documents",
    names_model: true,
    more: &[],
    results: "results",
    score: "relevance_score",
    has_probabilities: true,
    max_documents: 1_000,
    max_tokens: ANY,
    tokens: &["/meta/tokens/input_tokens", "/meta/billed_units/input_tokens"],
    searches: Some(Searches { documents: 100, pair_tokens: 500 }),
};

/// `POST /v1/rerank`. Many servers of this format give logits, so no range is assumed. The limits
/// are Voyage's, because Jina documents none.
pub(super) static JINA: RerankFamily = RerankFamily {
    facts: Facts {
        name: "jina",
        title: "Jina",
        base_url: Some("https://api.jina.ai/v1"),
        base_url_variable: "JINA_BASE_URL",
        key_variables: &["JINA_API_KEY"],
        domains: &["api.jina.ai"],
        prices_of: "jina",
        results: &["results"],
        ..COMMON
    },
    documents: "documents",
    names_model: true,
    more: &[("return_documents", false)],
    results: "results",
    score: "relevance_score",
    has_probabilities: false,
    max_documents: 1_000,
    max_tokens: 300_000,
    tokens: &["/usage/total_tokens", "/usage/prompt_tokens"],
    searches: None,
};

/// `POST /v1/rerank`, at most 1,000 documents.
pub(super) static VOYAGE: RerankFamily = RerankFamily {
    facts: Facts {
        name: "voyage",
        title: "Voyage",
        base_url: Some("https://api.voyageai.com/v1"),
        base_url_variable: "VOYAGE_BASE_URL",
        key_variables: &["VOYAGE_API_KEY"],
        domains: &["api.voyageai.com"],
        prices_of: "voyage",
        results: &["data"],
        ..COMMON
    },
    documents: "documents",
    names_model: true,
    more: &[],
    results: "data",
    score: "relevance_score",
    has_probabilities: false,
    max_documents: 1_000,
    max_tokens: 300_000,
    tokens: &["/usage/total_tokens"],
    searches: None,
};

/// `POST /rerank`, by default at most 32 texts; `raw_scores` false means a sigmoid. The server has
/// one model, which a request does not name.
pub(super) static TEI: RerankFamily = RerankFamily {
    facts: Facts {
        name: "tei",
        title: "TEI",
        base_url: None,
        missing_base_url: "tei: models need the address of your server, such as http://localhost:8080; give it as the base URL or set TEI_BASE_URL",
        base_url_variable: "TEI_BASE_URL",
        prices_of: "tei",
        ..COMMON
    },
    documents: "texts",
    names_model: false,
    more: &[("raw_scores", false), ("truncate", true)],
    results: "",
    score: "score",
    has_probabilities: true,
    max_documents: 32,
    // A request may have 2 MB.
    max_tokens: 300_000,
    tokens: &[],
    searches: None,
};

const COMMON: Facts = Facts {
    name: "",
    title: "",
    base_url: None,
    missing_base_url: "",
    base_url_variable: "",
    key_variables: &[],
    always_needs_key: false,
    domains: &[],
    prices_of: "",
    has_openai_tokens: false,
    results: &[],
    errors: ErrorWords::NONE,
};

impl RerankFamily {
    fn list<'a>(&self, body: &'a Value) -> Result<&'a [Value], Wrong> {
        let (list, expected) = match self.results {
            "" => (body.as_array(), "the answer is not a list".to_owned()),
            name => (body[name].as_array(), format!("the list '{name}' is missing")),
        };
        list.map(Vec::as_slice).ok_or_else(|| Wrong::about_all(expected))
    }

    fn score(&self, result: &Value, index: usize) -> Result<f32, Wrong> {
        let Some(value) = result.get(self.score) else {
            return Err(Wrong::about(index, format!("a result has no '{}'", self.score)));
        };
        let score = value.as_f64().map_or(f32::NAN, |score| score as f32);
        if !score.is_finite() {
            return Err(Wrong::about(index, format!("the score is not a finite number: {}", shown(value))));
        }
        if self.has_probabilities && !(0.0..=1.0).contains(&score) {
            return Err(Wrong::about(
                index,
                format!(
                    "the score {score} is not between 0 and 1, as {} promises; a server of another scale in Jina's \
                     form is named as jina:MODEL",
                    self.facts.title
                ),
            ));
        }
        Ok(score)
    }
}

/// Shortens a value for a message.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

/// Returns the position of a result among `count` documents.
fn index(result: &Value, count: usize) -> Result<usize, Wrong> {
    let Some(value) = result.get("index") else { return Err(Wrong::about_all("a result has no 'index'")) };
    let index = value.as_u64().and_then(|index| usize::try_from(index).ok()).filter(|&index| index < count);
    index.ok_or_else(|| {
        Wrong::about_all(format!("a result has the index {}, and the documents have 0 to {}", shown(value), count - 1))
    })
}

impl Wire for RerankFamily {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn guess_kind(&self, _: &str) -> ServiceKind {
        ServiceKind::Rerank
    }

    fn usage(&self, body: &Value) -> Option<ServiceTokens> {
        let number = |path: &&str| body.pointer(path).and_then(Value::as_u64);
        let input = self.tokens.iter().find_map(number);
        let search_units = self
            .searches
            .as_ref()
            .and_then(|_| body.pointer("/meta/billed_units/search_units"))
            .and_then(Value::as_u64);
        match (input, search_units) {
            (None, None) => None,
            _ => Some(ServiceTokens {
                input: input.unwrap_or(0),
                search_units: search_units.unwrap_or(0),
                ..ServiceTokens::default()
            }),
        }
    }

    fn reranks(&self) -> Option<&dyn Reranks> {
        Some(self)
    }
}

impl Reranks for RerankFamily {
    fn path(&self) -> &'static str {
        "/rerank"
    }

    fn has_probabilities(&self) -> bool {
        self.has_probabilities
    }

    fn max_documents(&self) -> usize {
        self.max_documents
    }

    fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    fn search_units(&self, pairs: &mut dyn Iterator<Item = usize>) -> u64 {
        let Some(searches) = &self.searches else { return 0 };
        let chunks: u64 = pairs.map(|tokens| tokens.div_ceil(searches.pair_tokens).max(1) as u64).sum();
        chunks.div_ceil(searches.documents)
    }

    fn body(&self, model: &str, query: &str, documents: &[&str]) -> Value {
        let mut body = Map::new();
        if self.names_model {
            body.insert("model".into(), model.into());
        }
        body.insert("query".into(), query.into());
        body.insert(self.documents.into(), json!(documents));
        body.extend(self.more.iter().map(|&(name, value)| (name.to_owned(), value.into())));
        Value::Object(body)
    }

    fn count(&self, body: &Value) -> usize {
        body[self.documents].as_array().map_or(0, Vec::len)
    }

    fn scores(&self, body: &Value, count: usize) -> Result<Vec<f32>, Wrong> {
        let results = self.list(body)?;
        if results.len() != count {
            return Err(Wrong::about_all(format!("{} results for {count} documents", results.len())));
        }
        let mut scores: Vec<Option<f32>> = vec![None; count];
        for result in results {
            let index = index(result, count)?;
            if scores[index].is_some() {
                return Err(Wrong::about(index, format!("two results have the index {index}")));
            }
            scores[index] = Some(self.score(result, index)?);
        }
        // As many results as documents, and no index twice: none is missing.
        scores.into_iter().collect::<Option<_>>().ok_or_else(|| Wrong::about_all("a result is missing"))
    }

    fn example(&self, count: usize) -> Value {
        let results: Value = (0..count).map(|index| json!({ "index": index, self.score: 0.0 })).collect();
        if self.results.is_empty() { results } else { json!({ self.results: results }) }
    }

    fn answer_size(&self, body: &Value) -> AnswerSize {
        let texts = body[self.documents].as_array().into_iter().flatten().filter_map(Value::as_str);
        let text_bytes: u64 = texts.map(|text| text.len() as u64).sum();
        let items = self.count(body) as u64;
        AnswerSize {
            bytes: items.saturating_mul(RESULT_BYTES).saturating_add(text_bytes.saturating_mul(ESCAPED_BYTES)),
            values: items.saturating_mul(RESULT_VALUES).saturating_add(text_bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [&RerankFamily; 4] = [&COHERE, &JINA, &VOYAGE, &TEI];

    #[test]
    fn requests_are_in_each_services_form() {
        let of = |family: &RerankFamily| family.body("m", "q", &["a", "b"]);
        assert_eq!(of(&COHERE), json!({ "model": "m", "query": "q", "documents": ["a", "b"] }));
        let jina = json!({ "model": "m", "query": "q", "documents": ["a", "b"], "return_documents": false });
        assert_eq!(of(&JINA), jina);
        assert_eq!(of(&VOYAGE), json!({ "model": "m", "query": "q", "documents": ["a", "b"] }));
        let tei = json!({ "query": "q", "texts": ["a", "b"], "raw_scores": false, "truncate": true });
        assert_eq!(of(&TEI), tei);
        for family in ALL {
            assert_eq!(family.count(&of(family)), 2);
            assert_eq!(family.scores(&family.example(3), 3), Ok(vec![0.0; 3]), "{}", family.facts.name);
        }
    }

    /// The answers in the services' documentation.
    #[test]
    fn scores_come_back_in_the_documents_order() {
        let cohere = json!({ "id": "07734bd2", "results": [
            { "index": 1, "relevance_score": 0.999071 }, { "index": 0, "relevance_score": 0.32713068 }],
            "meta": { "api_version": { "version": "2" }, "billed_units": { "search_units": 1 } } });
        assert_eq!(COHERE.scores(&cohere, 2), Ok(vec![0.327_130_68, 0.999_071]));
        assert_eq!(COHERE.usage(&cohere), Some(ServiceTokens { search_units: 1, ..ServiceTokens::default() }));
        let jina = json!({ "model": "m", "object": "list", "usage": { "total_tokens": 815, "prompt_tokens": 815 },
            "results": [{ "index": 0, "relevance_score": -8.5, "document": { "text": "x" } }] });
        assert_eq!(JINA.scores(&jina, 1), Ok(vec![-8.5]));
        assert_eq!(JINA.usage(&jina), Some(ServiceTokens { input: 815, ..ServiceTokens::default() }));
        let voyage = json!({ "object": "list", "data": [{ "index": 1, "relevance_score": 0.44 },
            { "index": 0, "relevance_score": 0.5 }], "model": "rerank-2.5", "usage": { "total_tokens": 26 } });
        assert_eq!(VOYAGE.scores(&voyage, 2), Ok(vec![0.5, 0.44]));
        assert_eq!(VOYAGE.usage(&voyage), Some(ServiceTokens { input: 26, ..ServiceTokens::default() }));
        let tei = json!([{ "index": 1, "score": 0.9976 }, { "index": 0, "score": 0 }]);
        assert_eq!(TEI.scores(&tei, 2), Ok(vec![0.0, 0.9976]));
        assert_eq!(TEI.usage(&tei), None);
    }

    #[test]
    fn every_fault_is_an_error_and_names_the_document_where_it_can() {
        let one = |index: Value, score: Value| json!({ "index": index, "relevance_score": score });
        let good = one(json!(0), json!(0.5));
        let results = |items: Vec<Value>| json!({ "results": items });
        for (body, index, said) in [
            (json!({}), None, "the list 'results' is missing"),
            (json!([good]), None, "the list 'results' is missing"),
            (json!(null), None, "the list 'results' is missing"),
            (results(vec![good.clone()]), None, "1 results for 2 documents"),
            (results(vec![good.clone(); 3]), None, "3 results for 2 documents"),
            (results(vec![good.clone(), good.clone()]), Some(0), "two results have the index 0"),
            (
                results(vec![good.clone(), one(json!(2), json!(0.5))]),
                None,
                "the index 2, and the documents have 0 to 1",
            ),
            (results(vec![good.clone(), one(json!(-1), json!(0.5))]), None, "the index -1"),
            (results(vec![good.clone(), one(json!(1.5), json!(0.5))]), None, "the index 1.5"),
            (results(vec![good.clone(), json!({ "relevance_score": 0.5 })]), None, "no 'index'"),
            (results(vec![good.clone(), json!({ "index": 1 })]), Some(1), "no 'relevance_score'"),
            (results(vec![good.clone(), one(json!(1), json!(null))]), Some(1), "not a finite number: null"),
            (results(vec![good.clone(), one(json!(1), json!("NaN"))]), Some(1), "not a finite number: \"NaN\""),
            (results(vec![good.clone(), one(json!(1), json!(1e300))]), Some(1), "not a finite number: 1e+300"),
            (
                results(vec![good.clone(), one(json!(1), json!(1.25))]),
                Some(1),
                "1.25 is not between 0 and 1, as Cohere",
            ),
            (results(vec![good.clone(), json!("x")]), None, "no 'index'"),
        ] {
            let wrong = COHERE.scores(&body, 2).unwrap_err();
            assert!(wrong.index == index && wrong.message.contains(said), "{body}: {wrong:?}");
        }
        assert!(TEI.scores(&json!({ "results": [] }), 1).unwrap_err().message.contains("not a list"));
        assert!(TEI.scores(&json!([{ "index": 0, "score": -3.5 }]), 1).unwrap_err().message.contains("jina:MODEL"));
    }

    #[test]
    fn search_units_are_a_hundred_documents_of_five_hundred_tokens() {
        let units = |pairs: &[usize]| COHERE.search_units(&mut pairs.iter().copied());
        assert_eq!(units(&[10; 100]), 1);
        assert_eq!(units(&[10; 101]), 2);
        assert_eq!(units(&[501; 50]), 1);
        assert_eq!(units(&[501; 51]), 2);
        assert_eq!(JINA.search_units(&mut [10, 20].into_iter()), 0);
    }

    #[test]
    fn an_answer_has_room_for_the_documents() {
        let size = Reranks::answer_size(&JINA, &JINA.body("m", "q", &["abc", "de"]));
        assert_eq!(size, AnswerSize { bytes: 2 * 512 + 5 * 6, values: 2 * 16 + 5 });
    }
}
