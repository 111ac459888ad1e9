//! Queries and runs.

use nearsort::Error;
use nearsort::io::{RunFile, read_queries, write_run_line};

use super::with_file;

fn queries(name: &str, content: &str) -> Result<Vec<(String, String, u64)>, String> {
    let found = with_file(name, content, |path| read_queries(path));
    let message = |error: Error| error.to_string().rsplit_once('/').map(|(_, end)| end.to_owned()).unwrap();
    Ok(found.map_err(message)?.into_iter().map(|query| (query.id, query.text, query.line)).collect())
}

#[test]
fn queries_come_from_text_jsonl_csv_and_tsv_with_or_without_a_header() {
    let expected = |lines: [u64; 2]| {
        Ok(vec![("q1".to_owned(), "where?".to_owned(), lines[0]), ("q2".to_owned(), "when".to_owned(), lines[1])])
    };
    assert_eq!(
        queries(
            "q.jsonl",
            "{\"_id\": \"q1\", \"text\": \"where?\"}\n{\"id\": \"q2\", \"query\": \"when\", \"score\": \"x\"}\n"
        ),
        expected([1, 2])
    );
    assert_eq!(queries("q.tsv", "q1\twhere?\r\nq2\twhen\r\n"), expected([1, 2]));
    assert_eq!(queries("q.tsv", "qid\tquery\nq1\twhere?\nq2\twhen\n"), expected([2, 3]));
    assert_eq!(queries("q.csv", "query,id\nwhere?,q1\nwhen,q2\n"), expected([2, 3]));
    let text = queries("q.txt", "where?\n\nwhen\n").unwrap();
    assert_eq!(text, [("1".into(), "where?".into(), 1), ("3".into(), "when".into(), 3)]);
}

#[test]
fn a_blank_query_and_an_id_used_twice_are_errors() {
    assert_eq!(
        queries("q.tsv", "q1\ta\nq2\t \n").unwrap_err(),
        "q.tsv:2: the query 'q2' is blank; remove the row or write one"
    );
    assert_eq!(
        queries("q.tsv", "q1\ta\nq1\tb\n").unwrap_err(),
        "q.tsv:2: the id 'q1' is used already, on line 1; ids of queries must differ"
    );
    assert!(queries("q.tsv", "q1\ta\tb\n").unwrap_err().starts_with("q.tsv: no text"));
}

#[test]
fn a_run_is_written_and_read_back() {
    let mut run = String::new();
    write_run_line(&mut run, "q1", "d1", 1, 0.1, "tag").unwrap();
    write_run_line(&mut run, "q1", "d2", 2, -1e-30, "tag").unwrap();
    let ranked = |content: &str| with_file("a.run", content, |path| RunFile::open(path)?.read_ranked());
    let read = ranked(&format!("{run}\nq1 Q0 d0 01 0.05 tag")).unwrap();
    let documents = read.documents("q1").unwrap();
    assert_eq!((documents[1].id, documents[1].score as f32, documents.len()), ("d2", -1e-30, 3));
    assert_eq!(read.ranks("q1").unwrap(), [1, 2, 1], "as stated, not as the scores say");
    let table = ranked("query_id,doc_id,score\nq,a,1\nq,b,3\nr,a,7\nq,c,3\n").unwrap();
    assert_eq!((table.ranks("q").unwrap(), table.ranks("r").unwrap()), (&[3, 1, 2][..], &[1][..]));
    assert_eq!(ranked("{\"q\": {\"a\": 1, \"b\": 2}}").unwrap().ranks("q").unwrap(), [2, 1]);
    let bad = |content: &str| ranked(content).unwrap_err().to_string();
    assert!(
        bad("q Q0 d 1 0.5 t\nq Q0 d 2 0.5\n")
            .ends_with("a.run:2: 5 fields; a line of a run has six: query-id Q0 document-id rank score tag")
    );
    assert!(bad("q Q0 d x 0.5 t\n").ends_with("a.run:1: the rank 'x' is not a whole number"));
    assert!(bad("q Q0 d 1 nan t\n").ends_with("a.run:1: the score 'nan' is not a number"));
}

#[test]
fn an_id_that_a_run_cannot_carry_is_an_error_that_names_it() {
    let mut run = String::new();
    for (query_id, document_id, tag) in
        [("q", "my doc", "t"), ("q\u{a0}1", "d", "t"), ("", "d", "t"), ("q", "d", "a\tb")]
    {
        let error = write_run_line(&mut run, query_id, document_id, 1, 0.5, tag).unwrap_err().to_string();
        assert!(error.contains("white space"), "{error}");
    }
    let error = write_run_line(&mut run, "q", "my doc", 1, 0.5, "t").unwrap_err().to_string();
    assert!(error.starts_with("the document id 'my doc'"), "{error}");
    assert_eq!(run, "");
}
