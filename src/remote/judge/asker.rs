//! Asks a model until an answer parses, or gives up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::parameters::AcceptedParameters;
use crate::call::{Call, JudgeCounts, Usage};
use crate::provider::{AnswerForm, ChatAnswer, ChatPrompt, Chats, Question, Unusable, any_error_words};
use crate::remote::asking::ask_and_read;
use crate::remote::parallel;
use crate::scorer::{CandidateList, QueryReading, Scored, ScoredList};
use crate::service::{Request, Service, ServiceError, TokenCount, TokenCounter};

/// Extra tokens of an answer for a model that thinks.
const THINKING_TOKENS: u64 = 4096;
/// Factor for the length of an answer that was cut off, when the question is asked again.
const LONGER: u64 = 4;
/// Tokens around messages that services count but do not show; a generous bound.
const OVERHEAD_TOKENS: usize = 64;

/// The value read from an answer, or the reason why there is none.
pub(super) type Outcome<T> = std::result::Result<T, String>;

/// A candidate as it is sent to the service.
pub(super) struct Sent<'a> {
    pub text: &'a str,
    tokens: u32,
    truncated: bool,
}

/// Asks a model questions of one form.
pub(super) struct Asker {
    service: Arc<dyn Service>,
    wire: &'static dyn Chats,
    form: AnswerForm,
    max_candidate_tokens: usize,
    parameters: AcceptedParameters,
    counter: TokenCounter,
    wants_logprobs: bool,
    /// True once a question was answered: then the parameters that the model takes are known.
    is_settled: AtomicBool,
}

impl Asker {
    /// # Errors
    /// [`ServiceError::Setup`] for a provider without language models.
    pub fn new(
        service: Arc<dyn Service>,
        form: AnswerForm,
        wants_logprobs: bool,
        max_candidate_tokens: usize,
    ) -> crate::Result<Self> {
        let (provider, model) = (service.provider(), service.model());
        let wire = provider.chats()?;
        Ok(Self {
            wire,
            form,
            max_candidate_tokens,
            parameters: AcceptedParameters::of_model(wire, model),
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

    /// Cuts a candidate to the length that is sent.
    pub fn cut<'a>(&self, text: &'a str) -> Sent<'a> {
        let (cut, tokens) = self.counter.cut(text, self.max_candidate_tokens);
        Sent { text: cut, tokens: tokens as u32, truncated: cut.len() < text.len() }
    }

    /// Makes the result of a list: its pairs, each with the length and truncation of its candidate.
    /// The service counts the tokens that were used.
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

    /// Runs `count` pieces of work on `threads` threads, and returns the results in the order of
    /// the pieces. Until a question is answered, the pieces run one by one. So each refused
    /// parameter is learned once, and the requests of a run do not depend on thread timing.
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

    /// Asks a question. If `read` cannot read the answer, asks once more with the reminder.
    ///
    /// # Errors
    /// Errors of the service. A refusal because of the texts is not an error but an outcome.
    pub fn ask<T>(
        &self,
        prompt: &ChatPrompt,
        reminder: &str,
        max_tokens: u64,
        call: &Call<'_>,
        read: impl Fn(&ChatAnswer) -> Outcome<T>,
    ) -> Result<Outcome<T>, ServiceError> {
        count(call, |judge| judge.questions += 1);
        let max_tokens = max_tokens + if self.parameters.reasons() { THINKING_TOKENS } else { 0 };
        let first = match self.answer(prompt, max_tokens, call, &read)? {
            Ok(answer) => return Ok(Ok(answer)),
            Err(unusable) if unusable.is_final => return Ok(Self::none(unusable, call)),
            Err(unusable) => unusable,
        };
        count(call, |judge| judge.asked_again += 1);
        let again = ChatPrompt { system: prompt.system.clone(), user: format!("{}\n\n{reminder}", prompt.user) };
        let max_tokens = if first.is_cut { LONGER * max_tokens } else { max_tokens };
        Ok(self.answer(&again, max_tokens, call, &read)?.or_else(|second| Self::none(second, call)))
    }

    fn none<T>(unusable: Unusable, call: &Call<'_>) -> Outcome<T> {
        count(call, |judge| judge.unparsed += 1);
        Err(unusable.reason)
    }

    fn answer<T>(
        &self,
        prompt: &ChatPrompt,
        max_output_tokens: u64,
        call: &Call<'_>,
        read: &impl Fn(&ChatAnswer) -> Outcome<T>,
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

    /// Sends a question and reads the answer. Sends it again for each parameter that the service
    /// refuses.
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

/// Changes the counts of judges in the usage of the call.
pub(super) fn count(call: &Call<'_>, change: impl FnOnce(&mut JudgeCounts)) {
    call.count(|usage| change(&mut usage.judge));
}

/// Returns true for a grade or an order, and for a refusal because of the texts, which would not
/// change later. Anything else may be a temporary failure of the service.
fn is_worth_keeping<T>(answer: &Result<T, Unusable>) -> bool {
    answer.as_ref().map_or_else(|unusable| unusable.is_refusal, |_| true)
}

/// Returns true if a service refuses a request because of the content or length of its texts.
/// Requests with other texts may succeed.
fn is_about_texts(error: &ServiceError) -> bool {
    let ServiceError::Refused { status, code, message, .. } = error else { return false };
    let is_code = |known: &[&str]| code.as_deref().is_some_and(|code| known.contains(&code));
    let is_message = |known: &[&str]| known.iter().any(|said| message.contains(said));
    *status == 413 || any_error_words(|words| is_code(words.about_texts) || is_message(words.about_texts_messages))
}
