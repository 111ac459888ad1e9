//! Parquet and Arrow.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, BooleanArray, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StringViewArray, UInt64Array,
};
use nearsort::Error;
use nearsort::io::{BadRows, Corpus, InputFormat, ParquetResults, ReadOptions, Row, Rows, read_queries};
use proptest::prelude::*;
use serde_json::json;

use super::{ids, lines, names_in, texts};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

fn parquet(batches: &[RecordBatch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = parquet::arrow::ArrowWriter::try_new(&mut bytes, batches[0].schema(), None).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    bytes
}

fn arrow_file(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::FileWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

fn arrow_stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = arrow_ipc::writer::StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// How to write batches, and the extension.
type Format = (&'static str, fn(&[RecordBatch]) -> Vec<u8>);
const FORMATS: [Format; 4] =
    [("parquet", parquet), ("arrow", arrow_file), ("feather", arrow_file), ("arrows", arrow_stream)];

/// The batches as a file in `folder`.
fn file(folder: &Path, (extension, write): Format, batches: &[RecordBatch]) -> PathBuf {
    let path = folder.join(format!("c.{extension}"));
    fs::write(&path, write(batches)).unwrap();
    path
}

fn open(path: &Path, options: &ReadOptions) -> nearsort::Result<Vec<Row>> {
    Rows::open(path, options)?.collect()
}

/// What the rows of one batch are read as, from every format.
fn read(columns: Vec<(&str, ArrayRef)>, options: &ReadOptions) -> Vec<nearsort::Result<Vec<Row>>> {
    let folder = tempfile::tempdir().unwrap();
    let batch = batch(columns);
    FORMATS
        .into_iter()
        .map(|format| open(&file(folder.path(), format, std::slice::from_ref(&batch)), options))
        .collect()
}

fn rows(columns: Vec<(&str, ArrayRef)>) -> Vec<Row> {
    let mut found = read(columns, &ReadOptions::default()).into_iter().map(Result::unwrap);
    let first = found.next().unwrap();
    found.for_each(|rows| assert_eq!(rows, first));
    first
}

fn message(columns: Vec<(&str, ArrayRef)>, options: &ReadOptions) -> String {
    let found = read(columns, options).into_iter().map(|rows| rows.unwrap_err().to_string());
    let messages: Vec<String> = found.map(|message| message.rsplit_once("/c.").unwrap().1.to_owned()).collect();
    let without_extension = |message: &String| message.trim_start_matches(char::is_alphabetic).to_owned();
    let first = without_extension(&messages[0]);
    messages.iter().for_each(|message| assert_eq!(without_extension(message), first));
    first
}

/// The other fields of a row.
fn as_json(row: &Row) -> serde_json::Value {
    row.extra.iter().map(|(name, _)| (name.to_owned(), row.extra.value(name).unwrap())).collect()
}

fn strings(values: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(values.to_vec()))
}

#[test]
fn columns_are_the_fields_of_a_row_whatever_their_types() {
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)]), None]);
    let dictionary: DictionaryArray<Int8Type> = [Some("en"), None].into_iter().collect();
    let found = rows(vec![
        ("_id", Arc::new(Int64Array::from(vec![7, -8]))),
        ("nested", Arc::new(list)),
        ("text", Arc::new(LargeStringArray::from(vec!["one é", ""]))),
        ("title", Arc::new(StringViewArray::from(vec![Some("a title that is longer than a view holds"), None]))),
        ("score", Arc::new(Float32Array::from(vec![Some(1.5), None]))),
        ("lang", Arc::new(dictionary)),
        ("big", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("yes", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("nothing", Arc::new(NullArray::new(2))),
        ("real", Arc::new(Float64Array::from(vec![0.1, f64::NAN]))),
    ]);
    assert_eq!((ids(&found), texts(&found), lines(&found)), (vec!["7", "-8"], vec!["one é", ""], vec![1, 2]));
    assert_eq!(found[0].title.as_deref(), Some("a title that is longer than a view holds"));
    assert_eq!((found[0].first_stage_score, found[1].first_stage_score, &found[1].title), (Some(1.5), None, &None));
    let extra = json!({"nested": [1], "lang": "en", "big": u64::MAX, "yes": true, "nothing": null, "real": 0.1});
    assert_eq!(as_json(&found[0]), extra);
    let extra = json!({"nested": null, "lang": null, "big": 0, "yes": null, "nothing": null, "real": "NaN"});
    assert_eq!(as_json(&found[1]), extra);
}

#[test]
fn ids_and_texts_may_be_dictionaries_and_ids_may_be_missing() {
    let dictionary =
        |values: [&str; 3]| -> ArrayRef { Arc::new(values.into_iter().collect::<DictionaryArray<Int32Type>>()) };
    let found = rows(vec![("id", dictionary(["x", "y", "x"])), ("content", dictionary(["a", "a", "b"]))]);
    assert_eq!((ids(&found), texts(&found)), (vec!["x", "y", "x"], vec!["a", "a", "b"]));
    let found = rows(vec![("body", strings(&["a", "b"])), ("id", Arc::new(StringArray::from(vec![None, Some("z")])))]);
    assert_eq!(ids(&found), ["1", "z"]);
    assert_eq!(ids(&rows(vec![("text", strings(&["a", "b"]))])), ["1", "2"]);
}

#[test]
fn asked_for_columns_are_the_only_ones_that_count() {
    let options = ReadOptions {
        text_field: Some("abstract".into()),
        id_field: Some("doi".into()),
        score_field: Some("bm25".into()),
        ..ReadOptions::default()
    };
    let columns = || -> Vec<(&str, ArrayRef)> {
        vec![
            ("abstract", strings(&["a"])),
            ("text", strings(&["b"])),
            ("doi", strings(&["d"])),
            ("bm25", Arc::new(Int32Array::from(vec![3]))),
        ]
    };
    for found in read(columns(), &options) {
        let found = found.unwrap();
        assert_eq!((texts(&found), ids(&found), found[0].first_stage_score), (vec!["a"], vec!["d"], Some(3.0)));
        assert_eq!(found[0].extra.get("text"), Some("\"b\""));
    }
}

#[test]
fn columns_that_are_missing_or_of_the_wrong_type_are_errors_that_say_which_there_are() {
    let usual = ReadOptions::default();
    let asked = ReadOptions { text_field: Some("passage".into()), bad_rows: BadRows::Skip, ..ReadOptions::default() };
    let columns = || vec![("a", strings(&["x"])), ("b", strings(&["y"]))];
    assert_eq!(
        message(columns(), &usual),
        ": no text: this file has the columns 'a', 'b'; name the one to use with `text_field=`"
    );
    assert_eq!(
        message(columns(), &asked),
        ": no text 'passage': this file has the columns 'a', 'b'; name the one to use with `text_field=`"
    );
    assert_eq!(
        message(vec![("text", strings(&["a"])), ("id", Arc::new(Float64Array::from(vec![1.0])))], &usual),
        ": the id 'id' has the type Float64, not text or a whole number; name another column with `id_field=`"
    );
    assert_eq!(
        message(vec![("text", strings(&["a"])), ("score", strings(&["high"]))], &usual),
        ":1: the score 'high' is not a number; name another field with `score_field=`"
    );
    let list = || -> ArrayRef { Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1)])])) };
    for role in ["text", "title"] {
        let columns = vec![("body", strings(&["a"])), (role, list())];
        let expected = format!("the {role} '{role}' has the type List");
        assert!(message(columns, &usual).contains(&expected));
    }
    assert_eq!(
        message(vec![("text", strings(&["a"])), ("score", list())], &usual),
        ":1: the score 'score' is an array, not a number; name another field with `score_field=`"
    );
}

#[test]
fn a_row_that_cannot_be_used_is_an_error_with_its_number_and_can_be_skipped() {
    let text: ArrayRef =
        Arc::new(StringArray::from(vec![Some("a"), None, Some("a text too long"), Some("b"), Some("c")]));
    let score: ArrayRef = Arc::new(Float64Array::from(vec![1.0, 1.0, 1.0, f64::INFINITY, 2.0]));
    let columns = || vec![("text", text.clone()), ("score", score.clone())];
    assert_eq!(
        message(columns(), &ReadOptions::default()),
        ":4: the score 'inf' is not a finite number; leave it empty, or name another field with `score_field=`"
    );
    let folder = tempfile::tempdir().unwrap();
    let options = ReadOptions { bad_rows: BadRows::Skip, max_row_bytes: 10, ..ReadOptions::default() };
    for format in FORMATS {
        let mut rows = Rows::open(file(folder.path(), format, &[batch(columns())]), &options).unwrap();
        let good: Vec<Row> = rows.by_ref().map(Result::unwrap).collect();
        assert_eq!((ids(&good), texts(&good), rows.skipped()), (vec!["1", "2", "5"], vec!["a", "", "c"], 2));
        let reasons: Vec<String> = rows.skip_reasons().iter().map(ToString::to_string).collect();
        assert!(reasons[0].ends_with(":3: this row is longer than 10 bytes; split it, or look for a missing line end"));
        assert!(reasons[1].contains(":4: the score 'inf' is not a finite number"), "{reasons:?}");
    }
}

#[test]
fn many_batches_are_one_input_and_a_corpus_reads_them_at_random() {
    let folder = tempfile::tempdir().unwrap();
    let text = |n: u32| format!("text {n}");
    let part = |from: u32| {
        let texts: Vec<String> = (from..from + 1000).map(text).collect();
        batch(vec![("text", Arc::new(StringArray::from(texts)))])
    };
    let batches: Vec<RecordBatch> = (0..5).map(|n| part(n * 1000)).collect();
    for format in FORMATS {
        let path = file(folder.path(), format, &batches);
        let found = open(&path, &ReadOptions::default()).unwrap();
        assert_eq!((found.len(), found[4999].text.as_str(), found[4999].line), (5000, "text 4999", 5000));
        let corpus = Corpus::open(&[&path], &ReadOptions::default(), folder.path()).unwrap();
        for position in (0..5000).rev().step_by(7) {
            assert_eq!(corpus.row(position).unwrap(), found[position as usize]);
        }
        use sha2::{Digest, Sha256};
        let digest: String =
            Sha256::digest(fs::read(&path).unwrap()).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(corpus.digest(), digest, "{}", format.0);
    }
}

#[test]
fn first_bytes_tell_the_format_whatever_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let batches = [batch(vec![("text", strings(&["a"]))])];
    for (write, format) in
        [(FORMATS[0].1, InputFormat::Parquet), (FORMATS[1].1, InputFormat::Arrow), (FORMATS[3].1, InputFormat::Arrow)]
    {
        let path = folder.path().join("data.bin");
        fs::write(&path, write(&batches)).unwrap();
        assert_eq!(Rows::open(&path, &ReadOptions::default()).unwrap().format(), format);
        // A stream under a file's name, and the other way round, as some programs write them.
        let path = folder.path().join("data.arrow");
        fs::write(&path, write(&batches)).unwrap();
        assert_eq!(open(&path, &ReadOptions::default()).unwrap().len(), 1);
    }
    for (name, kind) in [("a.parquet", "Parquet"), ("a.feather", "Arrow")] {
        let path = folder.path().join(name);
        for content in ["", "text\n"] {
            fs::write(&path, content).unwrap();
            let message = open(&path, &ReadOptions::default()).unwrap_err().to_string();
            assert!(
                message.ends_with(&format!("{name}: this is not a {kind} file: its first bytes differ")),
                "{message}"
            );
        }
    }
    let asked = ReadOptions { format: Some(InputFormat::Parquet), ..ReadOptions::default() };
    assert!(Rows::new(Cursor::new("a"), "-", &asked).is_err());
}

#[test]
fn parquet_needs_a_file_and_arrow_does_not() {
    let batches = [batch(vec![("text", strings(&["a", "b"]))])];
    let folder = tempfile::tempdir().unwrap();
    for (extension, write) in FORMATS {
        let bytes = write(&batches);
        let from_stdin =
            Rows::new(Cursor::new(bytes.clone()), "-", &ReadOptions::default()).and_then(|rows| rows.collect());
        let path = folder.path().join(format!("c.{extension}.gz"));
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        std::io::Write::write_all(&mut packed, &bytes).unwrap();
        fs::write(&path, packed.finish().unwrap()).unwrap();
        let unpacked = open(&path, &ReadOptions::default());
        if extension != "parquet" {
            let found: [Vec<Row>; 2] = [from_stdin.unwrap(), unpacked.unwrap()];
            found.iter().for_each(|rows| assert_eq!(texts(rows), ["a", "b"], "{extension}"));
            continue;
        }
        let message = from_stdin.unwrap_err().to_string();
        assert_eq!(
            message,
            "-: a Parquet file is read from its end, which a stream does not have; save it to a file and read that"
        );
        let message = unpacked.unwrap_err().to_string();
        assert!(message.ends_with(
            "c.parquet.gz: a Parquet file is read from its end, which gzip does not allow; unpack it first"
        ));
    }
}

#[test]
fn compressed_columns_and_dictionaries_that_grow_are_read() {
    use arrow_ipc::CompressionType;
    use arrow_ipc::writer::{DictionaryHandling, FileWriter, IpcWriteOptions, StreamWriter};
    let part = |values: [&str; 2]| {
        let dictionary: DictionaryArray<Int32Type> = values.into_iter().collect();
        batch(vec![("text", strings(&values)), ("kind", Arc::new(dictionary))])
    };
    let batches = [part(["a", "b"]), part(["a", "c"])];
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let mut stream = StreamWriter::try_new_with_options(Vec::new(), &batches[0].schema(), options.clone()).unwrap();
        batches.iter().for_each(|batch| stream.write(batch).unwrap());
        let mut file = FileWriter::try_new_with_options(
            Vec::new(),
            &batches[0].schema(),
            options.with_dictionary_handling(DictionaryHandling::Delta),
        )
        .unwrap();
        // The second dictionary is the first and one more: only that is written.
        let grown = |values: &[&str], keys: [i32; 2], texts: [&str; 2]| {
            let dictionary = DictionaryArray::new(Int32Array::from(keys.to_vec()), strings(values));
            batch(vec![("text", strings(&texts)), ("kind", Arc::new(dictionary))])
        };
        let growing = [grown(&["a", "b"], [0, 1], ["a", "b"]), grown(&["a", "b", "c"], [2, 0], ["c", "a"])];
        growing.iter().for_each(|batch| file.write(batch).unwrap());
        for (bytes, expected) in
            [(stream.into_inner().unwrap(), ["a", "b", "a", "c"]), (file.into_inner().unwrap(), ["a", "b", "c", "a"])]
        {
            let rows: Vec<Row> =
                Rows::new(Cursor::new(bytes), "-", &ReadOptions::default()).unwrap().map(Result::unwrap).collect();
            let kinds: Vec<_> = rows.iter().map(|row| row.extra.value("kind").unwrap()).collect();
            assert_eq!(
                (texts(&rows), kinds),
                (expected.to_vec(), expected.map(|kind| json!(kind)).to_vec()),
                "{compression:?}"
            );
        }
    }
}

#[test]
fn queries_come_from_columns_too() {
    let folder = tempfile::tempdir().unwrap();
    let columns = batch(vec![("qid", strings(&["q1", "q2"])), ("query", strings(&["where", "when"]))]);
    for format in FORMATS {
        let queries = read_queries(file(folder.path(), format, std::slice::from_ref(&columns))).unwrap();
        assert_eq!((queries[1].id.as_str(), queries[1].text.as_str(), queries[1].line), ("q2", "when", 2));
    }
}

/// A file of some hundred rows, as bytes.
fn some_bytes((_, write): Format) -> Vec<u8> {
    let texts: Vec<String> = (0..300).map(|n| format!("text {n}")).collect();
    let dictionary: DictionaryArray<Int32Type> = texts.iter().map(|text| &text[..6]).collect();
    let columns = batch(vec![
        ("text", Arc::new(StringArray::from(texts))),
        ("score", Arc::new((0..300).map(f64::from).map(Some).collect::<Float64Array>())),
        ("kind", Arc::new(dictionary)),
    ]);
    write(&[columns])
}

#[test]
fn a_file_that_was_cut_short_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    for (format, title) in FORMATS.into_iter().zip(["Parquet", "Arrow", "Arrow", "Arrow"]) {
        let whole = some_bytes(format);
        let path = folder.path().join(format!("c.{}", format.0));
        for length in [8, 20, whole.len() / 2, whole.len() - 9] {
            fs::write(&path, &whole[..length]).unwrap();
            let error = open(&path, &ReadOptions::default()).unwrap_err();
            let expected = format!("c.{}: this {title} file is damaged: ", format.0);
            assert!(error.to_string().contains(&expected), "{length} bytes: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_file_never_makes_the_reader_panic(
        format in 0..4_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut bytes = some_bytes(FORMATS[format]);
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(format!("c.{}", FORMATS[format].0));
        fs::write(&path, bytes).unwrap();
        match open(&path, &ReadOptions::default()) {
            // What no checksum covers may be another text, but it is a text.
            Ok(rows) => prop_assert!(rows.len() <= 300),
            Err(error) => prop_assert!(error.to_string().contains("c."), "{}", error),
        }
    }
}

// --- results ---

fn write(path: &Path, num_rows: u32, with_text: bool) {
    let mut results = ParquetResults::create(path, with_text).unwrap();
    for n in 0..num_rows {
        results
            .push(&format!("q{}", n / 100), n % 100 + 1, &format!("d{n}"), 1.0 / (n + 1) as f32, &format!("text {n}"))
            .unwrap();
    }
    assert_eq!(results.finish().unwrap(), u64::from(num_rows));
}

#[test]
fn results_are_read_back_bit_by_bit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.parquet");
    for (num_rows, groups) in [(0, 0), (1, 1), (65_536, 1), (65_537, 2), (70_000, 2)] {
        write(&path, num_rows, true);
        let reader =
            parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&path).unwrap())
                .unwrap();
        let schema: Vec<String> =
            reader.schema().fields().iter().map(|field| format!("{} {}", field.name(), field.data_type())).collect();
        assert_eq!(schema, ["query_id Utf8", "rank UInt32", "id Utf8", "score Float32", "text Utf8"]);
        assert_eq!(reader.metadata().num_row_groups(), groups, "{num_rows} rows");
        assert_eq!(reader.metadata().file_metadata().created_by(), Some("nearsort"));
        let options = ReadOptions { id_field: Some("id".into()), ..ReadOptions::default() };
        let found = open(&path, &options).unwrap();
        assert_eq!(found.len(), num_rows as usize);
        for (n, row) in (0..num_rows).zip(&found) {
            let score = row.first_stage_score.unwrap() as f32;
            assert_eq!(
                (row.id.as_str(), score.to_bits()),
                (format!("d{n}").as_str(), (1.0 / (n + 1) as f32).to_bits())
            );
            assert_eq!(
                (row.extra.value("query_id"), row.extra.value("rank")),
                (Some(json!(format!("q{}", n / 100))), Some(json!(n % 100 + 1)))
            );
        }
    }
    assert_eq!(names_in(folder.path()), ["results.parquet"]);
}

#[test]
fn the_same_results_give_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["a.parquet", "b.parquet"].map(|name| folder.path().join(name));
    paths.iter().for_each(|path| write(path, 3000, false));
    assert_eq!(fs::read(&paths[0]).unwrap(), fs::read(&paths[1]).unwrap());
    let message = open(&paths[0], &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("this file has the columns 'query_id', 'rank', 'id', 'score'"), "{message}");
}

#[test]
fn results_that_are_dropped_leave_nothing_and_a_score_that_is_none_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.parquet");
    let mut results = ParquetResults::create(&path, true).unwrap();
    assert!(results.temporary_path().exists() && results.path() == path);
    let message = results.push("q", 1, "d", f32::NAN, "").unwrap_err().to_string();
    assert_eq!(message, "the score of 'd' for the query 'q' is NaN, not a finite number");
    drop(results);
    assert!(names_in(folder.path()).is_empty());
    assert!(matches!(ParquetResults::create(folder.path().join("none/r.parquet"), true), Err(Error::Io { .. })));
}
