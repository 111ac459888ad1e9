//! `nearsort mcp`: tools for language models over stdin and stdout.

use nearsort_server::{Options, serve_mcp};

use crate::args::McpArgs;
use crate::{Outcome, Run};

pub fn run(args: &McpArgs) -> Run {
    serve_mcp(Options::new(args.settings().complete()?)?)?;
    Ok(Outcome::Done)
}
