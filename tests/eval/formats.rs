//! Runs and judgements as other programs write them: the same numbers come out, whatever the form.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use nearsort::eval::{Measure, evaluate_run};
use nearsort::io::{Qrels, Run, RunFile, RunFormat};
use serde_json::{Value, json};

use super::{beir, parse, path, qrels_of, with_file};

const MEASURES: &str = "nDCG@10,AP,RR,P@5,R@100,Judged@10,Bpref";

fn values(qrels: &Qrels, run: &RunFile) -> Vec<Vec<f64>> {
    let measures = parse(MEASURES);
    let evaluation = evaluate_run(qrels, run, &measures).unwrap();
    (0..measures.len()).map(|at| evaluation.values(at)).collect()
}

/// Query, document, rank and score.
type Fields = (String, String, usize, f64);

/// The lines of a run: query, document, rank by score from 1, score.
fn lines(run: &Run) -> Vec<Fields> {
    let mut all = Vec::new();
    for (query, mut documents) in run.iter() {
        documents.sort_by(|a, b| b.score.total_cmp(&a.score));
        let line = |(rank, document): (usize, &nearsort::io::ScoredDocument<'_>)| {
            (query.to_owned(), document.id.to_owned(), rank, document.score)
        };
        all.extend((1..).zip(&documents).map(line));
    }
    all
}

fn nested<T: Into<Value> + Copy>(lines: impl IntoIterator<Item = (String, String, T)>) -> String {
    let mut object = serde_json::Map::new();
    for (query, document, value) in lines {
        object.entry(query).or_insert_with(|| json!({}))[&document] = value.into();
    }
    serde_json::to_string_pretty(&Value::from(object)).unwrap()
}

fn gz(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

#[test]
fn runs_of_other_programs_give_the_same_numbers() {
    // Without ties, so that ranks alone say as much as scores.
    let (file, qrels) = (path("binary.run"), qrels_of("binary"));
    let reference = values(&qrels, &RunFile::open(&file).unwrap());
    let run = RunFile::open(&file).unwrap().read().unwrap();
    let lines = lines(&run);
    let table = |header: &str, line: &dyn Fn(&Fields) -> String| {
        header.to_owned() + &lines.iter().map(|fields| line(fields) + "\n").collect::<String>()
    };
    let json = nested(lines.iter().map(|(query, document, _, score)| (query.clone(), document.clone(), *score)));
    let scores = table("qid,docid,score\n", &|(q, d, _, s)| format!("{q},{d},{s}"));
    for (name, text, format) in [
        ("marco.tsv", table("", &|(q, d, r, _)| format!("{q}\t{d}\t{r}")), RunFormat::Table),
        ("marco.txt", table("qid\tpid\trank\n", &|(q, d, r, _)| format!("{q}\t{d}\t{r}")), RunFormat::Table),
        ("run.csv", scores.clone(), RunFormat::Table),
        (
            "run.csv",
            table("\"score\",\"query id\",\"Doc-ID\"\r\n", &|(q, d, _, s)| format!("{s},\"{q}\",\"{d}\"\r")),
            RunFormat::Table,
        ),
        (
            "pyterrier.csv",
            table(",qid,docid,docno,rank,score,query\n", &|(q, d, r, s)| format!("0,{q},17,{d},{r},{s},a b c")),
            RunFormat::Table,
        ),
        ("run.tsv", table("query_id\tdoc_id\tscore\n", &|(q, d, _, s)| format!("{q}\t{d}\t{s}")), RunFormat::Table),
        ("semicolons.csv", table("topic;docno;sim\n", &|(q, d, _, s)| format!("{q};{d};{s}")), RunFormat::Table),
        ("run.json", json.clone(), RunFormat::Json),
        ("run", json.clone(), RunFormat::Json),
    ] {
        for bytes in [text.clone().into_bytes(), gz(&text)] {
            with_file(name, &bytes, |path| {
                let run = RunFile::open(path).unwrap();
                assert_eq!(run.format(), format, "{name}");
                assert_eq!(values(&qrels, &run), reference, "{name}");
            });
        }
    }
}

#[test]
fn judgements_of_other_programs_give_the_same_numbers() {
    let (file, qrels) = (path("graded.run"), qrels_of("graded"));
    let run = RunFile::open(&file).unwrap();
    let reference = values(&qrels, &run);
    let three: Vec<Vec<String>> =
        beir(&qrels).lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect();
    let table = |header: &str, line: &dyn Fn(&[String]) -> String| {
        header.to_owned() + &three.iter().map(|fields| line(fields) + "\n").collect::<String>()
    };
    let grade = |text: &String| text.parse::<i32>().unwrap();
    let json = nested(three.iter().map(|line| (line[0].clone(), line[1].clone(), grade(&line[2]))));
    let floats = nested(three.iter().map(|line| (line[0].clone(), line[1].clone(), f64::from(grade(&line[2])))));
    for (name, text) in [
        ("query_id corpus_id score", table("query_id corpus_id score\n", &|line| line.join(" "))),
        ("qid docid rel", table("qid\tdocid\trel\n", &|line| line.join("\t"))),
        ("commas", table("query_id,doc_id,relevance\n", &|line| line.join(","))),
        ("commas without a header", table("", &|line| line.join(","))),
        ("another order", table("Relevance,DocNo,Topic\n", &|line| format!("{},{},{}", line[2], line[1], line[0]))),
        ("other words", table("frage\tdokument\tnote\n", &|line| line.join("\t"))),
        (
            "four columns with a header",
            table("qid iter docno rel\n", &|line| format!("{} 0 {} {}", line[0], line[1], line[2])),
        ),
        ("floats", table("", &|line| format!("{} 0 {} {}.0", line[0], line[1], line[2]))),
        (
            "a data frame",
            table(",query_id,doc_id,label,iteration\n", &|line| format!("7,{},{},{},0", line[0], line[1], line[2])),
        ),
        ("json", json),
        ("json of floats", floats),
    ] {
        for bytes in [text.clone().into_bytes(), gz(&text)] {
            let read = with_file("qrels", &bytes, |path| Qrels::read(path)).unwrap();
            let sorted = |qrels: &Qrels| {
                let mut all: Vec<String> = beir(qrels).lines().map(str::to_owned).collect();
                all.sort();
                all
            };
            assert_eq!(sorted(&read), sorted(&qrels), "{name}");
            let mut found = values(&read, &run);
            // JSON sorts nothing here, but its queries may come in another order.
            for (found, reference) in found.iter_mut().zip(&reference) {
                found.sort_by(f64::total_cmp);
                let mut reference = reference.clone();
                reference.sort_by(f64::total_cmp);
                assert_eq!(*found, reference, "{name}");
            }
        }
    }
}

#[test]
fn what_is_wrong_in_such_files_is_said() {
    for (text, message) in [
        ("1 0 a 1.5\n", "qrels:1: the grade 1.5 is not a whole number; measures are defined for whole grades"),
        ("qid,docid,rel\nq,a,1\nq,b\n", "qrels:3: 2 columns or an empty one; the first line has three"),
        ("{\"q\": {\"a\": 0.5}}", "the document 'a' of the query 'q': the grade 0.5 is not a whole number"),
        ("{\"q\":\n {\"a\": \"1\"}}", "qrels:2: invalid type: string"),
        (
            "{\"q\": {\"a\": 1, \"a\": 2}}",
            "qrels: the document 'a' has the grade 2 for the query 'q', and 1 on an earlier",
        ),
    ] {
        let error = Qrels::parse(text.as_bytes(), "qrels").unwrap_err().to_string();
        assert!(error.contains(message), "{error}\ndoes not contain\n{message}");
    }
    for (text, message) in [
        ("7\t9\t1\n7\t8\tx\n", "a.run:2: the rank 'x' is not a whole number of at least 1"),
        (
            "q\ta\t2.5\n",
            "a.run:1: 3 fields; a line of a run has six: query-id Q0 document-id rank score tag; a table of three columns needs a header",
        ),
        ("qid,docid,score\nq,a,1\nq,b,nan\n", "a.run:3: the score 'nan' is not a number"),
        ("qid,docid,score\nq,a,1\nq,a,0\n", "a.run:3: the document 'a' stands twice"),
        ("qid,docid,score\nq,a,1,4\n", "a.run:2: 4 columns or an empty one; the first line has 3"),
        ("{\"q\": {\"a\": 1, \"a\": 2}}", "the document 'a' stands twice in the results of the query 'q'"),
        ("{\"q\": {\"a\": 1},\n\"q\": {}}", "a.run:2: the query 'q' stands twice"),
        ("{\"q\": {\"a\": 1}", "a.run:1: EOF"),
    ] {
        let read = |path: &std::path::PathBuf| RunFile::open(path).unwrap().map_queries(|_| ());
        let error = with_file("a.run", text.as_bytes(), read).unwrap_err().to_string();
        assert!(error.contains(message), "{error}\ndoes not contain\n{message}");
    }
}

/// Whole scores in three columns look like ranks; read as such they would turn the order round
/// without a word.
#[test]
fn three_columns_are_ranks_only_where_they_go_from_1_up() {
    let read = |text: &str| {
        with_file("a.run", text.as_bytes(), |path| {
            let run = RunFile::open(path).unwrap();
            assert_eq!(run.format(), RunFormat::Table);
            run.map_queries(|results| results.documents().len())
        })
    };
    for (ranks, counts) in [
        ("7\ta\t1\n7\tb\t2\n", vec![2]),
        ("7\ta\t2\n7\tb\t1\n7\tc\t3\n", vec![3]),
        // Some are left out, and the lines of a query do not stand together.
        ("7\ta\t1\n7\tb\t5\n7\tc\t900\n", vec![3]),
        ("7\ta\t1\n8\ta\t1\n7\tb\t2\n8\tb\t2\n", vec![2, 2]),
    ] {
        assert_eq!(read(ranks).unwrap(), counts, "{ranks:?}");
    }
    for scores in [
        "7\ta\t25\n7\tb\t20\n",
        "7\ta\t5\n7\tb\t3\n7\tc\t1\n",
        "7\ta\t1\n7\tb\t1\n7\tc\t2\n",
        "7\ta\t1\n8\ta\t9\n7\tb\t2\n",
    ] {
        let error = read(scores).unwrap_err().to_string();
        assert!(
            error.contains("do not go from 1 up; put a header above the lines: query_id, doc_id and score"),
            "{error}"
        );
    }
    assert_eq!(read("qid\tdocid\tscore\n7\ta\t25\n7\tb\t20\n").unwrap(), [2]);
    assert_eq!(read("qid\tdocid\trank\n7\ta\t25\n7\tb\t20\n").unwrap(), [2]);
}

#[test]
fn runs_and_judgements_that_are_not_utf8_are_named_as_rows_are() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let run = "q1 Q0 d1 1 2.5 t\nq1 Q0 d2 2 1.5 t\n";
    for (bytes, expected) in [
        (utf16(&format!("\u{feff}{run}")), "this is UTF-16; convert it first: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
        (utf16(run), "this is UTF-16 without a byte-order mark (UTF-16LE); convert it first"),
    ] {
        let errors = [
            with_file("a.run", &bytes, |path| RunFile::open(path)).unwrap_err(),
            with_file("a.qrels", &bytes, |path| Qrels::read(path)).unwrap_err(),
            Qrels::parse(&bytes, "qrels").unwrap_err(),
        ];
        for error in errors {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

#[test]
fn names_of_measures_are_those_of_other_programs_too() {
    let expected: Value = serde_json::from_slice(&std::fs::read(path("spellings.json")).unwrap()).unwrap();
    let spellings = expected["spellings"].as_object().unwrap();
    assert!(spellings.len() > 40);
    for (typed, printed) in spellings {
        assert_eq!(
            typed.parse::<Measure>().map_err(|error| error.to_string()).map(|measure| measure.to_string()),
            Ok(printed.as_str().unwrap().to_owned()),
            "{typed}"
        );
    }
    for (typed, printed) in
        [("NDCG_AT_3", "nDCG@3"), ("P10", "P@10"), ("ndcg10", "nDCG@10"), ("R-Prec", "Rprec"), ("recall-at-5", "R@5")]
    {
        assert_eq!(typed.parse::<Measure>().unwrap().to_string(), printed);
    }
    let several: Vec<String> = parse("ndcg_cut.5,10 P.5,map").iter().map(Measure::to_string).collect();
    assert_eq!(several, ["nDCG@5", "nDCG@10", "P@5", "AP"]);
}

/// BEIR leaves out a document whose id is the query's; ir_measures says what is left.
#[test]
fn a_document_that_is_its_query_can_be_left_out() {
    let expected: Value = serde_json::from_slice(&std::fs::read(path("spellings.json")).unwrap()).unwrap();
    let case = &expected["identical"];
    let qrels = Qrels::parse(case["qrels"].as_str().unwrap().as_bytes(), "qrels").unwrap();
    let text = case["run"].as_str().unwrap();
    let mut scattered: Vec<&str> = text.lines().collect();
    scattered.sort_by_key(|line| line.split(' ').nth(3).unwrap().parse::<u32>().unwrap());
    for text in [text.to_owned(), scattered.join("\n")] {
        with_file("a.run", text.as_bytes(), |path| {
            for (ignore, name) in [(false, "with"), (true, "without")] {
                let answers = case[name].as_object().unwrap();
                let measures: Vec<Measure> = answers.keys().map(|name| name.parse().unwrap()).collect();
                let run = RunFile::open(path).unwrap().ignore_identical_ids(ignore);
                let evaluation = evaluate_run(&qrels, &run, &measures).unwrap();
                for (at, (measure, answer)) in answers.iter().enumerate() {
                    let (found, value) = (evaluation.aggregate(at), answer.as_f64().unwrap());
                    assert!((found - value).abs() < 1e-6, "{name}, {measure}: {found}, not {value}");
                }
            }
        });
    }
}

/// Reads what `NEARSORT_BOUND_FILE` names, in a process of its own; without it there is nothing to
/// do.
#[test]
fn bound_of_one_file() {
    let Ok(file) = std::env::var("NEARSORT_BOUND_FILE") else { return };
    let ended = match std::env::var("NEARSORT_BOUND_KIND").as_deref() {
        Ok("qrels") => Qrels::read(&file).map(|qrels| qrels.num_queries().to_string()),
        _ => RunFile::open(&file).and_then(|run| run.map_queries(|_| ())).map(|queries| queries.len().to_string()),
    };
    println!("ended with: {}", ended.unwrap_or_else(|error| error.to_string()));
    #[cfg(target_os = "linux")]
    println!("{}", std::fs::read_to_string("/proc/self/status").unwrap());
}

/// What a process of its own says of a file, and its peak memory in MiB.
#[cfg(target_os = "linux")]
fn in_a_process_of_its_own(kind: &str, bytes: &[u8]) -> (String, u64) {
    with_file("bomb.gz", bytes, |path| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "eval::formats::bound_of_one_file", "--nocapture", "--test-threads", "1"])
            .env("NEARSORT_BOUND_FILE", path)
            .env("NEARSORT_BOUND_KIND", kind)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let after = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once(name).map(|(_, rest)| rest.trim()))
                .unwrap_or_default()
                .to_owned()
        };
        let peak = after("VmHWM:").trim_end_matches("kB").trim().parse::<u64>().unwrap();
        (after("ended with:"), peak >> 10)
    })
}

/// Half a MiB of gzip that was unpacked to half a GiB, and more, in memory.
#[cfg(target_os = "linux")]
#[test]
fn what_unpacks_to_much_more_is_read_in_bounded_memory() {
    const UNPACKED: usize = 300 << 20;
    let repeated = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let block = text.repeat((1 << 20) / text.len() + 1);
        for _ in 0..UNPACKED.div_ceil(block.len()) {
            packer.write_all(block.as_bytes()).unwrap();
        }
        packer.finish().unwrap()
    };
    for (kind, text, ending) in [
        ("run", "1 Q0 d 1 1 t\n", "the document 'd' stands twice"),
        ("run", "1 Q0 d 1 1 t\n2 Q0 d 1 1 t\n", "the document 'd' stands twice"),
        ("run", "\n", "0"),
        ("run", "x", "longer than 65536 bytes"),
        ("run", "qid,docid,score\n", "is not a number"),
        ("qrels", "1 0 d 1\n", "1"),
        ("qrels", "1 0 d 1\n2 0 d 1\n", "2"),
        ("qrels", "\n", "no judgements"),
        ("qrels", "x", "longer than 65536 bytes"),
        ("qrels", "{\"a\":{\"x", "expected `:`"),
    ] {
        let (ended, peak) = in_a_process_of_its_own(kind, &repeated(text));
        assert!(ended.contains(ending), "{kind} {text:?}: {ended}");
        assert!(peak < 64, "{kind} {text:?}: {peak} MiB");
    }
    let mut one = String::new();
    for at in 0..2000 {
        let _ = writeln!(one, "1 Q0 d{at} 1 1 t{}", "\n".repeat(1000));
    }
    let (ended, peak) = in_a_process_of_its_own("run", &gz(&one));
    assert!(ended == "1" && peak < 64, "blank lines between: {ended}, {peak} MiB");
}
