//! The rate of multiply-adds that this processor's registers allow, for one core: what a bench calls 100 %.

use std::time::Instant;

use nearsort::Precision;
use nearsort::kernels::Isa;

/// Instructions per round: enough independent sums to hide the latency.
const CHAINS: usize = 12;
const ROUNDS: usize = 2_000_000;

/// Operations (a multiply-add is two) a second of the instructions by which `isa` multiplies in `precision`; `None` where none is written down
/// here.
pub fn peak(isa: Isa, precision: Precision) -> Option<f64> {
    // The best of three: what disturbs a loop of registers only makes it slower.
    let best = |run: &dyn Fn() -> usize| {
        let once = || {
            let started = Instant::now();
            run() as f64 / started.elapsed().as_secs_f64()
        };
        (0..3).map(|_| once()).fold(0.0, f64::max)
    };
    architecture::loop_of(isa, precision).map(|run| best(&run))
}

#[cfg(target_arch = "x86_64")]
mod architecture {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use nearsort::Precision;
    use nearsort::kernels::Isa;

    use super::{CHAINS, ROUNDS};

    /// A function that runs `$code` on each of the sums and gives the number of operations.
    macro_rules! chains {
        ($name:ident, $features:literal, $register:ident, $zero:expr, $operations:literal, $($code:literal),+) => {
            #[target_feature(enable = $features)]
            fn $name() -> usize {
                let mut sums = [$zero; CHAINS];
                let (a, b) = ($zero, $zero);
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        // SAFETY: arithmetic on the registers named.
                        unsafe {
                            asm!($($code),+, s = inout($register) *sum, t = out($register) _, a = in($register) a, b = in($register) b,
                                 options(nomem, nostack, preserves_flags));
                        }
                    }
                }
                ROUNDS * CHAINS * $operations
            }
        };
    }

    chains!(f32_512, "avx512f", zmm_reg, _mm512_setzero_si512(), 32, "vfmadd231ps {s}, {a}, {b} /* {t} */");
    chains!(bf16_512, "avx512f,avx512bf16", zmm_reg, _mm512_setzero_si512(), 64, "vdpbf16ps {s}, {a}, {b} /* {t} */");
    chains!(vnni_512, "avx512f,avx512vnni", zmm_reg, _mm512_setzero_si512(), 128, "vpdpbusd {s}, {a}, {b} /* {t} */");
    chains!(
        pairs_512,
        "avx512f,avx512bw",
        zmm_reg,
        _mm512_setzero_si512(),
        64,
        "vpmaddwd {t}, {a}, {b}",
        "vpaddd {s}, {s}, {t}"
    );
    chains!(f32_256, "avx2,fma", ymm_reg, _mm256_setzero_si256(), 16, "vfmadd231ps {s}, {a}, {b} /* {t} */");
    chains!(vnni_256, "avx2,avxvnni", ymm_reg, _mm256_setzero_si256(), 64, "{{vex}} vpdpbusd {s}, {a}, {b} /* {t} */");
    chains!(pairs_256, "avx2", ymm_reg, _mm256_setzero_si256(), 32, "vpmaddwd {t}, {a}, {b}", "vpaddd {s}, {s}, {t}");

    pub fn loop_of(isa: Isa, precision: Precision) -> Option<fn() -> usize> {
        // SAFETY: each function is named only for instruction sets that have its features, and `isa` was detected.
        macro_rules! on {
            ($function:ident) => {
                Some(|| unsafe { $function() })
            };
        }
        match (isa, precision) {
            (Isa::Avx512Bf16, Precision::Bf16) => on!(bf16_512),
            (Isa::Avx512Bf16 | Isa::Avx512Vnni, Precision::I8) => on!(vnni_512),
            (Isa::Avx512, Precision::I8) => on!(pairs_512),
            (Isa::Avx512Bf16 | Isa::Avx512Vnni | Isa::Avx512, _) => on!(f32_512),
            (Isa::AvxVnni, Precision::I8) => on!(vnni_256),
            (Isa::Avx2, Precision::I8) => on!(pairs_256),
            (Isa::AvxVnni | Isa::Avx2, _) => on!(f32_256),
            _ => None,
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod architecture {
    pub fn loop_of(_: nearsort::kernels::Isa, _: nearsort::Precision) -> Option<fn() -> usize> {
        let _ = (super::CHAINS, super::ROUNDS);
        None
    }
}
