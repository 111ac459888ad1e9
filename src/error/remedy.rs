//! What to do about an error.

use std::fmt;

/// What helps against an error. The ones that are more than words are data, for faces have words of their own for what they can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Words that hold for every face.
    Say(String),
    /// Candidates have no row in the index: add them, or leave them out.
    AddToIndex,
    /// Lists have no query: leave them out.
    LeaveListsOut,
    /// There is no index: build it.
    BuildIndex,
    /// There is an index already: add to it, or replace it.
    AddToOrReplaceIndex,
    /// A file of the index is damaged: build it again, or restore the file.
    RebuildIndex,
    /// The same, and more may be damaged: verify it first.
    VerifyIndex,
    /// An unfinished build cannot go on: begin it anew.
    RestartBuild,
    /// The cache of embeddings is damaged: remove it, or do without.
    ClearCache,
    /// The model's numbers are not finite: verify its files.
    VerifyModel,
    /// The device does not answer: look at its driver, or compute on the CPU.
    UseCpu,
    /// The device is not compiled in: rebuild, or compute on the CPU.
    RebuildOrUseCpu {
        /// The cargo feature.
        feature: &'static str,
    },
    /// The model has no embeddings, and reranks.
    RerankWithIt,
    /// The model has vectors of tokens only, and reranks by them.
    RerankByMaxSim,
}

impl From<String> for Remedy {
    fn from(words: String) -> Self {
        Self::Say(words)
    }
}

impl From<&str> for Remedy {
    fn from(words: &str) -> Self {
        Self::Say(words.to_owned())
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Say(words) => words,
            Self::AddToIndex => "add their texts to the index (`IndexBuilder::add`), or leave them out (`BadRows::Skip`)",
            Self::LeaveListsOut => "leave such lists out (`BadRows::Skip`)",
            Self::BuildIndex => "make one with `IndexBuilder::build`",
            Self::AddToOrReplaceIndex => "add to it with `IndexBuilder::add`, or replace it with `replace=`",
            Self::RebuildIndex => "build the index again with `replace=`, or restore the file from a copy",
            Self::VerifyIndex => {
                "see what else is damaged with `Index::damages`, then build the index again with `replace=`, or restore the file from a copy"
            }
            Self::RestartBuild => "the unfinished build cannot be continued; start it again with `restart=`",
            Self::ClearCache => "remove it with `EmbeddingCache::clear`, or leave `cache=` out",
            Self::VerifyModel => "does the model compute right? see `ModelStore::verify_files`",
            Self::UseCpu => "is the driver installed and the device visible? `device=cpu` always works",
            Self::RebuildOrUseCpu { feature } => {
                return write!(f, "rebuild with `--features {feature}`, or use `device=cpu`");
            }
            Self::RerankWithIt => {
                "a `Reranker` uses it, for all else give an embedding model, such as all-MiniLM-L6-v2"
            }
            Self::RerankByMaxSim => {
                "a `Reranker` uses it (scoring maxsim), for all else give an embedding model, such as all-MiniLM-L6-v2"
            }
        })
    }
}
