//! Asks a model until there is an answer of use, or none is to be had.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::parameters::Parameters;
use crate::call::{Call, JudgeCounts, Usage};
use crate::provider::{Answer, Chats, Form, Prompt, Question, Unusable, any_error_words};
use crate::remote::asking::ask_and_read;
use crate::remote::parallel;
use crate::scorer::{CandidateList, QueryReading, Scored, ScoredList};
use crate::service::{Request, Service, ServiceError, TokenCount, TokenCounter};

/// Tokens of a thinking model's answer beyond what is asked for.
const THINKING_TOKENS: u64 = 4096;
/// How many times as long an answer may be that was cut off.
const LONGER: u64 = 4;
/// Tokens around messages that services count and nobody sees, generously.
const OVERHEAD_TOKENS: usize = 64;

/// What an answer was of use for, or why there is none.
pub(super) type Outcome<T> = std::result::Result<T, String>;

/// A candidate as it is sent.
pub(super) struct Sent<'a> {
    pub text: &'a str,
    tokens: u32,
    truncated: bool,
}

/// A model that answers questions of one form.
pub(super) struct Asker {
    service: Arc<dyn Service>,
    wire: &'static dyn Chats,
    form: Form,
    max_candidate_tokens: usize,
    parameters: Parameters,
    counter: TokenCounter,
    wants_logprobs: bool,
    /// Whether a question was answered: then it is known what the model takes.
    is_settled: AtomicBool,
}

impl Asker {
    /// # Errors
    /// [`ServiceError::Setup`] for a provider without language models.
    pub fn new(
        service: Arc<dyn Service>,
        form: Form,
        wants_logprobs: bool,
        max_candidate_tokens: usize,
    ) -> crate::Result<Self> {
        let (provider, model) = (service.provider(), service.model());
        let wire = provider.chats()?;
        Ok(Self {
            wire,
            form,
            max_candidate_tokens,
            parameters: Parameters::of_model(wire, model),
            counter: TokenCounter::for_model(provider, model),
            wants_logprobs,
            is_settled: AtomicBool::new(false),
            service,
        })
    }

    pub fn service(&self) -> &dyn Service {
        &*self.service
    }

    pub fn max_candidate_tokens(&self) -> usize {
        self.max_candidate_tokens
    }

    /// As much of a candidate as is sent.
    pub fn cut<'a>(&self, text: &'a str) -> Sent<'a> {
        let (cut, tokens) = self.counter.cut(text, self.max_candidate_tokens);
        Sent { text: cut, tokens: tokens as u32, truncated: cut.len() < text.len() }
    }

    /// The pairs of a list, each with what was sent of its candidate. Tokens that are used are the service's to say.
    pub fn scored(
        &self,
        list: &CandidateList<'_>,
        sent: &[Sent<'_>],
        pairs: Vec<Scored>,
        call: &Call<'_>,
    ) -> ScoredList {
        let truncated = list.candidates.iter().filter(|&&text| sent[text].truncated).count() as u64;
        call.add(&Usage { texts: pairs.len() as u64, truncated, ..Usage::default() });
        let query = QueryReading { tokens: self.counter.count(list.query) as u32, ..QueryReading::default() };
        let with_lengths = |(pair, &text): (Scored, &usize)| {
            let Sent { tokens, truncated, .. } = sent[text];
            Scored { tokens, truncated, ..pair }
        };
        let pairs: Vec<Scored> = pairs.into_iter().zip(list.candidates).map(with_lengths).collect();
        ScoredList { query, ..pairs.into() }
    }

    /// Does `count` pieces of work that ask, on `threads` threads; results in the order of the pieces. Until a question was answered pieces are done one
    /// by one, so that what the model refuses is learnt once, and the requests of a run do not depend on chance.
    ///
    /// # Errors
    /// As [`parallel::in_order`].
    pub fn in_order<T: Send, E: Send>(
        &self,
        count: usize,
        threads: usize,
        work: impl Fn(usize) -> Result<T, E> + Sync,
    ) -> Result<Vec<T>, E> {
        let mut done = Vec::with_capacity(count);
        while !self.is_settled.load(Ordering::Relaxed) && done.len() < count {
            done.push(work(done.len())?);
        }
        let first = done.len();
        done.extend(parallel::in_order(count - first, threads, |at| work(first + at))?);
        Ok(done)
    }

    /// Asks; once more with the reminder when `read` makes nothing of the answer.
    ///
    /// # Errors
    /// What the service fails with, unless it is about the texts: that is an outcome.
    pub fn ask<T>(
        &self,
        prompt: &Prompt,
        reminder: &str,
        max_tokens: u64,
        call: &Call<'_>,
        read: impl Fn(&Answer) -> Outcome<T>,
    ) -> Result<Outcome<T>, ServiceError> {
        count(call, |judge| judge.questions += 1);
        let max_tokens = max_tokens + if self.parameters.reasons() { THINKING_TOKENS } else { 0 };
        let first = match self.answer(prompt, max_tokens, call, &read)? {
            Ok(answer) => return Ok(Ok(answer)),
            Err(unusable) if unusable.is_final => return Ok(Self::none(unusable, call)),
            Err(unusable) => unusable,
        };
        count(call, |judge| judge.asked_again += 1);
        let again = Prompt { system: prompt.system.clone(), user: format!("{}\n\n{reminder}", prompt.user) };
        let max_tokens = if first.is_cut { LONGER * max_tokens } else { max_tokens };
        Ok(self.answer(&again, max_tokens, call, &read)?.or_else(|second| Self::none(second, call)))
    }

    fn none<T>(unusable: Unusable, call: &Call<'_>) -> Outcome<T> {
        count(call, |judge| judge.unparsed += 1);
        Err(unusable.reason)
    }

    fn answer<T>(
        &self,
        prompt: &Prompt,
        max_output_tokens: u64,
        call: &Call<'_>,
        read: &impl Fn(&Answer) -> Outcome<T>,
    ) -> Result<Result<T, Unusable>, ServiceError> {
        let question = Question { prompt, form: &self.form, max_output_tokens, wants_logprobs: self.wants_logprobs };
        let read = |body: &Value| self.wire.answer(body).and_then(|answer| read(&answer).map_err(Unusable::because));
        match self.send(&question, call, read) {
            Err(error) if is_about_texts(&error) => {
                Ok(Err(Unusable { is_final: true, ..Unusable::because(error.to_string()) }))
            }
            answer => answer,
        }
    }

    /// Sends a question, again for each parameter that the service refuses, and reads the answer.
    fn send<T>(
        &self,
        question: &Question<'_>,
        call: &Call<'_>,
        read: impl Fn(&Value) -> Result<T, Unusable>,
    ) -> Result<Result<T, Unusable>, ServiceError> {
        let prompt = question.prompt;
        let schema = question.form.schema.to_string();
        let input = [&prompt.system, &prompt.user, &schema].map(|text| self.counter.count(text));
        let input = (input.iter().sum::<usize>() + OVERHEAD_TOKENS) as u64;
        loop {
            let takes = |parameter| self.parameters.takes(parameter);
            let body = self.wire.body(self.service.model(), question, &takes);
            let at_most = TokenCount { input, output: question.max_output_tokens, ..TokenCount::default() };
            let request = Request { path: self.wire.path(), body, at_most };
            match ask_and_read(&*self.service, &request, call, &read, is_worth_keeping) {
                Err(error) if !is_about_texts(&error) && self.parameters.learn(&error, &request.body).is_some() => {}
                Err(error) => return Err(error),
                Ok(answer) => {
                    self.is_settled.store(true, Ordering::Relaxed);
                    return Ok(answer);
                }
            }
        }
    }
}

/// Counts what judging comes to.
pub(super) fn count(call: &Call<'_>, change: impl FnOnce(&mut JudgeCounts)) {
    call.count(|usage| change(&mut usage.judge));
}

/// A grade or an order, or a refusal because of what the texts say, which another day would not change. Anything else may be a server's bad day.
fn is_worth_keeping<T>(answer: &Result<T, Unusable>) -> bool {
    answer.as_ref().map_or_else(|unusable| unusable.is_refusal, |_| true)
}

/// Whether a service refuses a request for what its texts say or how long they are: others may pass.
fn is_about_texts(error: &ServiceError) -> bool {
    let ServiceError::Refused { status, code, message, .. } = error else { return false };
    let is_code = |known: &[&str]| code.as_deref().is_some_and(|code| known.contains(&code));
    let is_message = |known: &[&str]| known.iter().any(|said| message.contains(said));
    *status == 413 || any_error_words(|words| is_code(words.about_texts) || is_message(words.about_texts_messages))
}
