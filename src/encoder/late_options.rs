//! The options by which late-interaction models read texts.

/// The options by which a late-interaction model reads texts, beyond those of every model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateInteraction {
    /// The token behind the first token of every query; empty for none.
    pub query_prefix: String,
    /// The token behind the first token of every document; empty for none.
    pub document_prefix: String,
    /// Longest query in tokens, special tokens, prompt and prefix included.
    pub query_length: usize,
    /// The tokens that fill queries up to `query_length`; `None` if queries are not filled up.
    pub expansion: Option<Expansion>,
    /// Document tokens whose vectors do not count. A word that is not in the vocabulary stands for
    /// the unknown token.
    pub skiplist: Vec<String>,
}

/// The expansion of queries with extra tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The token that is added.
    pub token: String,
    /// True if the query's tokens attend to the added ones. If false, the added ones attend only to
    /// the query's.
    pub attended: bool,
}
