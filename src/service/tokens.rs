//! Counts tokens as services do, for limits and prices.

use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};

use super::Provider;

/// Maximum number of bytes per token. Only a prefix of a huge text that surely fills the limit is
/// tokenized.
const BYTES_PER_TOKEN: usize = 64;

/// Longer texts are tokenized part by part. The vocabulary's pattern gives up, and its library
/// panics, after a million steps back in a run of one kind of characters.
const PART_BYTES: usize = 256 << 10;

/// Counts a model's tokens.
///
/// For OpenAI's models it uses their vocabularies (`o200k_base` for gpt-4o, gpt-4.1, gpt-5 and the
/// o series, `cl100k_base` for text-embedding-3, gpt-4 and gpt-3.5). Other vocabularies are not
/// public or not included. For those models the count is an upper estimate: twice the tokens of
/// `o200k_base`, but at most the number of bytes, which no byte-level vocabulary exceeds.
#[derive(Clone)]
pub struct TokenCounter {
    vocabulary: &'static CoreBPE,
    exact: bool,
}

impl TokenCounter {
    /// Returns the counter for a model of a provider. Azure's deployments have names of the user's
    /// own; those that begin like OpenAI's models count as these.
    pub fn for_model(provider: Provider, model: &str) -> Self {
        let known = provider.wire().facts().has_openai_tokens.then(|| get_tokenizer(model)).flatten();
        match known {
            Some(Tokenizer::O200kBase) => Self { vocabulary: tiktoken_rs::o200k_base_singleton(), exact: true },
            Some(Tokenizer::Cl100kBase) => Self { vocabulary: tiktoken_rs::cl100k_base_singleton(), exact: true },
            _ => Self { vocabulary: tiktoken_rs::o200k_base_singleton(), exact: false },
        }
    }

    /// Returns true if the counts are the service's own; else they are upper estimates.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Returns the number of tokens of a text.
    pub fn count(&self, text: &str) -> usize {
        let tokens = parts(text).map(|part| self.vocabulary.count_ordinary(part)).sum::<usize>();
        if self.exact { tokens } else { (2 * tokens).min(text.len()) }
    }

    /// Returns the longest prefix of a text that has at most `limit` tokens and ends with a token
    /// and a character, and its number of tokens. A text that fits is returned whole.
    pub fn cut<'a>(&self, text: &'a str, limit: usize) -> (&'a str, usize) {
        let head = &text[..text.floor_char_boundary(limit.saturating_mul(BYTES_PER_TOKEN))];
        if head.len() == text.len() {
            let count = self.count(text);
            if count <= limit {
                return (text, count);
            }
        }
        let tokens: Vec<u32> = parts(head).flat_map(|part| self.vocabulary.encode_ordinary(part)).collect();
        let mut kept = limit.min(tokens.len());
        if !self.exact {
            kept = kept.min(limit / 2);
        }
        while kept > 0 {
            let bytes = self.vocabulary.decode_bytes(&tokens[..kept]).map_or(0, |bytes| bytes.len());
            // The tokens of a prefix are not always a prefix of the tokens.
            if head.is_char_boundary(bytes) && self.count(&head[..bytes]) <= limit {
                return (&head[..bytes], self.count(&head[..bytes]));
            }
            kept -= 1;
        }
        ("", 0)
    }
}

/// Splits a text into parts of about [`PART_BYTES`]. It cuts before the last space between two
/// ASCII words, where no token crosses. Without such a place it cuts before any character, which
/// may add a token.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (part, after) = rest.split_at(if rest.len() <= PART_BYTES { rest.len() } else { part_end(rest) });
        rest = after;
        Some(part)
    })
}

fn part_end(text: &str) -> usize {
    let raw = text.as_bytes();
    let is_place =
        |&at: &usize| raw[at] == b' ' && raw[at - 1].is_ascii_alphanumeric() && raw[at + 1].is_ascii_alphanumeric();
    let found = (PART_BYTES / 2..PART_BYTES).rev().find(is_place);
    found.unwrap_or_else(|| text.floor_char_boundary(PART_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_counted_in_parts_and_runs_do_not_panic() {
        let counter = TokenCounter::for_model(Provider::OpenAi, "gpt-4o-mini");
        let text = "The Eiffel Tower, 330 m high, stands in Paris.\n".repeat(8_000);
        assert!(parts(&text).count() > 1);
        assert_eq!(counter.count(&text), counter.vocabulary.count_ordinary(&text));
        for run in [" ", "\n", "a", "漢", "😀", "\u{301}", "a.", "1", " \n"] {
            let text = format!("{}x", run.repeat(3_000_000 / run.len()));
            let count = counter.count(&text);
            assert!(count > 1_000 && counter.cut(&text, 100).1 <= 100, "{run:?}: {count}");
        }
    }

    #[test]
    fn openais_models_are_counted_exactly_and_others_from_above() {
        let large = TokenCounter::for_model(Provider::OpenAi, "text-embedding-3-large");
        assert!(large.is_exact());
        // The numbers from OpenAI's cookbook for cl100k_base and o200k_base.
        assert_eq!(large.count("antidisestablishmentarianism"), 6);
        assert_eq!(large.count("2 + 2 = 4"), 7);
        assert_eq!(TokenCounter::for_model(Provider::OpenAi, "gpt-4o-mini").count("お誕生日おめでとう"), 8);
        let claude = TokenCounter::for_model(Provider::Anthropic, "claude-3-5-sonnet-20241022");
        assert!(!claude.is_exact());
        assert_eq!(claude.count("The Eiffel Tower stands in Paris."), 2 * 7);
        assert_eq!(claude.count("a"), 1, "never more than the bytes");
    }

    #[test]
    fn a_cut_ends_with_a_token_and_a_character() {
        for provider in [Provider::OpenAi, Provider::Anthropic] {
            let counter = TokenCounter::for_model(provider, "text-embedding-3-small");
            let text = "Tour Eiffel 🗼 塔 – お誕生日おめでとう. ".repeat(20);
            for limit in 0..60 {
                let (cut, count) = counter.cut(&text, limit);
                assert!(text.starts_with(cut) && count <= limit, "{limit}");
                assert_eq!(count, counter.count(cut));
                assert!(limit < 12 || count + 8 >= limit, "{provider}: {count} of {limit} tokens are used");
            }
            let (whole, count) = counter.cut(&text, usize::MAX);
            assert_eq!((whole, count), (text.as_str(), counter.count(&text)));
        }
    }

    #[test]
    fn a_huge_text_is_cut_without_being_read_to_its_end() {
        let counter = TokenCounter::for_model(Provider::OpenAi, "text-embedding-3-large");
        let text = "tower of Paris ".repeat(4_000_000);
        let (cut, count) = counter.cut(&text, 8_192);
        assert_eq!(count, 8_192);
        assert!(cut.len() < 60_000);
    }
}
