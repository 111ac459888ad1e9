//! The changes that a late-interaction model makes to the tokens of a text, as in PyLate.

use tokenizers::{AddedToken, Tokenizer};

use super::late_options::LateInteraction;
use super::tokenized::{TokenizedText, unknown_id};
use super::{Contract, Role};

/// The options of a late-interaction model, with tokens as ids.
#[derive(Clone)]
pub(super) struct LateTokens {
    /// The prefixes of queries and of documents.
    prefixes: [Option<u32>; 2],
    /// Maximum number of tokens of a query, and of a document, without the prefix.
    limits: [usize; 2],
    query_length: usize,
    /// The token that fills queries up, and true if it is attended to.
    expansion: Option<(u32, bool)>,
    /// The ids of the skip list, sorted.
    skiplist: Vec<u32>,
}

impl LateTokens {
    /// Looks up the tokens' ids. Also makes each prefix a token of its own, wherever it occurs in a
    /// text.
    ///
    /// # Errors
    /// A message that names the missing token.
    pub fn resolve(tokenizer: &mut Tokenizer, contract: &Contract, late: &LateInteraction) -> Result<Self, String> {
        let rows = contract.config["vocab_size"].as_u64().unwrap_or(u64::MAX);
        let known = |tokenizer: &Tokenizer, token: &str, what: &str| {
            let id = tokenizer.token_to_id(token).filter(|id| u64::from(*id) < rows);
            id.ok_or_else(|| {
                format!("{what} '{token}' is not a token of the model; train it first, or save it with PyLate")
            })
        };
        let prefix = |tokenizer: &Tokenizer, token: &str, what: &str| match token.is_empty() {
            true => Ok(None),
            false => known(tokenizer, token, what).map(Some),
        };
        let prefixes = [
            prefix(tokenizer, &late.query_prefix, "the prefix of queries")?,
            prefix(tokenizer, &late.document_prefix, "the prefix of documents")?,
        ];
        let expansion = match &late.expansion {
            None => None,
            Some(expansion) => {
                let id = known(tokenizer, &expansion.token, "the token that queries are filled up with,")?;
                Some((id, expansion.attended))
            }
        };
        // PyLate looks words up before it adds the prefixes. A word outside the vocabulary becomes
        // the unknown token.
        let unknown = unknown_id(tokenizer);
        let ids = late.skiplist.iter().filter_map(|word| tokenizer.token_to_id(word).or(unknown));
        let mut skiplist: Vec<u32> = ids.collect();
        skiplist.sort_unstable();
        let names = [&late.query_prefix, &late.document_prefix].into_iter().filter(|name| !name.is_empty());
        let added: Vec<AddedToken> = names.map(|name| AddedToken::from(name.as_str(), false)).collect();
        tokenizer.add_tokens(added).map_err(|e| e.to_string())?;
        Ok(Self {
            limits: [without(prefixes[0], late.query_length), without(prefixes[1], contract.max_tokens)],
            prefixes,
            query_length: late.query_length,
            expansion,
            skiplist,
        })
    }

    /// Returns the same options with another limit of documents.
    pub fn with_max_tokens(&self, max_tokens: usize) -> Self {
        Self { limits: [self.limits[0], without(self.prefixes[1], max_tokens)], ..self.clone() }
    }

    /// Returns the maximum number of tokens that the tokenizer may give a text, special tokens
    /// included.
    pub fn limit(&self, role: Role) -> usize {
        self.limits[role as usize]
    }

    /// Turns the tokenizer's tokens into those that the model reads.
    pub fn read(&self, text: TokenizedText, role: Role) -> TokenizedText {
        let own = text.ids.len();
        let prefix = self.prefixes[role as usize];
        let filling = self.expansion.map_or(0, |(id, _)| id);
        let ids = self.arranged(text.ids, role, prefix.unwrap_or(0), filling);
        let attended = match (role, self.expansion) {
            (Role::Query, Some((_, true))) => ids.len(),
            _ => own + usize::from(prefix.is_some()),
        };
        TokenizedText { content: 0..ids.len(), skipped: self.skipped(&ids, role), attended, ids, ..text }
    }

    /// Returns the places of the tokens whose vectors count. `ids` and `places` are the
    /// tokenizer's; the places of added tokens are empty.
    pub fn places<T: Clone + Default>(&self, ids: &[u32], places: Vec<T>, role: Role) -> Vec<T> {
        let prefix = self.prefixes[role as usize].unwrap_or(0);
        let ids = self.arranged(ids.to_vec(), role, prefix, self.expansion.map_or(0, |(id, _)| id));
        let skipped = self.skipped(&ids, role);
        let places = self.arranged(places, role, T::default(), T::default());
        let counts = |(at, place): (usize, T)| (skipped.binary_search(&at).is_err()).then_some(place);
        places.into_iter().enumerate().filter_map(counts).collect()
    }

    /// Fills a query up, then puts the prefix behind the first token. This is PyLate's order.
    fn arranged<T: Clone>(&self, mut tokens: Vec<T>, role: Role, prefix: T, filling: T) -> Vec<T> {
        let has_prefix = self.prefixes[role as usize].is_some();
        if role == Role::Query && self.expansion.is_some() {
            let width = self.query_length - usize::from(has_prefix);
            tokens.resize(width.max(tokens.len()), filling);
        }
        if has_prefix {
            tokens.insert(1.min(tokens.len()), prefix);
        }
        tokens
    }

    /// Returns the positions of a document's tokens whose vectors do not count.
    fn skipped(&self, ids: &[u32], role: Role) -> Vec<usize> {
        let skips = |id: &u32| role == Role::Document && self.skiplist.binary_search(id).is_ok();
        ids.iter().enumerate().filter(|(_, id)| skips(id)).map(|(at, _)| at).collect()
    }
}

/// Returns the limit of `length` tokens without the prefix.
fn without(prefix: Option<u32>, length: usize) -> usize {
    length - usize::from(prefix.is_some())
}
