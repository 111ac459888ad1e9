//! Jobs that stop at a point go on to the same bytes; what differs is refused with the reason.

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nearsort::answer::Format;
use nearsort::job::{Job, JobInput, JobOptions, Notice, Observer, Shard, merge};
use nearsort::scorer::UnitVector;
use nearsort::{
    Call, Error, Feedback, JobError, Model, RankOptions, Reranker, Result, ScoreKind, Scored, ScoredList, Scorer,
};

const LISTS: usize = 90;
const CANDIDATES: usize = 100;

/// The test of this program that is a job to be stopped, and what it is told.
const CHILD: &str = "job::a_child_that_stops";
const FOLDER: &str = "NEARSORT_TEST_FOLDER";
const STOP: &str = "NEARSORT_TEST_STOP";
const FORMAT: &str = "NEARSORT_TEST_FORMAT";

/// Lists over more than one block, and blocks of several slices.
fn lists(folder: &Path) {
    let candidate = |list: usize, at: usize| {
        let (id, text) = (format!("d{list}-{at}"), "tower ".repeat((list * 7 + at * 13) % 23 + 1));
        format!("{{\"id\":\"{id}\",\"text\":\"{}\",\"score\":{}}}", text.trim_end(), CANDIDATES - at)
    };
    let list = |list: usize| {
        let candidates: Vec<String> = (0..CANDIDATES).map(|at| candidate(list, at)).collect();
        format!("{{\"query_id\":\"q{list}\",\"query\":\"tower {list}\",\"candidates\":[{}]}}\n", candidates.join(","))
    };
    fs::write(folder.join("lists.jsonl"), (0..LISTS).map(list).collect::<String>()).unwrap();
}

fn options(folder: &Path, format: Format) -> JobOptions {
    let mut options = JobOptions::new(JobInput::Lists(folder.join("lists.jsonl")));
    options.output = Some(folder.join(format!("out.{format}")));
    options.format = format;
    options.top_k = Some(10);
    options
}

/// Scores a text by its length, and gives it a vector, so that its list has feedback.
struct ByLength;

impl Scorer for ByLength {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Custom
    }

    fn vector_dim(&self) -> Option<usize> {
        Some(3)
    }

    fn score(&self, _: &str, candidates: &[&str]) -> Result<ScoredList> {
        let pair = |text: &&str| {
            let mut pair = Scored::new((text.len() % 17) as f32);
            let numbers = [text.len() % 5, text.len() % 7, text.len() % 3].map(|number| number as f32 - 1.5);
            pair.vector = UnitVector::new(&numbers);
            pair
        };
        Ok(candidates.iter().map(pair).collect::<Vec<_>>().into())
    }
}

fn by(feedback: Feedback) -> Reranker {
    let options = RankOptions::default().feedback(feedback);
    Reranker::with(Model::from_scorer(Arc::new(ByLength)), options).unwrap()
}

fn reranker() -> Reranker {
    by(Feedback::Auto)
}

fn run(options: JobOptions, observer: &dyn Observer) -> Result<usize> {
    Ok(Job::open(options, observer)?.run(&reranker(), observer, &Call::new())?.totals.lists)
}

/// Ends the process, as a kill does, when so many slices and blocks are safely on the disk.
struct Stops(Cell<usize>);

impl Stops {
    fn count(&self) {
        self.0.set(self.0.get() - 1);
        if self.0.get() == 0 {
            std::process::abort();
        }
    }
}

impl Observer for Stops {
    fn encoded(&self, _: u64, _: u64) {
        self.count();
    }

    fn answered(&self, _: usize) {
        self.count();
    }
}

#[test]
#[ignore = "a part of other tests, which start it as a process of its own"]
fn a_child_that_stops() {
    let of = |name: &str| std::env::var(name).unwrap();
    let format = Format::by_extension(Path::new(&format!("x.{}", of(FORMAT)))).unwrap();
    let stops = Stops(Cell::new(of(STOP).parse().unwrap()));
    run(options(Path::new(&of(FOLDER)), format), &stops).unwrap();
}

/// Whether the job came to its end.
fn child(folder: &Path, format: Format, stop: usize) -> bool {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([CHILD, "--exact", "--ignored", "--quiet"]);
    child.env(FOLDER, folder).env(STOP, stop.to_string()).env(FORMAT, format.to_string());
    child.output().unwrap().status.success()
}

#[test]
fn a_job_that_is_killed_at_every_point_goes_on_to_the_same_bytes() {
    for format in [Format::Trec, Format::Tsv, Format::Json, Format::Jsonl, Format::Parquet] {
        let folder = tempfile::tempdir().unwrap();
        lists(folder.path());
        let output = folder.path().join(format!("out.{format}"));
        assert_eq!(run(options(folder.path(), format), &()).unwrap(), LISTS);
        let whole = fs::read(&output).unwrap();
        fs::remove_file(&output).unwrap();
        let mut stops = 0;
        // Each process gets one slice or block further than the one before it.
        while !child(folder.path(), format, 2) {
            assert!(!output.exists(), "{format}: an output that is not whole");
            stops += 1;
        }
        assert!(stops >= 6, "{format}: {stops} stops; the job should have two blocks and many slices");
        assert!(fs::read(&output).unwrap() == whole, "{format}: other bytes after {stops} stops");
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["lists.jsonl", &format!("out.{format}")]);
    }
}

/// Notes whether an interrupted job went on.
#[derive(Default)]
struct Resumed(Cell<Option<usize>>);

impl Observer for Resumed {
    fn notice(&self, notice: &Notice<'_>) {
        if let Notice::Resumed { lists, .. } = notice {
            self.0.set(Some(*lists));
        }
    }
}

#[test]
fn a_job_of_other_options_is_refused_by_name_and_can_be_begun_anew() {
    let folder = tempfile::tempdir().unwrap();
    lists(folder.path());
    assert!(!child(folder.path(), Format::Trec, 5));
    let mut other = options(folder.path(), Format::Trec);
    other.top_k = Some(3);
    let error = run(other.clone(), &()).unwrap_err();
    assert!(matches!(error, Error::Job(JobError::Differs { .. })), "{error}");
    assert!(error.to_string().contains("the option top-k was 10 and is 3 now"), "{error}");
    other.restart = true;
    let resumed = Resumed::default();
    assert_eq!(run(other, &resumed).unwrap(), LISTS);
    assert_eq!(resumed.0.get(), None);
    assert!(!child(folder.path(), Format::Trec, 5));
    run(options(folder.path(), Format::Trec), &resumed).unwrap();
    assert!(resumed.0.get().is_some(), "it says that it goes on");
}

#[test]
fn feedback_is_a_part_of_what_a_job_is() {
    let folder = tempfile::tempdir().unwrap();
    lists(folder.path());
    assert!(!child(folder.path(), Format::Trec, 5));
    let without = |options: JobOptions| {
        Job::open(options, &()).unwrap().run(&by(Feedback::Off), &(), &Call::new()).map(|report| report.totals.lists)
    };
    let error = without(options(folder.path(), Format::Trec)).unwrap_err();
    assert!(error.to_string().contains("the option feedback was \"auto\" and is \"off\" now"), "{error}");
    run(options(folder.path(), Format::Trec), &()).unwrap();
    let with = fs::read(folder.path().join("out.trec")).unwrap();
    assert_eq!(without(options(folder.path(), Format::Trec)).unwrap(), LISTS);
    assert!(fs::read(folder.path().join("out.trec")).unwrap() != with, "the order is another without it");
}

#[test]
fn shards_that_are_joined_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    lists(folder.path());
    run(options(folder.path(), Format::Json), &()).unwrap();
    let part = |index: u64| {
        let mut options = options(folder.path(), Format::Json);
        options.output = Some(folder.path().join(format!("{index}.json")));
        options.shard = Some(Shard { index, of: 3 });
        let output = options.output.clone().unwrap();
        run(options, &()).unwrap();
        output
    };
    let parts = [part(3), part(1), part(2)];
    let joined = folder.path().join("joined.json");
    merge(&parts, &joined, |_| ()).unwrap();
    assert!(fs::read(&joined).unwrap() == fs::read(folder.path().join("out.json")).unwrap());
    let error = merge(&parts[..2], &joined, |_| ()).unwrap_err().to_string();
    assert!(error.contains("the output of shard 2/3 is missing"), "{error}");
}
