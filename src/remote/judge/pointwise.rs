//! Grades each candidate alone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::asker::{Asker, Outcome, Sent, count};
use super::marker::{between, marker};
use super::template::Template;
use super::{JudgeOptions, POINTWISE_PROMPT, Unparsed, expected, grade};
use crate::call::Call;
use crate::encoder::ModelInfo;
use crate::provider::{AnswerForm, ChatAnswer};
use crate::remote::asking::{fingerprint, model_info};
use crate::scorer::{CandidateList, ScoreKind, Scored, ScoredList, Scorer, score_one_list};
use crate::service::Service;
use crate::{Error, Result};

/// Tokens of an answer: the object, and a few words around it from a model without a schema.
const ANSWER_TOKENS: u64 = 64;
/// Appended to the question if the first answer could not be read.
const REMINDER: &str =
    "Answer with nothing but a JSON object that has the grade from 0 to 10 as \"score\", such as {\"score\": 7}.";

/// Grades each candidate from 0 to 10 by a language model.
///
/// The score is the grade that the model gives. If the service reports the probabilities of tokens
/// ([`JudgeOptions::logprobs`]), it is the expected grade, `sum of p(s) * s / sum of p(s)` over the
/// grades s from 0 to 10, because grades alone have many ties. The score of a pair does not depend
/// on other candidates. The same question gets the same answer twice only if the service or a cache
/// gives it.
///
/// Questions are sent in parallel; the scores do not depend on the order of the answers.
pub struct JudgeScorer {
    asker: Asker,
    template: Template,
    options: JudgeOptions,
}

impl JudgeScorer {
    /// Default maximum of tokens of a candidate that are sent.
    pub const MAX_CANDIDATE_TOKENS: usize = 2048;

    /// Creates a judge over a model of a service.
    ///
    /// # Errors
    /// [`Error::BadInput`] and [`Error::BadRow`] for a prompt that is not a template, uses unknown
    /// names or leaves the candidate out; [`Error::InvalidArgument`] for options out of range;
    /// [`Error::FeatureOff`] in a build without the feature `remote`.
    pub fn new(service: Arc<dyn Service>, options: JudgeOptions) -> Result<Self> {
        options.check()?;
        let (file, text) = match &options.prompt {
            Some(prompt) => (prompt.name.as_str(), prompt.text.as_str()),
            None => ("pointwise.txt", POINTWISE_PROMPT),
        };
        let example = values("a query", "a candidate", "marker");
        let template = Template::parse(text, file, &example)?;
        if !template.fill(&example)?.user.contains(&between("marker", "a candidate")) {
            let message = "the prompt leaves the candidate out: put {{ candidate }} below [user]".into();
            return Err(Error::BadInput { file: file.into(), message });
        }
        let max_candidate_tokens = options.max_candidate_tokens.unwrap_or(Self::MAX_CANDIDATE_TOKENS);
        let asker = Asker::new(service, form(), options.logprobs, max_candidate_tokens)?;
        Ok(Self { asker, template, options })
    }

    fn grade(&self, query: &str, candidate: &str, call: &Call<'_>) -> Result<Outcome<f32>> {
        let prompt = self.template.fill(&values(query, candidate, &marker(&[query, candidate])))?;
        let outcome = self.asker.ask(&prompt, REMINDER, ANSWER_TOKENS, call, |answer| read(answer, call));
        call.done(1);
        Ok(outcome?)
    }

    /// Returns the grades of pairs of a query and a text, in their order.
    fn grades(&self, pairs: &[(&str, usize)], sent: &[Sent<'_>], call: &Call<'_>) -> Result<Vec<Outcome<f32>>> {
        let grade = |at: usize| {
            let (query, text) = pairs[at];
            self.grade(query, sent[text].text, call)
        };
        self.asker.in_order(pairs.len(), self.options.concurrency, grade)
    }

    fn pair(&self, grade: &Outcome<f32>) -> Scored {
        match (grade, self.options.unparsed) {
            (Ok(grade), _) => Scored::new(*grade),
            (Err(reason), Unparsed::Unscored) => Scored::unscored(reason),
            (Err(_), Unparsed::Zero) => Scored::new(0.0),
        }
    }
}

fn read(answer: &ChatAnswer, call: &Call<'_>) -> Outcome<f32> {
    let grade = grade::read(&answer.text)?;
    let Some(expected) = expected::grade(&answer.tokens, grade) else { return Ok(grade) };
    count(call, |judge| judge.refined += 1);
    Ok(expected)
}

/// Returns the values for the names in a template.
fn values(query: &str, candidate: &str, marker: &str) -> Value {
    json!({ "query": query, "candidate": between(marker, candidate), "marker": marker })
}

/// Lists the whole grades one by one, because some services do not support number ranges in a
/// schema.
fn form() -> AnswerForm {
    let grades: Vec<u32> = (0..=grade::MAX_GRADE as u32).collect();
    let schema = json!({
        "type": "object",
        "properties": { "score": { "type": "integer", "enum": grades } },
        "required": ["score"],
        "additionalProperties": false,
    });
    AnswerForm { name: "grade", schema }
}

impl Scorer for JudgeScorer {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Rating
    }

    fn model(&self) -> Option<ModelInfo> {
        Some(model_info(self.asker.service(), self.asker.max_candidate_tokens()))
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        let prompt = self.options.prompt.as_ref().map_or(POINTWISE_PROMPT, |prompt| prompt.text.as_str());
        let settings = json!({
            "judge": "pointwise",
            "prompt": prompt,
            "max_candidate_tokens": self.asker.max_candidate_tokens(),
            "unparsed": self.options.unparsed.to_string(),
            "logprobs": self.options.logprobs,
        });
        Ok(Some(fingerprint(self.asker.service(), &settings)))
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        call.check()?;
        let sent: Vec<Sent<'_>> = texts.iter().map(|text| self.asker.cut(text)).collect();
        let pairs = lists.iter().flat_map(|list| list.candidates.iter().map(|&text| (list.query, text)));
        let grades = self.grades(&pairs.collect::<Vec<_>>(), &sent, call)?;
        let mut rest = grades.as_slice();
        let scores = lists.iter().map(|list| {
            let (grades, others) = rest.split_at(list.candidates.len());
            rest = others;
            self.asker.scored(list, &sent, grades.iter().map(|grade| self.pair(grade)).collect(), call)
        });
        Ok(scores.collect())
    }
}
