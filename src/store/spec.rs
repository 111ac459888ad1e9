//! The forms in which a user may name a model.
//!
//! A model is a name of the registry, `org/name[@revision]` on the hub, or a folder. A folder must
//! be written so that it cannot be mistaken for a name: absolute, or beginning with `./` or `../`
//! (or being `.` or `..`). So the meaning of a name never depends on the content of the current
//! folder, which may be someone else's. If a model's folder has the name of a repository of the
//! hub, nothing is fetched, and the error shows how to write each of the two.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::{hub_name, is_revision};
use super::registry::{RegisteredModel, Registry};
use crate::{Error, Result};

/// The branch that is fetched if no revision is given.
pub(super) const DEFAULT_REVISION: &str = "main";

/// The model that a user named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSpec {
    /// A model of the registry.
    Registered(Arc<RegisteredModel>),
    /// A repository on the hub.
    Hub {
        /// `org/name`.
        repo: String,
        /// A branch, tag or commit; `main` if none was given.
        revision: String,
    },
    /// A local folder.
    Folder(PathBuf),
}

impl ModelSpec {
    /// Parses the user's text with the built-in registry.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] with the nearest names.
    ///
    /// ```
    /// use nearsort::store::ModelSpec;
    /// assert!(matches!(ModelSpec::parse("all-MiniLM-L6-v2")?, ModelSpec::Registered(_)));
    /// assert!(matches!(ModelSpec::parse("org/name@v1")?, ModelSpec::Hub { .. }));
    /// assert!(matches!(ModelSpec::parse("./dir")?, ModelSpec::Folder(_)));
    /// assert!(ModelSpec::parse("all-MiniLM-L6-v3").is_err());
    /// # Ok::<(), nearsort::Error>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        Self::parse_with(text, Registry::built_in())
    }

    /// Parses the user's text with another registry.
    ///
    /// # Errors
    /// [`Error::UnknownModel`] with the nearest names; [`Error::InvalidArgument`] for `org/name` if
    /// a model's folder of that name exists.
    pub fn parse_with(text: &str, registry: &Registry) -> Result<Self> {
        let text = text.trim();
        if is_folder(text) {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        if let Some(entry) = registry.find(text) {
            return Ok(Self::Registered(Arc::clone(entry)));
        }
        let (repo, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
        match hub_name(repo) {
            Some(repo) if repo == text && is_model_folder(repo) => Err(ambiguous(repo)),
            Some(repo) if is_revision(revision) => {
                Ok(Self::Hub { repo: repo.to_owned(), revision: revision.to_owned() })
            }
            _ => Err(unknown(text, registry)),
        }
    }

    /// Returns the name for messages.
    pub fn display_name(&self) -> String {
        match self {
            Self::Registered(entry) => entry.name.clone(),
            Self::Hub { repo, revision } if revision == DEFAULT_REVISION => repo.clone(),
            Self::Hub { repo, revision } => format!("{repo}@{revision}"),
            Self::Folder(dir) => dir.display().to_string(),
        }
    }
}

fn is_folder(text: &str) -> bool {
    let path = Path::new(text);
    path.is_absolute()
        || [".", ".."].contains(&text)
        || text.starts_with("./")
        || text.starts_with("../")
        || (cfg!(windows) && text.contains('\\'))
}

/// True if the folder has a model's files, apart from the weights.
fn is_model_folder(path: &str) -> bool {
    Path::new(path).join("config.json").is_file()
}

fn ambiguous(name: &str) -> Error {
    Error::InvalidArgument(format!(
        "write ./{name} for the folder, or {name}@{DEFAULT_REVISION} for the model of the hub: '{name}' can mean both here"
    ))
}

fn unknown(name: &str, registry: &Registry) -> Error {
    let mut hint = String::new();
    if !name.is_empty() && Path::new(name).is_dir() {
        hint += &format!("write ./{name} to use the folder of that name. ");
    }
    match registry.near(name).as_slice() {
        [] => {}
        near => hint += &format!("did you mean {}? ", near.join(" or ")),
    }
    hint += "Accepted are a name of the registry (`nearsort models list`), org/name[@revision] on the hub, or a folder that begins with ./ or /";
    Error::UnknownModel { name: name.to_owned(), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(repo: &str, revision: &str) -> ModelSpec {
        ModelSpec::Hub { repo: repo.to_owned(), revision: revision.to_owned() }
    }

    #[test]
    fn names_hub_repositories_and_folders_are_told_apart() {
        let parse = |text| ModelSpec::parse(text).unwrap();
        assert!(matches!(parse("ALL-minilm-l6-V2"), ModelSpec::Registered(entry) if entry.name == "all-MiniLM-L6-v2"));
        assert!(matches!(parse("BAAI/bge-m3"), ModelSpec::Registered(entry) if entry.name == "bge-m3"));
        assert_eq!(parse("org/name"), hub("org/name", "main"));
        assert_eq!(parse("org/name@refs/pr/1"), hub("org/name", "refs/pr/1"));
        assert_eq!(parse("BAAI/bge-m3@v2"), hub("BAAI/bge-m3", "v2"));
        for folder in ["./dir", "../dir", "/dir", ".", ".."] {
            assert_eq!(parse(folder), ModelSpec::Folder(PathBuf::from(folder)));
        }
    }

    #[test]
    fn a_mistyped_name_gets_near_names() {
        let message = ModelSpec::parse("all-MiniLM-L6-v3").unwrap_err().to_string();
        assert!(message.contains("did you mean all-MiniLM-L6-v2"), "{message}");
        let message = ModelSpec::parse("modernbert").unwrap_err().to_string();
        assert!(message.contains("gte-modernbert-base"), "{message}");
    }

    #[test]
    fn names_that_would_leave_a_folder_are_unknown() {
        for text in ["", "a/..", "a/b/c", "a/b@../x", "a/b@", "a b/c", "-", "a//b", "a/b@x/"] {
            assert!(matches!(ModelSpec::parse(text), Err(Error::UnknownModel { .. })), "{text}");
        }
    }

    #[test]
    fn a_folder_of_that_name_is_pointed_out_first_but_never_used() {
        let message = ModelSpec::parse("src").unwrap_err().to_string();
        assert!(message.starts_with("unknown model 'src': write ./src to use the folder"), "{message}");
        let message = ModelSpec::parse("models/tiny-bert").unwrap_err().to_string();
        assert!(message.starts_with("write ./models/tiny-bert for the folder"), "{message}");
        assert!(message.contains("models/tiny-bert@main for the model of the hub"), "{message}");
        // These forms are unambiguous.
        assert!(matches!(ModelSpec::parse("./models/tiny-bert"), Ok(ModelSpec::Folder(_))));
        assert_eq!(ModelSpec::parse("models/tiny-bert@main").unwrap(), hub("models/tiny-bert", "main"));
        // No model is in it.
        assert_eq!(ModelSpec::parse("src/store").unwrap(), hub("src/store", "main"));
    }
}
