//! Download of a model from the hub into the hub's cache: only the files that nearsort reads.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::download::Repository;
use super::http::{Client, NetworkTrouble};
use crate::store::cache::FetchTarget;
use crate::store::failure::Failure;
use crate::store::files::{self, PICKLED, REQUIRED, TOP_FILES, WEIGHTS, WEIGHTS_INDEX};
use crate::store::names::is_hex;
use crate::store::options::StoreOptions;
use crate::{Error, Result};

/// Maximum bytes of a list of files.
const MAX_LISTING_BYTES: u64 = 16 << 20;

/// The answer of `/api/models/<repo>/revision/<revision>`.
#[derive(Deserialize)]
struct Listing {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

/// Fetches the files of a model that the cache lacks.
pub(in crate::store) fn from_hub(options: &StoreOptions, target: &FetchTarget) -> Result<(), Failure> {
    let client = Client::new(options)?;
    let listing = listing(&client, target)?;
    let names = listing.as_ref().map(|listing| listing.siblings.iter().map(|file| file.rfilename.clone()).collect());
    let commit =
        Some(target.revision.clone()).filter(|revision| is_hex(revision, 40)).or(listing.map(|listing| listing.sha));
    let commit = commit.filter(|commit| is_hex(commit, 40));
    let repository = Repository { client: &client, target, dir: target.hub_dir(options), commit };
    let mut fetch = Fetch { repository, names };
    fetch.all()?;
    fetch.note_branch()?;
    fetch.tidy();
    Ok(())
}

/// Returns the commit and the files of a revision. A mirror of the hub may lack this service; files
/// are then tried one by one.
fn listing(client: &Client<'_>, target: &FetchTarget) -> Result<Option<Listing>, Failure> {
    let revision = target.revision.replace('/', "%2F");
    let url = format!("{}/api/models/{}/revision/{revision}", client.options.endpoint, target.repo);
    client.retrying("", || {
        let answer = client.get(&url, 0)?;
        let mut text = Vec::new();
        let mut body = answer.response.into_body().into_reader().take(MAX_LISTING_BYTES + 1);
        body.read_to_end(&mut text)
            .map_err(|error| NetworkTrouble::again(format!("the list of files broke off: {error}")))?;
        if text.len() as u64 > MAX_LISTING_BYTES {
            return Err(NetworkTrouble::failed(format!(
                "the hub's list of files has more than {MAX_LISTING_BYTES} bytes"
            )));
        }
        serde_json::from_slice(&text)
            .map_err(|error| NetworkTrouble::failed(format!("the hub's list of files cannot be read: {error}")))
    })
}

struct Fetch<'a> {
    repository: Repository<'a>,
    /// All files of the repository, if the hub lists them.
    names: Option<BTreeSet<String>>,
}

impl Fetch<'_> {
    fn all(&mut self) -> Result<(), Failure> {
        self.refuse_pickles()?;
        let has_table = self.has_table()?;
        for file in REQUIRED.iter().filter(|_| !has_table) {
            self.required(file)?;
        }
        let known: Vec<String> =
            self.repository.target.entry.iter().flat_map(|entry| &entry.files).map(|file| file.path.clone()).collect();
        for file in known.iter().filter(|file| *file != WEIGHTS) {
            self.required(file)?;
        }
        for file in TOP_FILES {
            self.optional(file)?;
        }
        if let Some(modules) = self.read("modules.json")? {
            for file in files::module_files(&modules).map_err(Failure::Source)? {
                match file.is_required {
                    true => self.required(&file.path)?,
                    false => self.optional(&file.path).map(drop)?,
                }
            }
        }
        if has_table { Ok(()) } else { self.weights() }
    }

    /// Returns true for a static model whose table has a folder of its own. Its repository has
    /// neither config.json nor weights outside that folder.
    fn has_table(&mut self) -> Result<bool, Failure> {
        // Without a list of files, a repository with config.json is known by one request.
        if self.optional(REQUIRED[0])? {
            return Ok(false);
        }
        let modules = self.read("modules.json")?;
        Ok(modules.is_some_and(|modules| files::table_folder(&modules).is_some()))
    }

    /// Refuses pickled weights before anything is fetched, because the result is the same after 500
    /// MB.
    fn refuse_pickles(&self) -> Result<(), Failure> {
        let Some(names) = &self.names else { return Ok(()) };
        let is_table = |name: &String| name.ends_with("_StaticEmbedding/model.safetensors");
        if names.contains(WEIGHTS) || names.contains(WEIGHTS_INDEX) || names.iter().any(is_table) {
            return Ok(());
        }
        let pickled = names.iter().any(|name| name.ends_with(".bin") || name.ends_with(".pt"));
        Err(Failure::Source(if pickled { PICKLED.to_owned() } else { format!("the repository has no {WEIGHTS}") }))
    }

    fn weights(&mut self) -> Result<(), Failure> {
        if self.optional(WEIGHTS)? {
            return Ok(());
        }
        let Some(index) = self.read(WEIGHTS_INDEX)? else {
            let reason =
                format!("the repository has neither {WEIGHTS} nor {WEIGHTS_INDEX}; pickled weights are not read");
            return Err(Failure::Source(reason));
        };
        for shard in files::shards(&index).map_err(Failure::Source)? {
            self.required(&shard)?;
        }
        Ok(())
    }

    fn required(&mut self, file: &str) -> Result<(), Failure> {
        if self.repository.file(file)?.is_some() {
            return Ok(());
        }
        let target = self.repository.target;
        let revision = &target.revision;
        Err(Failure::Source(format!("404 for {}@{revision}/{file}: no such repository, revision or file", target.repo)))
    }

    fn optional(&mut self, file: &str) -> Result<bool, Failure> {
        if self.names.as_ref().is_some_and(|names| !names.contains(file)) {
            return Ok(false);
        }
        Ok(self.repository.file(file)?.is_some())
    }

    fn read(&mut self, file: &str) -> Result<Option<Vec<u8>>, Failure> {
        if !self.optional(file)? {
            return Ok(None);
        }
        match self.repository.file(file)? {
            Some(path) => Ok(Some(std::fs::read(&path).map_err(Error::io("read", &path))?)),
            None => Ok(None),
        }
    }

    /// Records the commit of a branch, as Python's tools do, once all of its files are there.
    fn note_branch(&self) -> Result<(), Failure> {
        let revision = &self.repository.target.revision;
        let Some(commit) = self.repository.commit.as_ref().filter(|commit| *commit != revision) else { return Ok(()) };
        let path = self.repository.dir.join("refs").join(revision);
        write_whole(&path, commit.as_bytes())?;
        Ok(())
    }

    /// Removes parts of earlier, broken downloads. The lock guarantees that no other process writes
    /// them.
    fn tidy(&self) {
        let Ok(blobs) = self.repository.dir.join("blobs").read_dir() else { return };
        for part in
            blobs.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "part"))
        {
            let _ = std::fs::remove_file(part);
        }
    }
}

fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::io("create", folder))?;
    std::io::Write::write_all(&mut file, content).map_err(Error::io("write", path))?;
    file.as_file().sync_all().map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::io("rename", path)(error.error))?;
    Ok(())
}
