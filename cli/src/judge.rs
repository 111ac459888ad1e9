//! Language models of services as judges.

use std::io::{self, Write};

use nearsort::Usage;
use nearsort::remote::judge::{
    JudgeCounts, JudgeMethod, JudgeOptions, LISTWISE_PROMPT, POINTWISE_PROMPT, PromptSource, Windows,
};
use nearsort::service::ServiceKind;
use serde_json::{Map, Value};

use crate::args::{JudgeArgs, ModelArgs, RankerArgs, Talk};
use crate::hints::say;
use crate::{Failure, Outcome, Run};

/// Checks the arguments before anything is sent.
pub fn check(args: &RankerArgs, model: &ModelArgs, has_index: bool) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    let is_judge = args.asks(ServiceKind::Judge, model);
    if args.judge.kind.is_some() && !args.uses_service(model) {
        if !args.stages.is_empty() {
            return wrong("--kind is for models of services, and no stage is one; leave it out".into());
        }
        if !is_judge {
            let name = model.name();
            return wrong(format!("--kind is for models of services, and '{name}' runs on this machine; leave it out"));
        }
    }
    if !is_judge {
        return match args.judge.first_given() {
            Some(option) => wrong(format!(
                "{option} is for LLM judges, such as --model openai:gpt-4o; leave it out, or give --kind judge"
            )),
            None => Ok(()),
        };
    }
    let is_listwise = matches!(args.judge.judge, Some(JudgeMethod::Listwise(_)));
    let listwise_only = [("--window", args.judge.window.is_some()), ("--step", args.judge.step.is_some())];
    if let Some((option, _)) = listwise_only.iter().find(|(_, is_given)| *is_given && !is_listwise) {
        return wrong(format!("{option} is for --judge listwise"));
    }
    // Besides a stage that judges, others may embed.
    if args.stages.is_empty() { check_alone(args, model, has_index) } else { Ok(()) }
}

/// Checks a judge that is the only model.
fn check_alone(args: &RankerArgs, model: &ModelArgs, has_index: bool) -> Result<(), Failure> {
    let wrong = |message: String| Err(Failure::Error(message));
    if model.service_name().is_none() {
        return wrong(format!(
            "'{}' is not a model of a service; a judge is named openai:MODEL, azure:DEPLOYMENT or anthropic:MODEL",
            model.name()
        ));
    }
    match of_encoders(args, model, has_index) {
        Some(option) => wrong(format!(
            "{option} is for models that embed, and '{}' judges; leave it out{}",
            model.name(),
            instead(option)
        )),
        None => Ok(()),
    }
}

/// Returns an option that is given but has no effect with a judge.
fn of_encoders(args: &RankerArgs, model: &ModelArgs, has_index: bool) -> Option<&'static str> {
    let scoring = &args.scoring;
    let given = [
        ("--scoring", scoring.scoring.is_some()),
        ("--blend", scoring.blend.is_some_and(|blend| blend != crate::args::BlendMethod::None)),
        ("--blend-weight", scoring.blend_weight.is_some()),
        ("--normalize", scoring.normalize.is_some()),
        ("--feedback", matches!(scoring.feedback, Some(nearsort::Feedback::Weight(_)))),
        ("--long", scoring.long.is_some()),
        ("--explain", args.explain),
        ("--index", has_index),
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
        "--max-tokens" => ", or give --max-candidate-tokens",
        "--query-prompt" | "--document-prompt" => ", or give a prompt with --prompt FILE",
        _ => "",
    }
}

/// Prints the default prompt.
pub fn print_prompt(args: &JudgeArgs) -> Run {
    let prompt = match args.judge {
        Some(JudgeMethod::Listwise(_)) => LISTWISE_PROMPT,
        _ => POINTWISE_PROMPT,
    };
    io::stdout().write_all(prompt.as_bytes())?;
    Ok(Outcome::Done)
}

/// Returns the method and options of the judge.
pub fn asking(judge: &JudgeArgs) -> Result<(JudgeMethod, JudgeOptions), Failure> {
    let prompt = judge.prompt.as_ref().map(PromptSource::read).transpose()?;
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
            // By default, a window of the user's size moves by half of it.
            step: judge.step.unwrap_or(judge.window.map_or(step, |window| (window / 2).max(1))),
        }),
        _ => JudgeMethod::Pointwise,
    };
    Ok((method, options))
}

/// Prints the counts of the judge, if there are any.
pub fn summarize(args: &RankerArgs, model: &ModelArgs, used: &Usage, talk: Talk) {
    if talk == Talk::Quiet || !args.asks(ServiceKind::Judge, model) {
        return;
    }
    let JudgeCounts { questions, asked_again, unparsed, refined, repairs } = used.judge;
    let mut said = format!("judge: {questions} questions");
    for (number, what) in [
        (asked_again, "asked again"),
        (unparsed, "without a usable answer"),
        (refined, "grades refined by token probabilities"),
        (repairs, "repairs of orders"),
    ] {
        if number > 0 {
            said += &format!(", {number} {what}");
        }
    }
    say(format_args!("{said}"));
}

/// Adds the counts of the judge to the `usage` of a JSON answer.
pub fn add_usage(
    args: &RankerArgs,
    model: &ModelArgs,
    used: &Usage,
    usage: Option<Map<String, Value>>,
) -> Option<Map<String, Value>> {
    if !args.asks(ServiceKind::Judge, model) {
        return usage;
    }
    let JudgeCounts { questions, asked_again, unparsed, refined, repairs } = used.judge;
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
