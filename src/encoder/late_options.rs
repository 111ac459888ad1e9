//! How late-interaction models read texts.

/// How a late-interaction model reads texts, beyond what every model does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateInteraction {
    /// The token put behind the first token of every query; none where it is empty.
    pub query_prefix: String,
    /// The token put behind the first token of every document; none where it is empty.
    pub document_prefix: String,
    /// Longest query in tokens, special tokens, prompt and prefix included.
    pub query_length: usize,
    /// How queries are filled up to `query_length`; `None`: they are not.
    pub expansion: Option<Expansion>,
    /// Tokens of documents whose vectors do not count. A word that is no token stands for the
    /// unknown token.
    pub skiplist: Vec<String>,
}

/// How a query is filled up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The token that it is filled up with.
    pub token: String,
    /// Whether the tokens of the query attend to those added. Added ones attend to the query's alone
    /// if not.
    pub attended: bool,
}
