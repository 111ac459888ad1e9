//! What is compressed with gzip and zstd.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use nearsort::io::{CandidateRows, InputFormat, Qrels, ReadOptions, Row, Rows, RunFile, read_queries};

use super::{Dribble, read, rows_of, texts};

pub fn gzip(content: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: &str) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 0).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(content.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// How to compress, and the extension.
type Packer = (&'static str, fn(&str) -> Vec<u8>);
const PACKERS: [Packer; 2] = [("gz", gzip), ("zst", zstd)];

/// The file with this content, compressed.
fn packed(folder: &Path, name: &str, (extension, pack): Packer, content: &str) -> std::path::PathBuf {
    let path = folder.join(format!("{name}.{extension}"));
    fs::write(&path, pack(content)).unwrap();
    path
}

#[test]
fn every_format_is_read_compressed_and_known_by_the_extension_below() {
    let contents = [
        ("a.txt", "one\ntwo\n"),
        ("a.jsonl", "\"one\"\n\"two\"\n"),
        ("a.json", "[\"one\", \"two\"]"),
        ("a.csv", "text,x\none,1\ntwo,2\n"),
        ("a.tsv", "text\tx\none\t1\ntwo\t2\n"),
    ];
    for (name, content) in contents {
        let expected = read(name, content);
        for (extension, pack) in PACKERS {
            let bytes = pack(content);
            assert_eq!(read(&format!("{name}.{extension}"), bytes.clone()), expected, "{name}.{extension}");
            // By magic, whatever the name, and by a look at the unpacked bytes.
            assert_eq!(read(name, bytes.clone()), expected, "{name} with {extension} in it");
            assert_eq!(read("-", bytes.clone()).len(), 2, "{name} with {extension} on standard input");
            let dribble = Dribble(Cursor::new(bytes), false);
            let slow: Vec<Row> =
                Rows::new(dribble, name, &ReadOptions::default()).unwrap().map(Result::unwrap).collect();
            assert_eq!(slow, expected, "{name} with {extension} byte by byte");
        }
    }
    let format = |name: &str| InputFormat::from_extension(Path::new(name));
    assert_eq!((format("a.jsonl.gz"), format("A.CSV.ZST")), (Some(InputFormat::Jsonl), Some(InputFormat::Csv)));
    assert_eq!((format("a.gz"), format(".gz"), format("a.trec.zst")), (None, None, None));
}

#[test]
fn several_streams_in_one_file_are_one_input() {
    for (extension, pack) in PACKERS {
        let bytes = [pack("one\n"), pack(""), pack("two\nth"), pack("ree\n")].concat();
        assert_eq!(texts(&read("a.txt", bytes)), ["one", "two", "three"], "{extension}");
    }
    // pzstd begins with a frame that is to be skipped.
    let skippable = [&b"\x50\x2A\x4D\x18\x04\0\0\0wxyz"[..], &zstd("one\n")].concat();
    assert_eq!(texts(&read("a.txt", skippable)), ["one"]);
    assert!(read("a.txt", gzip("")).is_empty() && read("a.txt", zstd("")).is_empty());
}

#[test]
fn more_than_the_head_is_unpacked_and_a_byte_order_mark_dropped() {
    let content: String = (0..50_000).map(|n| format!("line {n}\n")).collect();
    for (extension, pack) in PACKERS {
        let rows = read("a.txt", pack(&format!("\u{feff}{content}")));
        assert_eq!(
            (rows.len(), rows[0].text.as_str(), rows[49_999].text.as_str()),
            (50_000, "line 0", "line 49999"),
            "{extension}"
        );
    }
}

#[test]
fn a_stream_that_ends_too_early_or_is_damaged_is_an_error_that_names_file_and_remedy() {
    let content: String = (0..20_000_u32).map(|n| format!("{}\n", n.wrapping_mul(2_654_435_761))).collect();
    for ((extension, pack), kind) in PACKERS.into_iter().zip(["gzip", "zstd"]) {
        let name = format!("a.txt.{extension}");
        let whole = pack(&content);
        let message = |bytes: &[u8]| rows_of(&name, bytes, &ReadOptions::default()).unwrap_err().to_string();
        for length in [5, 20, whole.len() / 2, whole.len() - 1] {
            let expected =
                format!("cannot read {name}: the {kind} stream ends too early; copy or fetch the file again");
            assert_eq!(message(&whole[..length]), expected, "{length} bytes");
        }
        // In the checksum, so that nothing but the checksum tells.
        let mut damaged = whole.clone();
        damaged[whole.len() - if kind == "gzip" { 6 } else { 2 }] ^= 1;
        let damaged = message(&damaged);
        assert!(damaged.starts_with(&format!("cannot read {name}: the {kind} stream is damaged (")), "{damaged}");
        assert!(damaged.ends_with("copy or fetch the file again"), "{damaged}");
        let rubbish = message(&[&whole[..], b"rubbish after the last stream"].concat());
        assert!(rubbish.contains(&format!("the {kind} stream is damaged")), "{rubbish}");
    }
}

#[test]
fn queries_lists_judgements_and_runs_are_read_compressed() {
    let folder = tempfile::tempdir().unwrap();
    for packer in PACKERS {
        let queries = packed(folder.path(), "q.tsv", packer, "q1\twhere\nq2\twhen\n");
        assert_eq!(read_queries(queries).unwrap()[1].text, "when");
        let lists = "{\"query\": \"where\", \"candidates\": [\"here\", \"there\"]}\n";
        let lists = packed(folder.path(), "lists.jsonl", packer, lists);
        let lists: Vec<_> = CandidateRows::open(lists, &ReadOptions::default()).unwrap().map(Result::unwrap).collect();
        assert_eq!(lists[0].candidates.len(), 2);
        let qrels = packed(folder.path(), "qrels.tsv", packer, "q1\td1\t2\n");
        assert_eq!(Qrels::read(qrels).unwrap().grades("q1").unwrap().get("d1"), Some(2));
        let trec: String = (0..100_000).map(|n| format!("q{} Q0 d{n} 1 0.5 t\n", n / 1000)).collect();
        let run = packed(folder.path(), "run.trec", packer, &trec);
        let run = RunFile::open(&run).unwrap();
        assert_eq!(run.read_ranked().unwrap().ranks("q99").unwrap(), [1; 1000]);
        let counts = run.map_queries(|results| results.documents().len()).unwrap();
        assert_eq!((counts.len(), counts.iter().sum::<usize>()), (100, 100_000));
        assert_eq!(run.read().unwrap().num_queries(), 100);
        // The line of a complaint is that of the unpacked run.
        let broken = packed(folder.path(), "broken.trec", packer, &format!("{trec}q1 d1\n"));
        let message = RunFile::open(&broken).unwrap().map_queries(|_| ()).unwrap_err().to_string();
        assert!(message.starts_with(&format!("{}:100001: 2 fields", broken.display())), "{message}");
        let jsonl = "{\"qid\": \"q\", \"docid\": \"d\", \"score\": 1}\n";
        let jsonl = RunFile::open(packed(folder.path(), "run.jsonl", packer, jsonl)).unwrap();
        assert_eq!(jsonl.format(), nearsort::io::RunFormat::Jsonl);
        assert_eq!(jsonl.map_queries(|results| results.documents().len()).unwrap(), [1]);
    }
}

#[test]
fn a_run_or_judgements_cut_short_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for ((extension, pack), kind) in PACKERS.into_iter().zip(["gzip", "zstd"]) {
        let run: String =
            (0..50_000_u32).map(|n| format!("q Q0 d{} 1 0.5 t\n", n.wrapping_mul(2_654_435_761))).collect();
        let whole = pack(&run);
        let path = folder.path().join(format!("run.{extension}"));
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let expected = format!("the {kind} stream ends too early");
        let message = RunFile::open(&path).unwrap().map_queries(|_| ()).unwrap_err().to_string();
        assert!(message.contains(&expected) && message.contains(&path.display().to_string()), "{message}");
        let ranked = RunFile::open(&path).unwrap().read_ranked();
        assert!(ranked.unwrap_err().to_string().contains(&expected));
        let whole = pack(&run.replace(" 1 0.5 t", " 1"));
        let path = folder.path().join(format!("qrels.{extension}"));
        fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        let message = Qrels::read(&path).unwrap_err().to_string();
        assert!(message.contains(&expected) && message.contains(&path.display().to_string()), "{message}");
    }
}
