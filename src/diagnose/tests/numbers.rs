//! Compares the numbers of a report with those of `eval`, and with values computed by hand.

use super::synthetic::{configuration, setting};
use super::{Plan, healthy, options, report};
use crate::diagnose::{Candidate, Configuration, Document, ModeScores, Observations, ObservedQuery, Options, diagnose};
use crate::eval::{Measure, evaluate};
use crate::io::{Qrels, Run};
use crate::{Blend, Scoring};

fn near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found}, not {expected}");
}

/// Returns the run that a reranker would write.
fn run_of(observations: &Observations, configuration: Option<Configuration>) -> Run {
    let mut run = Run::default();
    for query in &observations.queries {
        let first: Vec<f64> = query.candidates.iter().map(|candidate| candidate.first_stage).collect();
        let scores: Vec<f64> = configuration.map_or(first.clone(), |configuration| {
            let model: Vec<f32> = query.candidates.iter().map(|c| c.scores.get(configuration.scoring)).collect();
            configuration.blend.combine(&model, &first).into_iter().map(f64::from).collect()
        });
        for (candidate, score) in query.candidates.iter().zip(scores) {
            run.push(&query.id, &observations.documents[candidate.document].id, score);
        }
    }
    run
}

#[test]
fn means_are_those_of_evaluated_runs() {
    for measure in ["nDCG@10", "AP", "P@5", "nDCG(dcg='exp-log2')@20"] {
        let measure: Measure = measure.parse().unwrap();
        let observations = healthy(Plan { queries: 40, ..Plan::default() });
        let quality = diagnose(&observations, &Options { measure, ..options() }).unwrap().quality.unwrap();
        for mode in quality.modes {
            let run = run_of(&observations, mode.configuration);
            let expected = evaluate(observations.qrels.as_ref().unwrap(), &run, &[measure]).unwrap().aggregate(0);
            near(mode.mean.mean, expected);
        }
    }
}

/// Makes one query with candidates d0, d1, ... in the first stage's order, with these cosines and
/// grades.
fn one_list(cosines: &[f32], grades: &[i32]) -> Observations {
    let document = |at: usize| Document {
        id: format!("d{at}"),
        text: format!("text number {at}"),
        tokens: 5,
        unknown: 0,
        truncated: false,
    };
    let candidate = |(at, &cosine): (usize, &f32)| Candidate {
        document: at,
        first_stage: 10.0 - at as f64,
        rank: None,
        scores: ModeScores::from_parts(cosine, cosine),
        windowed: None,
        vector: None,
        windowed_vector: None,
    };
    let candidates = cosines.iter().enumerate().map(candidate).collect();
    let ids: Vec<String> = (0..grades.len()).map(|at| format!("d{at}")).collect();
    let judgements = ids.iter().zip(grades).map(|(id, &grade)| ("q", id.as_str(), grade));
    let mut setting = setting();
    setting.configuration = Configuration { scoring: Scoring::Cosine, blend: Blend::None, ..configuration() };
    Observations {
        setting,
        documents: (0..cosines.len()).map(document).collect(),
        queries: vec![ObservedQuery { id: "q".into(), text: "what?".into(), candidates }],
        is_sample: false,
        trials: Vec::new(),
        qrels: Some(Qrels::from_judgements(judgements).unwrap()),
    }
}

#[test]
fn depths_reorder_the_top_and_leave_the_rest() {
    // The relevant document is fourth; the model likes the third best, then the fourth.
    let observations = one_list(&[0.1, 0.2, 0.9, 0.8], &[0, 0, 0, 1]);
    let found = diagnose(&observations, &Options { measure: "RR".parse().unwrap(), ..options() }).unwrap();
    let quality = found.quality.unwrap();
    let sweep = &quality.depth[0];
    let points: Vec<(usize, f64)> = sweep.points.iter().map(|point| (point.depth, point.mean)).collect();
    assert_eq!(points, [(0, 0.25), (1, 0.25), (2, 0.25), (3, 0.25), (4, 0.5)]);
    assert_eq!(sweep.depth_for_90_percent, Some(4));
    near(quality.ceiling.oracle, 1.0);
    // A third of the way from 1/4 to 1.
    near(quality.modes.iter().find(|mode| mode.is_setting).unwrap().gap_closed.unwrap(), 1.0 / 3.0);
    // Orders 0 1 2 3 and 2 3 1 0: of six pairs only 2 before 3 stays.
    near(found.agreement.unwrap().kendall_tau, -4.0 / 6.0);
    near(found.agreement.unwrap().overlap_at_10, 1.0);
}

#[test]
fn a_depth_that_was_asked_for_holds_everywhere() {
    let mut observations = one_list(&[0.1, 0.2, 0.9, 0.8], &[0, 0, 0, 1]);
    observations.setting.depth = Some(3);
    let found = diagnose(&observations, &Options { measure: "RR".parse().unwrap(), ..options() }).unwrap();
    near(found.quality.unwrap().effect.reranked.mean, 0.25);
}

#[test]
fn ceilings_count_what_is_elsewhere() {
    let mut observations = one_list(&[0.1, 0.2], &[0, 1]);
    let elsewhere = [("q", "d1", 1), ("q", "x", 1), ("r", "x", 1), ("missing", "x", 1)];
    observations.qrels = Some(Qrels::from_judgements(elsewhere).unwrap());
    observations.queries.push(ObservedQuery { id: "r".into(), ..observations.queries[0].clone() });
    let found = report(&observations);
    let ceiling = found.quality.unwrap().ceiling;
    assert_eq!((ceiling.queries_without_relevant, ceiling.share_without_relevant, ceiling.recall), (1, 0.5, 0.25));
    // The best order of q has its document first: 1 / (1 + 1 / log2(3)); r has nothing.
    near(ceiling.oracle, 0.5 / (1.0 + 1.0 / 3.0_f64.log2()));
    assert_eq!((found.counts.queries, found.counts.judged_queries, found.counts.judged_queries_missing), (2, 2, 1));
}

#[test]
fn what_cannot_be_diagnosed_is_an_error() {
    let good = one_list(&[0.1, 0.2], &[0, 1]);
    let message = |change: &dyn Fn(&mut Observations, &mut Options)| {
        let (mut observations, mut options) = (good.clone(), options());
        change(&mut observations, &mut options);
        diagnose(&observations, &options).unwrap_err().to_string()
    };
    for (found, expected) in [
        (message(&|o, _| o.queries.clear()), "no query has a candidate"),
        (message(&|o, _| o.queries[0].candidates[1].document = 9), "names document 9, which does not exist"),
        (message(&|o, _| o.queries[0].candidates[1].first_stage = f64::NAN), "a score of 'd1' for the query 'q'"),
        (message(&|o, _| o.queries[0].candidates[0].scores.maxsim = f32::INFINITY), "a score of 'd0'"),
        (message(&|_, p| p.folds = 1), "at least 2"),
        (message(&|_, p| p.measure = "NumRet".parse().unwrap()), "NumRet is a count"),
        (message(&|o, _| o.setting.configuration.blend = Blend::Rrf { weight: 2.0 }), "the blend's weight is 2"),
    ] {
        assert!(found.contains(expected), "{found}");
    }
}

#[test]
fn the_same_observations_give_the_same_report() {
    let observations = healthy(Plan { queries: 40, ..Plan::default() });
    let text = || serde_json::to_string(&report(&observations)).unwrap();
    assert_eq!(text(), text());
    assert!(text().contains("\"scoring\":\"hybrid\""));
}
