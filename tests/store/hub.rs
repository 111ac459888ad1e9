//! Fetching from the hub.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use nearsort::Error;
use nearsort::store::{FetchStep, HubToken, ModelStore};

use super::kit::*;
use super::server::{COMMIT, Fault, Hub, sha256, wait_until};

fn start() -> (Home, Hub) {
    (Home::new(), Hub::start(REPO, &model()))
}

#[test]
fn a_model_lands_in_the_hubs_own_layout_and_is_found_again_without_a_request() {
    let (home, hub) = start();
    let store = home.store(&hub.url);
    let files = store.get(&registered(&store)).unwrap();
    assert_is_the_model(&files);
    assert_eq!(files.dir, home.snapshot());
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    let blob = home.repository().join("blobs").join(sha256(&model()[WEIGHTS]));
    assert_eq!(std::fs::read(&blob).unwrap(), model()[WEIGHTS]);
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(home.snapshot().join("1_Pooling/config.json")).unwrap().components().take(3).count(),
        3
    );
    let before = hub.requests().len();
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
    let offline = home.offline(&hub.url);
    assert_is_the_model(&offline.get(&registered(&offline)).unwrap());
    assert_eq!(hub.requests().len(), before);
}

#[test]
fn only_the_files_that_are_read_are_fetched() {
    let (home, hub) = start();
    let store = home.store(&hub.url);
    store.get(&unregistered("main")).unwrap();
    for unwanted in ["README.md", "pytorch_model.bin"] {
        assert_eq!(hub.count(unwanted), 0, "{unwanted}");
    }
    for name in NEEDED {
        assert_eq!(hub.count(&format!("/resolve/{COMMIT}/{name}")), 1, "{name}");
    }
}

#[test]
fn a_branch_is_noted_as_a_commit_and_later_found_offline() {
    let (home, hub) = start();
    let files = home.store(&hub.url).get(&unregistered("main")).unwrap();
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    assert_eq!(std::fs::read_to_string(home.repository().join("refs/main")).unwrap(), COMMIT);
    assert_is_the_model(&home.offline(&hub.url).get(&unregistered("main")).unwrap());
    home.store(&hub.url).get(&unregistered("refs/pr/1")).unwrap();
    assert_eq!(std::fs::read_to_string(home.repository().join("refs/refs/pr/1")).unwrap(), COMMIT);
}

#[test]
fn a_hub_without_a_list_of_files_is_asked_file_by_file() {
    let (home, hub) = start();
    hub.without_listing();
    assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap());
    assert_eq!(hub.count("sentence_bert_config.json"), 1);
}

#[test]
fn sharded_weights_are_fetched_by_their_index() {
    let (home, hub) = start();
    hub.remove(WEIGHTS);
    hub.put("model-1.safetensors", &noise(5000));
    hub.put("model-2.safetensors", &noise(6000));
    hub.put(
        "model.safetensors.index.json",
        br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}"#,
    );
    let files = home.store(&hub.url).get(&unregistered("main")).unwrap();
    let sizes: Vec<u64> = files.weights().unwrap().iter().map(|path| path.metadata().unwrap().len()).collect();
    assert_eq!(sizes, [5000, 6000]);
}

#[test]
fn a_broken_transfer_goes_on_where_it_stopped() {
    let (home, hub) = start();
    hub.fault("/storage/", Fault::Cut(40_000), 1);
    let store = home.store(&hub.url);
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
    let ranges: Vec<String> = hub.requests().into_iter().filter_map(|request| request.range).collect();
    // Asked of the hub and of the storage that it redirects to.
    assert_eq!(ranges, ["bytes=40000-", "bytes=40000-"]);
    assert_eq!(home.saw(FetchStep::Retrying), 1);
}

#[test]
fn the_next_run_goes_on_where_a_killed_one_stopped() {
    let (home, hub) = start();
    let mut options = home.options(&hub.url);
    options.limits.retries = 0;
    hub.fault("/storage/", Fault::Cut(30_000), 1);
    let impatient = ModelStore::with_registry(options, registry(&model()));
    let told = attempts(impatient.get(&registered(&impatient)).unwrap_err());
    assert!(told.iter().any(|line| line.contains("30000")), "{told:?}");
    assert_eq!(files_named(&home.repository(), ".part").len(), 1);
    assert!(!home.snapshot().join(WEIGHTS).exists());

    let store = home.store(&hub.url);
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
    assert!(hub.requests().iter().any(|request| request.range.as_deref() == Some("bytes=30000-")));
    assert!(files_named(&home.repository(), ".part").is_empty());
}

#[test]
fn a_server_that_ignores_ranges_means_a_clean_restart() {
    let (home, hub) = start();
    part(&home, &model()[WEIGHTS][..20_000]);
    // The first request of the storage gets the whole file and is dropped; the second one is the
    // range.
    hub.fault("/storage/", Fault::IgnoreRange, 2);
    let store = home.store(&hub.url);
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
    // Seen from the answer itself, not from a checksum at the end.
    assert_eq!(home.saw(FetchStep::Retrying), 0);
}

#[test]
fn a_part_with_wrong_bytes_or_too_many_is_thrown_away_not_trusted() {
    for left_over in [vec![7; 20_000], vec![7; 100_000], vec![7; 100_001], vec![7; 200_000]] {
        let (home, hub) = start();
        part(&home, &left_over);
        let store = home.store(&hub.url);
        assert_is_the_model(&store.get(&registered(&store)).unwrap());
    }
}

#[test]
fn a_part_of_other_content_is_neither_continued_nor_kept() {
    let (home, hub) = start();
    part_named(&home, &sha256(b"the file before it changed on the hub"), &[7; 20_000]);
    assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap());
    assert!(hub.requests().iter().all(|request| request.range.is_none()));
    assert!(files_named(&home.repository(), ".part").is_empty());
}

fn part(home: &Home, content: &[u8]) {
    part_named(home, &sha256(&model()[WEIGHTS]), content);
}

fn part_named(home: &Home, etag: &str, content: &[u8]) {
    let blobs = home.repository().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(format!("{etag}.part")), content).unwrap();
}

#[test]
fn wrong_content_is_refused_and_leaves_nothing_behind() {
    for registered_model in [true, false] {
        let (home, hub) = start();
        hub.fault("/storage/", Fault::Wrong(noise(100_001)[1..].to_vec()), 100);
        let store = home.store(&hub.url);
        let spec = if registered_model { registered(&store) } else { unregistered("main") };
        let told = attempts(store.get(&spec).unwrap_err());
        assert!(told.iter().any(|line| line.contains(&sha256(&model()[WEIGHTS]))), "{told:?}");
        assert!(files_named(&home.repository(), WEIGHTS).is_empty());
        assert!(files_named(&home.repository(), &sha256(&model()[WEIGHTS])).is_empty());
    }
}

#[test]
fn a_file_that_differs_from_the_registry_is_refused_whatever_the_hub_says_of_it() {
    let (home, hub) = start();
    hub.put("tokenizer.json", b"{\"version\": \"1.1\"}");
    let store = home.store(&hub.url);
    let told = attempts(store.get(&registered(&store)).unwrap_err());
    assert!(told.iter().any(|line| line.contains("wrong content")), "{told:?}");
}

#[test]
fn the_servers_own_pause_wins_over_ours() {
    let (home, hub) = start();
    hub.fault("config.json", Fault::RetryAfter(429, 0), 2);
    let mut options = home.options(&hub.url);
    options.limits.retry_pause = Duration::from_secs(3600);
    options.limits.retry_total = Duration::from_secs(7200);
    assert_is_the_model(&ModelStore::new(options).get(&unregistered("main")).unwrap());
}

#[test]
fn a_pause_longer_than_our_patience_ends_the_attempt_at_once() {
    let (home, hub) = start();
    hub.fault("config.json", Fault::RetryAfter(429, 86_400), 100);
    let told = attempts(home.store(&hub.url).get(&unregistered("main")).unwrap_err());
    assert!(told[1].contains("429") && told[1].contains("86400"), "{told:?}");
    assert_eq!(hub.count("config.json"), 1);
}

#[test]
fn a_failing_server_is_asked_a_bounded_number_of_times() {
    let (home, hub) = start();
    hub.fault("config.json", Fault::Status(500), 1000);
    let mut options = home.options(&hub.url);
    options.limits.retries = 3;
    let told = attempts(ModelStore::new(options).get(&unregistered("main")).unwrap_err());
    assert!(told[1].contains("500"), "{told:?}");
    assert_eq!(hub.count("config.json"), 4);
}

#[test]
fn a_passing_fault_is_survived() {
    let (home, hub) = start();
    hub.fault("/api/", Fault::Status(503), 1);
    hub.fault("tokenizer.json", Fault::Status(502), 2);
    assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap());
}

#[test]
fn a_hub_that_says_nothing_is_given_up_after_one_wait() {
    let (home, hub) = start();
    hub.fault("/", Fault::Hang, 1000);
    let mut options = home.options(&hub.url);
    options.limits.response = Duration::from_millis(300);
    let told = attempts(ModelStore::new(options).get(&unregistered("main")).unwrap_err());
    assert!(told[1].contains("did not answer in time"), "{told:?}");
    assert_eq!(hub.requests().len(), 1);
}

#[test]
fn the_token_reaches_the_endpoint_only_and_no_message() {
    let (home, hub) = start();
    let storage = Hub::start(REPO, &model());
    hub.store_at(&storage);
    let mut options = home.options(&hub.url);
    options.token = HubToken::new("hf_topsecret");
    let store = ModelStore::new(options);
    assert!(!format!("{store:?}").contains("topsecret"));
    assert_is_the_model(&store.get(&unregistered("main")).unwrap());
    assert!(hub.requests().iter().all(|request| request.authorization.as_deref() == Some("Bearer hf_topsecret")));
    assert_eq!(storage.count("/storage/"), 1);
    assert!(storage.requests().iter().all(|request| request.authorization.is_none()));

    hub.fault("/", Fault::Status(401), 1000);
    let error = store.get(&unregistered("v2")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("topsecret"));
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");
}

#[test]
fn a_repository_that_does_not_exist_is_said_to_be_missing() {
    let (home, hub) = start();
    let spec = nearsort::store::ModelSpec::parse("org/nothing").unwrap();
    let told = attempts(home.store(&hub.url).get(&spec).unwrap_err());
    assert!(told[1].contains("404") && told[1].contains("org/nothing"), "{told:?}");
}

#[test]
fn a_file_without_a_length_or_an_end_is_given_up_and_leaves_nothing() {
    let (home, hub) = start();
    hub.fault("resolve/main/config.json", Fault::Endless, 9);
    hub.fault("config.json", Fault::Endless, 9);
    let told = attempts(home.store(&hub.url).get(&unregistered("main")).unwrap_err());
    assert!(told[1].contains("states no length of the file"), "{told:?}");
    assert!(files_named(&home.hub_cache(), ".part").is_empty());
}

/// Some mirrors pack or pass on files in chunks, and so state no length.
#[test]
fn a_file_without_a_length_is_taken_up_to_a_limit_that_can_be_raised() {
    let (home, hub) = start();
    hub.fault("resolve/", Fault::Chunked, 1000);
    let mut options = home.options(&hub.url);
    let length = model()[WEIGHTS].len() as u64;
    options.limits.unstated_bytes = length - 1;
    let told = attempts(ModelStore::new(options.clone()).get(&unregistered("main")).unwrap_err());
    assert!(told[1].contains(&format!("more than {} bytes", length - 1)), "{told:?}");
    assert!(told[1].contains("set NEARSORT_MAX_UNSTATED_BYTES to accept more"), "{told:?}");
    assert!(files_named(&home.hub_cache(), ".part").is_empty());
    options.limits.unstated_bytes = length;
    assert_is_the_model(&ModelStore::new(options).get(&unregistered("main")).unwrap());
}

#[test]
fn a_compressed_answer_and_an_absurd_length_are_refused() {
    for (name, value, said) in
        [("content-encoding", "gzip", "compresses its answer"), ("x-linked-size", "1099511627776", "at most")]
    {
        let (home, hub) = start();
        hub.fault("config.json", Fault::Header(name, value), 9);
        let told = attempts(home.store(&hub.url).get(&unregistered("main")).unwrap_err());
        assert!(told[1].contains(said), "{told:?}");
    }
}

#[test]
fn pickled_weights_are_refused_before_anything_is_fetched() {
    let (home, hub) = start();
    hub.remove(WEIGHTS);
    let error = home.store(&hub.url).get(&unregistered("main")).unwrap_err();
    assert!(error.to_string().contains("pickle"), "{error}");
    assert_eq!(hub.count("/resolve/"), 0);
}

#[test]
fn offline_opens_no_socket_and_runs_no_program() {
    let (home, hub) = start();
    let trace = home.dir.path().join("ran");
    let mut options = home.options(&hub.url);
    options.offline = true;
    options.pip = vec![vec!["sh".to_owned(), "-c".to_owned(), format!("touch {}", trace.display())]];
    let store = ModelStore::with_registry(options, registry(&model()));
    let error = store.get(&registered(&store)).unwrap_err();
    assert!(error.to_string().contains("offline"), "{error}");
    assert!(hub.requests().is_empty() && !trace.exists());
}

#[test]
fn the_final_error_names_every_source_its_reason_and_a_way_out() {
    let home = Home::new();
    let endpoint = nobody();
    let store = home.store(&endpoint);
    let error = store.get(&registered(&store)).unwrap_err();
    let message = error.to_string();
    let told = attempts(error);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("cache: "), "{told:?}");
    assert!(told[1].contains(&endpoint) && told[1].contains("refused"), "{told:?}");
    assert!(told[2].contains("tiny-model==1.0") && told[2].contains("no pip found"), "{told:?}");
    let destination = home.cache().join("models/tiny").display().to_string();
    for way_out in ["./DIR", "HF_ENDPOINT", "nearsort models pull tiny", destination.as_str()] {
        assert!(message.contains(way_out), "{way_out}: {message}");
    }
}

#[test]
fn two_threads_fetch_once_and_one_says_that_it_waits() {
    let (home, hub) = start();
    let open = Arc::new(AtomicBool::new(false));
    hub.fault("/storage/", Fault::Hold(Arc::clone(&open)), 1);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap()));
        }
        wait_until(|| home.saw(FetchStep::Waiting) == 1 && hub.count("/storage/") == 1);
        open.store(true, Ordering::SeqCst);
    });
    assert_eq!(hub.count("/storage/"), 1);
    assert_eq!(home.saw(FetchStep::Waiting), 1);
}

#[test]
fn two_processes_fetch_once() {
    let (home, hub) = start();
    hub.fault("/storage/", Fault::Slow(Duration::from_millis(600)), 1);
    let run = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "store::hub::another_process", "--ignored", "--quiet"]);
        command.env("STORE_TEST_HOME", home.dir.path()).env("STORE_TEST_HUB", &hub.url).spawn().unwrap()
    };
    let children = [run(), run()];
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(hub.count("/storage/"), 1);
    let store = home.offline(&hub.url);
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
}

fn store_of_the_parent() -> Option<ModelStore> {
    let folder = std::path::PathBuf::from(std::env::var_os("STORE_TEST_HOME")?);
    let mut options = nearsort::store::StoreOptions::new(folder.join("nearsort"), folder.join("hub"));
    options.endpoint = std::env::var("STORE_TEST_HUB").ok()?;
    Some(ModelStore::with_registry(options, registry(&model())))
}

#[test]
#[ignore = "a part of two_processes_fetch_once, which runs it with its folders in the environment"]
fn another_process() {
    let Some(store) = store_of_the_parent() else { return };
    assert_is_the_model(&store.get(&registered(&store)).unwrap());
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_of_the_disk() {
    let (home, hub) = start();
    std::fs::write(home.hub_cache(), "a file where the folder should be").unwrap();
    let error = home.store(&hub.url).get(&unregistered("main")).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if path.starts_with(home.hub_cache())), "{error}");
}

/// Runs a part of a test. What it prints goes through pipes: into a log that is a file it could not
/// write under the bound on the size of files, once the log is longer than that.
fn succeeds(mut part: Command) {
    let output = part.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&[output.stdout, output.stderr].concat()));
}

#[test]
fn the_environments_proxy_is_asked_instead_of_the_hub() {
    let (home, hub) = start();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "store::hub::a_machine_behind_a_proxy", "--ignored", "--quiet"])
        .env("STORE_TEST_HOME", home.dir.path());
    for name in
        ["ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "http_proxy", "NO_PROXY", "no_proxy", "HF_HUB_CACHE"]
    {
        command.env_remove(name);
    }
    command.env("HTTP_PROXY", &hub.url).env("HF_ENDPOINT", "http://hub.invalid").env("NEARSORT_OFFLINE", "0");
    command.env("HF_HUB_OFFLINE", "0").env("NEARSORT_CACHE", home.cache()).env("HF_HOME", home.dir.path());
    succeeds(command);
    assert_eq!(hub.count("hub.invalid:80"), 1);
}

#[test]
#[ignore = "a part of the test above, which runs it with a proxy in the environment"]
fn a_machine_behind_a_proxy() {
    if std::env::var_os("STORE_TEST_HOME").is_none() {
        return;
    }
    let store = ModelStore::new(nearsort::store::StoreOptions::from_env().unwrap());
    attempts(store.get(&unregistered("main")).unwrap_err());
}

/// The shell bounds the size of files, which the system reports like a full disk: as a failed
/// write.
#[cfg(target_os = "linux")]
#[test]
fn a_write_that_fails_is_an_error_of_the_disk_and_leaves_no_part_behind() {
    let (home, hub) = start();
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact store::hub::a_full_disk --ignored --quiet"]);
    command.arg(std::env::current_exe().unwrap());
    command.env("STORE_TEST_HOME", home.dir.path()).env("STORE_TEST_HUB", &hub.url);
    succeeds(command);
    assert_eq!(hub.count("/storage/"), 1);
    assert!(files_named(&home.repository(), &sha256(&model()[WEIGHTS])).is_empty());
}

#[test]
#[ignore = "a part of the test above, which runs it with its folders in the environment"]
fn a_full_disk() {
    let Some(store) = store_of_the_parent() else { return };
    let error = store.get(&unregistered("main")).unwrap_err();
    assert!(matches!(&error, Error::Io { action: "write", .. }), "{error}");
}

#[test]
fn content_that_another_commit_brought_is_linked_not_fetched() {
    let (home, hub) = start();
    let blobs = home.repository().join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    std::fs::write(blobs.join(sha256(&model()[WEIGHTS])), &model()[WEIGHTS]).unwrap();
    assert_is_the_model(&home.store(&hub.url).get(&unregistered("main")).unwrap());
    assert_eq!(
        home.steps
            .lock()
            .unwrap()
            .iter()
            .filter(|(step, file)| *step == FetchStep::Downloading && file == WEIGHTS)
            .count(),
        0
    );
}
