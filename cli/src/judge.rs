//! Language models of services as judges.

use std::io::{self, Write};
use std::sync::Arc;

use nearsort::remote::judge::{
    JudgeCounts, JudgeMethod, JudgeOptions, LISTWISE_PROMPT, POINTWISE_PROMPT, PromptSource, Rehearsal, Windows,
};
use nearsort::service::Service;
use nearsort::{Error, Reranker};
use serde_json::{Map, Value};

use crate::args::{JudgeArgs, RerankArgs, Talk};
use crate::hints::say;
use crate::rerank::CHUNK_ROWS;
use crate::{Failure, Outcome, Run, batch, model, rerank, service};

/// What can be known to be wrong before anything is sent.
pub fn check(args: &RerankArgs) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    if !args.judge.is_asked(&args.model) {
        return match args.judge.first_given() {
            Some(option) => wrong(format!(
                "{option} is for LLM judges, such as --model openai:gpt-4o; leave it out, or say --kind judge"
            )),
            None => Ok(()),
        };
    }
    if args.model.service_name().is_none() {
        return wrong(format!(
            "'{}' is no model of a service; a judge is named as openai:MODEL, azure:DEPLOYMENT or anthropic:MODEL",
            args.model.name()
        ));
    }
    let is_listwise = matches!(args.judge.judge, Some(JudgeMethod::Listwise(_)));
    let listwise_only = [("--window", args.judge.window.is_some()), ("--step", args.judge.step.is_some())];
    if let Some((option, _)) = listwise_only.iter().find(|(_, is_given)| *is_given && !is_listwise) {
        return wrong(format!("{option} is for --judge listwise"));
    }
    match of_encoders(args) {
        Some(option) => wrong(format!(
            "{option} is for models that embed, and '{}' judges; leave it out{}",
            args.model.name(),
            instead(option)
        )),
        None => Ok(()),
    }
}

/// An option that is given and means nothing to a judge.
fn of_encoders(args: &RerankArgs) -> Option<&'static str> {
    let (scoring, model) = (&args.scoring, &args.model);
    let given = [
        ("--scoring", scoring.scoring.is_some()),
        ("--blend", scoring.blend.is_some_and(|blend| blend != crate::args::BlendMethod::None)),
        ("--blend-weight", scoring.blend_weight.is_some()),
        ("--normalize", scoring.normalize.is_some()),
        ("--long", scoring.long.is_some()),
        ("--explain", args.explain),
        ("--index", args.index.is_some()),
        ("--query-prompt", model.query_prompt.is_some()),
        ("--document-prompt", model.document_prompt.is_some()),
        ("--pooling", model.pooling.is_some()),
        ("--dim", model.dim.is_some()),
        ("--max-tokens", model.max_tokens.is_some()),
        ("--engine", model.engine.0.is_some()),
        ("--precision", model.precision.0.is_some()),
        ("--device", model.device != nearsort::Device::Cpu),
    ];
    given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
}

fn instead(option: &str) -> &'static str {
    match option {
        "--max-tokens" => ", or say --max-candidate-tokens",
        "--query-prompt" | "--document-prompt" => ", or give a prompt with --prompt FILE",
        _ => "",
    }
}

/// Prints the prompt that is used without --prompt.
pub fn print_prompt(args: &JudgeArgs) -> Run {
    let prompt = match args.judge {
        Some(JudgeMethod::Listwise(_)) => LISTWISE_PROMPT,
        _ => POINTWISE_PROMPT,
    };
    io::stdout().write_all(prompt.as_bytes())?;
    Ok(Outcome::Done)
}

/// How the arguments ask.
pub fn asking(judge: &JudgeArgs) -> Result<(JudgeMethod, JudgeOptions), Failure> {
    let prompt = match &judge.prompt {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|source| Error::Io { action: "read", path: path.clone(), source })?;
            Some(PromptSource { name: path.display().to_string(), text })
        }
        None => None,
    };
    let options = JudgeOptions {
        prompt,
        max_candidate_tokens: judge.max_candidate_tokens,
        unparsed: judge.unparsed.unwrap_or_default(),
        logprobs: !judge.no_logprobs,
        ..JudgeOptions::default()
    };
    let method = match judge.judge {
        Some(JudgeMethod::Listwise(Windows { size, step })) => JudgeMethod::Listwise(Windows {
            size: judge.window.unwrap_or(size),
            // A window of a size of one's own moves by half of it.
            step: judge.step.unwrap_or(judge.window.map_or(step, |window| (window / 2).max(1))),
        }),
        _ => JudgeMethod::Pointwise,
    };
    Ok((method, options))
}

fn rehearsal(args: &RerankArgs) -> Result<Rehearsal, Failure> {
    let name = args.model.service_name();
    let (provider, model) =
        name.ok_or_else(|| Failure::Error(format!("'{}' is no model of a service", args.model.name())))?;
    Ok(Rehearsal::new(provider, model))
}

/// Says what judging would take, and sends nothing.
pub fn rehearse(args: &RerankArgs, talk: Talk) -> Run {
    let rehearsal = Arc::new(rehearsal(args)?);
    let (method, options) = asking(&args.judge)?;
    let reranker = Reranker::from_judge(Arc::clone(&rehearsal) as Arc<dyn Service>, method, options)?;
    if args.run.is_some() || args.candidates.is_some() {
        batch::rehearse(args, &reranker, talk)?;
    } else {
        let queries = rerank::queries(args)?;
        let queries: Vec<&str> = queries.iter().map(|query| query.text.as_str()).collect();
        let mut rows = model::open_rows(std::slice::from_ref(&args.input), &args.reading, talk)?;
        let size = if reranker.needs_whole_lists() { usize::MAX } else { CHUNK_ROWS };
        loop {
            let chunk = rows.by_ref().take(size).collect::<Result<Vec<_>, _>>()?;
            if chunk.is_empty() {
                break;
            }
            reranker.score_queries(&queries, &chunk.iter().map(|row| row.passage()).collect::<Vec<_>>())?;
        }
    }
    let estimate = rehearsal.estimate();
    let (tokens, at_most) = (estimate.tokens, if rehearsal.is_exact() { "" } else { " at most" });
    let lines = [
        ("model", args.model.name().to_owned()),
        ("requests", format!("{}, and one more for each answer of no use", estimate.requests)),
        ("tokens", format!("{} sent{at_most}, {} answered at most", tokens.input, tokens.output)),
        ("cost", service::shown_cost(&args.model, |price| estimate.dollars(price))?),
    ];
    let text: String = lines.iter().map(|(name, value)| format!("{name:9} {value}\n")).collect();
    io::stdout().write_all(text.as_bytes())?;
    Ok(Outcome::Done)
}

/// Says what judging came to, where there is anything to say.
pub fn summarize(reranker: &Reranker, talk: Talk) {
    let Some(counts) = reranker.judge_counts().filter(|_| talk > Talk::Quiet) else { return };
    let JudgeCounts { questions, asked_again, unparsed, refined, repairs } = counts;
    let mut said = format!("judge: {questions} questions");
    for (number, what) in [
        (asked_again, "asked again"),
        (unparsed, "without an answer of use"),
        (refined, "grades refined by token probabilities"),
        (repairs, "repairs of orders"),
    ] {
        if number > 0 {
            said += &format!(", {number} {what}");
        }
    }
    say(format_args!("{said}"));
}

/// Adds what judging came to to the fields of a JSON answer's `usage`.
pub fn add_usage(reranker: &Reranker, usage: Option<Map<String, Value>>) -> Option<Map<String, Value>> {
    let Some(counts) = reranker.judge_counts() else { return usage };
    let JudgeCounts { questions, asked_again, unparsed, refined, repairs } = counts;
    let fields = [
        ("questions", questions),
        ("asked_again", asked_again),
        ("unparsed", unparsed),
        ("refined", refined),
        ("repairs", repairs),
    ];
    let mut usage = usage.unwrap_or_default();
    usage.extend(fields.into_iter().map(|(name, count)| (name.to_owned(), count.into())));
    Some(usage)
}
