//! `nearsort index`: embeddings on disk.

mod build;
mod edit;
mod info;
mod model;

use crate::Run;
use crate::args::{IndexArgs, IndexVerb, Talk};
pub use model::{builder, named};

pub fn run(args: &IndexArgs, talk: Talk) -> Run {
    match &args.verb {
        IndexVerb::Build(args) => build::build(args, talk),
        IndexVerb::Add(args) => build::add(args, talk),
        IndexVerb::Delete(args) => edit::delete(args, talk),
        IndexVerb::Info { index, json } => info::info(index, *json),
        IndexVerb::Verify { index } => info::verify(index),
    }
}
