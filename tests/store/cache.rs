//! What lies on this machine: found, compared, named when damaged.

use std::fs;
use std::path::Path;

use nearsort::Error;
use nearsort::store::{FetchStep, FileVerdict, ModelSpec};

use super::kit::*;
use super::server::{COMMIT, Hub, sha256};

/// Damages a file without changing its length.
fn damage(path: &Path) {
    let mut content = fs::read(path).unwrap();
    content[1000] ^= 1;
    fs::write(path, content).unwrap();
}

#[test]
fn a_copy_in_nearsorts_own_folder_needs_no_network() {
    let (home, hub) = (Home::new(), Hub::start(REPO, &model()));
    lay_out(&home.cache().join("models/tiny"));
    let store = home.store(&hub.url);
    let files = store.get(&registered(&store)).unwrap();
    assert_is_the_model(&files);
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    lay_out(&home.cache().join("models/org--tiny@main2"));
    assert_is_the_model(&store.get(&unregistered("main2")).unwrap());
    assert!(hub.requests().is_empty());
}

#[test]
fn a_verified_file_is_not_hashed_at_the_next_start_unless_it_changed() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    let store = home.offline("http://127.0.0.1:9");
    store.get(&registered(&store)).unwrap();
    let hashed = home.saw(FetchStep::Verifying);
    assert!(hashed > 0);
    store.get(&registered(&store)).unwrap();
    assert_eq!(home.saw(FetchStep::Verifying), hashed);
    let file = fs::File::options().write(true).open(own.join(WEIGHTS)).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    store.get(&registered(&store)).unwrap();
    assert!(home.saw(FetchStep::Verifying) > hashed);
}

#[test]
fn a_damaged_file_is_named_offline() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    let store = home.offline("http://127.0.0.1:9");
    store.get(&registered(&store)).unwrap();
    damage(&own.join(WEIGHTS));
    for outcome in [store.get(&registered(&store)).map(|_| ()), store.find(&registered(&store)).map(|_| ())] {
        let error = outcome.unwrap_err();
        assert!(matches!(&error, Error::Corrupted { path, .. } if *path == own.join(WEIGHTS)), "{error}");
        assert!(error.to_string().contains(&sha256(&model()[WEIGHTS])), "{error}");
    }
}

#[test]
fn a_truncated_file_is_named_by_its_size() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    fs::write(own.join(WEIGHTS), &model()[WEIGHTS][..99_999]).unwrap();
    let store = home.offline("http://127.0.0.1:9");
    let message = store.get(&registered(&store)).unwrap_err().to_string();
    assert!(message.contains("100000 bytes") && message.contains("99999 bytes"), "{message}");
}

#[cfg(feature = "hub")]
#[test]
fn a_damaged_file_is_set_aside_and_fetched_again_online() {
    let (home, hub) = (Home::new(), Hub::start(REPO, &model()));
    let store = home.store(&hub.url);
    store.get(&registered(&store)).unwrap();
    damage(&home.snapshot().join(WEIGHTS));
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
    assert_eq!(home.saw(FetchStep::SetAside), 1);
    assert_eq!(hub.count("/storage/"), 2);
    assert_eq!(hub.count("tokenizer.json"), 1);
    assert_eq!(files_named(&home.repository(), ".corrupted").len(), 1);
}

#[cfg(feature = "hub")]
#[test]
fn a_damaged_file_that_cannot_be_fetched_again_is_named_in_the_error() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    damage(&own.join(WEIGHTS));
    let store = home.store(&nobody());
    let told = attempts(store.get(&registered(&store)).unwrap_err());
    assert!(told[0].contains("corrupted") && told[0].contains(&own.join(WEIGHTS).display().to_string()), "{told:?}");
}

#[cfg(all(feature = "hub", unix))]
#[test]
fn the_hubs_cache_names_content_by_its_checksum_and_that_is_compared() {
    let (home, hub) = (Home::new(), Hub::start(REPO, &model()));
    home.store(&hub.url).get(&unregistered("main")).unwrap();
    damage(&home.snapshot().join(WEIGHTS));
    let error = home.offline(&hub.url).get(&unregistered("main")).unwrap_err();
    assert!(matches!(&error, Error::Corrupted { path, .. } if path.ends_with(WEIGHTS)), "{error}");
}

/// A snapshot of `main` as Python's tools leave it.
fn pythons_snapshot(home: &Home, commit: &str) -> std::path::PathBuf {
    let snapshot = home.repository().join("snapshots").join(commit);
    lay_out(&snapshot);
    fs::create_dir_all(home.repository().join("refs")).unwrap();
    fs::write(home.repository().join("refs/main"), commit).unwrap();
    snapshot
}

#[test]
fn another_commit_that_python_fetched_is_used_if_its_content_is_the_pinned_one() {
    let home = Home::new();
    let commit = "f".repeat(40);
    let snapshot = pythons_snapshot(&home, &commit);
    let store = home.offline("http://127.0.0.1:9");
    let files = store.get(&registered(&store)).unwrap();
    assert_is_the_model(&files);
    assert_eq!(files.revision.as_deref(), Some(commit.as_str()));
    // Other content is another version and no damage: it is left alone.
    fs::write(snapshot.join("tokenizer.json"), b"{\"version\": \"2.0\"}").unwrap();
    attempts(store.get(&registered(&store)).unwrap_err());
    assert!(store.find(&registered(&store)).unwrap().is_none());
    assert!(files_named(&home.hub_cache(), ".corrupted").is_empty());
}

#[test]
fn a_snapshot_without_modules_is_used_as_it_is_offline() {
    let home = Home::new();
    let snapshot = pythons_snapshot(&home, COMMIT);
    fs::remove_file(snapshot.join("modules.json")).unwrap();
    assert_eq!(home.offline("http://127.0.0.1:9").get(&unregistered("main")).unwrap().dir, snapshot);
}

#[cfg(feature = "hub")]
#[test]
fn a_snapshot_without_modules_is_completed_online_and_used_as_it_is_if_the_hub_is_down() {
    let (home, hub) = (Home::new(), Hub::start(REPO, &model()));
    let snapshot = pythons_snapshot(&home, COMMIT);
    fs::remove_file(snapshot.join("modules.json")).unwrap();
    assert_eq!(home.store(&nobody()).get(&unregistered("main")).unwrap().dir, snapshot);
    assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap());
    assert_eq!((hub.count("/resolve/"), hub.count("/storage/")), (1, 0));
}

#[cfg(feature = "hub")]
#[test]
fn a_model_that_has_no_modules_is_asked_for_them_once() {
    let mut files = model();
    files.remove("modules.json");
    let (home, hub) = (Home::new(), Hub::start(REPO, &files));
    home.store(&hub.url).get(&unregistered("main")).unwrap();
    let before = hub.requests().len();
    home.store(&hub.url).get(&unregistered("main")).unwrap();
    assert_eq!(hub.requests().len(), before);
}

#[test]
fn an_incomplete_folder_is_not_taken_for_a_model_and_the_missing_file_is_named() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    for missing in NEEDED {
        lay_out(&own);
        fs::remove_file(own.join(missing)).unwrap();
        let store = home.offline("http://127.0.0.1:9");
        let told = attempts(store.get(&registered(&store)).unwrap_err());
        assert!(told[0].contains(&format!("{} is missing", own.join(missing).display())), "{told:?}");
    }
}

#[test]
fn a_folder_is_taken_as_it_is() {
    let home = Home::new();
    let dir = home.dir.path().join("my model");
    lay_out(&dir);
    let store = home.offline("http://127.0.0.1:9");
    let files = store.get(&ModelSpec::Folder(dir.clone())).unwrap();
    assert_is_the_model(&files);
    assert_eq!((files.revision, files.entry), (None, None));
    let error = store.get(&ModelSpec::Folder(dir.join("nothing"))).unwrap_err();
    assert!(matches!(&error, Error::ModelFile { .. }), "{error}");
}

#[test]
fn files_outside_the_folder_cannot_be_read() {
    let home = Home::new();
    let dir = home.dir.path().join("m");
    lay_out(&dir);
    fs::write(home.dir.path().join("secret"), "x").unwrap();
    let files = home.offline("http://127.0.0.1:9").get(&ModelSpec::Folder(dir)).unwrap();
    assert!(files.path("../secret").is_none());
    assert!(files.path("/etc/hostname").is_none());
    assert_eq!(files.read("nothing.json").unwrap(), None);
}

#[test]
fn weights_come_from_safetensors_only() {
    let home = Home::new();
    let dir = home.dir.path().join("m");
    lay_out(&dir);
    fs::remove_file(dir.join(WEIGHTS)).unwrap();
    let files = home.offline("http://127.0.0.1:9").get(&ModelSpec::Folder(dir.clone())).unwrap();
    assert!(files.weights().unwrap_err().to_string().contains("no model.safetensors"));
    fs::write(dir.join("pytorch_model.bin"), b"pickle").unwrap();
    let message = files.weights().unwrap_err().to_string();
    assert!(message.contains("pytorch_model.bin") && message.contains("save_pretrained"), "{message}");
    fs::write(dir.join("model.safetensors.index.json"), r#"{"weight_map": {"a": "shard.safetensors"}}"#).unwrap();
    assert!(files.weights().unwrap_err().to_string().contains("shard.safetensors, which is missing"));
    fs::write(dir.join("shard.safetensors"), b"x").unwrap();
    assert_eq!(files.weights().unwrap(), [dir.join("shard.safetensors")]);
}

#[test]
fn the_fingerprint_follows_every_file_that_decides_an_embedding_and_no_other() {
    let home = Home::new();
    let dir = home.dir.path().join("m");
    lay_out(&dir);
    let files = home.offline("http://127.0.0.1:9").get(&ModelSpec::Folder(dir.clone())).unwrap();
    let first = files.fingerprint().unwrap();
    fs::write(dir.join("README.md"), "other").unwrap();
    assert_eq!(files.fingerprint().unwrap(), first);
    for name in NEEDED.iter().filter(|name| **name != "modules.json") {
        let before = files.fingerprint().unwrap();
        fs::write(dir.join(name), format!("{{\"changed\": \"{name}\"}}")).unwrap();
        assert_ne!(files.fingerprint().unwrap(), before, "{name}");
    }
}

#[test]
fn a_full_check_hashes_everything_whatever_was_noted() {
    let home = Home::new();
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    let store = home.offline("http://127.0.0.1:9");
    let files = store.get(&registered(&store)).unwrap();
    let verdicts =
        || store.verify_files(&files).unwrap().into_iter().map(|check| (check.file, check.verdict)).collect::<Vec<_>>();
    assert_eq!(verdicts().len(), NEEDED.len());
    assert!(verdicts().iter().all(|(_, verdict)| *verdict == FileVerdict::Matches));
    // Same length, same time: the note would not show it.
    let modified = fs::metadata(own.join(WEIGHTS)).unwrap().modified().unwrap();
    damage(&own.join(WEIGHTS));
    fs::File::options().write(true).open(own.join(WEIGHTS)).unwrap().set_modified(modified).unwrap();
    fs::write(own.join("tokenizer_config.json"), "{}").unwrap();
    fs::remove_file(own.join("1_Pooling/config.json")).unwrap();
    let verdict = |name: &str| verdicts().into_iter().find(|(file, _)| file == name).unwrap().1;
    assert_eq!(verdict(WEIGHTS), FileVerdict::Differs);
    assert_eq!(verdict("tokenizer_config.json"), FileVerdict::Unknown);
    assert_eq!(verdict("1_Pooling/config.json"), FileVerdict::Missing);
    assert_eq!(verdict("config.json"), FileVerdict::Matches);
}

#[test]
fn the_list_says_what_is_on_this_machine_without_hashing() {
    let home = Home::new();
    let store = home.offline("http://127.0.0.1:9");
    assert_eq!(store.list()[0].cached, None);
    let own = home.cache().join("models/tiny");
    lay_out(&own);
    let status = &store.list()[0];
    assert_eq!(status.cached.as_ref(), Some(&own));
    assert!(status.entry.pinned());
    assert!(status.entry.size_bytes().unwrap() > 100_000);
    assert_eq!(home.saw(FetchStep::Verifying), 0);
}

#[cfg(not(feature = "hub"))]
#[test]
fn a_build_without_the_network_says_so_for_each_source_and_uses_the_caches() {
    let home = Home::new();
    let store = home.store(&nobody());
    let told = attempts(store.get(&registered(&store)).unwrap_err());
    assert_eq!(told.iter().filter(|line| line.contains("--features hub")).count(), 2, "{told:?}");
    lay_out(&home.cache().join("models/tiny"));
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
}
