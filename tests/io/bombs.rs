//! Small files that unpack to much more: how much memory each reader takes for them, and what it
//! says.
//!
//! Each is read in a process of its own, whose peak memory the system knows.
#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::process::Command;

use nearsort::Result;
use nearsort::io::{BadRows, CandidateRows, Corpus, ReadOptions, Rows, read_queries};

/// A row may have so many bytes; the files have about as many in one row where nothing else is
/// said.
const ROW: usize = 60 << 20;
const ENDLESS: usize = 240 << 20;

/// Begins with `start`, then repeats `unit` up to so many bytes, then `end`.
struct Bomb {
    name: &'static str,
    start: &'static str,
    unit: &'static str,
    end: &'static str,
    bytes: usize,
}

impl Bomb {
    fn new(name: &'static str, start: &'static str, unit: &'static str, end: &'static str, bytes: usize) -> Self {
        Self { name, start, unit, end, bytes }
    }

    fn write(&self, mut out: impl Write) {
        let block = self.unit.repeat((1 << 20) / self.unit.len());
        out.write_all(self.start.as_bytes()).unwrap();
        for _ in 0..self.bytes.div_ceil(block.len()) {
            out.write_all(block.as_bytes()).unwrap();
        }
        out.write_all(self.end.as_bytes()).unwrap();
    }

    /// Packed, under a name that says how.
    fn packed(&self, extension: &str) -> Vec<u8> {
        match extension {
            "gz" => {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                self.write(&mut packer);
                packer.finish().unwrap()
            }
            _ => {
                let mut packer = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
                self.write(&mut packer);
                packer.finish().unwrap()
            }
        }
    }
}

/// What a reader makes of a file: how many rows, or its error.
fn read(reader: &str, path: &str) -> Result<u64> {
    let options = ReadOptions::default();
    let skipping = ReadOptions { bad_rows: BadRows::Skip, ..options.clone() };
    let count = |rows: Rows| rows.map(|row| row.map(|_| 1)).sum::<Result<u64>>();
    match reader {
        "rows" => count(Rows::open(path, &options)?),
        "usable rows" => count(Rows::open(path, &skipping)?),
        "lists" => CandidateRows::open(path, &options)?.map(|list| list.map(|list| list.candidates.len() as u64)).sum(),
        "usable lists" => CandidateRows::open(path, &skipping)?.map(|list| list.map(|_| 1)).sum(),
        "queries" => read_queries(path).map(|queries| queries.len() as u64),
        _ => Corpus::open(&[path], &options, std::env::temp_dir()).map(|corpus| corpus.len()),
    }
}

/// Reads what `NEARSORT_BOMB` names, in a process of its own; without it there is nothing to do.
#[test]
fn one_bomb() {
    let Ok(path) = std::env::var("NEARSORT_BOMB") else { return };
    let reader = std::env::var("NEARSORT_BOMB_READER").unwrap();
    let ended = read(&reader, &path).map_or_else(|error| error.to_string(), |rows| format!("{rows} rows"));
    println!("ended with: {ended}");
    println!("{}", fs::read_to_string("/proc/self/status").unwrap());
}

/// What the reader says of a file, and the peak memory of the process in MiB.
fn in_a_process_of_its_own(reader: &str, name: &str, bytes: &[u8]) -> (String, u64) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "io::bombs::one_bomb", "--nocapture", "--test-threads", "1"])
        .env("NEARSORT_BOMB", &path)
        .env("NEARSORT_BOMB_READER", reader)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let after =
        |name: &str| text.lines().find_map(|line| line.split_once(name).map(|(_, rest)| rest.trim().to_owned()));
    let peak = after("VmHWM:").unwrap_or_else(|| panic!("{reader} {name}: {} {text}", output.status));
    (after("ended with: ").unwrap(), peak.trim_end_matches("kB").trim().parse::<u64>().unwrap() >> 10)
}

/// Reads each bomb, and checks the words and the memory, in MiB.
fn check(cases: &[(&str, Bomb, &str, u64)]) {
    let mut wrong = Vec::new();
    for (at, (reader, bomb, ending, most)) in cases.iter().enumerate() {
        let extension = ["gz", "zst"][at % 2];
        let name = format!("{}.{extension}", bomb.name);
        let packed = bomb.packed(extension);
        let (ended, peak) = in_a_process_of_its_own(reader, &name, &packed);
        let shown = format!("{reader} of {name}, {:?}: {} KiB; {peak} MiB: {ended}", bomb.unit, packed.len() >> 10);
        println!("{shown}");
        if !ended.contains(ending) || peak > *most {
            wrong.push(shown);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A row at the limit is in memory, and a copy of its text; twice that while it grows.
#[test]
fn an_endless_row_is_read_past_and_not_kept() {
    let too_long = "longer than 67108864 bytes";
    check(&[
        ("rows", Bomb::new("a.txt", "", "x", "", ENDLESS), too_long, 200),
        ("rows", Bomb::new("a.txt", "", "\0", "", ENDLESS), too_long, 200),
        ("usable rows", Bomb::new("a.jsonl", "", "x", "\n\"a\"\n", ENDLESS), "1 rows", 200),
        ("rows", Bomb::new("a.json", "[", "[", "", ENDLESS), "the file ends inside the array", 200),
        ("rows", Bomb::new("a.json", "[\"", "x", "\"]", ENDLESS), too_long, 200),
        ("rows", Bomb::new("a.csv", "text,id\n\"", "x", "", ENDLESS), too_long, 200),
        ("rows", Bomb::new("a.csv", "text,id\n\"", "\n", "", ENDLESS), too_long, 200),
        ("rows", Bomb::new("a.csv", "text,id\n", "\"\"", "", ENDLESS), too_long, 200),
        ("rows", Bomb::new("a.csv", "", "\n", "", ENDLESS), "0 rows", 64),
        ("rows", Bomb::new("a.tsv", "text\tid\n", "x", "", ENDLESS), too_long, 200),
        ("lists", Bomb::new("a.jsonl", "", "{", "", ENDLESS), too_long, 200),
        ("queries", Bomb::new("a.txt", "", "x", "", ENDLESS), too_long, 200),
        ("corpus", Bomb::new("a.jsonl", "", "x", "", ENDLESS), too_long, 200),
    ]);
}

#[test]
fn a_row_of_countless_parts_is_refused_before_they_are_kept() {
    let fields = "more than 65536 fields";
    check(&[
        ("rows", Bomb::new("a.jsonl", "{\"text\":\"a\",\"b\":", "[", "", ROW), "recursion limit exceeded", 300),
        ("rows", Bomb::new("a.jsonl", "{\"text\":\"a\",\"b\":[0", ",0", "]}", ROW), "1 rows", 300),
        ("rows", Bomb::new("a.jsonl", "{\"text\":\"a\"", ",\"\":0", "}", ROW), fields, 300),
        ("rows", Bomb::new("a.json", "[{\"text\":\"a\"", ",\"\":0", "}]", ROW), fields, 300),
        ("rows", Bomb::new("a.jsonl", "{\"x\":{\"a\":0", ",\"\":0", "}}", ROW), "no text", 300),
        ("rows", Bomb::new("a.jsonl", "[0", ",0", "]", ROW), "this row is an array", 300),
        ("rows", Bomb::new("a.csv", "text", ",", "\na\n", ROW), fields, 300),
        ("rows", Bomb::new("a.csv", "text,id\n", ",", "\n", ROW), fields, 300),
        ("rows", Bomb::new("a.tsv", "text", "\t", "\na\n", ROW), fields, 300),
        ("rows", Bomb::new("a.tsv", "text\tid\n", "\t", "\n", ROW), fields, 300),
        (
            "lists",
            Bomb::new("a.jsonl", "{\"query\":\"q\",\"candidates\":[0", ",0", "]}", ROW),
            "more than 1048576",
            400,
        ),
        (
            "lists",
            Bomb::new("a.jsonl", "{\"query\":\"q\",\"candidates\":[{\"text\":\"a\"", ",\"\":0", "}]}", ROW),
            fields,
            400,
        ),
        ("usable lists", Bomb::new("a.jsonl", "{\"query\":\"q\"", ",\"\":0", "}", ROW), "0 rows", 400),
        ("queries", Bomb::new("a.jsonl", "{\"text\":\"a\"", ",\"\":0", "}", ROW), fields, 300),
    ]);
}

#[test]
fn millions_of_rows_are_read_one_after_the_other() {
    let some = 24 << 20;
    check(&[
        ("rows", Bomb::new("a.txt", "", "x\n", "", some), "12582912 rows", 64),
        ("rows", Bomb::new("a.jsonl", "", "\n", "", ENDLESS), "0 rows", 64),
        ("usable rows", Bomb::new("a.jsonl", "", "{\n", "", some), "0 rows", 64),
        ("rows", Bomb::new("a.json", "[\"a\"", ",\"a\"", "]", some), "rows", 64),
        ("usable rows", Bomb::new("a.json", "[0", ",0", "]", some), "0 rows", 64),
        ("rows", Bomb::new("a.csv", "text,id\n", "x,1\n", "", some), "6291456 rows", 64),
        ("usable lists", Bomb::new("a.jsonl", "", "{}\n", "", some), "0 rows", 64),
        ("lists", Bomb::new("a.jsonl", "", "\n", "", some), "0 rows", 64),
        ("queries", Bomb::new("a.txt", "", "\n", "", some), "0 rows", 64),
        ("queries", Bomb::new("a.txt", "", "x\n", "", some), "more than", 400),
        ("corpus", Bomb::new("a.txt", "", "x\n", "", 2 << 20), "1048576 rows", 64),
    ]);
}

/// The head of a zstd frame says how much memory unpacking takes.
#[test]
fn a_frame_that_asks_for_gigabytes_is_refused_and_is_not_damaged() {
    for (log, ending, most) in [(27, "1 rows", 200), (28, "zstd -d --long=31", 64), (31, "zstd -d --long=31", 64)] {
        // Magic number, no flags, the window's size; then one last block that repeats a byte.
        let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0, (log - 10) << 3];
        frame.extend_from_slice(&((100u32 << 3 | 1 << 1 | 1).to_le_bytes()[..3]));
        frame.push(b'x');
        let (ended, peak) = in_a_process_of_its_own("rows", "a.txt.zst", &frame);
        assert!(ended.contains(ending) && !ended.contains("damaged"), "{log}: {ended}");
        assert!(peak < most, "{log}: {peak} MiB");
    }
}
