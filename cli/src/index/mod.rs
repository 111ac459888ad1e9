//! `nearsort index`: embeddings on disk.

mod build;
mod edit;
mod info;
mod model;

use crate::Run;
use crate::args::{IndexArgs, IndexVerb};
use crate::session::Session;
pub use model::{encoder, named};

pub fn run(args: &IndexArgs, session: &Session) -> Run {
    match &args.verb {
        IndexVerb::Build(args) => build::build(args, session),
        IndexVerb::Add(args) => build::add(args, session),
        IndexVerb::Delete(args) => edit::delete(args, session.talk),
        IndexVerb::Info { index, json } => info::info(index, *json),
        IndexVerb::Verify { index } => info::verify(index),
    }
}
