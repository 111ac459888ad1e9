//! Tests of tuning: real gains are recommended, chance and memorised documents are not.

use serde_json::Value;

use super::synthetic::{Generator, Signals, configuration};
use super::{Plan, healthy, options};
use crate::answer::ModelRun;
use crate::diagnose::{
    Action, Candidate, Configuration, Document, ModeScores, Observations, Profile, TunedPart, Tuning, TuningRun, tune,
};
use crate::io::Qrels;
use crate::scorer::{ScoreKind, UnitVector};
use crate::{Blend, Feedback, LongText, Scoring};

fn plan(first_stage: f64, cosine: f64, maxsim: f64) -> Plan {
    Plan { signals: Signals { first_stage, cosine, maxsim }, ..Plan::default() }
}

fn tuned(observations: &Observations) -> Tuning {
    tune(observations, &options()).unwrap()
}

/// A first stage as good as the model, which errs elsewhere: a mean of both is better than either.
fn strong_first_stage() -> Observations {
    healthy(plan(1.5, 1.2, 1.2))
}

fn curve(tuning: &Tuning, part: TunedPart) -> Vec<&str> {
    let found = tuning.curves.iter().filter(|curve| curve.part == part).flat_map(|curve| &curve.points);
    found.map(|point| point.value.as_str()).collect()
}

#[test]
fn a_larger_share_is_recommended_where_the_first_stage_is_strong() {
    let tuning = tuned(&strong_first_stage());
    assert_eq!(tuning.action, Action::Change, "{}", tuning.advice);
    let choice = tuning.choice.as_ref().unwrap();
    assert!(choice.unseen_documents.difference.low > 0.0 && choice.over_setting.difference.mean > 0.02, "{choice:?}");
    assert_eq!((tuning.recommended, choice.choices), (choice.chosen, 10));
    let default = Blend::linear_weight(crate::Normalize::MinMax);
    assert!(tuning.recommended.blend_weight() > Some(default), "{}", tuning.recommended);
    let profile = tuning.profile.as_ref().unwrap();
    let expected = Profile { model: Some("a-model".into()), ..Profile::of(&tuning.recommended) };
    assert_eq!(*profile, expected);
    assert_eq!(Profile::from_toml(&profile.to_toml(&tuning.advice), "p.toml").unwrap(), expected);
    let said = format!("Use {} in place of the setting: chosen by 5-fold", tuning.recommended.arguments());
    assert!(tuning.advice.starts_with(&said), "{}", tuning.advice);
    assert_eq!(curve(&tuning, TunedPart::FirstStageShare), ["0", "0.03", "0.06", "0.1", "0.2", "0.3", "0.5"]);
    assert_eq!(curve(&tuning, TunedPart::Scoring), ["cosine", "maxsim", "hybrid"]);
    let marked: Vec<_> = tuning.curves[1].points.iter().filter(|point| point.is_setting).collect();
    assert_eq!((marked.len(), marked[0].value.as_str()), (1, "0.06"));
}

#[test]
fn the_first_stage_is_left_out_where_it_is_noise() {
    let mut observations = healthy(plan(0.0, 1.0, 1.2));
    observations.setting.configuration =
        Configuration { blend: Blend::Rrf { weight: 0.5 }, feedback: Feedback::Off, ..configuration() };
    let tuning = tuned(&observations);
    assert_eq!(tuning.action, Action::Change, "{}", tuning.advice);
    assert!(tuning.recommended.blend_weight() < Some(0.2), "{}", tuning.recommended);
}

/// The seeds were fixed before the results were seen.
#[test]
fn chance_is_never_recommended() {
    let mut losses = 0;
    for seed in 1..=20 {
        let tuning = tuned(&healthy(Plan { queries: 100, seed, ..plan(0.0, 0.0, 0.0) }));
        assert_eq!((tuning.recommended, &tuning.profile), (configuration(), &None), "seed {seed}: {}", tuning.advice);
        match tuning.action {
            Action::Keep => assert!(tuning.advice.starts_with("Keep the setting: "), "{}", tuning.advice),
            // A loss against the first stage is a two-sided test at 95 %: chance passes one side 1 time in 40.
            Action::DoNotRerank => losses += 1,
            Action::Change => panic!("seed {seed}: {}", tuning.advice),
        }
    }
    assert!(losses <= 2, "{losses} of 20");
}

/// One document answers every query, the first stage knows it, and knows nothing else.
fn one_document_for_all() -> Observations {
    let mut observations = healthy(plan(0.0, 1.8, 2.1));
    let hub = observations.documents.len();
    let text = "the answer to everything".to_owned();
    observations.documents.push(Document { id: "hub".into(), text, tokens: 6, unknown: 0, truncated: false });
    let mut generator = Generator::new(3);
    for query in &mut observations.queries {
        let scores = ModeScores::from_parts(0.4 + 0.1 * generator.normal() as f32, 0.5);
        let first = &query.candidates[0];
        let (first_stage, other) = (first.first_stage + 30.0, first.clone());
        query.candidates.insert(0, Candidate { document: hub, first_stage, scores, ..other });
        (1..).zip(&mut query.candidates).for_each(|(rank, candidate)| candidate.rank = Some(rank));
    }
    let qrels = observations.qrels.take().unwrap();
    let grades = qrels.iter().flat_map(|(query, grades)| grades.iter().map(move |(id, grade)| (query, id, grade)));
    let hubs = qrels.query_ids().map(|query| (query, "hub", 1));
    observations.qrels = Some(Qrels::from_judgements(grades.chain(hubs)).unwrap());
    observations
}

#[test]
fn a_gain_for_one_known_document_is_not_recommended() {
    let tuning = tuned(&one_document_for_all());
    let choice = tuning.choice.as_ref().unwrap();
    assert!(choice.over_setting.difference.low > 0.02, "queries alone would have it: {choice:?}");
    assert_eq!((tuning.action, tuning.profile), (Action::Keep, None), "{}", tuning.advice);
    assert!(tuning.advice.contains("does not hold for documents that had no part in the choice"), "{}", tuning.advice);
}

#[test]
fn too_few_queries_are_said() {
    for (queries, said) in [(12, "12 judged queries are too few"), (1, "1 judged query is too few")] {
        // The first query of a collection has no relevant candidate.
        let mut observations = healthy(Plan { queries: queries + 1, ..plan(2.5, 0.8, 0.8) });
        observations.queries.remove(0);
        let tuning = tuned(&observations);
        assert_eq!((tuning.action, tuning.judged_queries, &tuning.choice), (Action::Keep, queries, &None));
        assert!(
            tuning.advice.contains(said) && tuning.advice.ends_with("at least 20 are needed."),
            "{}",
            tuning.advice
        );
    }
}

#[test]
fn a_part_without_data_is_not_tuned_and_that_is_said() {
    let mut observations = strong_first_stage();
    let with_vectors = |observations: &mut Observations| {
        let mut generator = Generator::new(1);
        observations.candidates_mut().for_each(|candidate| {
            candidate.vector = UnitVector::new(&[0; 8].map(|_| generator.normal() as f32));
        });
    };
    let tuning = tuned(&observations);
    assert!(tuning.notes.len() == 1 && tuning.notes[0].contains("feedback is not tuned"), "{:?}", tuning.notes);
    assert_eq!(curve(&tuning, TunedPart::Feedback), [""; 0]);
    with_vectors(&mut observations);
    observations.candidates_mut().for_each(|candidate| candidate.first_stage = 3.0);
    let tuning = tuned(&observations);
    assert!(tuning.notes.len() == 1 && tuning.notes[0].contains("its share is not tuned"), "{:?}", tuning.notes);
    assert_eq!(curve(&tuning, TunedPart::FirstStageShare), [""; 0]);
    assert_eq!(curve(&tuning, TunedPart::Feedback), ["0", "0.25", "0.5", "1"]);
    assert_eq!(tuning.recommended.blend, configuration().blend);
}

#[test]
fn scores_that_are_all_equal_change_nothing() {
    let mut observations = strong_first_stage();
    observations.candidates_mut().for_each(|candidate| {
        (candidate.first_stage, candidate.scores) = (1.0, ModeScores::from_parts(0.5, 0.5));
    });
    let tuning = tuned(&observations);
    assert_eq!(tuning.action, Action::Keep, "{}", tuning.advice);
    let choice = tuning.choice.unwrap();
    assert_eq!((choice.over_setting.wins, choice.over_setting.losses), (0, 0));
}

#[test]
fn a_first_stage_that_always_wins_is_left_alone() {
    let tuning = tuned(&healthy(plan(2.0, -0.5, -0.5)));
    assert_eq!((tuning.action, &tuning.profile), (Action::DoNotRerank, &None), "{}", tuning.advice);
    assert!(tuning.advice.starts_with("Leave the first stage's order: "), "{}", tuning.advice);
}

#[test]
fn judgements_of_other_files_are_an_error() {
    let error = |observations: &Observations| tune(observations, &options()).unwrap_err().to_string();
    let mut observations = strong_first_stage();
    observations.qrels = Some(Qrels::from_judgements([("elsewhere", "d00001", 1)]).unwrap());
    assert!(error(&observations).contains("no query of the run is judged"), "{}", error(&observations));
    observations.qrels = Some(Qrels::from_judgements([("q1", "elsewhere", 1)]).unwrap());
    assert!(error(&observations).contains("no candidate of the run is judged"), "{}", error(&observations));
    observations.qrels = None;
    assert!(error(&observations).contains("there are no judgements"), "{}", error(&observations));
}

#[test]
fn diagnose_makes_the_same_choice() {
    for observations in [strong_first_stage(), one_document_for_all()] {
        let (tuning, report) = (tuned(&observations), super::report(&observations));
        assert_eq!(report.quality.unwrap().choice, tuning.choice);
        let recommendation = report.recommendation.unwrap();
        assert_eq!((recommendation.action, recommendation.configuration), (tuning.action, tuning.recommended));
    }
}

fn json(tuning: &Tuning) -> Value {
    let model = ModelRun::new(None, ScoreKind::Hybrid, LongText::Truncate);
    let notes = ["a note".to_owned()];
    let run =
        TuningRun { command: Some("nearsort tune"), model: &model, judgements: "j", by_model: true, notes: &notes };
    serde_json::from_str(&tuning.to_json(&run)).unwrap()
}

/// Checks a value against the parts of JSON Schema that the generated schemas use.
fn check(value: &Value, schema: &Value, root: &Value, place: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = root.pointer(name.trim_start_matches('#')).ok_or(format!("{place}: no {name}"))?;
        return check(value, target, root, place);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let fits = any.iter().any(|one| check(value, one, root, place).is_ok());
        return if fits { Ok(()) } else { Err(format!("{place}: {value} fits none")) };
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => return Ok(()),
    };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let is_number = found == "integer" && types.contains(&"number");
    if !types.contains(&found) && !is_number {
        return Err(format!("{place}: {found} instead of {types:?}"));
    }
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        check(item, &schema["items"], root, &format!("{place}[{at}]"))?;
    }
    let (Some(object), Some(properties)) = (value.as_object(), schema["properties"].as_object()) else { return Ok(()) };
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        object.get(name).ok_or(format!("{place}: no {name}"))?;
    }
    for (name, value) in object {
        let schema = properties.get(name).ok_or(format!("{place}: {name} is not in the schema"))?;
        check(value, schema, root, &format!("{place}.{name}"))?;
    }
    Ok(())
}

#[test]
fn json_follows_its_schema() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tuning.schema.json");
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let few = healthy(Plan { queries: 5, ..Plan::default() });
    for observations in [strong_first_stage(), one_document_for_all(), few] {
        let tuning = tuned(&observations);
        let document = json(&tuning);
        check(&document, &schema, &schema, "document").unwrap();
        assert_eq!((&document["judgements"]["by"], &document["notes"][0]), (&"model".into(), &"a note".into()));
        assert_eq!(document["action"], tuning.action.name());
        assert_eq!(document["profile"].is_object(), tuning.action == Action::Change);
        assert_eq!(document["recommended"]["scoring"], tuning.recommended.scoring.to_string());
    }
    let mut broken = json(&tuned(&strong_first_stage()));
    broken["choice"]["mean"]["low"] = "x".into();
    assert!(check(&broken, &schema, &schema, "document").is_err());
    broken["choice"] = Value::Null;
    assert!(check(&broken, &schema, &schema, "document").is_ok());
    broken["further"] = Value::Null;
    assert!(check(&broken, &schema, &schema, "document").is_err());
}

#[test]
fn a_cosine_that_is_better_is_found() {
    let mut observations = healthy(plan(0.5, 2.5, 0.3));
    observations.setting.configuration = Configuration { scoring: Scoring::MaxSim, ..configuration() };
    let tuning = tuned(&observations);
    assert_eq!(tuning.action, Action::Change, "{}", tuning.advice);
    assert_ne!(tuning.recommended.scoring, Scoring::MaxSim);
}
