//! What holds for any rows.

use std::io::Cursor;

use nearsort::io::{BadRows, InputFormat, ReadOptions, Row, Rows, write_run_line};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Dribble, read};

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
    for (name, _) in row.extra.iter() {
        object[name] = row.extra.value(name).unwrap();
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
            prop_assert_eq!((&row.id, &row.text, row.extra.value("x")), (&id, text, Some(json!(x))));
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
