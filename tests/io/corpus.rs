//! Texts by id, from files of any size.

use std::fs;
use std::path::{Path, PathBuf};

use nearsort::Error;
use nearsort::io::{BadRows, Corpus, ReadOptions, Row, Rows};

use super::compressed::{gzip, zstd};
use super::names_in;

/// Three rows with everything that a row can have and that every format can carry.
const ROWS: [(&str, &str, &str, &str); 3] =
    [("a1", "Tower", "It stands in \"Paris\", é", "1.5"), ("b", "", "plain", "-2"), ("7", "T", "two, three", "0.25")];

/// The rows as a file of this kind.
fn file(folder: &Path, name: &str) -> PathBuf {
    let quoted = |field: &str| format!("\"{}\"", field.replace('"', "\"\""));
    let json = |&(id, title, text, score): &(&str, &str, &str, &str)| {
        format!("{{\"_id\": {id:?}, \"title\": {title:?}, \"text\": {text:?}, \"score\": {score}, \"x\": \"{id}\"}}")
    };
    let table = |separator: &str| {
        let line = |&(id, title, text, score): &(&str, &str, &str, &str)| {
            [id, title, text, score, id].map(quoted).join(separator)
        };
        let lines: Vec<String> = ROWS.iter().map(line).collect();
        format!("{}\n{}\n", ["id", "title", "text", "score", "x"].join(separator), lines.join("\n"))
    };
    let jsonl = || ROWS.iter().map(|row| json(row) + "\n").collect::<String>();
    let content = match name.split_once('.').unwrap().1 {
        "jsonl" => jsonl().into_bytes(),
        "jsonl.gz" => gzip(&jsonl()),
        "tsv.zst" => zstd(&table("\t")),
        "json" => format!("[{}]", ROWS.iter().map(json).collect::<Vec<_>>().join(",\n")).into_bytes(),
        "csv" => table(",").into_bytes(),
        "tsv" => table("\t").replace('\n', "\r\n").into_bytes(),
        "txt" => b"\xEF\xBB\xBFone\n\n three \nfour".to_vec(),
        other => panic!("no file of this kind: {other}"),
    };
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path
}

fn open(paths: &[PathBuf], folder: &Path) -> nearsort::Result<Corpus> {
    Corpus::open(paths, &ReadOptions::default(), folder)
}

fn streamed(paths: &[PathBuf]) -> Vec<Row> {
    Rows::open_all(paths, &ReadOptions::default()).unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_format_gives_the_rows_of_the_stream_at_random() {
    let folder = tempfile::tempdir().unwrap();
    let work = tempfile::tempdir().unwrap();
    for name in ["c.txt", "c.jsonl", "c.jsonl.gz", "c.json", "c.csv", "c.tsv", "c.tsv.zst"] {
        let paths = [file(folder.path(), name)];
        let expected = streamed(&paths);
        let corpus = open(&paths, work.path()).unwrap();
        assert_eq!((corpus.len(), corpus.is_empty()), (expected.len() as u64, false), "{name}");
        for (at, row) in expected.iter().enumerate().rev() {
            let position = at as u64;
            assert_eq!(&corpus.row(position).unwrap(), row, "{name}");
            assert_eq!(corpus.position(&row.id).unwrap(), Some(position), "{name}");
        }
        assert_eq!(corpus.position("nobody").unwrap(), None);
        assert!(matches!(corpus.row(corpus.len()), Err(Error::InvalidArgument(_))));
        assert_eq!(corpus.name(), paths[0].display().to_string());
        assert!(names_in(work.path()).is_empty(), "nothing with a name is left behind");
    }
}

#[test]
fn several_files_are_one_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.txt", "b.jsonl", "c.txt", "d.csv"].map(|name| file(folder.path(), name));
    // The ids of b and d are the same.
    fs::write(&paths[3], "id,text\nx,\"one\ntwo\"\n,three\n").unwrap();
    let expected = streamed(&paths);
    let corpus = open(&paths, folder.path()).unwrap();
    let rows: Vec<Row> = (0..corpus.len()).map(|position| corpus.row(position).unwrap()).collect();
    assert_eq!(rows, expected);
    let ids: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["1", "2", "3", "4", "a1", "b", "7", "8", "9", "10", "11", "x", "13"]);
    assert_eq!(corpus.file_name(4), paths[1].display().to_string());
    assert_eq!(corpus.name(), format!("{} and 3 more files", paths[0].display()));
}

#[test]
fn more_files_than_stay_open_are_read_at_random_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |n: usize| folder.path().join(format!("{n:03}.txt"));
    let paths: Vec<PathBuf> = (0..300).map(path).collect();
    paths.iter().enumerate().for_each(|(n, path)| fs::write(path, format!("text {n}\n")).unwrap());
    let corpus = open(&paths, folder.path()).unwrap();
    for position in (0..300).rev() {
        assert_eq!(corpus.row(position).unwrap().text, format!("text {position}"));
    }
}

#[test]
fn an_id_used_twice_is_an_error_that_names_both_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    let row = |id: &str| format!("{{\"id\": \"{id}\", \"text\": \"t\"}}\n");
    // Of many repetitions the first one of the file counts, whatever the order of the hashes.
    let ids: Vec<String> = (0..1000).chain((0..1000).rev()).map(|n| n.to_string()).collect();
    fs::write(&path, ids.iter().map(|id| row(id)).collect::<String>()).unwrap();
    let message = open(std::slice::from_ref(&path), folder.path()).unwrap_err().to_string();
    let name = path.display();
    assert_eq!(
        message,
        format!("{name}:1001: the id '999' is used already, on line 1000; ids of documents must differ")
    );
    fs::write(&path, row("a") + &row("b")).unwrap();
    let other = folder.path().join("d.csv");
    fs::write(&other, "id,text\nc,x\nb,x\n").unwrap();
    let message = open(&[path.clone(), other.clone()], folder.path()).unwrap_err().to_string();
    let expected =
        format!("{}:3: the id 'b' is used already, in {name}:2; ids of documents must differ", other.display());
    assert_eq!(message, expected);
    // A number that is an id and one that stands for a missing id.
    fs::write(&path, "{\"id\": 2, \"text\": \"t\"}\n{\"text\": \"t\"}\n").unwrap();
    assert!(open(&[path], folder.path()).unwrap_err().to_string().contains("the id '2' is used already, on line 1"));
}

#[test]
fn a_file_that_changes_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    let good = "{\"id\": \"a\", \"text\": \"one\"}\n{\"id\": \"b\", \"text\": \"two\"}\n";
    let changes = [
        ("another text", good.replace("two", "TWO")),
        ("another id", good.replace("\"b\"", "\"c\"")),
        ("a shifted row", format!(" {good}")),
        ("a shorter file", good[..40].to_owned()),
        ("no longer JSON", good.replace('{', "[")),
    ];
    for (what, changed) in changes {
        fs::write(&path, good).unwrap();
        let corpus = open(std::slice::from_ref(&path), folder.path()).unwrap();
        assert_eq!(corpus.find("b").unwrap().unwrap().1.text, "two");
        fs::write(&path, changed).unwrap();
        let expected = format!("{}:2: this row has changed since the file was first read; start again", path.display());
        assert_eq!(corpus.row(1).unwrap_err().to_string(), expected, "{what}");
        assert_eq!(corpus.position("b").unwrap_err().to_string(), expected, "{what}");
    }
}

#[test]
fn the_digest_is_that_of_the_bytes_and_not_of_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let digest = |paths: &[PathBuf]| open(paths, folder.path()).unwrap().digest().to_owned();
    let text = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    };
    // printf 'a\nb\n' | sha256sum
    let one = "911169ddaaf146aff539f58c26c489af3b892dff0fe283c1c264c65ae5aa59a2";
    assert_eq!(digest(&[text("one.txt", "a\nb\n")]), one);
    assert_eq!(digest(&[text("other.txt", "a\nb\n")]), one);
    assert_ne!(digest(&[text("one.txt", "a\nc\n")]), one);
    let split = |parts: [&str; 2]| digest(&[text("1.txt", parts[0]), text("2.txt", parts[1])]);
    let splits =
        [split(["a\nb\n", ""]), split(["", "a\nb\n"]), split(["a", "\nb\n"]), split(["a\n", "b\n"]), one.to_owned()];
    for (at, digest) in splits.iter().enumerate() {
        assert!(!splits[..at].contains(digest), "two ways to cut a text into files have one digest");
    }
    // What is spooled is hashed as it lies on disk, to its end.
    for name in ["c.json", "c.csv", "c.jsonl.gz", "c.tsv.zst"] {
        let path = file(folder.path(), name);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(digest(&[path]), sha256(&bytes), "{name}");
    }
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn bad_rows_are_left_out_and_counted_over_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.jsonl", "b.jsonl"].map(|name| folder.path().join(name));
    fs::write(&paths[0], "\"a\"\n5\n\"b\"\n").unwrap();
    fs::write(&paths[1], "6\n".repeat(9) + "\"c\"\n").unwrap();
    let options = ReadOptions { bad_rows: BadRows::Skip, ..ReadOptions::default() };
    let corpus = Corpus::open(&paths, &options, folder.path()).unwrap();
    let ids: Vec<String> = (0..corpus.len()).map(|position| corpus.row(position).unwrap().id).collect();
    assert_eq!(ids, ["1", "3", "13"]);
    assert_eq!((corpus.skipped(), corpus.skip_reasons().len()), (10, 5));
    assert!(corpus.skip_reasons()[1].to_string().contains("b.jsonl:1: this row is a number"));
    assert!(open(&paths, folder.path()).unwrap_err().to_string().contains("a.jsonl:2: "));
}

#[test]
fn a_corpus_of_nothing_is_empty_and_one_of_no_files_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.jsonl");
    fs::write(&path, "").unwrap();
    let corpus = open(&[path], folder.path()).unwrap();
    assert_eq!((corpus.len(), corpus.position("a").unwrap()), (0, None));
    assert!(matches!(open(&[] as &[PathBuf], folder.path()), Err(Error::InvalidArgument(_))));
    assert!(matches!(open(&[PathBuf::from("no/such.txt")], folder.path()), Err(Error::Io { .. })));
    let nowhere = Path::new("no/such/folder");
    assert!(matches!(open(&[PathBuf::from("examples/landmarks.txt")], nowhere), Err(Error::Io { .. })));
}

#[cfg(unix)]
#[test]
fn a_pipe_is_read_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe.txt");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let writer = std::thread::spawn({
        let path = path.clone();
        move || fs::write(path, "one\ntwo\n").unwrap()
    });
    let corpus = open(&[path], folder.path()).unwrap();
    writer.join().unwrap();
    assert_eq!([corpus.row(1).unwrap().text, corpus.row(0).unwrap().text], ["two", "one"]);
}

#[test]
fn many_threads_read_one_corpus() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.txt");
    fs::write(&path, (0..5000).map(|n| format!("text {n}\n")).collect::<String>()).unwrap();
    let corpus = open(&[path], folder.path()).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let corpus = &corpus;
            scope.spawn(move || {
                for n in (thread..5000).step_by(7) {
                    let row = corpus.find(&(n + 1).to_string()).unwrap().unwrap();
                    assert_eq!(row, (n, corpus.row(n).unwrap()));
                    assert_eq!(row.1.text, format!("text {n}"));
                }
            });
        }
    });
}
