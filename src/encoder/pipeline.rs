//! The modules after the transformer, with their weights. They turn the hidden states of a sequence
//! into its vector, its token vectors or its score, in the order of modules.json.

use std::sync::Arc;

use ndarray::{Array2, ArrayView2, CowArray, Ix2};

use super::Pooling;
use super::dense::Dense;
use super::layer_norm::LayerNorm;
use super::listed::{SCORES, SENTENCE, TOKENS};
use super::modules::{Module, shapes};
use super::pooling::normalize;
use crate::kernels::Kernels;
use crate::store::ModelFiles;
use crate::{Error, Result};

/// An index into the table of features.
type Slot = usize;
const TOKENS_SLOT: Slot = 0;
const SENTENCE_SLOT: Slot = 1;
const SCORES_SLOT: Slot = 2;

/// A module with its weights, whose features are slots.
enum LoadedModule {
    Pooling(Pooling),
    Dense { dense: Dense, input: Slot, output: Slot },
    LayerNorm(LayerNorm),
    Normalize { input: Slot, output: Slot },
    Cut(usize),
}

/// The modules of a model in their order. `Send + Sync` and immutable.
pub(crate) struct Pipeline {
    steps: Vec<Arc<LoadedModule>>,
    /// Names of the features; the slot of a feature is its index here.
    names: Vec<String>,
}

/// A feature: one vector per token, or a single vector.
#[derive(Clone)]
enum Feature<'a> {
    Tokens(CowArray<'a, f32, Ix2>),
    Vector(Vec<f32>),
}

/// The features of one sequence after the modules.
pub(crate) struct Features<'a>(Vec<Option<Feature<'a>>>);

impl<'a> Features<'a> {
    /// Returns `token_embeddings`, `[tokens, width]`, with special tokens and prompt.
    pub(crate) fn tokens(&self) -> Option<ArrayView2<'_, f32>> {
        match self.0.get(TOKENS_SLOT) {
            Some(Some(Feature::Tokens(tokens))) => Some(tokens.view()),
            _ => None,
        }
    }

    /// Returns `sentence_embedding`.
    pub(crate) fn vector(&self) -> Option<&[f32]> {
        self.at(SENTENCE_SLOT)
    }

    /// Returns `scores`, one per label.
    pub(crate) fn scores(&self) -> Option<&[f32]> {
        self.at(SCORES_SLOT)
    }

    fn at(&self, slot: Slot) -> Option<&[f32]> {
        match self.0.get(slot) {
            Some(Some(Feature::Vector(vector))) => Some(vector),
            _ => None,
        }
    }
}

impl Pipeline {
    /// Reads the weights of the modules, which take hidden states of width `hidden_size`.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when weights are missing, or differ in shape from what the files say.
    pub(crate) fn load(files: &ModelFiles, modules: &[Module], hidden_size: usize) -> Result<Self> {
        let names = names(files, modules, hidden_size)?;
        let steps = load_steps(files, modules, &names)?;
        Ok(Self { steps, names })
    }

    /// Returns the pipeline of other modules for the same model. `before` are the modules of this
    /// pipeline; steps that both have are shared.
    ///
    /// # Errors
    /// As [`Pipeline::load`].
    pub(crate) fn changed(
        &self,
        before: &[Module],
        files: &ModelFiles,
        modules: &[Module],
        hidden_size: usize,
    ) -> Result<Self> {
        let names = names(files, modules, hidden_size)?;
        let same = match names == self.names {
            true => before.iter().zip(modules).take_while(|(before, after)| before == after).count(),
            false => 0,
        };
        let mut steps = self.steps[..same].to_vec();
        steps.extend(load_steps(files, &modules[same..], &names)?);
        Ok(Self { steps, names })
    }

    /// Applies the modules to the hidden states of one sequence, `[tokens, hidden_size]`.
    pub(crate) fn run<'a>(&self, hidden: ArrayView2<'a, f32>) -> Features<'a> {
        // A name that is never written gets the slot after all others, which stays empty.
        let mut features = vec![None; self.names.len() + 1];
        features[TOKENS_SLOT] = Some(Feature::Tokens(hidden.into()));
        self.steps.iter().for_each(|step| step.apply(&mut features));
        Features(features)
    }
}

/// Returns the names of the features of these modules, the known ones first.
fn names(files: &ModelFiles, modules: &[Module], hidden_size: usize) -> Result<Vec<String>> {
    let unusable = |message: String| Error::ModelFile { path: files.dir.join("modules.json"), message };
    let known = [TOKENS, SENTENCE, SCORES];
    let all = shapes(modules, hidden_size).map_err(unusable)?;
    let more = all.into_keys().filter(|name| !known.contains(&name.as_str()));
    Ok(known.map(str::to_owned).into_iter().chain(more).collect())
}

fn load_steps(files: &ModelFiles, modules: &[Module], names: &[String]) -> Result<Vec<Arc<LoadedModule>>> {
    let slot = |name: &str| names.iter().position(|known| known == name).unwrap_or(names.len());
    modules.iter().map(|module| LoadedModule::load(files, module, &slot).map(Arc::new)).collect()
}

impl LoadedModule {
    fn load(files: &ModelFiles, module: &Module, slot: &dyn Fn(&str) -> Slot) -> Result<Self> {
        Ok(match module {
            Module::Pooling(pooling) => Self::Pooling(*pooling),
            Module::Dense(config) => Self::Dense {
                input: slot(&config.input),
                output: slot(&config.output),
                dense: Dense::load(files, config, Kernels::best())?,
            },
            Module::LayerNorm(config) => Self::LayerNorm(LayerNorm::load(files, config)?),
            Module::Normalize { input, output } => Self::Normalize { input: slot(input), output: slot(output) },
            Module::Cut(width) => Self::Cut(*width),
        })
    }

    fn apply(&self, features: &mut [Option<Feature<'_>>]) {
        match self {
            Self::Pooling(pooling) => {
                let Some(Feature::Tokens(tokens)) = &features[TOKENS_SLOT] else { return };
                features[SENTENCE_SLOT] = Some(Feature::Vector(pooling.pool(tokens.view())));
            }
            Self::Dense { dense, input, output } => {
                let Some(feature) = &features[*input] else { return };
                features[*output] = Some(feature.mapped(dense.config().out_features, |row| dense.apply(row)));
            }
            Self::LayerNorm(norm) => in_place(features, SENTENCE_SLOT, SENTENCE_SLOT, |row| norm.apply(row)),
            Self::Normalize { input, output } => in_place(features, *input, *output, normalize),
            Self::Cut(width) => {
                if let Some(Feature::Vector(vector)) = &mut features[SENTENCE_SLOT] {
                    vector.truncate(*width);
                }
            }
        }
    }
}

/// Changes a feature row by row, in place or as a copy in another slot.
fn in_place(features: &mut [Option<Feature<'_>>], input: Slot, output: Slot, change: impl Fn(&mut [f32])) {
    if input != output {
        features[output] = features[input].clone();
    }
    match &mut features[output] {
        Some(Feature::Vector(vector)) => change(vector),
        Some(Feature::Tokens(tokens)) => {
            // Rows of a backend's hidden states may have padding between them; an owned copy has
            // none.
            let mut owned = tokens.as_standard_layout().into_owned();
            owned.rows_mut().into_iter().filter_map(|row| row.into_slice()).for_each(change);
            *tokens = owned.into();
        }
        None => {}
    }
}

impl Feature<'_> {
    fn mapped<'b>(&self, width: usize, map: impl Fn(&[f32]) -> Vec<f32>) -> Feature<'b> {
        match self {
            Self::Vector(vector) => Feature::Vector(map(vector)),
            Self::Tokens(tokens) => {
                let mut mapped = Array2::zeros((tokens.nrows(), width));
                for (row, mut to) in tokens.rows().into_iter().zip(mapped.rows_mut()) {
                    let out = match row.as_slice() {
                        Some(row) => map(row),
                        None => map(&row.to_vec()),
                    };
                    to.iter_mut().zip(out).for_each(|(to, from)| *to = from);
                }
                Feature::Tokens(mapped.into())
            }
        }
    }
}
