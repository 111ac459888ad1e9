//! `rerank --profile`: the settings of a file replace options that were not given.

use std::path::Path;

use nearsort::diagnose::Profile;
use nearsort::{Blend, ModelSpec};

use crate::Failure;
use crate::args::{BlendMethod, RerankArgs, ScoringArgs};

/// Returns the arguments with the profile's settings, if there is a profile.
pub fn applied(args: &RerankArgs) -> Result<RerankArgs, Failure> {
    let mut args = args.clone();
    if let Some(path) = &args.ranker.profile {
        let profile = Profile::read(path)?;
        check_model(args.model.name.as_deref(), profile.model.as_deref(), path)?;
        apply(&mut args, profile);
    }
    Ok(args)
}

/// Checks that the profile is for this model. Weights, prompts and pooling have no meaning for
/// another model.
fn check_model(asked: Option<&str>, of_profile: Option<&str>, path: &Path) -> Result<(), Failure> {
    let (Some(asked), Some(of_profile)) = (asked, of_profile) else { return Ok(()) };
    if asked == of_profile || ModelSpec::parse(asked)? == ModelSpec::parse(of_profile)? {
        return Ok(());
    }
    Err(Failure::Error(format!(
        "{} was made for the model '{of_profile}', but --model is '{asked}'; leave --model out, or make a profile for '{asked}' \
         with `nearsort diagnose --save-profile`",
        path.display()
    )))
}

fn apply(args: &mut RerankArgs, profile: Profile) {
    let (scoring, model) = (&mut args.ranker.scoring, &mut args.model);
    // The three options of a blend belong together.
    if let Some(blend) = profile.blend
        && scoring.blend.is_none()
        && scoring.blend_weight.is_none()
        && scoring.normalize.is_none()
    {
        set_blend(scoring, blend);
    }
    scoring.feedback = scoring.feedback.or(profile.feedback);
    scoring.scoring = scoring.scoring.or(profile.scoring);
    scoring.long = scoring.long.or(profile.long_text);
    args.source.depth = args.source.depth.or(profile.depth);
    model.name = model.name.take().or(profile.model);
    model.query_prompt = model.query_prompt.take().or(profile.query_prompt);
    model.document_prompt = model.document_prompt.take().or(profile.document_prompt);
    model.pooling = model.pooling.or(profile.pooling);
}

fn set_blend(scoring: &mut ScoringArgs, blend: Blend) {
    match blend {
        Blend::None => scoring.blend = Some(BlendMethod::None),
        Blend::Linear { weight, normalize } => {
            (scoring.blend, scoring.blend_weight) = (Some(BlendMethod::Linear), Some(weight));
            scoring.normalize = Some(normalize);
        }
        Blend::Rrf { weight } => (scoring.blend, scoring.blend_weight) = (Some(BlendMethod::Rrf), Some(weight)),
    }
}
