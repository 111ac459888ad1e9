//! The folder of a job: whose it is, what may be done to it, and what is on the disk when.

use std::path::Path;
#[cfg(target_os = "linux")]
use std::process::{Command, Stdio};

use super::{DEPTH, collection, job, on_a_full_disk, whole, with, with_files_up_to};
use crate::support::{Folder, TINY};

/// Everything in a folder, by name; links by where they lead.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let content = |entry: std::fs::DirEntry| {
        let bytes = match entry.path().is_symlink() {
            true => std::fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(),
            false => std::fs::read(entry.path()).unwrap_or_default(),
        };
        (entry.file_name().into_string().unwrap(), bytes)
    };
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| content(entry.unwrap())).collect();
    all.sort();
    all
}

#[test]
fn a_folder_that_is_not_a_jobs_is_left_as_it_is() {
    let cases: [&[(&str, &str)]; 5] = [
        &[("thesis.txt", "work")],
        &[("lock", ""), ("thesis.txt", "work")],
        &[("answers", "42")],
        &[("journal", "Monday: slept badly")],
        &[("lock", "of my bicycle"), ("lists", "milk, bread")],
    ];
    for files in cases {
        let folder = Folder::new();
        let of_user = folder.path("o.trec.job");
        std::fs::create_dir(&of_user).unwrap();
        files.iter().for_each(|(name, content)| std::fs::write(of_user.join(name), content).unwrap());
        let before = contents(&of_user);
        let args = job(&folder.path("o.trec"));
        let mut fails_early = args.clone();
        fails_early[2] = "./no-such-model".to_owned();
        for (args, more) in [(&args, &[][..]), (&args, &["--restart"]), (&fails_early, &[])] {
            let error = with(args, more).error();
            assert!(error.contains("o.trec.job") && error.contains("not nearsort's"), "{error}");
            assert!(error.contains("give another --output"), "{error}");
            assert_eq!(contents(&of_user), before);
        }
        assert_eq!(folder.names(), ["o.trec.job"]);
    }
}

#[test]
fn what_a_user_puts_into_a_jobs_folder_outlives_the_job() {
    let folder = Folder::new();
    let args = job(&folder.path("o.jsonl"));
    on_a_full_disk(&args).error();
    std::fs::create_dir(folder.path("o.jsonl.job/notes")).unwrap();
    std::fs::write(folder.path("o.jsonl.job/notes/1.txt"), "work").unwrap();
    assert!(with(&args, &[]).error().contains("it holds 'notes'"));
    assert!(with(&args, &["--restart"]).error().contains("it holds 'notes'"));
    assert!(folder.path("o.jsonl.job/journal").exists(), "nothing was changed");
    assert_eq!(std::fs::read(folder.path("o.jsonl.job/notes/1.txt")).unwrap(), b"work");
    std::fs::remove_dir_all(folder.path("o.jsonl.job/notes")).unwrap();
    assert_eq!(with(&args, &[]).code, 0);
    assert_eq!(folder.names(), ["o.jsonl"]);
}

#[cfg(unix)]
#[test]
fn links_in_a_jobs_place_are_not_followed() {
    use std::os::unix::fs::symlink;
    for name in ["lock", "answers", "journal", "job.json", "columns"] {
        let folder = Folder::new();
        folder.with("thesis.txt", "work");
        std::fs::create_dir(folder.path("o.trec.job")).unwrap();
        symlink(folder.path("thesis.txt"), folder.path("o.trec.job").join(name)).unwrap();
        let error = with(&job(&folder.path("o.trec")), &["--restart"]).error();
        assert!(error.contains(&format!("it holds '{name}'")), "{error}");
        assert_eq!(std::fs::read(folder.path("thesis.txt")).unwrap(), b"work");
        assert!(folder.path("o.trec.job").join(name).is_symlink());
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.path("mine")).unwrap();
    symlink("mine", folder.path("o.trec.job")).unwrap();
    assert!(with(&job(&folder.path("o.trec")), &[]).error().contains("it is not a folder"));
    assert_eq!(folder.names(), ["mine", "o.trec.job"]);
}

#[cfg(unix)]
#[test]
fn an_output_that_is_a_link_stays_one_and_keeps_its_mode() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    for name in ["o.trec", "o.parquet"] {
        let folder = Folder::new();
        let real = folder.path("real");
        std::fs::write(&real, "old").unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real", folder.path(name)).unwrap();
        with(&job(&folder.path(name)), &[]).quietly();
        assert!(folder.path(name).is_symlink());
        assert!(std::fs::read(&real).unwrap() == whole(name, &[]));
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(folder.names(), [name, "real"]);
    }
}

/// A job over lists of which one block is answered.
fn half_done(folder: &Folder) -> Vec<String> {
    let (lists, output) = (collection().text("lists.jsonl"), folder.text("o.jsonl"));
    let args = ["rerank", "--model", TINY, "--candidates", &lists, "--output", &output].map(str::to_owned);
    // Of thirty lists thirteen make a block: one fits, and not the next.
    with_files_up_to(whole("o.jsonl", &[]).len() / 30 * 18, &args).error();
    args.to_vec()
}

#[test]
fn a_flipped_bit_in_a_jobs_folder_is_noticed_or_harmless() {
    let folder = Folder::new();
    let args = half_done(&folder);
    let of_job = folder.path("o.jsonl.job");
    let saved = contents(&of_job);
    let resumed = with(&args, &[]);
    assert!(resumed.err.contains("resuming an interrupted job: 13 queries"), "{}", resumed.err);
    let expected = std::fs::read(folder.path("o.jsonl")).unwrap();
    assert!(expected == whole("o.jsonl", &[]));
    let mut noticed = 0;
    for (name, bytes) in &saved {
        for part in 0..4 {
            let at = (bytes.len() - 1) * part / 3;
            std::fs::create_dir_all(&of_job).unwrap();
            saved.iter().for_each(|(name, bytes)| std::fs::write(of_job.join(name), bytes).unwrap());
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            std::fs::write(of_job.join(name), flipped).unwrap();
            let _ = std::fs::remove_file(folder.path("o.jsonl"));
            let ran = with(&args, &[]);
            if ran.code == 0 {
                assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == expected, "byte {at} of {name}");
                assert!(name != "answers" || at as u64 >= answered(&saved), "byte {at} of the answers went unnoticed");
            } else {
                noticed += 1;
                assert!(ran.error().contains("--restart") && !folder.path("o.jsonl").exists(), "byte {at} of {name}");
            }
        }
    }
    assert!(noticed >= 4, "{noticed}");
    with(&args, &["--restart"]).quietly();
    assert!(std::fs::read(folder.path("o.jsonl")).unwrap() == expected);
}

/// Bytes of the answers that the journal knows: to the last whole list of the first block of
/// thirteen.
fn answered(saved: &[(String, Vec<u8>)]) -> u64 {
    let (_, answers) = saved.iter().find(|(name, _)| name == "answers").unwrap();
    let lines = answers.split_inclusive(|&byte| byte == b'\n').take(13 * DEPTH);
    lines.map(|line| line.len() as u64).sum()
}

#[test]
fn a_job_of_the_version_before_is_refused_with_the_reason() {
    let folder = Folder::new();
    let args = half_done(&folder);
    let manifest = folder.path("o.jsonl.job/job.json");
    let of_before = std::fs::read_to_string(&manifest).unwrap().replace("\"format\": 5", "\"format\": 4");
    std::fs::write(manifest, of_before).unwrap();
    std::fs::write(folder.path("o.jsonl.job/lock"), "").unwrap();
    std::fs::write(folder.path("o.jsonl.job/lists"), "of the version before").unwrap();
    let error = with(&args, &[]).error();
    assert!(error.contains("the format of jobs was 4 and is 5 now") && error.contains("--restart"), "{error}");
    with(&args, &["--restart"]).quietly();
    assert_eq!(folder.names(), ["o.jsonl"]);
}

/// The answers are whole and have their name, and the process ends before it has tidied up.
#[cfg(unix)]
#[test]
fn what_lies_under_the_outputs_name_is_checked_before_a_job_is_done() {
    let folder = Folder::new();
    let output = folder.path("o.trec");
    std::os::unix::fs::symlink("o.trec", &output).unwrap();
    let error = with(&job(&output), &[]).error();
    assert!(error.contains("in a circle"), "{error}");
    std::fs::remove_file(&output).unwrap();
    std::fs::rename(folder.path("o.trec.job/answers"), &output).unwrap();
    let of_job = contents(&folder.path("o.trec.job"));
    assert_eq!(with(&job(&output), &[]).code, 0);
    assert!(std::fs::read(&output).unwrap() == whole("o.trec", &[]));
    assert_eq!(folder.names(), ["o.trec"]);
    std::fs::create_dir(folder.path("o.trec.job")).unwrap();
    of_job.iter().for_each(|(name, bytes)| std::fs::write(folder.path("o.trec.job").join(name), bytes).unwrap());
    std::fs::write(&output, "of another run").unwrap();
    let error = with(&job(&output), &[]).error();
    assert!(error.contains("o.trec is corrupted") && error.contains("--restart"), "{error}");
}

/// The calls of a job in their order, each as its name and the file's; `None` without strace.
#[cfg(target_os = "linux")]
fn calls(args: &[String], folder: &Folder) -> Option<Vec<String>> {
    let log = folder.path("calls");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-qq",
        "-e",
        "trace=fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat,rmdir",
        "-o",
    ]);
    strace.arg(&log).arg(env!("CARGO_BIN_EXE_nearsort")).args(args).current_dir(crate::support::root());
    let ran = strace.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !ran.is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not installed, or may not trace here");
        return None;
    }
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let call = |line: &str| {
        let (_, call) = line.split_once(' ')?;
        let (verb, rest) = call.trim().split_once('(')?;
        let verb = if verb.starts_with("rename") { "rename" } else { verb };
        let files: Vec<String> = rest.split(['"', '<', '>']).skip(1).step_by(2).map(name).collect();
        Some(format!("{verb} {}", files.join(" ")))
    };
    Some(std::fs::read_to_string(log).unwrap().lines().filter_map(call).collect())
}

/// After a loss of power at any moment the answers are under their name, or the job still has them.
#[cfg(target_os = "linux")]
#[test]
fn an_output_is_on_the_disk_before_its_job_is_forgotten() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("out")).unwrap();
    let Some(calls) = calls(&job(&folder.path("out/o.trec")), &folder) else { return };
    let place = |call: &str, after: usize| {
        let found = calls.iter().skip(after).position(|other| other == call);
        after + found.unwrap_or_else(|| panic!("no '{call}' after {after} of {calls:#?}"))
    };
    let synced = calls.iter().rposition(|call| call == "fdatasync answers").unwrap();
    let recorded = place("fsync o.trec.job", synced);
    let renamed = place("rename answers o.trec", recorded);
    let named = place("fsync out", renamed);
    let forgotten = calls.iter().position(|call| call == "unlink job.json").unwrap();
    assert!(named < forgotten, "{calls:#?}");
    assert_eq!(calls.last().unwrap(), "rmdir o.trec.job");
}
