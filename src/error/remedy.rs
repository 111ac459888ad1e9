//! Remedies for errors.

use std::fmt;

/// The remedy for an error. Remedies that the command, the server and Python word differently are
/// variants of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Remedy {
    /// Advice in words, the same in the command, the server and Python.
    Say(String),
    /// Candidates have no row in the index: add them, or leave them out.
    AddToIndex,
    /// Lists have no query: leave them out.
    LeaveListsOut,
    /// There is no index: build it.
    BuildIndex,
    /// There is an index already: add to it, or replace it.
    AddToOrReplaceIndex,
    /// A file of the index is damaged: rebuild the index, or restore the file.
    RebuildIndex,
    /// A file of the index is damaged, and others may be: verify the index, then as
    /// [`Remedy::RebuildIndex`].
    VerifyIndex,
    /// An unfinished build cannot resume: start it again.
    RestartBuild,
    /// The embedding cache is damaged: remove it, or work without it.
    ClearCache,
    /// The model's numbers are not finite: verify its files.
    VerifyModel,
    /// The device does not respond: check its driver, or compute on the CPU.
    UseCpu,
    /// The device is not compiled in: rebuild, or compute on the CPU.
    RebuildOrUseCpu {
        /// The cargo feature.
        feature: &'static str,
    },
    /// The model has no embeddings; it can only rerank.
    RerankWithIt,
    /// The model has token vectors only; it can only rerank, by MaxSim.
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
            Self::VerifyModel => "check the model with `ModelStore::verify_files`",
            Self::UseCpu => "check that the driver is installed and the device visible, or use `device=cpu`",
            Self::RebuildOrUseCpu { feature } => {
                return write!(f, "rebuild with `--features {feature}`, or use `device=cpu`");
            }
            Self::RerankWithIt => {
                "use it in a `Reranker`, or give an embedding model, such as all-MiniLM-L6-v2"
            }
            Self::RerankByMaxSim => {
                "use it in a `Reranker` (scoring maxsim), or give an embedding model, such as all-MiniLM-L6-v2"
            }
        })
    }
}
