//! Runs and judgements: the first byte chooses the file's name.

use nearsort::io::{Qrels, RunFile};

use crate::folder::file;

pub fn run(data: &[u8]) -> bool {
    let Some((&chosen, content)) = data.split_first() else { return false };
    let name = ["a.trec", "a.jsonl", "a.json", "a.tsv", "a.csv", "a"][usize::from(chosen) % 6];
    let (_folder, path) = file(name, content);
    if let Ok(run) = RunFile::open(&path) {
        let _ = run.map_queries(|query| query.documents().len());
        let _ = run.for_each_query(|query| query.query_id().is_empty().then_some(()).map_or(Ok(()), Ok));
        let _ = run.read().map(|run| run.num_queries());
    }
    RunFile::open(&path).and_then(|run| run.read_ranked()).is_ok()
}

pub fn run_seeds() -> Vec<Vec<u8>> {
    let trec = "q1 Q0 d1 1 2.5 tag\nq1 Q0 d2 2 -1e-3 tag\nq2\tQ0\td1\t1\t7\ttag\n";
    let lines = "{\"query_id\": \"q1\", \"id\": \"d1\", \"score\": 1.5}\n{\"qid\": \"q1\", \"docid\": \"d2\", \"score\": 1}\n";
    let nested = "{\"q1\": {\"d1\": 3.5, \"d2\": -1}, \"q2\": {}}";
    let marco = "q1\td1\t1\nq1\td2\t2\n";
    vec![
        [b"\0", trec.as_bytes()].concat(),
        [b"\x01", lines.as_bytes()].concat(),
        [b"\x02", nested.as_bytes()].concat(),
        [b"\x03", marco.as_bytes()].concat(),
        [b"\x05", trec.as_bytes()].concat(),
        [b"\x05", nested.as_bytes()].concat(),
    ]
}

pub fn qrels(data: &[u8]) -> bool {
    let Some((&chosen, content)) = data.split_first() else { return false };
    let name = ["a", "a.tsv", "a.csv", "a.json", "a.jsonl"][usize::from(chosen) % 5];
    let _ = Qrels::parse(content, name).map(|qrels| qrels.num_queries());
    let (_folder, path) = file(name, content);
    Qrels::read(&path).is_ok()
}

pub fn qrels_seeds() -> Vec<Vec<u8>> {
    let files = [
        "q1 0 d1 1\nq1 0 d2 0\nq2 0 d1 -1\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t2.0\n",
        "query_id,docid,rel\nq1,d1,1\n",
        "{\"q1\": {\"d1\": 1, \"d2\": 0}}",
        "{\"query_id\": \"q1\", \"doc_id\": \"d1\", \"relevance\": 1}\n",
    ];
    let seed = |(index, text): (usize, &&str)| [&[index as u8], text.as_bytes()].concat();
    files.iter().enumerate().map(seed).collect()
}
