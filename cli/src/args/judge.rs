//! What can be said about a language model that judges.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use nearsort::remote::judge::{JudgeMethod, Unparsed};
use nearsort::service::{Provider, ServiceKind};

use super::ModelArgs;

/// How a language model judges.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "LLM judges (openai:gpt-4o, anthropic:claude-...)")]
pub struct JudgeArgs {
    /// What the model of a service does [default: by its provider and name]
    ///
    /// openai: and azure: embed where the name has `embed` in it, else they judge.
    #[arg(long, value_name = "embeddings|judge|rerank", value_parser = ServiceKind::from_str)]
    #[arg(hide_short_help = true)]
    pub kind: Option<ServiceKind>,
    /// How a language model judges [default: pointwise]
    ///
    /// pointwise: grade each candidate alone (0 to 10); listwise: order windows of candidates, as
    /// RankGPT does.
    #[arg(long, value_name = "pointwise|listwise", value_parser = JudgeMethod::from_str)]
    pub judge: Option<JudgeMethod>,
    /// Ask by a template of your own
    ///
    /// `nearsort rerank --print-prompt` prints the one that is used otherwise.
    #[arg(long, value_name = "FILE")]
    #[arg(hide_short_help = true)]
    pub prompt: Option<PathBuf>,
    /// Print the judge's own prompt, with what is to be known for writing another
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub print_prompt: bool,
    /// Candidates that a listwise judge sees at once [default: 20]
    #[arg(long, value_name = "N")]
    #[arg(hide_short_help = true)]
    pub window: Option<usize>,
    /// How far a window moves towards the beginning of the list [default: 10]
    #[arg(long, value_name = "N")]
    #[arg(hide_short_help = true)]
    pub step: Option<usize>,
    /// Cut candidates after so many tokens [default: 2048, listwise 512]
    #[arg(long, value_name = "N")]
    #[arg(hide_short_help = true)]
    pub max_candidate_tokens: Option<usize>,
    /// What becomes of candidates whose grade cannot be read: no score, below all others, or the score 0 [default: unscored]
    #[arg(long, value_name = "unscored|zero", value_parser = Unparsed::from_str)]
    #[arg(hide_short_help = true)]
    pub unparsed: Option<Unparsed>,
    /// Take the grades as they are, without the probabilities of the model's tokens
    #[arg(long)]
    #[arg(hide_short_help = true)]
    pub no_logprobs: bool,
}

impl JudgeArgs {
    /// What the model does as a service's; `None` where it is none and nothing asks it to be.
    pub fn kind_of(&self, model: &ModelArgs) -> Option<ServiceKind> {
        let guess = || model.service_name().map(|(provider, name)| provider.guess_kind(name));
        self.kind.or(self.judge.map(|_| ServiceKind::Judge)).or_else(guess)
    }

    /// What a model of a service does as a stage, where --judge says how and not whether.
    pub fn kind_of_stage(&self, (provider, model): (Provider, &str)) -> ServiceKind {
        self.kind.unwrap_or_else(|| provider.guess_kind(model))
    }

    /// An option that is given and means nothing to a model that embeds.
    pub fn first_given(&self) -> Option<&'static str> {
        let given = [
            ("--judge", self.judge.is_some()),
            ("--prompt", self.prompt.is_some()),
            ("--window", self.window.is_some()),
            ("--step", self.step.is_some()),
            ("--max-candidate-tokens", self.max_candidate_tokens.is_some()),
            ("--unparsed", self.unparsed.is_some()),
            ("--no-logprobs", self.no_logprobs),
        ];
        given.into_iter().find_map(|(name, is_given)| is_given.then_some(name))
    }
}
