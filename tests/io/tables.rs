//! Tables that pyarrow and pandas wrote, beside what these read from them (make_tables.py).

use std::path::PathBuf;

use nearsort::io::{ReadOptions, Row, Rows};

use super::{ids, texts};

fn path(name: &str) -> PathBuf {
    PathBuf::from("tests/io/tables").join(name)
}

fn read(name: &str) -> nearsort::Result<Vec<Row>> {
    Rows::open(path(name), &ReadOptions::default())?.collect()
}

fn error(name: &str) -> String {
    read(name).unwrap_err().to_string()
}

/// The fields of each row with the JSON text of their values.
fn expected(name: &str) -> Vec<Vec<(String, String)>> {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn passed(rows: &[Row]) -> Vec<Vec<(String, String)>> {
    let owned = |row: &Row| row.extra.iter().map(|(name, json)| (name.to_owned(), json.to_owned())).collect();
    rows.iter().map(owned).collect()
}

#[test]
fn values_of_every_type_are_passed_through_as_pyarrow_reads_them() {
    let cases = [
        ("types.parquet", "types.json"),
        ("types.arrow", "types.json"),
        ("types.arrows", "types.json"),
        ("arrow_types.arrow", "arrow_types.json"),
        ("arrow_types.arrows", "arrow_types.json"),
    ];
    for (file, json) in cases {
        let (found, expected) = (passed(&read(file).unwrap()), expected(json));
        assert_eq!(found.len(), expected.len(), "{file}");
        for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
            assert_eq!(found, expected, "{file}");
        }
        assert_eq!(found, expected, "{file}");
    }
}

#[test]
fn every_codec_is_read_or_named() {
    for name in ["none", "snappy", "gzip", "lz4", "zstd"] {
        let rows = read(&format!("{name}.parquet")).unwrap();
        assert_eq!(ids(&rows), ["x", "y"], "{name}");
        assert_eq!(
            passed(&rows),
            [[("n".to_owned(), "[1]".to_owned())], [("n".to_owned(), "[]".to_owned())]],
            "{name}"
        );
    }
    for name in ["lz4", "zstd"] {
        assert_eq!(ids(&read(&format!("{name}.arrow")).unwrap()), ["x", "y"], "{name}");
    }
    let brotli = error("brotli.parquet");
    assert!(brotli.contains("is compressed with Brotli, which is not read here; write it with zstd"), "{brotli}");
    for name in ["encrypted.parquet", "encrypted_columns.parquet"] {
        let message = error(name);
        assert!(message.contains("encrypted") && !message.contains("damaged"), "{message}");
    }
}

#[test]
fn the_index_of_pandas_is_the_id_and_categories_are_texts() {
    let rows = read("pandas.parquet").unwrap();
    assert_eq!(ids(&rows), ["first", "second"]);
    assert_eq!(passed(&rows), expected("pandas.json"));
}

#[test]
fn a_null_text_is_an_empty_one() {
    let rows = read("nulls.parquet").unwrap();
    assert_eq!((ids(&rows), texts(&rows)), (vec!["1", "2"], vec!["", ""]));
    assert_eq!((rows[0].passage().as_ref(), rows[1].passage().as_ref()), ("T", ""));
}

#[test]
fn a_column_that_is_not_passed_through_is_not_read() {
    let options = ReadOptions { extra: false, ..ReadOptions::default() };
    let rows: Vec<Row> = Rows::open(path("types.parquet"), &options).unwrap().map(Result::unwrap).collect();
    assert!(rows.len() == 3 && rows.iter().all(|row| row.extra.is_empty()));
    let options = ReadOptions { text_field: Some("struct.b.c.0".into()), ..options };
    let rows: Vec<Row> = Rows::open(path("types.parquet"), &options).unwrap().take(1).map(Result::unwrap).collect();
    assert_eq!(texts(&rows), ["2024-02-29T13:04:05.678900"]);
}

/// How much memory reading takes is tested on the command, in a process of its own.
#[test]
fn a_batch_that_unpacks_to_a_thousand_times_its_size_is_refused_and_is_not_damage() {
    let message = error("plain_bomb.parquet");
    assert!(message.contains("unpack to") && message.contains("write it with smaller pages"), "{message}");
    let message = error("zstd_bomb.arrow");
    assert!(message.contains("unpacks to") && message.contains("write it with smaller batches"), "{message}");
    for name in ["dictionary_bomb.parquet", "delta_bomb.parquet"] {
        let rows = Rows::open(path(name), &ReadOptions::default()).unwrap();
        assert_eq!(rows.map(|row| row.unwrap().text.len()).filter(|length| *length == 1 << 20).count(), 1024, "{name}");
    }
}
