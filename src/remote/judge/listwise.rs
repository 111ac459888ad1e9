//! Orders several candidates at once, in windows that slide over the list, as RankGPT does (Sun et
//! al. 2023).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::asker::{Asker, Outcome, Sent, count};
use super::marker::{between, marker};
use super::permutation::{self, Permutation};
use super::template::Template;
use super::windows::Windows;
use super::{JudgeOptions, LISTWISE_PROMPT, Unparsed};
use crate::call::Call;
use crate::encoder::ModelInfo;
use crate::provider::{AnswerForm, ChatAnswer};
use crate::remote::asking::{fingerprint, model_info};
use crate::scorer::{CandidateList, ScoreKind, Scored, ScoredList, Scorer, score_one_list};
use crate::service::Service;
use crate::{Error, Result};

/// Tokens of an answer: for the object, and for one passage's number with its comma.
const ANSWER_TOKENS: u64 = 64;
const TOKENS_PER_PASSAGE: u64 = 6;
/// Appended to the question if the first answer could not be read.
const REMINDER: &str = "Answer with nothing but a JSON object that has the numbers of all passages as \"ranking\", the best first, such as \
                        {\"ranking\": [3, 1, 2]}.";

/// Orders lists of candidates by a language model that sees several at once.
///
/// The list is in the first stage's order. Windows slide from its end to its beginning, and each
/// one moves its best candidates up into the next. The score is the candidate's place, `(n - p) /
/// n` for place p from 0 among n. It orders one list and means nothing outside of it.
///
/// Repeated or unknown numbers in an answer are dropped. Candidates that it leaves out follow in
/// their earlier order ([`JudgeCounts::repairs`](crate::call::JudgeCounts::repairs)). A window
/// without a readable answer, even after a second question, keeps its order; its candidates are
/// unscored unless another window judged them. Single-candidate lists skip the model. The windows
/// of a list are asked one after the other, lists in parallel.
pub struct ListwiseScorer {
    asker: Asker,
    template: Template,
    options: JudgeOptions,
    windows: Windows,
}

impl ListwiseScorer {
    /// Default maximum of tokens of a candidate that are sent. A request has twenty candidates.
    pub const MAX_CANDIDATE_TOKENS: usize = 512;

    /// Creates a judge over a model of a service.
    ///
    /// # Errors
    /// [`Error::BadInput`] and [`Error::BadRow`] for a prompt that is not a template, uses unknown
    /// names or leaves candidates out; [`Error::InvalidArgument`] for options or windows out of
    /// range, and for [`Unparsed::Zero`], which is for grades; [`Error::FeatureOff`] in a build
    /// without the feature `remote`.
    pub fn new(service: Arc<dyn Service>, options: JudgeOptions, windows: Windows) -> Result<Self> {
        options.check()?;
        if options.unparsed == Unparsed::Zero {
            return Err(Error::InvalidArgument("a listwise judge gives no grades that could be zero".into()));
        }
        let (file, text) = match &options.prompt {
            Some(prompt) => (prompt.name.as_str(), prompt.text.as_str()),
            None => ("listwise.txt", LISTWISE_PROMPT),
        };
        let (texts, word) = (["one candidate", "another candidate"], "marker");
        let example = values("a query", &texts, word);
        let template = Template::parse(text, file, &example)?;
        let question = template.fill(&example)?.user;
        if !texts.iter().all(|text| question.contains(&between(word, text))) {
            let message = "the prompt leaves candidates out: go through {{ candidates }} below [user]".into();
            return Err(Error::BadInput { file: file.into(), message });
        }
        let max_candidate_tokens = options.max_candidate_tokens.unwrap_or(Self::MAX_CANDIDATE_TOKENS);
        let asker = Asker::new(service, form(), false, max_candidate_tokens)?;
        Ok(Self { asker, template, options, windows: windows.check()? })
    }

    fn order(&self, query: &str, candidates: &[&str], call: &Call<'_>) -> Result<Outcome<Permutation>> {
        let mut texts = vec![query];
        texts.extend_from_slice(candidates);
        let prompt = self.template.fill(&values(query, candidates, &marker(&texts)))?;
        let max_tokens = ANSWER_TOKENS + TOKENS_PER_PASSAGE * candidates.len() as u64;
        let read = |answer: &ChatAnswer| permutation::read(&answer.text, candidates.len());
        Ok(self.asker.ask(&prompt, REMINDER, max_tokens, call, read)?)
    }

    fn score_list(&self, list: &CandidateList<'_>, sent: &[Sent<'_>], call: &Call<'_>) -> Result<ScoredList> {
        let length = list.candidates.len();
        let mut order: Vec<usize> = (0..length).collect();
        let mut unjudged: BTreeMap<usize, String> = BTreeMap::new();
        let mut is_judged = vec![length == 1; length];
        for window in self.windows.over(length) {
            let texts: Vec<&str> = order[window.clone()].iter().map(|&at| sent[list.candidates[at]].text).collect();
            match self.order(list.query, &texts, call)? {
                Ok(found) => {
                    count(call, |judge| judge.repairs += found.repairs as u64);
                    let before = order[window.clone()].to_vec();
                    before.iter().for_each(|&at| is_judged[at] = true);
                    order.splice(window, found.order.into_iter().map(|place| before[place]));
                }
                Err(reason) => unjudged.extend(order[window].iter().map(|&at| (at, reason.clone()))),
            }
        }
        unjudged.retain(|&at, _| !is_judged[at]);
        call.done(length);
        Ok(self.asker.scored(list, sent, pairs(&order, unjudged), call))
    }
}

/// Returns the pairs in the candidates' order. `order` has the candidates' positions, best first.
fn pairs(order: &[usize], unjudged: BTreeMap<usize, String>) -> Vec<Scored> {
    let count = order.len();
    let mut pairs = vec![Scored::new(0.0); count];
    for (place, &at) in order.iter().enumerate() {
        pairs[at] = Scored::new((count - place) as f32 / count as f32);
    }
    unjudged.into_iter().for_each(|(at, reason)| pairs[at] = Scored::unscored(reason));
    pairs
}

/// Returns the values for the names in a template.
fn values(query: &str, candidates: &[&str], marker: &str) -> Value {
    let texts: Vec<String> = candidates.iter().map(|text| between(marker, text)).collect();
    json!({ "query": query, "candidates": texts, "count": texts.len(), "marker": marker })
}

fn form() -> AnswerForm {
    let schema = json!({
        "type": "object",
        "properties": { "ranking": { "type": "array", "items": { "type": "integer" } } },
        "required": ["ranking"],
        "additionalProperties": false,
    });
    AnswerForm { name: "ranking", schema }
}

impl Scorer for ListwiseScorer {
    fn kind(&self) -> ScoreKind {
        ScoreKind::Place
    }

    fn model(&self) -> Option<ModelInfo> {
        Some(model_info(self.asker.service(), self.asker.max_candidate_tokens()))
    }

    fn needs_whole_lists(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Result<Option<String>> {
        let prompt = self.options.prompt.as_ref().map_or(LISTWISE_PROMPT, |prompt| prompt.text.as_str());
        let settings = json!({
            "judge": "listwise",
            "prompt": prompt,
            "max_candidate_tokens": self.asker.max_candidate_tokens(),
            "window": self.windows.size,
            "step": self.windows.step,
        });
        Ok(Some(fingerprint(self.asker.service(), &settings)))
    }

    fn score(&self, query: &str, candidates: &[&str]) -> Result<ScoredList> {
        score_one_list(self, query, candidates)
    }

    fn score_lists(&self, lists: &[CandidateList<'_>], texts: &[&str], call: &Call<'_>) -> Result<Vec<ScoredList>> {
        call.check()?;
        let sent: Vec<Sent<'_>> = texts.iter().map(|text| self.asker.cut(text)).collect();
        self.asker.in_order(lists.len(), self.options.concurrency, |at| self.score_list(&lists[at], &sent, call))
    }
}
