//! Splits texts into requests.

use std::borrow::Cow;
use std::ops::Range;

use crate::provider::Embeds;
use crate::service::{Request, TokenCount, TokenCounter};

/// A text as it is sent.
pub(super) struct RequestText<'a> {
    /// The position among the caller's texts.
    pub position: usize,
    pub text: Cow<'a, str>,
    /// The number of tokens, or an upper estimate.
    pub tokens: usize,
    pub truncated: bool,
}

/// The limits of a model's requests.
#[derive(Clone)]
pub(super) struct ModelLimits {
    pub counter: TokenCounter,
    /// Maximum number of tokens of a text; the rest is cut.
    pub max_tokens: Option<usize>,
    pub request_inputs: usize,
    pub request_tokens: usize,
}

impl ModelLimits {
    /// Returns the texts to send, each with `prompt` before it. Empty texts are left out, because
    /// no service accepts them.
    pub fn inputs<'a>(&self, texts: &[&'a str], prompt: &str) -> Vec<RequestText<'a>> {
        let input = |(position, &text): (usize, &&'a str)| {
            let whole = match prompt {
                "" => Cow::Borrowed(text),
                prompt => Cow::Owned(format!("{prompt}{text}")),
            };
            let (length, tokens) = match self.max_tokens {
                Some(limit) => {
                    let (cut, tokens) = self.counter.cut(&whole, limit);
                    (cut.len(), tokens)
                }
                None => (whole.len(), self.counter.count(&whole)),
            };
            let truncated = length < whole.len();
            let text = match whole {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..length]),
                Cow::Owned(text) => Cow::Owned(text[..length].to_owned()),
            };
            RequestText { position, text, tokens, truncated }
        };
        texts.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(input).collect()
    }

    /// Groups neighbouring inputs into requests.
    pub fn batches(&self, inputs: &[RequestText<'_>]) -> Vec<Range<usize>> {
        let mut batches = Vec::new();
        let (mut start, mut tokens) = (0, 0);
        for (at, input) in inputs.iter().enumerate() {
            let is_full = at - start == self.request_inputs || tokens + input.tokens > self.request_tokens;
            if is_full && at > start {
                batches.push(start..at);
                (start, tokens) = (at, 0);
            }
            tokens += input.tokens;
        }
        if start < inputs.len() {
            batches.push(start..inputs.len());
        }
        batches
    }
}

/// Makes the request for the vectors of texts.
pub(super) fn request(
    wire: &dyn Embeds,
    model: &str,
    texts: &[&str],
    tokens: usize,
    dimensions: Option<usize>,
    is_compact: bool,
) -> Request {
    let body = wire.body(model, texts, dimensions, is_compact);
    Request { path: wire.path(), body, at_most: TokenCount { input: tokens as u64, ..TokenCount::default() } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::RemoteOptions;
    use crate::service::Provider;

    fn limits(options: &RemoteOptions) -> ModelLimits {
        options.limits(Provider::OpenAi, "text-embedding-3-small")
    }

    #[test]
    fn requests_keep_to_both_limits_and_lose_no_text() {
        let options = RemoteOptions { request_inputs: 7, request_tokens: 50, ..RemoteOptions::default() };
        let limits = limits(&options);
        let texts: Vec<String> = (0..200).map(|number| "tower ".repeat(number % 23)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let inputs = limits.inputs(&texts, "");
        assert_eq!(inputs.len(), texts.iter().filter(|text| !text.is_empty()).count());
        let batches = limits.batches(&inputs);
        let mut next = 0;
        for batch in batches {
            assert_eq!(batch.start, next);
            let tokens: usize = inputs[batch.clone()].iter().map(|input| input.tokens).sum();
            assert!(batch.len() <= 7 && (tokens <= 50 || batch.len() == 1), "{batch:?}: {tokens}");
            next = batch.end;
        }
        assert_eq!(next, inputs.len());
    }

    #[test]
    fn prompts_are_sent_and_long_texts_cut() {
        let limits = limits(&RemoteOptions { max_tokens: Some(4), ..RemoteOptions::default() });
        let inputs = limits.inputs(&["one two three four five", "", "six"], "query: ");
        assert_eq!((inputs[0].text.as_ref(), inputs[0].tokens, inputs[0].truncated), ("query: one two", 4, true));
        assert_eq!((inputs[1].position, inputs[1].text.as_ref(), inputs[1].truncated), (2, "query: six", false));
    }
}
