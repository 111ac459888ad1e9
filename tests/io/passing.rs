//! Fields under other names, in other places, of other types, and fields that are passed through.

use std::io::Cursor;

use nearsort::io::{CandidateRows, Corpus, InputFormat, ReadOptions, Row, Rows, read_delimited_queries, read_queries};

use super::{error, ids, read, rows_of, texts, with_file};

fn lenient() -> ReadOptions {
    ReadOptions { needs_score: false, ..ReadOptions::default() }
}

const NUMBERS: [&str; 8] = [
    "123456789012345678901234567890",
    "1e400",
    "1.10",
    "-0.0",
    "1E5",
    "-1e-400",
    "0.1000000000000000055511151231257827",
    "-0",
];

#[test]
fn numbers_keep_their_value_and_their_spelling() {
    for number in NUMBERS {
        let row = format!("{{\"text\": \"a\", \"n\": {number}, \"in\": {{\"list\": [ {number}, \"é\\n\" ]}}}}");
        let nested = format!("{{\"list\":[{number},\"é\\n\"]}}");
        for (name, content) in [("a.jsonl", row.clone()), ("a.json", format!("[{row}]"))] {
            let rows = read(name, content.as_str());
            assert_eq!((rows[0].extra.get("n"), rows[0].extra.get("in")), (Some(number), Some(nested.as_str())));
            with_file(name, &content, |path| {
                let corpus = Corpus::open(&[path], &ReadOptions::default(), path.parent().unwrap()).unwrap();
                assert_eq!(corpus.row(0).unwrap(), rows[0]);
            });
        }
        let line = format!(
            "{{\"qid\": {number}, \"query\": \"q\", \"candidates\": [{{\"id\": {number}, \"text\": \"a\", \"n\": {number}}}]}}"
        );
        with_file("lists.jsonl", line, |path| {
            let list = CandidateRows::open(path, &ReadOptions::default()).unwrap().next().unwrap().unwrap();
            let candidate = &list.candidates[0];
            assert_eq!(
                (list.query.id.as_str(), candidate.id.as_str(), candidate.extra.get("n")),
                (number, number, Some(number))
            );
        });
        with_file("q.jsonl", format!("{{\"id\": {number}, \"text\": \"q\"}}"), |path| {
            assert_eq!(read_queries(path).unwrap()[0].id, number);
        });
    }
    assert_eq!(ids(&read("a.jsonl", r#"{"text": "a", "id": 123456789012345678901234567890}"#)), [NUMBERS[0]]);
}

#[test]
fn numbers_and_booleans_are_texts_and_nulls_are_none() {
    let cases = [
        (r#"{"text": 1984, "title": true}"#, "1984", Some("true")),
        (r#"{"text": "a", "title": 1984}"#, "a", Some("1984")),
        (r#"{"text": null, "title": "T"}"#, "", Some("T")),
        (r#"{"text": null}"#, "", None),
        (r#"{"text": null, "title": "T", "content": "c"}"#, "c", Some("T")),
        (r#"{"text": 1.10}"#, "1.10", None),
    ];
    for (row, text, title) in cases {
        let found = read("a.jsonl", row);
        assert_eq!((texts(&found), found[0].title.as_deref()), (vec![text], title), "{row}");
    }
    assert_eq!(ids(&read("a.jsonl", r#"{"text": "a", "id": null, "_id": 7}"#)), ["7"]);
    with_file("q.jsonl", r#"{"id": 1, "text": 1984}"#, |path| assert_eq!(read_queries(path).unwrap()[0].text, "1984"));
}

#[test]
fn a_score_may_be_a_string_and_one_that_is_none_matters_only_where_it_counts() {
    let scores: Vec<_> =
        read("a.jsonl", "{\"text\": \"a\", \"score\": \"12.5\"}\n{\"text\": \"b\", \"score\": \" \"}\n")
            .iter()
            .map(|row| row.first_stage_score)
            .collect();
    assert_eq!(scores, [Some(12.5), None]);
    let contents = [
        ("a.jsonl", "{\"text\": \"a\", \"score\": \"high\"}\n", "\"high\""),
        ("a.jsonl", "{\"text\": \"a\", \"score\": 1e400}\n", "1e400"),
        ("a.jsonl", "{\"text\": \"a\", \"score\": [1, 2]}\n", "[1,2]"),
        ("a.csv", "text,score\na,high\n", "\"high\""),
        ("a.tsv", "text\tscore\na\tnan\n", "\"nan\""),
    ];
    for (name, content, passed) in contents {
        let rows = rows_of(name, content, &lenient()).unwrap();
        assert_eq!((rows[0].first_stage_score, rows[0].extra.get("score")), (None, Some(passed)), "{content}");
        assert!(error(name, content).contains("name another field with `score_field=`"), "{}", error(name, content));
        let mut late = Rows::new(Cursor::new(content), name, &lenient()).unwrap();
        late.need_scores();
        assert!(late.next().unwrap().is_err(), "{content}");
    }
}

#[test]
fn names_are_found_in_any_case_and_in_their_order() {
    for (name, content) in
        [("a.csv", "ID,Title,TEXT\n7,T,a\n"), ("a.tsv", "ID\tTitle\tTEXT\n7\tT\ta\n"), ("-", "ID,Title,TEXT\n7,T,a\n")]
    {
        let rows = read(name, content);
        assert_eq!((ids(&rows), texts(&rows), rows[0].title.as_deref()), (vec!["7"], vec!["a"], Some("T")));
    }
    assert_eq!(texts(&read("a.jsonl", r#"{"Text": "a", "text": "b"}"#)), ["b"], "as it is written first");
    let names = ["text", "content", "body", "document", "page_content", "contents", "passage"];
    for (at, name) in names.iter().enumerate() {
        let fields: Vec<String> = names[at..].iter().rev().map(|name| format!("\"{name}\": \"{name}\"")).collect();
        assert_eq!(texts(&read("a.jsonl", format!("{{{}}}", fields.join(",")))), [*name]);
        let header: Vec<&str> = names[at..].iter().rev().copied().chain(["x"]).collect();
        assert_eq!(texts(&read("a.csv", format!("{}\n{}\n", header.join(","), header.join(",")))), [*name]);
    }
    assert_eq!(ids(&read("a.csv", "__index_level_0__,text\n9,a\n")), ["9"]);
}

#[test]
fn nested_fields_are_found_by_dots_and_by_pointers() {
    let row = r#"{"_id": "x", "_score": 1, "_source": {"text": "a", "a/b": {"id": 7}, "head": ["T"], "score": "2.5"}}"#;
    let names = [
        ["_source.text", "_source.a/b.id", "_source.head.0", "_source.score"],
        ["/_source/text", "/_source/a~1b/id", "/_source/head/0", "/_source/score"],
    ];
    for [text, id, title, score] in names.map(|names| names.map(|name| Some(name.to_owned()))) {
        let options = ReadOptions {
            text_field: text,
            id_field: id,
            title_field: title,
            score_field: score,
            ..ReadOptions::default()
        };
        for (name, content) in [("a.jsonl", row.to_owned()), ("a.json", format!("[{row}]"))] {
            let rows = rows_of(name, content, &options).unwrap();
            assert_eq!((texts(&rows), ids(&rows)), (vec!["a"], vec!["7"]));
            assert_eq!((rows[0].title.as_deref(), rows[0].first_stage_score), (Some("T"), Some(2.5)));
            assert_eq!(rows[0].extra.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["_id", "_score", "_source"]);
        }
    }
    let options = ReadOptions { text_field: Some("a.b".into()), ..ReadOptions::default() };
    assert_eq!(texts(&rows_of("a.jsonl", r#"{"a.b": "flat", "a": {"b": "nested"}}"#, &options).unwrap()), ["flat"]);
    assert_eq!(texts(&rows_of("a.csv", "a.b,c\nflat,1\n", &options).unwrap()), ["flat"]);
    let twice = rows_of("a.jsonl", r#"{"a": {"b": "x", "b": "y"}}"#, &options).unwrap_err().to_string();
    assert!(twice.contains("this row has the nested field 'b' twice"), "{twice}");
}

#[test]
fn a_column_twice_is_an_error_where_it_matters() {
    for (name, content) in [("a.csv", "id,text,text\n1,a,b\n"), ("a.tsv", "id\ttext\ttext\n1\ta\tb\n")] {
        assert_eq!(error(name, content), format!("{name}: this header has the column 'text' twice; keep one of them"));
    }
    assert!(error("a.csv", "id,id,text\n1,2,a\n").contains("'id' twice"));
    // Of two that are passed through one would be lost; spreadsheets leave columns without a name
    // behind.
    assert!(error("a.csv", "x,x,text\n1,2,a\n").contains("this header has the column 'x' twice"));
    assert_eq!(texts(&read("a.csv", "id,text,,\n1,a,,\n")), ["a"]);
    let alone = ReadOptions { extra: false, ..ReadOptions::default() };
    assert_eq!(texts(&rows_of("a.csv", "x,x,text\n1,2,a\n", &alone).unwrap()), ["a"]);
    let row = r#"{"query": "q", "query": "r", "candidates": ["a"]}"#;
    with_file("lists.jsonl", row, |path| {
        let failed = CandidateRows::open(path, &ReadOptions::default()).unwrap().next().unwrap().unwrap_err();
        assert!(failed.to_string().contains("'query' twice"), "{failed}");
    });
}

#[test]
fn columns_may_be_separated_by_another_character() {
    let with = |delimiter: u8| ReadOptions { delimiter: Some(delimiter), ..ReadOptions::default() };
    for delimiter in [b';', b'|', b'\t', b':'] {
        let content = "id,text\n1,\"a \"\"b\"\"\n, c\"\n2,d\n".replace(',', &char::from(delimiter).to_string());
        for name in ["a.csv", "-", "a.txt", "a.tsv"] {
            let rows: Vec<Row> = rows_of(name, content.as_str(), &with(delimiter)).unwrap();
            let first = format!("a \"b\"\n{} c", char::from(delimiter));
            assert_eq!((ids(&rows), texts(&rows)), (vec!["1", "2"], vec![first.as_str(), "d"]), "{name}");
        }
    }
    assert_eq!(texts(&rows_of("a.jsonl", "\"a\"\n", &with(b';')).unwrap()), ["a"], "JSONL has no columns");
    let asked = ReadOptions { format: Some(InputFormat::Jsonl), ..with(b';') };
    assert!(rows_of("a.jsonl", "\"a\"\n", &asked).unwrap_err().to_string().contains("a delimiter is for CSV"));
    with_file("q.csv", "qid;query\nq1;where\n", |path| {
        assert_eq!(read_delimited_queries(path, Some(b';')).unwrap()[0].text, "where");
        let hint = read_queries(path).unwrap_err().to_string();
        assert!(hint.ends_with("; its columns seem to be separated by ';': `delimiter=';'`"), "{hint}");
    });
    for (content, option) in
        [("id;text\n1;a\n", "';'"), ("id|text\n1|a\n", "'|'"), ("id\ttext\n1\ta\n", "tab"), ("x;y\n1;a\n", "';'")]
    {
        let hint = error("a.csv", content);
        assert!(
            hint.ends_with(&format!("; its columns seem to be separated by {option}: `delimiter={option}`")),
            "{hint}"
        );
    }
    assert!(error("a.tsv", "id,text\n1,a\n").ends_with("`delimiter=','`"));
}

#[test]
fn joined_files_are_named_for_what_they_are() {
    for (name, content) in
        [("a.csv", "id,text\n1,a\n\u{feff}id,text\n2,b\n"), ("a.tsv", "id\ttext\n1\ta\n\u{feff}id\ttext\n")]
    {
        assert!(
            error(name, content).starts_with(&format!("{name}:3: a byte-order mark inside the file")),
            "{}",
            error(name, content)
        );
    }
    let arrays = error("a.json", "[\"a\"]\n[\"b\"]\n");
    assert!(arrays.ends_with("; arrays that were joined become rows by: jq -c '.[]' FILE > rows.jsonl"), "{arrays}");
}

#[test]
fn an_object_with_the_rows_in_it_says_how_to_take_them_out() {
    for (content, command) in [
        ("{\"documents\": [{\"text\": \"a\"}]}", "jq -c '.documents[]' FILE > rows.jsonl"),
        ("{\n  \"results\": [\n    {\"text\": \"a\"}\n  ]\n}\n", "jq -c '.results[]' FILE > rows.jsonl"),
        ("{\"took\": 1, \"hits\": {\"hits\": [{\"_id\": 1}]}}", "jq -c '.hits.hits[]' FILE > rows.jsonl"),
        ("{\n  \"text\": \"a\"\n}\n{\n  \"text\": \"b\"\n}\n", "jq -c . FILE > rows.jsonl"),
    ] {
        assert!(error("a.json", content).ends_with(command), "{}", error("a.json", content));
    }
    let pretty = error("a.jsonl", "{\n  \"documents\": [\n    \"a\"\n  ]\n}\n");
    assert!(pretty.ends_with("jq -c . FILE > rows.jsonl"), "{pretty}");
}

#[test]
fn a_list_has_a_limit() {
    let list = |number: usize| format!("{{\"query\": \"q\", \"candidates\": [{}]}}", vec!["\"\""; number].join(","));
    with_file("lists.jsonl", list((1 << 20) + 1), |path| {
        let failed =
            CandidateRows::open(path, &ReadOptions::default()).unwrap().next().unwrap().unwrap_err().to_string();
        assert!(failed.ends_with("this list has 1048577 candidates, more than 1048576; split it"), "{failed}");
    });
}
