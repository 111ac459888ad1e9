//! Arguments of `serve`.

use clap::Args;
use nearsort_server::Settings;

/// Serves rerank and embedding clients over HTTP.
#[derive(Args, Debug)]
pub struct ServeArgs {
    #[command(flatten)]
    pub settings: Settings,
}

pub const SERVE_EXAMPLES: &str = "\
Every option is also an environment variable (NEARSORT_MAX_TEXTS) and a key of the --config file (max_texts). Options take precedence over \
variables, variables over the file. With NEARSORT_TEI_ENV=1 the server also reads the variables of text-embeddings-inference (MODEL_ID, PORT, API_KEY ...).

Examples:
  nearsort serve
  nearsort serve --model all-MiniLM-L6-v2=rerank-v3.5 --model cross-encoder/ms-marco-MiniLM-L6-v2
  nearsort serve --listen 0.0.0.0:8787 --api-key-file keys.txt
  curl http://127.0.0.1:8787/rerank -H 'content-type: application/json' -d '{\"query\": \"q\", \"documents\": [\"a\", \"b\"]}'";
