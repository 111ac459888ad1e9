//! The options of a language model that judges.

use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use nearsort::remote::judge::{JudgeMethod, Unparsed};
use nearsort::service::{Provider, ServiceKind};

use super::ModelArgs;

/// The method and the prompt of a judge.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "LLM judges (openai:gpt-4o, anthropic:claude-...)")]
pub struct JudgeArgs {
    /// Task of a service's model [default: by its provider and name]
    ///
    /// openai: and azure: embed if the model's name contains `embed`; otherwise they judge.
    #[arg(long, value_name = "embeddings|judge|rerank", value_parser = ServiceKind::from_str, hide_short_help = true)]
    pub kind: Option<ServiceKind>,
    /// Method of a language model that judges [default: pointwise]
    ///
    /// pointwise: grade each candidate alone (0 to 10). listwise: order windows of candidates, as
    /// RankGPT does.
    #[arg(long, value_name = "pointwise|listwise", value_parser = JudgeMethod::from_str)]
    pub judge: Option<JudgeMethod>,
    /// A file with your own prompt template
    ///
    /// `nearsort rerank --print-prompt` prints the default template.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub prompt: Option<PathBuf>,
    /// Print the default prompt template, with notes on writing your own, and exit
    #[arg(long, hide_short_help = true)]
    pub print_prompt: bool,
    /// Number of candidates that a listwise judge sees at once [default: 20]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub window: Option<usize>,
    /// Number of candidates by which the window moves up the list [default: half of --window]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub step: Option<usize>,
    /// Maximum tokens of a candidate; the rest is cut [default: 2048, listwise 512]
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub max_candidate_tokens: Option<usize>,
    /// Result of a candidate whose grade cannot be parsed [default: unscored]
    ///
    /// unscored: no score, below all others. zero: the score 0.
    #[arg(long, value_name = "unscored|zero", value_parser = Unparsed::from_str, hide_short_help = true)]
    pub unparsed: Option<Unparsed>,
    /// Use the grades as whole numbers, without refining them by token probabilities
    #[arg(long, hide_short_help = true)]
    pub no_logprobs: bool,
}

impl JudgeArgs {
    /// Returns the task of the model if it is a service's, or if an option asks for one.
    pub fn kind_of(&self, model: &ModelArgs) -> Option<ServiceKind> {
        let guess = || model.service_name().map(|(provider, name)| provider.guess_kind(name));
        self.kind.or(self.judge.map(|_| ServiceKind::Judge)).or_else(guess)
    }

    /// Returns the task of a service's model as a stage. Here --judge sets only the method.
    pub fn kind_of_stage(&self, (provider, model): (Provider, &str)) -> ServiceKind {
        self.kind.unwrap_or_else(|| provider.guess_kind(model))
    }

    /// Returns a given option that has no effect on a model that embeds.
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
