//! Input and output files: what is read from each format, what is refused and where, and what others read back.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use nearsort::Error;
use nearsort::io::{
    BadRows, EmbeddingWriter, InputFormat, ReadOptions, Row, Rows, read_queries, read_run, write_run_line,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn rows_of(name: &str, content: impl Into<Vec<u8>>, options: &ReadOptions) -> nearsort::Result<Vec<Row>> {
    Rows::new(Cursor::new(content.into()), name, options)?.collect()
}

fn read(name: &str, content: impl Into<Vec<u8>>) -> Vec<Row> {
    rows_of(name, content, &ReadOptions::default()).unwrap()
}

fn error(name: &str, content: impl Into<Vec<u8>>) -> String {
    rows_of(name, content, &ReadOptions::default()).unwrap_err().to_string()
}

fn texts(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.text.as_str()).collect()
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

fn lines(rows: &[Row]) -> Vec<u64> {
    rows.iter().map(|row| row.line).collect()
}

/// Rows under `BadRows::Skip`, how many were skipped, and the reasons.
fn skipping(name: &str, content: impl Into<Vec<u8>>) -> (Vec<Row>, u64, Vec<String>) {
    let options = ReadOptions { bad_rows: BadRows::Skip, ..ReadOptions::default() };
    let mut rows = Rows::new(Cursor::new(content.into()), name, &options).unwrap();
    let good: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
    let reasons = rows.skip_reasons().iter().map(Error::to_string).collect();
    (good, rows.skipped(), reasons)
}

/// Gives one byte per read, and is interrupted now and then.
struct Dribble(Cursor<Vec<u8>>, bool);

impl Read for Dribble {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let end = buffer.len().min(1);
        self.0.read(&mut buffer[..end])
    }
}

// --- formats ---

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
    let extra: Vec<(&str, &Value)> = rows[1].extra.iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(extra, [("z", &json!([1, {"k": null}])), ("a", &json!(0.1))]);
    assert_eq!(rows[3].extra["document"], "stays");
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
    assert_eq!(rows[0].extra["lang"], "en");
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
    assert_eq!(rows[0].extra.keys().collect::<Vec<_>>(), ["text", "id"]);
    let rows = rows_of("a.csv", "doi,abstract,name\nd,a,n\n", &options).unwrap();
    assert_eq!((texts(&rows), ids(&rows), rows[0].title.as_deref()), (vec!["a"], vec!["d"], Some("n")));
    let error = rows_of("a.jsonl", r#"{"text": "b"}"#, &options).unwrap_err().to_string();
    assert_eq!(
        error,
        "a.jsonl:1: no text 'abstract': this row has the field 'text'; name the one to use with --text-field"
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

// --- errors ---

#[test]
fn what_is_wrong_with_a_row_is_said_with_file_line_and_remedy() {
    let good = "{\"text\": \"a\"}\n";
    let cases = [
        (
            r#"{"foo": 1, "bar": 2}"#,
            "no text: this row has the fields 'foo', 'bar'; name the one to use with --text-field",
        ),
        ("{}", "no text: this row is an object without fields"),
        (r#"{"text": 5}"#, "the text 'text' is a number, not a string; name another field with --text-field"),
        (r#"{"text": null}"#, "the text 'text' is null, not a string; name another field with --text-field"),
        (r#"{"text": "a", "score": "high"}"#, "'score' is a string, not a number"),
        (r#"{"text": "a", "id": [1]}"#, "the id 'id' is an array, not a string or a number"),
        (
            r#"{"text": "a", "id": 123456789012345678901234}"#,
            "the id 'id' is a number too large to be exact; write it as a string",
        ),
        (r#"{"text": "a", "title": 3}"#, "the title 'title' is a number, not a string"),
        ("17", "this row is a number, not a string or an object with a text"),
        ("null", "this row is null, not a string or an object with a text"),
        (
            r#"["a"]"#,
            "this row is an array, not a string or an object with a text (an array over many lines: --input-format json)",
        ),
        (r#"{"text": "a""#, "broken JSON: EOF while parsing an object (column 12)"),
        (r#"{"text": "a"} x"#, "broken JSON: trailing characters (column 15)"),
        (r#"{"text": "\ud800"}"#, "broken JSON: unexpected end of hex escape (column 17)"),
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
    assert_eq!(error("a.csv", "text,score\na,nan\n"), "a.csv:2: the score 'nan' is not a number");
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
    let message = "no text: this header has the columns 'a', 'b'; name the one to use with --text-field; a file without a header needs one first";
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
            "a.json:1: a JSON input must be one array; for one object or string per line use --input-format jsonl",
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
fn utf16_and_compressed_files_are_refused_by_name() {
    let cases: [(&[u8], &str); 5] = [
        (b"\xFF\xFEa\0", "UTF-16"),
        (b"\xFE\xFF\0a", "UTF-16"),
        (b"\x1F\x8B\x08", "gzip"),
        (b"\x28\xB5\x2F\xFD", "zstd"),
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

// --- properties ---

/// Everything that a row means, without the line.
fn meaning(rows: Vec<Row>) -> Vec<Row> {
    rows.into_iter()
        .map(|mut row| {
            row.line = 0;
            row
        })
        .collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z\"\\\\,]{1,4}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// A row as JSON, with what it must be read as.
fn any_object() -> impl Strategy<Value = Value> {
    let extra = prop::collection::vec(("x[a-z\"\\\\ é]{0,4}", any_json()), 0..4);
    let title = prop::option::of(any::<String>());
    let score = prop::option::of(any::<f64>().prop_filter("JSON has no infinity", |score| score.is_finite()));
    (any::<String>(), any::<String>(), title, score, extra).prop_map(|(id, text, title, score, extra)| {
        let mut row = json!({ "id": id, "text": text });
        if let Some(title) = title {
            row["title"] = title.into();
        }
        if let Some(score) = score {
            row["score"] = score.into();
        }
        for (name, value) in extra {
            row[name] = value;
        }
        row
    })
}

fn as_object(row: &Row) -> Value {
    let mut object = json!({ "id": row.id, "text": row.text });
    if let Some(title) = &row.title {
        object["title"] = title.as_str().into();
    }
    if let Some(score) = row.first_stage_score {
        object["score"] = score.into();
    }
    for (name, value) in &row.extra {
        object[name] = value.clone();
    }
    object
}

/// As text, so that the order of the fields counts too.
fn as_lines(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}

/// A field as RFC 4180 wants it: quoted, with inner quotes doubled.
fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

proptest! {
    // A failure prints its shrunk input; no file beside the sources is needed to see it again.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_rows_come_back_from_jsonl_and_from_a_json_array(objects in prop::collection::vec(any_object(), 0..6)) {
        let jsonl: String = objects.iter().map(|object| format!("{object}\n")).collect();
        let pretty = serde_json::to_string_pretty(&objects).unwrap();
        for (name, content) in [("a.jsonl", jsonl), ("a.json", pretty), ("a.json", Value::from(objects.clone()).to_string())] {
            let rows: Vec<Value> = read(name, content).iter().map(as_object).collect();
            prop_assert_eq!(as_lines(&rows), as_lines(&objects), "{}", name);
        }
    }

    #[test]
    fn any_rows_come_back_from_csv(records in prop::collection::vec(any::<[String; 3]>(), 0..6), crlf in any::<bool>()) {
        let end = if crlf { "\r\n" } else { "\n" };
        let lines = records.iter().map(|record| record.each_ref().map(|field| quoted(field)).join(",") + end);
        let rows = read("a.csv", format!("id,text,x{end}{}", lines.collect::<String>()));
        prop_assert_eq!(rows.len(), records.len());
        for (at, (row, [id, text, x])) in rows.iter().zip(&records).enumerate() {
            let id = if id.is_empty() { (at + 1).to_string() } else { id.clone() };
            prop_assert_eq!((&row.id, &row.text, &row.extra["x"]), (&id, text, &json!(x)));
        }
    }

    #[test]
    fn any_one_line_fields_come_back_from_tsv(records in prop::collection::vec(["[^\t\r\n]{1,9}", "[^\t\r\n]{0,9}"], 0..6)) {
        let lines = records.iter().map(|record| record.each_ref().map(|field| quoted(field)).join("\t") + "\n");
        let rows = read("a.tsv", format!("id\ttext\n{}", lines.collect::<String>()));
        let found: Vec<[String; 2]> = rows.into_iter().map(|row| [row.id, row.text]).collect();
        prop_assert_eq!(found, records);
    }

    #[test]
    fn line_ends_a_mark_and_the_size_of_reads_change_nothing(texts in prop::collection::vec("[a-zé\"', ]{0,8}", 0..6)) {
        let json_lines: String = texts.iter().map(|text| format!("{}\n", json!({ "text": text }))).collect();
        let array = serde_json::to_string_pretty(&texts).unwrap();
        let table: String = texts.iter().map(|text| format!("\"{}\",1\n", text.replace('"', "\"\""))).collect();
        let contents = [
            ("a.txt", texts.iter().map(|text| format!("{text}\n")).collect::<String>()),
            ("a.jsonl", json_lines),
            ("a.json", array),
            ("a.csv", format!("text,n\n{table}")),
            ("a.tsv", format!("text\tn\n{}", table.replace("\",1\n", "\"\t1\n"))),
        ];
        for (name, content) in contents {
            let rows = read(name, content.as_str());
            prop_assert_eq!(rows.len(), texts.len(), "{}", name);
            prop_assert_eq!(&read(name, content.replace('\n', "\r\n")), &rows, "{} with CRLF", name);
            prop_assert_eq!(&read(name, format!("\u{feff}{content}")), &rows, "{} with a mark", name);
            let dribble = Dribble(Cursor::new(content.into_bytes()), false);
            let slow: Vec<Row> = Rows::new(dribble, name, &ReadOptions::default()).unwrap().map(Result::unwrap).collect();
            prop_assert_eq!(&slow, &rows, "{} byte by byte", name);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic_or_run_on(bytes in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"[]{}\",:\\\r\n\ttext".to_vec())], 0..80)) {
        for format in InputFormat::ALL {
            for bad_rows in [BadRows::Fail, BadRows::Skip] {
                let options = ReadOptions { format: Some(format), bad_rows, max_row_bytes: 16, ..ReadOptions::default() };
                if let Ok(rows) = Rows::new(Cursor::new(bytes.clone()), "-", &options) {
                    prop_assert!(rows.count() <= bytes.len() + 1);
                }
            }
        }
    }

    #[test]
    fn the_scores_of_a_run_come_back_bit_by_bit(bits in any::<u32>()) {
        let score = f32::from_bits(bits);
        let mut line = String::new();
        prop_assert_eq!(write_run_line(&mut line, "q", "d", 1, score, "t").is_ok(), score.is_finite());
        if score.is_finite() {
            let printed = line.split(' ').nth(4).unwrap();
            prop_assert_eq!(printed.parse::<f32>().unwrap().to_bits(), bits);
            prop_assert_eq!((printed.parse::<f64>().unwrap() as f32).to_bits(), bits);
        }
    }
}

#[test]
fn skipping_a_row_changes_no_id_of_the_others() {
    let objects = "{\"text\": \"a\"}\n{\"tex\": \"b\"}\n{\"text\": \"c\"}\n";
    assert_eq!(ids(&skipping("a.jsonl", objects).0), ["1", "3"]);
    assert_eq!(meaning(skipping("a.jsonl", objects).0)[1].text, "c");
}

// --- queries and runs ---

fn with_file<T>(name: &str, content: &str, test: impl FnOnce(&Path) -> T) -> T {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    test(&path)
}

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
    let lines = with_file("a.run", &format!("{run}\n"), |path| read_run(path)).unwrap();
    assert_eq!(lines.len(), 2);
    assert_eq!((lines[1].document_id.as_str(), lines[1].rank, lines[1].score as f32), ("d2", 2, -1e-30));
    let bad = |content: &str| with_file("a.run", content, |path| read_run(path)).unwrap_err().to_string();
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

// --- embeddings ---

fn metadata() -> BTreeMap<String, String> {
    [("model", "tiny \"é\""), ("role", "document")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Numbers that show a wrong byte order or too few digits.
const ROWS: [[f32; 3]; 2] = [[0.1, -1.5e-30, 16_777_217.0], [f32::MIN_POSITIVE / 2.0, f32::MAX, 0.333_333_34]];

fn write(path: &Path, rows: &[[f32; 3]]) {
    let mut writer = EmbeddingWriter::create(path, 3, &metadata()).unwrap();
    for (at, row) in rows.iter().enumerate() {
        writer.push(&format!("id \"{at}\""), row).unwrap();
    }
    assert_eq!(writer.finish().unwrap(), rows.len() as u64);
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn names_in(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn npy_holds_the_rows_as_its_format_says() {
    let folder = tempfile::tempdir().unwrap();
    for num_rows in [0, 1, 2] {
        let path = folder.path().join("out.npy");
        write(&path, &ROWS[..num_rows]);
        let bytes = fs::read(&path).unwrap();
        assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
        let header_bytes = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        assert_eq!((10 + header_bytes) % 64, 0);
        let header = std::str::from_utf8(&bytes[10..10 + header_bytes]).unwrap();
        assert_eq!(
            header.trim_end(),
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({num_rows}, 3), }}")
        );
        assert!(header.ends_with(" \n"));
        assert_eq!(floats(&bytes[10 + header_bytes..]), ROWS[..num_rows].concat());
    }
    assert_eq!(names_in(folder.path()), ["out.npy"]);
}

#[test]
fn safetensors_holds_one_tensor_and_the_metadata() {
    let folder = tempfile::tempdir().unwrap();
    for num_rows in [0, 1, 2] {
        let path = folder.path().join("out.safetensors");
        write(&path, &ROWS[..num_rows]);
        let bytes = fs::read(&path).unwrap();
        let (header_bytes, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        assert_eq!(header_bytes % 8, 0, "the data must lie on whole words");
        assert_eq!(header.metadata().clone().unwrap().into_iter().collect::<BTreeMap<_, _>>(), metadata());
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        assert_eq!(tensors.names(), ["embeddings"]);
        let tensor = tensors.tensor("embeddings").unwrap();
        assert_eq!((tensor.dtype(), tensor.shape()), (safetensors::Dtype::F32, &[num_rows, 3][..]));
        assert_eq!(floats(tensor.data()), ROWS[..num_rows].concat());
    }
}

#[test]
fn jsonl_holds_ids_and_numbers_that_come_back_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.jsonl");
    write(&path, &ROWS);
    let content = fs::read_to_string(&path).unwrap();
    assert!(content.starts_with("{\"id\":\"id \\\"0\\\"\",\"embedding\":[0.1,"), "{content}");
    for (line, row) in content.lines().zip(ROWS) {
        let value: Value = serde_json::from_str(line).unwrap();
        let found: Vec<f32> =
            value["embedding"].as_array().unwrap().iter().map(|number| number.as_f64().unwrap() as f32).collect();
        assert_eq!(found, row);
    }
    assert_eq!(content.lines().count(), 2);
}

#[test]
fn a_writer_that_is_dropped_leaves_nothing_and_the_old_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["out.npy", "out.safetensors", "out.jsonl"] {
        let path = folder.path().join(name);
        let mut writer = EmbeddingWriter::create(&path, 1, &metadata()).unwrap();
        writer.push("1", &[1.0]).unwrap();
        drop(writer);
    }
    assert!(names_in(folder.path()).is_empty());
    let path = folder.path().join("out.npy");
    fs::write(&path, "old").unwrap();
    let mut writer = EmbeddingWriter::create(&path, 1, &metadata()).unwrap();
    writer.push("1", &[1.0]).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    writer.finish().unwrap();
    assert!(fs::read(&path).unwrap().starts_with(b"\x93NUMPY"));
    assert_eq!(names_in(folder.path()), ["out.npy"]);
}

#[cfg(unix)]
#[test]
fn the_output_has_the_rights_of_an_ordinary_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let (ours, plain) = (folder.path().join("out.npy"), folder.path().join("plain"));
    write(&ours, &ROWS);
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&ours), mode(&plain));
}

#[test]
fn targets_that_cannot_be_written_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let create = |path: &Path| EmbeddingWriter::create(path, 3, &metadata()).unwrap_err();
    let directory = folder.path().join("dir.npy");
    fs::create_dir(&directory).unwrap();
    assert!(matches!(create(&directory), Error::Io { .. }));
    assert!(matches!(create(&folder.path().join("none/out.npy")), Error::Io { .. }));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(create(&file.join("out.npy")), Error::Io { .. }));
    let message = create(Path::new("out.parquet")).to_string();
    assert_eq!(message, "cannot tell the format of 'out.parquet'; its name must end in .npy, .safetensors or .jsonl");
}

#[test]
fn a_row_of_the_wrong_width_or_with_a_number_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = EmbeddingWriter::create(folder.path().join("out.jsonl"), 2, &metadata()).unwrap();
    writer.push("a", &[0.0, 1.0]).unwrap();
    let message = writer.push("b", &[0.0]).unwrap_err().to_string();
    assert_eq!(message, "the embedding of row 2 ('b') has 1 numbers, not 2");
    let message = writer.push("b", &[0.0, f32::NAN]).unwrap_err().to_string();
    assert_eq!(message, "the embedding of row 2 ('b') has NaN at 1, not a finite number");
    assert!(EmbeddingWriter::create(folder.path().join("out.npy"), 0, &metadata()).is_err());
}
