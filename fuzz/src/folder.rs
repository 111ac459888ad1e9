//! Folders whose files are mutated one at a time: the first byte of an input names the file, the
//! rest is its content.

use std::fs;
use std::path::{Path, PathBuf};

/// A folder of valid files, and a copy of it in memory-backed storage where there is any.
pub struct Template {
    pub files: Vec<(PathBuf, Vec<u8>)>,
}

impl Template {
    /// Reads all files below `folder`, in the order of their names.
    pub fn read(folder: &Path) -> Self {
        let mut files = Vec::new();
        collect(folder, folder, &mut files);
        files.sort();
        Self { files }
    }

    /// One input per file.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let seed = |(index, (_, content)): (usize, &(PathBuf, Vec<u8>))| [&[index as u8], content.as_slice()].concat();
        self.files.iter().enumerate().map(seed).collect()
    }

    /// Writes the folder with one file replaced, and gives its path.
    pub fn write(&self, data: &[u8]) -> tempfile::TempDir {
        let folder = temporary_folder();
        let (&chosen, content) = data.split_first().unwrap_or((&0, &[]));
        let chosen = usize::from(chosen) % self.files.len().max(1);
        for (index, (path, original)) in self.files.iter().enumerate() {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder");
            fs::write(path, if index == chosen { content } else { original }).expect("a file");
        }
        folder
    }
}

/// A folder in memory if the system has such.
pub fn temporary_folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a temporary folder")
}

/// A file of these bytes in a folder of its own.
pub fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = temporary_folder();
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a file");
    (folder, path)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            collect(root, &entry, files);
        } else {
            let name = entry.strip_prefix(root).expect("below the root").to_owned();
            files.push((name, fs::read(&entry).expect("a file")));
        }
    }
}
