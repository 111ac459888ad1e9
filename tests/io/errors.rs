//! What cannot be read, and what is said about it.

use std::io::Cursor;

use nearsort::Error;
use nearsort::io::{BadRows, ReadOptions, Row, Rows};

use super::{error, ids, rows_of, skipping, texts};

#[test]
fn what_is_wrong_with_a_row_is_said_with_file_line_and_remedy() {
    let good = "{\"text\": \"a\"}\n";
    let cases = [
        (
            r#"{"foo": 1, "bar": 2}"#,
            "no text: this row has the fields 'foo', 'bar'; name the one to use with `text_field=`",
        ),
        ("{}", "no text: this row is an object without fields"),
        (r#"{"text": ["a"]}"#, "the text 'text' is an array, not a string; name another field with `text_field=`"),
        (
            r#"{"text": "a", "score": "high"}"#,
            "the score 'high' is not a number; name another field with `score_field=`",
        ),
        (
            r#"{"text": "a", "score": "-inf"}"#,
            "the score '-inf' is not a finite number; leave it empty, or name another field with `score_field=`",
        ),
        (
            r#"{"text": "a", "score": 1e400}"#,
            "the score 1e400 is beyond the range of 64-bit numbers (1.8e308); name another field with `score_field=`",
        ),
        (
            r#"{"text": "a", "score": true}"#,
            "the score 'score' is a boolean, not a number; name another field with `score_field=`",
        ),
        (
            r#"{"text": "a", "id": [1]}"#,
            "the id 'id' is an array, not a string or a number; name another field with `id_field=`",
        ),
        (
            r#"{"text": "a", "title": {"en": "b"}}"#,
            "the title 'title' is an object, not a string; name another field with `title_field=`",
        ),
        (r#"{"text": "a", "n": NaN}"#, "broken JSON: NaN is not a number of JSON (column 20); write null"),
        (r#"{"score": -Infinity}"#, "broken JSON: -Infinity is not a number of JSON (column 11); write null"),
        (r#"{"text": "a", "text": "b"}"#, "this row has the field 'text' twice; keep one of them"),
        (r#"{"ID": 1, "Id": 2, "text": "b"}"#, "this row has the field 'ID' and 'Id'; keep one of them"),
        (
            "\u{feff}{\"text\": \"a\"}",
            "a byte-order mark inside the file, as where files were joined (column 1); remove the marks: sed 's/^\\xEF\\xBB\\xBF//' FILE > NEW",
        ),
        (
            "{\"text\": \"a\",",
            "broken JSON: EOF while parsing an object (column 13); JSON that goes over several lines is put on one by: jq -c . FILE > rows.jsonl",
        ),
        (
            r#"{"_id": "1", "_source": {"text": "a"}}"#,
            "no text: this row has the fields '_id', '_source'; name the one to use with `text_field=`, such as _source.text",
        ),
        (
            r#"{"documents": [{"text": "a"}]}"#,
            "no text: this row has the field 'documents'; name the one to use with `text_field=`; if the rows are in 'documents', take them out: jq -c '.documents[]' FILE > rows.jsonl",
        ),
        ("17", "this row is a number, not a string or an object with a text"),
        ("null", "this row is null, not a string or an object with a text"),
        (
            r#"["a"]"#,
            "this row is an array, not a string or an object with a text (an array over many lines: `input_format=json`)",
        ),
        (r#"{"text": "a""#, "broken JSON: EOF while parsing an object (column 12)"),
        (r#"{"text": "a"} x"#, "broken JSON: trailing characters (column 15)"),
        (
            r#"{"text": "\ud800"}"#,
            "broken JSON: \\ud800 is half of a character (a lone surrogate, column 11); remove it or write the whole character",
        ),
    ];
    for (row, message) in cases {
        assert_eq!(error("p.jsonl", format!("{good}\n{row}\n{good}")), format!("p.jsonl:3: {message}"));
        let (rows, skipped, reasons) = skipping("p.jsonl", format!("{good}\n{row}\n{good}"));
        assert_eq!((ids(&rows), skipped), (vec!["1", "3"], 1), "{row}");
        assert_eq!(reasons, [format!("p.jsonl:3: {message}")]);
    }
}

#[test]
fn reading_ends_with_the_first_error() {
    let mut rows = Rows::new(Cursor::new("1\n\"a\"\n"), "a.jsonl", &ReadOptions::default()).unwrap();
    assert!(rows.next().unwrap().is_err());
    assert!(rows.next().is_none());
}

#[test]
fn bad_utf8_is_an_error_in_every_format_and_can_be_skipped() {
    let cases: [(&str, &[u8], &str); 5] = [
        ("a.txt", b"ok\nb\xE9\nok\n", "a.txt:2: not UTF-8: byte 0xE9 at byte 2 of the row"),
        ("a.jsonl", b"\"ok\"\n\"b\xE9\"\n\"ok\"\n", "a.jsonl:2: not UTF-8: byte 0xE9 at byte 3 of the row"),
        ("a.json", b"[\"ok\",\n\"b\xE9\",\"ok\"]", "a.json:2: not UTF-8: byte 0xE9 at byte 3 of the row"),
        // Valid only if the two fields ran together.
        ("a.csv", b"id,text\n1,ok\n\xC3,\xA9\n2,ok\n", "a.csv:3: not UTF-8: byte 0xC3 at byte 1 of the row"),
        ("a.tsv", b"id\ttext\n1\tok\n\xC3\t\xA9\n2\tok\n", "a.tsv:3: not UTF-8: byte 0xC3 at byte 1 of the row"),
    ];
    for (name, content, message) in cases {
        assert!(error(name, content).starts_with(message), "{}", error(name, content));
        let (rows, skipped, _) = skipping(name, content);
        assert_eq!((texts(&rows), skipped), (vec!["ok", "ok"], 1), "{name}");
    }
}

#[test]
fn csv_rows_of_the_wrong_width_are_errors_that_can_be_skipped() {
    let content = "id,text\n1,ok\n2,a,b\n3\n4,ok\n";
    let message =
        "this row has 3 fields, the header 2 columns ('id', 'text'); a field with a separator in it needs quotes";
    assert_eq!(error("a.csv", content), format!("a.csv:3: {message}"));
    assert_eq!(error("a.tsv", content.replace(',', "\t")), format!("a.tsv:3: {message}"));
    let (rows, skipped, reasons) = skipping("a.csv", content);
    assert_eq!((ids(&rows), skipped), (vec!["1", "4"], 2));
    assert!(reasons[1].starts_with("a.csv:4: this row has 1 fields"), "{reasons:?}");
    let remedy = "leave it empty, or name another field with `score_field=`";
    assert_eq!(
        error("a.csv", "text,score\na,nan\n"),
        format!("a.csv:2: the score 'nan' is not a finite number; {remedy}")
    );
}

#[test]
fn a_quote_that_is_never_closed_is_an_error_on_the_line_where_its_row_begins() {
    let content = "id,text\n1,ok\n2,\"open\n3,x\n4,y\n";
    assert_eq!(error("a.csv", content), "a.csv:3: a quote opened in this row is never closed");
    let (rows, skipped, _) = skipping("a.csv", content);
    assert_eq!((texts(&rows), skipped), (vec!["ok"], 1));
}

#[test]
fn a_header_without_a_text_column_is_refused_even_when_bad_rows_are_skipped() {
    let message = "no text: this header has the columns 'a', 'b'; name the one to use with `text_field=`; a file without a header needs one first";
    let options = ReadOptions { bad_rows: BadRows::Skip, ..ReadOptions::default() };
    for (name, content) in [("a.csv", "a,b\n1,2\n"), ("a.tsv", "a\tb\n1\t2\n")] {
        let error = rows_of(name, content, &options).unwrap_err();
        assert!(matches!(error, Error::BadInput { .. }));
        assert_eq!(error.to_string(), format!("{name}: {message}"));
    }
    let bad_header = rows_of("a.csv", &b"te\xE9xt,text\n"[..], &options).unwrap_err().to_string();
    assert!(bad_header.starts_with("a.csv:1: not UTF-8"), "{bad_header}");
}

#[test]
fn broken_syntax_in_an_array_cannot_be_skipped_but_a_bad_element_can() {
    let (rows, skipped, reasons) = skipping("a.json", "[\"a\", 5,\n {\"foo\": \"x\"}, \"b\"]");
    assert_eq!((texts(&rows), skipped), (vec!["a", "b"], 2));
    assert!(reasons[1].starts_with("a.json:2: no text"), "{reasons:?}");
    let cases = [
        ("[\"a\",\n {\"text\": \n tru},\n \"b\"]", "a.json:3: broken JSON: expected ident (column 5)"),
        ("[\"a\",\n\n]", "a.json:3: broken JSON: a comma without an element"),
        ("[,\"a\"]", "a.json:1: broken JSON: a comma without an element"),
        ("[\"a\"\n}", "a.json:2: broken JSON: a '}' without its '{'"),
        ("[\"a\"] \n\"b\"", "a.json:2: broken JSON: something follows the end of the array"),
        (
            "[\"a\",\n {\"text\": \"b\"\n",
            "a.json:3: broken JSON: the file ends inside the array (element begun on line 2)",
        ),
        ("[", "a.json:1: broken JSON: the file ends inside the array"),
        (
            "{\"text\": \"a\"}\n",
            "a.json:1: a JSON input must be one array; for one object or string per line use `input_format=jsonl`",
        ),
    ];
    let skip = ReadOptions { bad_rows: BadRows::Skip, ..ReadOptions::default() };
    for (content, message) in cases {
        for options in [&ReadOptions::default(), &skip] {
            let found = rows_of("a.json", content, options).unwrap_err().to_string();
            assert!(found.starts_with(message), "{content:?}: {found}");
        }
    }
    let skipped = rows_of("a.json", "[tru]", &skip).unwrap_err().to_string();
    assert!(skipped.ends_with("; broken syntax inside an array cannot be skipped, in JSONL it can"), "{skipped}");
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let deep = format!("{{\"text\": \"a\", \"x\": {}1{}}}\n\"ok\"\n", "[".repeat(100_000), "]".repeat(100_000));
    assert!(error("a.jsonl", deep.as_str()).contains("recursion limit"));
    assert_eq!(texts(&skipping("a.jsonl", deep).0), ["ok"]);
}

#[test]
fn a_row_over_the_cap_is_an_error_and_the_next_one_is_read() {
    let long = "x".repeat(200_000);
    let cases = [
        ("a.txt", format!("ok\n{long}\nok\n")),
        ("a.jsonl", format!("\"ok\"\n\"{long}\"\n\"ok\"\n")),
        ("a.json", format!("[\"ok\",\n\"{long}\",\n\"ok\"]")),
        ("a.csv", format!("text,a\nok,1\n\"{long}\",2\nok,3\n")),
        ("a.csv", format!("text,a\nok,1\n{}\nok,3\n", ",".repeat(200_000))),
        ("a.tsv", format!("text\ta\nok\t1\n{long}\t2\nok\t3\n")),
    ];
    let options = ReadOptions { max_row_bytes: 1000, bad_rows: BadRows::Skip, ..ReadOptions::default() };
    for (name, content) in cases {
        let mut rows = Rows::new(Cursor::new(content), name, &options).unwrap();
        let good: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
        assert_eq!((texts(&good), rows.skipped()), (vec!["ok", "ok"], 1), "{name}");
        let reason = rows.skip_reasons()[0].to_string();
        assert!(reason.contains("longer than 1000 bytes"), "{name}: {reason}");
    }
    let exact = ReadOptions { max_row_bytes: 4, ..ReadOptions::default() };
    assert_eq!(texts(&rows_of("a.txt", "1234\r\n1234", &exact).unwrap()), ["1234", "1234"]);
    assert!(rows_of("a.txt", "12345\n", &exact).is_err());
    assert!(rows_of("a.txt", "12345", &exact).is_err());
}

#[test]
fn only_the_first_reasons_are_kept_but_all_bad_rows_are_counted() {
    let (_, skipped, reasons) = skipping("a.jsonl", "1\n".repeat(100));
    assert_eq!((skipped, reasons.len()), (100, 5));
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let cases: [(&[u8], &str); 8] = [
        (
            b"a\0\n\0b\0",
            "this is UTF-16 without a byte-order mark (UTF-16LE); convert it first: iconv -f UTF-16LE -t UTF-8",
        ),
        (b"\xFF\xFE\0\0a\0\0\0", "this is UTF-32; convert it first: iconv -f UTF-32 -t UTF-8"),
        (b"PARE\0\0", "this Parquet file is encrypted"),
        (b"\xFF\xFEa\0", "this is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        (b"\xFE\xFF\0a", "UTF-16"),
        (b"\xFD7zXZ\0\0", "xz"),
        (b"PK\x03\x04\x14", "zip"),
        (b"PAR1", "Parquet"),
    ];
    for (head, name) in cases {
        let error = rows_of("a.txt", head, &ReadOptions::default()).unwrap_err();
        assert!(matches!(&error, Error::BadInput { message, .. } if message.contains(name)), "{error}");
    }
}

#[test]
fn a_missing_file_and_a_folder_are_io_errors_with_their_name() {
    for path in ["no/such/file.txt", "src"] {
        let error =
            Rows::open(path, &ReadOptions::default()).and_then(|rows| rows.collect::<Result<Vec<_>, _>>()).unwrap_err();
        assert!(matches!(error, Error::Io { .. }) && error.to_string().contains(path), "{error}");
    }
}

#[test]
fn the_example_files_are_what_the_readme_says() {
    let landmarks: Vec<Row> =
        Rows::open("examples/landmarks.txt", &ReadOptions::default()).unwrap().map(Result::unwrap).collect();
    for text in
        ["The Eiffel Tower is in Berlin.", "The capital of France is Paris.", "Paris is known for its cuisine and art."]
    {
        assert!(landmarks.iter().any(|row| row.text == text), "{text}");
    }
    let load =
        |path: &str| -> Vec<Row> { Rows::open(path, &ReadOptions::default()).unwrap().map(Result::unwrap).collect() };
    let (jsonl, csv) = (load("examples/passages.jsonl"), load("examples/passages.csv"));
    assert!(jsonl.len() >= 10);
    let parts = |rows: &[Row]| -> Vec<_> {
        rows.iter().map(|row| (row.id.clone(), row.title.clone(), row.text.clone(), row.first_stage_score)).collect()
    };
    assert_eq!(parts(&jsonl), parts(&csv));
    assert!(jsonl.iter().all(|row| row.extra.len() == 1 && row.title.is_some() && row.first_stage_score.is_some()));
}

#[test]
fn skipping_a_row_changes_no_id_of_the_others() {
    let (rows, ..) = skipping("a.jsonl", "{\"text\": \"a\"}\n{\"tex\": \"b\"}\n{\"text\": \"c\"}\n");
    assert_eq!((ids(&rows), texts(&rows)), (vec!["1", "3"], vec!["a", "c"]));
}
