//! `nearsort --version [--verbose]`.

use std::io::{self, Write};

use nearsort::kernels::{Isa, Kernels};
use nearsort::{Device, Precision};

use crate::{Outcome, Run};

pub fn print(verbose: bool) -> Run {
    let mut out = io::stdout().lock();
    writeln!(out, "nearsort {}", env!("CARGO_PKG_VERSION"))?;
    if verbose {
        let features: Vec<&str> = nearsort::FEATURES.to_vec();
        let available: Vec<&str> = Isa::available().map(Isa::name).collect();
        writeln!(out, "features: {}", features.join(", "))?;
        writeln!(out, "isa: {} (available: {})", Isa::detect().name(), available.join(", "))?;
        if let Some(reason) = Isa::why_no_amx() {
            writeln!(out, "amx: not used: {reason}")?;
        }
        for isa in Isa::available() {
            if let Some(reason) = isa.why_passed_over() {
                writeln!(out, "{isa}: not chosen: {reason}")?;
            }
        }
        let precision = Precision::fastest(Kernels::best());
        writeln!(out, "precision: {precision} by the native engine, f32 by candle")?;
        writeln!(out, "devices: {}", Device::compiled().join(", "))?;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        writeln!(out, "threads: {threads}")?;
    }
    Ok(Outcome::Done)
}
