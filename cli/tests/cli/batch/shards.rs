//! Jobs in parts for several machines.

use super::{collection, job, whole, with};
use crate::support::{Folder, TINY, run};

#[test]
fn shards_together_are_the_whole() {
    let folder = Folder::new();
    for name in ["o.trec", "o.tsv", "o.jsonl", "o.json", "o.parquet"] {
        let more = ["--top-k", "20"];
        let shards: Vec<String> = (1..=3)
            .map(|index| {
                let output = folder.path(&format!("{index}-{name}"));
                with(&job(&output), &[&more[..], &["--shard", &format!("{index}/3")]].concat()).quietly();
                output.display().to_string()
            })
            .collect();
        let merged = folder.text(name);
        let [one, two, three] = [&shards[0], &shards[1], &shards[2]].map(String::as_str);
        run(&["merge", three, one, two, "--output", &merged]).quietly();
        assert!(std::fs::read(&merged).unwrap() == whole(name, &more), "{name}");
        let lists = run(&["merge", one, three, "--output", &merged]).error();
        assert!(lists.contains("the output of shard 2/3 is missing"), "{lists}");
        let twice = run(&["merge", one, two, one, three, "--output", &merged]).error();
        assert!(twice.contains("are both shard 1/3"), "{twice}");
    }
}

#[test]
fn shards_of_a_file_of_lists_are_the_whole_too() {
    let folder = Folder::new();
    let lists = collection().text("lists.jsonl");
    let part = |shard: &str, name: &str| {
        let output = folder.text(name);
        let args = ["rerank", "--model", TINY, "--candidates", &lists, "--output", &output, "--shard", shard];
        run(&args).quietly();
        output
    };
    let (one, two) = (part("1/2", "1.trec"), part("2/2", "2.trec"));
    run(&["merge", &one, &two, "--output", &folder.text("o.trec")]).quietly();
    assert!(std::fs::read(folder.path("o.trec")).unwrap() == whole("o.trec", &[]));
}

#[test]
fn shards_that_do_not_fit_together_are_refused() {
    let folder = Folder::new();
    let shard = |name: &str, more: &[&str]| {
        with(&job(&folder.path(name)), &[&["--top-k", "3"], more].concat()).quietly();
        folder.text(name)
    };
    let (one, two) = (shard("1.trec", &["--shard", "1/2"]), shard("2.trec", &["--shard", "2/2", "--blend", "none"]));
    let merge = |two: &str| run(&["merge", &one, two, "--output", &folder.text("o.trec")]).error();
    assert!(merge(&two).contains("belong to different jobs: --blend was"), "{}", merge(&two));
    let of_three = shard("3.trec", &["--shard", "2/3"]);
    assert!(merge(&of_three).contains("one is of 2 shards, the other of 3"));
    let two = shard("2.trec", &["--shard", "2/2"]);
    std::fs::write(&two, "cut").unwrap();
    assert!(merge(&two).contains("2.trec is not what its shard wrote"), "{}", merge(&two));
    std::fs::remove_file(folder.path("2.trec.shard.json")).unwrap();
    assert!(merge(&two).contains("2.trec.shard.json"));
    let input = run(&["merge", &one, "--output", &one]).error();
    assert!(input.contains("it is the input"), "{input}");
    let args = job(&folder.path("o.trec"));
    assert!(with(&args, &["--shard", "3/2"]).error().contains("'3/2' is not a shard"));
    assert!(with(&args[..args.len() - 2], &["--shard", "1/2"]).error().contains("--shard needs --output"));
}

#[test]
fn notes_of_shards_that_cannot_be_are_refused_at_once() {
    let folder = Folder::new();
    let one = folder.text("1.trec");
    with(&job(&folder.path("1.trec")), &["--top-k", "3", "--shard", "1/2"]).quietly();
    let note = std::fs::read_to_string(folder.path("1.trec.shard.json")).unwrap();
    let merged = |index: &str, of: &str| {
        let changed = note.replace("\"index\": 1", &format!("\"index\": {index}"));
        folder.with("1.trec.shard.json", changed.replace("\"of\": 2", &format!("\"of\": {of}")));
        run(&["merge", &one, "--output", &folder.text("o.trec")]).error()
    };
    for of in ["1099511627776", "18446744073709551615"] {
        let error = merged("1", of);
        assert!(error.contains(&format!("the output of shard 2/{of}, 3/{of}")), "{error}");
        assert!(error.contains("more is missing; run it") && error.len() < 600, "{error}");
    }
    for (index, of) in [("0", "0"), ("1", "0"), ("0", "2"), ("3", "2")] {
        let error = merged(index, of);
        assert!(error.contains("not the note of a shard") && error.contains("from 1/n to n/n"), "{error}");
    }
    assert!(!folder.path("o.trec").exists());
}
