//! Programs that run without any influence of the working directory.
//!
//! A data set may come from an untrusted source, with a `pip.py` or a `python3` beside it. So
//! programs are searched for only in absolute folders of `PATH`, and run in an empty folder of
//! nearsort's own. The user's configuration of pip still applies: its variables are passed on, and
//! their relative paths are made absolute.

use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables of pip and Python's network libraries that hold a path, or several words with paths
/// among them.
const PATHS: [&str; 14] = [
    "PIP_CONFIG_FILE",
    "PIP_CERT",
    "PIP_CLIENT_CERT",
    "PIP_CACHE_DIR",
    "PIP_CONSTRAINT",
    "PIP_LOG",
    "PIP_PYTHON",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Returns a command that runs in an empty folder; `None` if the program does not exist. `variable`
/// returns the environment's variables.
///
/// `PYTHONSAFEPATH` (from Python 3.11) makes Python search for modules where it is installed and
/// not where it runs. Older versions search the empty folder and find nothing. Python's option `-I`
/// would also exclude the user's own packages, where pip itself may be.
pub(super) fn command(program: &str, folder: &Path, variable: &dyn Fn(&str) -> Option<OsString>) -> Option<Command> {
    let mut command = Command::new(find(program, variable("PATH").as_deref())?);
    command.current_dir(folder).env("PYTHONSAFEPATH", "1");
    for name in PATHS {
        if let Some(value) = variable(name).and_then(|value| absolute_words(value.to_str()?)) {
            command.env(name, value);
        }
    }
    Some(command)
}

/// Returns a program by its path, or from the first absolute folder that has it.
fn find(program: &str, path: Option<&OsStr>) -> Option<PathBuf> {
    if Path::new(program).components().count() > 1 {
        return std::path::absolute(program).ok().filter(|path| path.is_file());
    }
    let file = format!("{}{}", program.trim_end_matches(env::consts::EXE_SUFFIX), env::consts::EXE_SUFFIX);
    let folders = env::split_paths(path?).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join(&file)).find(|path| is_program(path))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}

/// Returns the value with its relative paths made absolute; `None` if it has none. A path may have
/// spaces in it, so the whole value is tried first.
fn absolute_words(value: &str) -> Option<String> {
    let absolute = |word: &str| {
        let path = Path::new(word);
        let is_relative = !word.is_empty() && path.is_relative() && !word.contains("://") && path.exists();
        is_relative.then(|| std::path::absolute(path).ok()?.to_str().map(str::to_owned)).flatten()
    };
    if let Some(whole) = absolute(value.trim()) {
        return Some(whole);
    }
    let words: Vec<&str> = value.split_whitespace().collect();
    let made: Vec<Option<String>> = words.iter().map(|word| absolute(word)).collect();
    let is_changed = made.iter().any(Option::is_some);
    let all = made.into_iter().zip(words).map(|(made, word)| made.unwrap_or_else(|| word.to_owned()));
    is_changed.then(|| all.collect::<Vec<_>>().join(" "))
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(path: &Path) {
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn programs_are_found_in_absolute_folders_alone() {
        let folder = tempfile::tempdir().unwrap();
        program(&folder.path().join("python3"));
        fs::write(folder.path().join("pip"), "no program").unwrap();
        let path = |text: &str| OsString::from(text);
        let with = format!(".::src:{}", folder.path().display());
        assert_eq!(find("python3", Some(&path(&with))), Some(folder.path().join("python3")));
        // Cargo.toml is in the working directory; it does not matter here that it is not a program.
        for relative in [".", "", "./", "src/..", "::"] {
            assert_eq!(find("Cargo.toml", Some(&path(relative))), None, "{relative}");
            assert_eq!(find("python3", Some(&path(relative))), None, "{relative}");
        }
        assert_eq!((find("pip", Some(&path(&with))), find("python3", None)), (None, None));
        assert_eq!(find("/no/such/python", None), None);
    }

    #[test]
    fn relative_paths_in_variables_stay_what_they_were() {
        let here = std::env::current_dir().unwrap();
        let whole = format!("{}", here.join("Cargo.toml").display());
        assert_eq!(absolute_words("Cargo.toml"), Some(whole.clone()));
        assert_eq!(absolute_words("https://index/simple Cargo.toml"), Some(format!("https://index/simple {whole}")));
        for other in ["https://index/simple", "/etc/pip.conf", "no-such-file", ""] {
            assert_eq!(absolute_words(other), None, "{other}");
        }
    }
}
