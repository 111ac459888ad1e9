//! Loading of a local model, and the same model with other options.

use std::sync::{Arc, OnceLock};

use super::super::backend::{choose, load_backend};
use super::super::local_options::LocalEncoderOptions;
use super::super::pipeline::Pipeline;
use super::super::static_model::{check_options, load_table};
use super::super::tokenizer::TextTokenizer;
use super::super::{Contract, Engine, ModelKind, Overrides, Reading};
use super::LocalEncoder;
use crate::engine::Backend;
use crate::error::Remedy;
use crate::store::ModelFiles;
use crate::threads::Threads;
use crate::{Error, Result};

impl LocalEncoder {
    /// Loads a model.
    ///
    /// The errors of [`Contract::read`]; [`Error::UnsupportedArchitecture`]; [`Error::ModelFile`]
    /// when weights or tokenizer are unusable; [`Error::Device`] when the device is missing;
    /// [`Error::InvalidArgument`] for options out of range.
    pub fn load(files: ModelFiles, options: LocalEncoderOptions) -> Result<Self> {
        if ModelKind::of(&files)? == ModelKind::CrossEncoder {
            return Err(Error::InvalidArgument(format!(
                "{} is a cross-encoder: it reads query and document together and has no embeddings",
                files.name
            ))
            .advised(Remedy::RerankWithIt));
        }
        let contract = Contract::read(&files, &options.overrides)?;
        if options.batch_tokens == 0 {
            return Err(Error::InvalidOption { option: "batch_tokens", why: "must be at least 1".into() });
        }
        let threads = Threads::new(options.threads)?;
        let arithmetic = match contract.table {
            Some(_) => check_options(&files.name, &options)?,
            None => choose(&contract.config, &options)?,
        };
        let (engine, precision) = arithmetic;
        let load = || {
            if let Some(source) = &contract.table {
                let tokenizer = TextTokenizer::load(&files, &contract)?;
                let table = load_table(&files, source, tokenizer.shared().inner())?;
                return Ok::<_, Error>((tokenizer, Box::new(table) as Box<dyn Backend>));
            }
            let longest = contract.longest_text();
            let (device, batch_tokens) = (options.device, options.batch_tokens);
            let backend = || load_backend(&files, &contract.config, arithmetic, device, longest, batch_tokens);
            let (tokenizer, backend) = rayon::join(|| TextTokenizer::load(&files, &contract), backend);
            Ok((tokenizer?, backend?))
        };
        let loaded = threads.run(load)?;
        let pipeline = Pipeline::load(&files, &contract.modules, contract.hidden_size)?;
        let (tokenizer, backend) = loaded?;
        if let Some(tokens) = contract.longest_partly_seen() {
            backend.check_expanded(tokens)?;
        }
        if backend.hidden_size() != contract.hidden_size {
            let (found, said) = (backend.hidden_size(), contract.hidden_size);
            let message =
                format!("it gives two widths of a hidden state, {said} and {found}; the weights have {found}");
            return Err(Error::ModelFile { path: files.dir.join("config.json"), message });
        }
        Ok(Self {
            tokenizer,
            loaded_tokens: contract.longest_text(),
            backend: backend.into(),
            contract,
            engine,
            precision,
            pipeline,
            files,
            options,
            threads,
            fingerprint: OnceLock::new(),
            files_fingerprint: Arc::default(),
            reads_otherwise: false,
        })
    }

    /// Returns the same model with other options for reading texts. It shares weights, threads and
    /// vocabulary and reads no file: this takes microseconds.
    ///
    /// # Errors
    /// [`Error::InvalidOption`] for an option that does not apply to the model, and for a value out
    /// of range.
    pub fn with_reading(&self, reading: &Reading) -> Result<Self> {
        let contract = self.contract.reading(reading, &self.files.name)?;
        if self.engine == Engine::Candle && contract.longest_text() > self.loaded_tokens {
            let (tokens, loaded) = (contract.max_tokens, self.loaded_tokens);
            let why = format!("{tokens}: candle's tables are for the {loaded} tokens that the model was loaded with");
            return Err(Error::InvalidOption { option: "max_tokens", why });
        }
        let reads_otherwise = self.reads_otherwise || *reading != Reading::default();
        Ok(Self { reads_otherwise, ..self.with_contract(contract, self.options.clone())? })
    }

    /// Returns the same model with these overrides instead of those it was loaded with. Weights and
    /// threads are shared.
    ///
    /// # Errors
    /// The errors of [`Contract::read`]; for texts that are longer than the model was loaded for,
    /// those of [`LocalEncoder::load`].
    pub fn with_overrides(&self, overrides: Overrides) -> Result<Self> {
        let contract = Contract::read(&self.files, &overrides)?;
        let options = LocalEncoderOptions { overrides, ..self.options.clone() };
        if self.engine == Engine::Candle && contract.longest_text() > self.loaded_tokens {
            return Self::load(self.files.clone(), options);
        }
        if let Some(tokens) = contract.longest_partly_seen() {
            self.backend.check_expanded(tokens)?;
        }
        self.with_contract(contract, options)
    }

    fn with_contract(&self, contract: Contract, options: LocalEncoderOptions) -> Result<Self> {
        let files = self.files.clone();
        Ok(Self {
            tokenizer: self.tokenizer.with_contract(&contract)?,
            backend: Arc::clone(&self.backend),
            loaded_tokens: self.loaded_tokens,
            engine: self.engine,
            precision: self.precision,
            pipeline: self.pipeline.changed(&self.contract.modules, &files, &contract.modules, contract.hidden_size)?,
            threads: self.threads.clone(),
            contract,
            files,
            options,
            fingerprint: OnceLock::new(),
            files_fingerprint: Arc::clone(&self.files_fingerprint),
            reads_otherwise: false,
        })
    }
}
