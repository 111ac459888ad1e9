//! What is read from each format.

use std::io::Cursor;

use nearsort::io::{InputFormat, ReadOptions, Rows};

use super::{ids, lines, read, rows_of, texts};

#[test]
fn a_text_line_is_a_candidate_with_its_line_number_as_id() {
    let rows = read("a.txt", "first\n\n third \n");
    assert_eq!(texts(&rows), ["first", "", " third "]);
    assert_eq!(ids(&rows), ["1", "2", "3"]);
    assert_eq!(lines(&rows), [1, 2, 3]);
    assert_eq!(texts(&read("a.txt", "no line end")), ["no line end"]);
    assert_eq!(texts(&read("a.txt", "one\n\n")), ["one", ""]);
}

#[test]
fn jsonl_rows_are_strings_or_objects() {
    let content = concat!(
        "\"a plain string\"\n",
        "\n",
        "{\"_id\": 7, \"title\": \"T\", \"text\": \"b\\u00e9\", \"score\": 1.5, \"z\": [1, {\"k\": null}], \"a\": 0.1}\n",
        "{\"id\": \"x\", \"content\": \"c\", \"title\": null, \"score\": null}\n",
        "{\"body\": \"d\", \"document\": \"stays\"}\n",
    );
    let rows = read("a.jsonl", content);
    assert_eq!(texts(&rows), ["a plain string", "bé", "c", "d"]);
    assert_eq!(ids(&rows), ["1", "7", "x", "4"]);
    assert_eq!(lines(&rows), [1, 3, 4, 5]);
    assert_eq!((rows[1].title.as_deref(), rows[1].first_stage_score), (Some("T"), Some(1.5)));
    assert_eq!((rows[2].title.as_deref(), rows[2].first_stage_score), (None, None));
    let extra: Vec<(&str, &str)> = rows[1].extra.iter().collect();
    assert_eq!(extra, [("z", "[1,{\"k\":null}]"), ("a", "0.1")]);
    assert_eq!(rows[3].extra.get("document"), Some("\"stays\""));
}

#[test]
fn a_json_array_gives_the_rows_of_the_same_jsonl_with_the_lines_of_its_elements() {
    let rows = read(
        "a.json",
        "\n[\n  \"a, ] } \\\" \\\\\",\n\n  {\"text\":\n \"b\", \"m\": [[], {}]}\n , {\"text\": \"c\"}]\n\n",
    );
    assert_eq!(texts(&rows), ["a, ] } \" \\", "b", "c"]);
    assert_eq!(lines(&rows), [3, 5, 7]);
    assert_eq!(ids(&rows), ["1", "2", "3"]);
    assert!(read("a.json", " [ ] \n").is_empty());
}

#[test]
fn csv_has_a_header_and_quoted_fields_over_lines() {
    let content = "id,title,text,score,lang\r\n1,T,\"two\r\nlines, \"\"quoted\"\"\",0.5,en\r\n\r\n,,plain,,de\r\n";
    let rows = read("a.csv", content);
    assert_eq!(texts(&rows), ["two\r\nlines, \"quoted\"", "plain"]);
    assert_eq!(ids(&rows), ["1", "2"]);
    assert_eq!(lines(&rows), [2, 5]);
    assert_eq!((rows[0].title.as_deref(), rows[0].first_stage_score), (Some("T"), Some(0.5)));
    assert_eq!((rows[1].title.as_deref(), rows[1].first_stage_score), (None, None));
    assert_eq!(rows[0].extra.get("lang"), Some("\"en\""));
    assert_eq!(lines(&read("a.csv", content.replace("\r\n", "\n"))), [2, 5]);
}

#[test]
fn quotes_in_tsv_do_not_swallow_the_rows_below() {
    let rows = read("a.tsv", "id\ttext\n1\t\"Begins with\" a quote\n2\t\"never closed\n3\t\"He said \"\"hi\"\"\"\n");
    assert_eq!(texts(&rows), ["\"Begins with\" a quote", "\"never closed", "He said \"hi\""]);
    assert_eq!(ids(&rows), ["1", "2", "3"]);
}

#[test]
fn an_empty_input_has_no_rows() {
    for name in ["a.txt", "a.jsonl", "a.json", "a.csv", "a.tsv", "-"] {
        assert!(read(name, "").is_empty(), "{name}");
        assert!(read(name, "\u{feff}").is_empty(), "{name}");
    }
    assert!(read("a.csv", "id,text\n").is_empty());
    assert!(read("a.jsonl", "\n \n").is_empty());
}

#[test]
fn the_format_is_the_asked_one_else_the_extensions_else_the_contents() {
    let format = |name: &str, content: &str, asked| {
        let options = ReadOptions { format: asked, ..ReadOptions::default() };
        Rows::new(Cursor::new(content.to_owned()), name, &options).unwrap().format()
    };
    assert_eq!(format("a.txt", "{\"text\": 1}", None), InputFormat::Text);
    assert_eq!(format("a.NDJSON", "", None), InputFormat::Jsonl);
    assert_eq!(format("a.csv", "", Some(InputFormat::Tsv)), InputFormat::Tsv);
    assert_eq!(format("-", "\u{feff}{\"text\": \"a\"}\n", None), InputFormat::Jsonl);
    assert_eq!(format("-", "id\ttext\n", None), InputFormat::Tsv);
    assert_eq!(format("passages", "[\"a\"]", None), InputFormat::Json);
}

#[test]
fn asked_for_fields_are_the_only_ones_that_count() {
    let options = ReadOptions {
        text_field: Some("abstract".into()),
        id_field: Some("doi".into()),
        title_field: Some("name".into()),
        ..ReadOptions::default()
    };
    let rows =
        rows_of("a.jsonl", r#"{"abstract": "a", "text": "b", "doi": "d", "id": 1, "name": "n"}"#, &options).unwrap();
    assert_eq!((texts(&rows), ids(&rows), rows[0].title.as_deref()), (vec!["a"], vec!["d"], Some("n")));
    assert_eq!(rows[0].extra.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["text", "id"]);
    let rows = rows_of("a.csv", "doi,abstract,name\nd,a,n\n", &options).unwrap();
    assert_eq!((texts(&rows), ids(&rows), rows[0].title.as_deref()), (vec!["a"], vec!["d"], Some("n")));
    let error = rows_of("a.jsonl", r#"{"text": "b"}"#, &options).unwrap_err().to_string();
    assert_eq!(
        error,
        "a.jsonl:1: no text 'abstract': this row has the field 'text'; name the one to use with `text_field=`"
    );
}

#[test]
fn a_passage_is_title_and_text_joined_by_one_space() {
    let passage = |row: &str| read("a.jsonl", row)[0].passage().into_owned();
    assert_eq!(passage(r#"{"title": "T", "text": "x"}"#), "T x");
    assert_eq!(passage(r#"{"title": "", "text": "x"}"#), "x");
    assert_eq!(passage(r#"{"title": " ", "text": "x"}"#), "x");
    assert_eq!(passage(r#"{"title": "T", "text": ""}"#), "T");
    assert_eq!(passage(r#"{"text": "x"}"#), "x");
}
