//! Forward passes with candle: the reference on the CPU, and CUDA and Metal.
//!
//! On the CPU every sequence is computed alone, at its exact length, and the sequences of a batch
//! run in parallel. No padding is computed, and an embedding has the same bits in any batch.
//! (candle's matrix product chooses its blocking by the number of rows, so that rows of different
//! batches would differ in the last bit.) On a GPU one sequence does not fill the device. Therefore
//! sequences are padded to the longest one of the batch, under an attention mask, and concurrent
//! calls share batches (`shared`). So neighbours may change the last bits there.
//!
//! candle takes its number of threads only from the environment. A program that encodes on the CPU
//! should set `CANDLE_NUM_THREADS=1` before it starts, as the command does. Texts already run in
//! parallel, and candle's pool inside each of them halves the speed.
//!
//! Without the `candle` feature the same names exist, and every call returns a typed error.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

#[cfg(feature = "candle")]
mod architecture;
#[cfg(feature = "candle")]
mod backend;
#[cfg(feature = "candle")]
mod jina;
#[cfg(feature = "candle")]
mod shared;
#[cfg(feature = "candle")]
mod weights;
#[cfg(feature = "candle")]
pub use backend::CandleBackend;

#[cfg(not(feature = "candle"))]
mod stub;
#[cfg(not(feature = "candle"))]
pub use stub::CandleBackend;

/// The values of `model_type` in config.json that this backend supports.
pub const SUPPORTED_MODEL_TYPES: [&str; 10] = [
    "bert",
    "distilbert",
    "electra",
    "roberta",
    "xlm-roberta",
    "camembert",
    "modernbert",
    "nomic_bert",
    "jina_bert (JinaBERT v2: \"bert\" with ALiBi positions)",
    "qwen3",
];

/// The device of a forward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Device {
    /// The processor.
    #[default]
    Cpu,
    /// The CUDA device with this number. Needs the cargo feature `cuda`.
    Cuda(usize),
    /// Apple's GPU. Needs the cargo feature `metal`.
    Metal,
}

impl Device {
    /// Returns the devices that this build supports, whether or not the machine has one.
    pub fn compiled() -> Vec<&'static str> {
        let mut devices = vec!["cpu"];
        devices.extend(cfg!(feature = "cuda").then_some("cuda"));
        devices.extend(cfg!(feature = "metal").then_some("metal"));
        devices
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Cpu => f.write_str("cpu"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
            Device::Metal => f.write_str("metal"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::InvalidArgument(format!("unknown device '{text}'; expected cpu, cuda, cuda:N or metal"));
        match text.split_once(':') {
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            None if text == "metal" => Ok(Device::Metal),
            Some(("cuda", number)) => number.parse().map(Device::Cuda).map_err(|_| wrong()),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_parse_and_print() {
        for (text, device) in [("cpu", Device::Cpu), ("cuda:3", Device::Cuda(3)), ("metal", Device::Metal)] {
            assert_eq!(text.parse::<Device>().unwrap(), device);
            assert_eq!(device.to_string(), text);
        }
        assert_eq!("cuda".parse::<Device>().unwrap(), Device::Cuda(0));
        for text in ["gpu", "cuda:", "cuda:x", "cpu:0", ""] {
            assert!(text.parse::<Device>().unwrap_err().to_string().contains("cuda:N"), "{text}");
        }
    }
}
