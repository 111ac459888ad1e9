//! `nearsort diagnose`: planted faults are found, reports are whole, and what is recommended can be
//! typed.

use serde_json::Value;

use crate::support::{Folder, Ran, TINY, command, finish, root, run};

/// A query and the text that answers it.
pub const PAIRS: [(&str, &str); 24] = [
    ("how do bees make honey", "Worker bees turn nectar into honey by evaporating its water in the comb."),
    ("why is the sky blue", "Short waves of sunlight are scattered by the air, which gives the heavens their colour."),
    ("tallest mountain on earth", "Everest rises 8,849 metres above the sea, more than any other peak."),
    ("who painted the mona lisa", "Leonardo da Vinci worked for years on the portrait of Lisa Gherardini."),
    ("what causes tides", "The moon's gravity pulls the oceans, which rise and fall twice a day."),
    ("first person on the moon", "Neil Armstrong stepped onto the lunar surface in July 1969."),
    (
        "how does a vaccine work",
        "An injection shows the immune system a harmless part of a germ, so that it remembers it.",
    ),
    ("capital of australia", "Canberra was built between Sydney and Melbourne as the seat of government."),
    ("what do pandas eat", "Giant pandas live almost entirely on bamboo."),
    ("how is glass made", "Sand is melted with soda and lime at 1,500 degrees and shaped while hot."),
    ("largest ocean", "The Pacific covers a third of the planet's surface."),
    ("who wrote hamlet", "Shakespeare finished the tragedy of the Danish prince around 1600."),
    ("what is inflation in economics", "When prices rise in general, money buys less than before."),
    ("how do airplanes fly", "Air moving around the wing pushes it up and carries the aircraft."),
    ("why do leaves change color in autumn", "Trees break down chlorophyll before winter, and yellow pigments show."),
    ("fastest land animal", "A cheetah sprints at more than 100 kilometres per hour."),
    ("what is photosynthesis", "Plants build sugar from carbon dioxide and water with the energy of light."),
    ("how to brew green tea", "Pour water of 80 degrees over the leaves and let them steep for two minutes."),
    ("symptoms of a cold", "A runny nose, a sore throat and sneezing come with the infection."),
    ("who invented the telephone", "Alexander Graham Bell patented a device that carried speech over a wire."),
    ("how do earthquakes happen", "Plates of the crust slip along a fault and release stress as waves."),
    ("what is sourdough bread", "Dough is raised by wild yeast and bacteria from a starter."),
    ("how far is the sun", "Light from our star takes eight minutes over 150 million kilometres."),
    ("rules of offside in soccer", "An attacker may not be behind the last defender when the ball is played."),
];
/// Candidates of a query.
pub const DEPTH: usize = 12;
/// The rank of the answer in the first stage.
const ANSWER_RANK: usize = 5;

/// Files of one collection, before they are written.
pub struct Collection {
    pub queries: Vec<(String, String)>,
    pub documents: Vec<(String, String)>,
    pub run: Vec<(String, String, usize, f64)>,
    pub qrels: Vec<(String, String)>,
}

impl Collection {
    /// Each query's answer is the fifth of twelve candidates.
    pub fn new() -> Self {
        Self::with_answers_at(ANSWER_RANK)
    }

    /// Each query's answer has this rank among twelve candidates.
    pub fn with_answers_at(rank: usize) -> Self {
        let number = PAIRS.len();
        let ids = |prefix: &str, at: usize| format!("{prefix}{at}");
        let candidates = |query: usize| {
            let others = (1..DEPTH).map(move |step| (query + step * 5) % number).filter(move |&other| other != query);
            let mut list: Vec<usize> = others.collect();
            list.insert(rank - 1, query);
            list
        };
        let line = |query: usize, (at, document): (usize, usize)| {
            (ids("q", query), ids("d", document), at + 1, 20.0 - 1.25 * at as f64)
        };
        let lines = |query: usize| candidates(query).into_iter().enumerate().map(move |found| line(query, found));
        Self {
            queries: PAIRS.iter().enumerate().map(|(at, pair)| (ids("q", at), pair.0.to_owned())).collect(),
            documents: PAIRS.iter().enumerate().map(|(at, pair)| (ids("d", at), pair.1.to_owned())).collect(),
            run: (0..number).flat_map(lines).collect(),
            qrels: (0..number).map(|at| (ids("q", at), ids("d", at))).collect(),
        }
    }

    pub fn written(&self) -> Folder {
        let folder = Folder::new();
        let object = |(id, text): &(String, String)| serde_json::json!({ "_id": id, "text": text }).to_string();
        let lines = |rows: &[(String, String)]| rows.iter().map(object).collect::<Vec<_>>().join("\n") + "\n";
        folder.with("queries.jsonl", lines(&self.queries));
        folder.with("corpus.jsonl", lines(&self.documents));
        let run = self.run.iter().map(|(query, document, rank, score)| {
            let score = format!("{score:?}");
            format!("{query} Q0 {document} {rank} {score} bm25\n")
        });
        folder.with("bm25.trec", run.collect::<String>());
        let qrels = self.qrels.iter().map(|(query, document)| format!("{query} 0 {document} 1\n"));
        folder.with("qrels.txt", qrels.collect::<String>());
        folder
    }
}

/// `nearsort diagnose` over a folder's files; with judgements if `args` do not say `--no-qrels`,
/// with the default model if they say `--real`.
fn diagnose(folder: &Folder, args: &[&str]) -> Ran {
    let files = ["queries.jsonl", "corpus.jsonl", "bm25.trec", "qrels.txt"].map(|name| folder.text(name));
    let mut all = vec!["diagnose", "--queries", &files[0], "--corpus", &files[1], "--run", &files[2]];
    if !args.contains(&"--no-qrels") {
        all.extend(["--qrels", &files[3]]);
    }
    if !args.contains(&"--real") {
        all.extend(["--model", TINY]);
    }
    all.extend(args.iter().filter(|arg| !["--no-qrels", "--real"].contains(arg)));
    run(&all)
}

fn json(folder: &Folder, args: &[&str]) -> Value {
    diagnose(folder, &[args, &["--format", "json"]].concat()).json()
}

/// The finding of this name, or a panic that shows what was found.
#[track_caller]
fn finding<'a>(answer: &'a Value, name: &str) -> &'a Value {
    let findings = answer["report"]["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {findings:#?}"))
}

fn has(answer: &Value, name: &str) -> bool {
    answer["report"]["findings"].as_array().unwrap().iter().any(|finding| finding["name"] == name)
}

#[test]
fn a_good_setting_helps_and_the_verdict_comes_first() {
    let folder = Collection::new().written();
    let out = diagnose(&folder, &["--real"]).quietly();
    assert!(out.starts_with("Reranking helps: nDCG@10 0."), "{out}");
    let parts = ["Findings", "Effect", "Scorings and blends", "Cross-validation", "Ceiling", "Depth", "Texts"];
    let places: Vec<usize> = parts.iter().map(|part| out.find(&format!("\n{part}\n")).expect(part)).collect();
    assert!(places.is_sorted(), "{out}");
    assert!(out.contains("\nRecommendation\n") && out.contains("\n  nearsort rerank --queries "), "{out}");
    assert!(!out.contains('\u{1b}'), "colours outside of a terminal: {out}");
    let long = out.lines().find(|line| line.chars().count() > 110 && !line.starts_with("  nearsort rerank "));
    assert_eq!(long, None);
}

#[test]
fn json_has_the_report_and_what_made_it() {
    let folder = Collection::new().written();
    let path = folder.text("report.json");
    let answer = json(&folder, &["--seed", "3", "--json", &path]);
    let keys: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
    let expected =
        "nearsort command model seed resamples tried_queries notes recommended_command profile_command report";
    assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
    let report: Vec<&str> = answer["report"].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "verdict setting measure counts quality recommendation agreement spread lengths duplicates trials findings cannot_say";
    assert_eq!(report, expected.split(' ').collect::<Vec<_>>());
    assert_eq!(answer["model"]["model"], TINY);
    assert!(answer["command"].as_str().unwrap().starts_with("nearsort diagnose --queries "));
    assert_eq!(answer["report"]["counts"]["judged_queries"], 24);
    assert_eq!(answer["report"]["quality"]["by_query"].as_array().unwrap().len(), 24);
    // The tiny model is of no known family: the commonest prompts are tried, and the two other
    // poolings.
    let trials: Vec<&Value> = answer["report"]["trials"].as_array().unwrap().iter().map(|t| &t["name"]).collect();
    assert_eq!(trials, ["e5 prompts", "bge prompts", "nomic prompts", "cls pooling", "lasttoken pooling"]);
    let written: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written, answer);
}

#[test]
fn the_page_needs_nothing_else_and_markup_in_it_is_text() {
    let mut collection = Collection::new();
    let (script, image) = ("<script>alert('x')</script>", "<img src=http://evil.example/a.png>");
    collection.queries.iter_mut().for_each(|(_, text)| text.push_str(&format!("{image}{script}")));
    collection.documents.iter_mut().for_each(|(_, text)| text.push_str(script));
    let folder = collection.written();
    let path = folder.text("report.html");
    // A random model: some queries become worse, and are shown.
    // The queries are longer than it reads, which is said.
    diagnose(&folder, &["-q", "--scoring", "cosine", "--html", &path]).quietly();
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"), "the texts are not shown");
    for bad in ["<script", "<img", "<link", "src=\"", "href=", "url(", "@import", "xmlns"] {
        assert!(!page.contains(bad), "{bad}");
    }
    assert_eq!(page.matches("<svg ").count(), 6);
    assert!(page.contains("prefers-color-scheme: dark") && page.contains("name=\"viewport\""));
    for part in ["Recommendation", "Findings", "Charts", "Worst queries", "Numbers"] {
        assert!(page.contains(&format!("<h2>{part}</h2>")), "{part}");
    }
}

#[test]
fn an_inverted_run_is_found() {
    let mut collection = Collection::new();
    collection.run.iter_mut().for_each(|(.., score)| *score = -*score);
    let answer = json(&collection.written(), &["--real"]);
    assert_eq!(finding(&answer, "inverted-order")["severity"], "problem");
    assert!(!has(&json(&Collection::new().written(), &["--real"]), "inverted-order"));
}

/// As `--run <(zcat bm25.trec.gz)` gives it: what is read from it is gone.
#[cfg(unix)]
#[test]
fn a_run_may_come_from_a_pipe() {
    let folder = Collection::new().written();
    let expected = diagnose(&folder, &["--format", "json"]).json();
    let content = std::fs::read(folder.path("bm25.trec")).unwrap();
    let pipe = folder.path("bm25.trec");
    std::fs::remove_file(&pipe).unwrap();
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let writer = std::thread::spawn(move || std::fs::write(pipe, content).unwrap());
    let found = diagnose(&folder, &["--format", "json"]).json();
    writer.join().unwrap();
    assert_eq!(found["report"], expected["report"]);
}

#[test]
fn ids_that_do_not_match_are_found() {
    let mut collection = Collection::new();
    collection.qrels.iter_mut().for_each(|(_, document)| *document = format!("doc-{document}.txt"));
    let answer = json(&collection.written(), &[]);
    let found = finding(&answer, "ids-not-in-qrels");
    assert_eq!(found["severity"], "problem");
    assert!(found["examples"][0].as_str().unwrap().contains("doc-d"), "{found}");
    collection.qrels.iter_mut().for_each(|(query, _)| query.push('x'));
    let answer = json(&collection.written(), &[]);
    finding(&answer, "queries-not-in-qrels");
    assert_eq!(
        (&answer["report"]["verdict"]["kind"], &answer["report"]["quality"]),
        (&"cannot-say".into(), &Value::Null)
    );
}

#[test]
fn empty_texts_are_found() {
    let mut collection = Collection::new();
    collection.documents.iter_mut().step_by(6).for_each(|(_, text)| *text = "  ".to_owned());
    let answer = json(&collection.written(), &[]);
    let found = finding(&answer, "empty-texts");
    assert_eq!((&found["severity"], &answer["report"]["lengths"]["empty"]), (&"problem".into(), &4.into()));
}

/// Before a prompt that fills the model every query is the same.
#[test]
fn a_wrong_prompt_is_found_and_the_models_own_is_recommended() {
    let folder = Collection::new().written();
    let prompt = "filler ".repeat(300);
    let args = ["-q", "--real", "--scoring", "cosine", "--query-prompt", &prompt];
    let answer = json(&folder, &args);
    let found = finding(&answer, "wrong-prompt");
    assert!(found["remedy"].as_str().unwrap().contains("--query-prompt ''"), "{found}");
    let recommended = answer["recommended_command"].as_str().unwrap();
    assert!(recommended.contains("--query-prompt '' --document-prompt ''"), "{recommended}");
    assert!(!recommended.contains("filler"), "{recommended}");
    assert_eq!(answer["report"]["recommendation"]["profile"]["query-prompt"], "");
    assert!(!has(&json(&folder, &["--real", "--scoring", "cosine"]), "wrong-prompt"));
}

#[test]
fn another_pooling_is_another_model_and_the_models_own_is_tried() {
    let folder = Collection::new().written();
    let answer = json(&folder, &["--real", "--scoring", "cosine", "--pooling", "cls"]);
    assert_eq!(answer["report"]["setting"]["pooling"], "cls");
    let trials = answer["report"]["trials"].as_array().unwrap();
    let own = trials.iter().find(|trial| trial["name"] == "mean pooling (the model's own)").unwrap();
    assert_eq!(own["arguments"], "--pooling mean");
    assert!(own["comparison"]["difference"]["mean"].as_f64().unwrap() >= 0.0, "{own}");
    let mean = json(&folder, &["--real", "--scoring", "cosine"]);
    assert_eq!(mean["report"]["setting"]["pooling"], "mean");
    assert_ne!(mean["report"]["spread"], answer["report"]["spread"]);
    assert!(diagnose(&folder, &["--pooling", "max"]).error().contains("expected cls, mean or lasttoken"));
}

#[test]
fn without_judgements_the_report_says_what_it_cannot() {
    let folder = Collection::new().written();
    let answer = json(&folder, &["--no-qrels"]);
    let report = &answer["report"];
    assert_eq!(report["verdict"]["kind"], "cannot-say");
    assert!(report["agreement"]["kendall_tau"].is_number() && report["cannot_say"].as_array().unwrap().len() > 2);
    assert_eq!((&report["quality"], &answer["recommended_command"]), (&Value::Null, &Value::Null));
    let path = folder.text("report.html");
    let out = diagnose(&folder, &["--no-qrels", "--html", &path]).quietly();
    assert!(out.contains("\nWhat cannot be said\n") && out.contains("--qrels"), "{out}");
    assert!(std::fs::read_to_string(&path).unwrap().contains("<h2>What cannot be said</h2>"));
    let error = diagnose(&folder, &["--no-qrels", "--save-profile", &folder.text("p.toml")]).error();
    assert!(error.contains("--qrels"), "{error}");
}

/// Runs a command line as a shell would, with our binary, into another file.
pub fn shell(line: &str, output: &str) {
    let line = line.replacen("nearsort", env!("CARGO_BIN_EXE_nearsort"), 1).replace("reranked.trec", output);
    let status = std::process::Command::new("sh").args(["-c", &line]).current_dir(root()).status().unwrap();
    assert!(status.success(), "{line}");
}

#[cfg(unix)]
#[test]
fn the_profile_reranks_as_the_recommended_command_does() {
    for more in [&[][..], &["--document-prompt", "text: ", "--query-prompt", "question: "]] {
        let folder = Collection::new().written();
        let profile = folder.text("it's mine.toml");
        let args = ["--real", "--scoring", "cosine", "--save-profile", &profile];
        let answer = json(&folder, &[&args, more].concat());
        let outputs = [folder.text("typed.trec"), folder.text("profile.trec")];
        for (name, output) in ["recommended_command", "profile_command"].iter().zip(&outputs) {
            shell(answer[*name].as_str().unwrap(), output);
        }
        let [typed, by_profile] = outputs.map(|output| std::fs::read_to_string(output).unwrap());
        assert!(typed.lines().count() >= PAIRS.len() && typed == by_profile, "{more:?}: {answer}");
    }
}

#[test]
fn a_profile_stands_in_for_options_and_given_ones_win() {
    let folder = Collection::new().written();
    let profile = "model = './models/tiny-bert'\nscoring = 'maxsim'\nblend = 'rrf'\nblend-weight = 0.5\ndepth = 3\nlong = 'truncate'\n\
                   query-prompt = 'query: '\npooling = 'cls'\n";
    let profile = folder.with("profile.toml", profile);
    let rerank = |args: &[&str]| {
        let files = ["queries.jsonl", "corpus.jsonl", "bm25.trec"].map(|name| folder.text(name));
        run(&[&["rerank", "--queries", &files[0], "--corpus", &files[1], "--run", &files[2]], args].concat())
    };
    let model = ["--model", TINY];
    let options =
        ["--scoring", "maxsim", "--blend", "rrf", "--blend-weight", "0.5", "--depth", "3", "--long", "truncate"];
    let prompts = ["--query-prompt", "query: ", "--pooling", "cls"];
    let typed = rerank(&[&model[..], &options, &prompts].concat()).quietly();
    assert_eq!(rerank(&["--profile", &profile]).quietly(), typed);
    assert_eq!(typed.lines().count(), 3 * PAIRS.len());
    let cosine = ["--scoring", "cosine", "--blend", "none", "--depth", "12", "--query-prompt", ""];
    let expected = rerank(&[&model[..], &cosine, &["--long", "truncate", "--pooling", "cls"]].concat()).quietly();
    assert_eq!(rerank(&[&["--profile", &profile], &cosine[..]].concat()).quietly(), expected);
    assert_ne!(expected, typed);

    let error = rerank(&["--profile", &profile, "--model", "all-MiniLM-L6-v2"]).error();
    assert!(error.contains("./models/tiny-bert") && error.contains("all-MiniLM-L6-v2"), "{error}");
    let missing = rerank(&["--profile", &folder.text("none.toml")]).error();
    assert!(missing.contains("none.toml"), "{missing}");
    let broken = folder.with("broken.toml", "scorin = 'cosine'");
    assert!(rerank(&["--profile", &broken]).error().contains("unknown field `scorin`"));
}

#[test]
fn what_the_corpus_lacks_is_noted_and_left_out() {
    let mut collection = Collection::new();
    collection.documents.truncate(20);
    collection.queries.truncate(23);
    let answer = json(&collection.written(), &[]);
    let notes = answer["notes"].as_array().unwrap();
    assert!(notes[0].as_str().unwrap().contains("names 1 query that"), "{notes:?}");
    assert!(notes[1].as_str().unwrap().contains("names 4 documents that"), "{notes:?}");
    assert_eq!(answer["report"]["counts"]["documents"], 20);
    collection.documents.iter_mut().for_each(|(id, _)| id.push('x'));
    let error = diagnose(&collection.written(), &[]).error();
    assert!(error.contains("does not have") && error.contains("--id-field"), "{error}");
}

#[test]
fn a_sample_is_drawn_by_the_seed() {
    let folder = Collection::new().written();
    let ids = |args: &[&str]| {
        let answer = json(&folder, args);
        assert_eq!(answer["report"]["counts"]["queries"], 8);
        assert!(answer["notes"][0].as_str().unwrap().starts_with("a sample of 8 of the run's 24 queries"));
        assert!(!has(&answer, "queries-not-in-run"));
        let queries = answer["report"]["quality"]["by_query"].as_array().unwrap().clone();
        queries.iter().map(|query| query["id"].to_string()).collect::<Vec<_>>()
    };
    let first = ids(&["--sample", "8"]);
    assert_eq!(ids(&["--sample", "8"]), first);
    assert_ne!(ids(&["--sample", "8", "--seed", "2"]), first);
}

#[test]
fn what_cannot_come_to_a_report_is_an_error() {
    let folder = Collection::new().written();
    assert!(diagnose(&folder, &["--measure", "NumRel"]).error().contains("is a count"));
    assert!(diagnose(&folder, &["--measure", "nDCC@10"]).error().contains("nDCC"));
    let page = folder.text("page");
    assert!(diagnose(&folder, &["--html", &page, "--json", &page]).error().contains("give them different names"));
    assert!(diagnose(&folder, &["--html", &folder.text("none/page.html")]).error().contains("create it first"));
    assert!(diagnose(&folder, &["--json", &folder.text("qrels.txt")]).error().contains("it is the input"));
    diagnose(&folder, &["--sample", "0"]).error();
    let files = ["queries.jsonl", "corpus.jsonl"].map(|name| folder.text(name));
    let missing = folder.text("none.trec");
    let args = ["diagnose", "--queries", &files[0], "--corpus", &files[1], "--run", &missing];
    assert!(finish(command(&args).spawn().unwrap()).error().contains("none.trec"));
    assert_eq!(folder.names(), ["bm25.trec", "corpus.jsonl", "qrels.txt", "queries.jsonl"]);
}
