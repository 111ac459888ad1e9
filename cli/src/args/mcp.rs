//! Arguments of `nearsort mcp`.

use std::path::PathBuf;

use clap::Args;
use nearsort_server::Settings;

pub const MCP_EXAMPLES: &str = "\
Log lines go to stderr. Files are read only below --root; links that lead out of it are refused.

Examples:
  nearsort mcp --root ~/notes
  nearsort mcp --model all-MiniLM-L6-v2 --index facts.index --root .
  claude mcp add nearsort -- nearsort mcp --root ~/notes";

#[derive(Args, Debug)]
pub struct McpArgs {
    /// A model for the tool rerank, and its name for callers [default: all-MiniLM-L6-v2]
    ///
    /// Repeat the option for more models.
    #[arg(long = "model", short = 'm', value_name = "NAME[=ALIAS]")]
    pub model: Option<Vec<String>>,
    /// An index for the tool search, and its name for callers
    ///
    /// `nearsort index build` makes an index. Repeat the option for more indexes.
    #[arg(long = "index", value_name = "DIR[=ALIAS]")]
    pub index: Option<Vec<String>>,
    /// A folder below which files of candidates may be read [default: none]
    ///
    /// Repeat the option for more folders.
    #[arg(long = "root", value_name = "DIR")]
    pub root: Option<Vec<PathBuf>>,
    /// A TOML file with these settings and cascades, as for `nearsort serve`
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Allow models of services (openai:..., cohere:...), which get the texts and cost money
    #[arg(long)]
    pub allow_services: bool,
    /// Open no network connection; use only models that are on this machine
    #[arg(long)]
    pub offline: bool,
    /// Threads for tokenizing and encoding [default: one per core]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
}

impl McpArgs {
    /// Returns the settings of these options; the environment and the file complete them.
    pub fn settings(&self) -> Settings {
        Settings {
            model: self.model.clone(),
            index: self.index.clone(),
            mcp_root: self.root.clone(),
            config: self.config.clone(),
            allow_services: self.allow_services.then_some(true),
            offline: self.offline.then_some(true),
            threads: self.threads,
            ..Settings::default()
        }
    }
}
