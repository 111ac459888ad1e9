//! What a processor's arithmetic instructions could do: the rate of a loop that does nothing else,
//! on registers.

use std::time::{Duration, Instant};

use nearsort::Precision;
use nearsort::kernels::Isa;

/// A neighbour on the same core slows a loop down for a tenth of a second to a second at a time:
/// the best of many short tries, spread over [`SPREAD`], falls into a quiet moment if there is one.
const TRIES: u32 = 40;
const SPREAD: Duration = Duration::from_secs(2);

/// Operations (a multiply-add is two) a second of the instructions by which `isa` multiplies in
/// `precision`; `None` where none is written down here.
pub fn peak(isa: Isa, precision: Precision) -> Option<f64> {
    architecture::loop_of(isa, precision).map(best_rate)
}

fn best_rate(run: fn() -> usize) -> f64 {
    let rates = (0..TRIES).map(|_| {
        std::thread::sleep(SPREAD / TRIES);
        let started = Instant::now();
        run() as f64 / started.elapsed().as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

#[cfg(target_arch = "x86_64")]
mod architecture {
    use std::arch::asm;
    use std::arch::x86_64::*;

    use nearsort::Precision;
    use nearsort::kernels::Isa;

    /// Rounds of a try: about a millisecond.
    const ROUNDS: usize = 200_000;

    /// A function that runs `$code` on each of `$chains` independent sums, enough to hide its
    /// latency, and gives the number of operations.
    macro_rules! chains {
        ($name:ident, $features:literal, $register:ident, $zero:expr, $chains:literal, $operations:literal, $($code:literal),+) => {
            #[target_feature(enable = $features)]
            fn $name() -> usize {
                let mut sums = [$zero; $chains];
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
                ROUNDS * $chains * $operations
            }
        };
    }

    chains!(f32_512, "avx512f", zmm_reg, _mm512_setzero_si512(), 12, 32, "vfmadd231ps {s}, {a}, {b} /* {t} */");
    chains!(
        bf16_512,
        "avx512f,avx512bf16",
        zmm_reg,
        _mm512_setzero_si512(),
        24,
        64,
        "vdpbf16ps {s}, {a}, {b} /* {t} */"
    );
    chains!(
        vnni_512,
        "avx512f,avx512vnni",
        zmm_reg,
        _mm512_setzero_si512(),
        12,
        128,
        "vpdpbusd {s}, {a}, {b} /* {t} */"
    );
    chains!(
        pairs_512,
        "avx512f,avx512bw",
        zmm_reg,
        _mm512_setzero_si512(),
        12,
        64,
        "vpmaddwd {t}, {a}, {b}",
        "vpaddd {s}, {s}, {t}"
    );
    chains!(f32_256, "avx2,fma", ymm_reg, _mm256_setzero_si256(), 12, 16, "vfmadd231ps {s}, {a}, {b} /* {t} */");
    chains!(
        vnni_256,
        "avx2,avxvnni",
        ymm_reg,
        _mm256_setzero_si256(),
        12,
        64,
        "{{vex}} vpdpbusd {s}, {a}, {b} /* {t} */"
    );
    chains!(
        pairs_256,
        "avx2",
        ymm_reg,
        _mm256_setzero_si256(),
        12,
        32,
        "vpmaddwd {t}, {a}, {b}",
        "vpaddd {s}, {s}, {t}"
    );

    /// Palette 1, eight tiles of 16 rows of 64 bytes.
    #[repr(C, align(64))]
    struct FullTiles([u8; 64]);

    static FULL_TILES: FullTiles = {
        let mut bytes = [0; 64];
        bytes[0] = 1;
        let mut tile = 0;
        while tile < 8 {
            bytes[16 + 2 * tile] = 64;
            bytes[48 + tile] = 16;
            tile += 1;
        }
        FullTiles(bytes)
    };

    /// The same for four tiles of sums, with the order of operands of a product's block.
    macro_rules! tiles {
        ($name:ident, $instruction:literal, $operations:literal) => {
            fn $name() -> usize {
                let rounds = ROUNDS / 10;
                // SAFETY: only for processors whose AMX was found, and permitted to this process,
                // by `Kernels::best`.
                unsafe {
                    asm!("ldtilecfg [{}]", in(reg) &raw const FULL_TILES, options(nostack, preserves_flags, readonly));
                    for _ in 0..rounds {
                        asm!(
                            concat!($instruction, " tmm0, tmm4, tmm6"),
                            concat!($instruction, " tmm1, tmm4, tmm7"),
                            concat!($instruction, " tmm2, tmm5, tmm6"),
                            concat!($instruction, " tmm3, tmm5, tmm7"),
                            options(nomem, nostack, preserves_flags)
                        );
                    }
                    asm!("tilerelease", options(nomem, nostack, preserves_flags));
                }
                rounds * 4 * $operations
            }
        };
    }

    tiles!(tiles_bf16, "tdpbf16ps", 16_384);
    tiles!(tiles_i8, "tdpbusd", 32_768);

    pub fn loop_of(isa: Isa, precision: Precision) -> Option<fn() -> usize> {
        // SAFETY: each function is named only for instruction sets that have its features, and
        // `isa` was detected.
        macro_rules! on {
            ($function:ident) => {
                Some(|| unsafe { $function() })
            };
        }
        match (isa, precision) {
            (Isa::Amx, Precision::Bf16) => Some(tiles_bf16),
            (Isa::Amx, Precision::I8) => Some(tiles_i8),
            (Isa::Avx512Bf16, Precision::Bf16) => on!(bf16_512),
            (Isa::Avx512Bf16 | Isa::Avx512Vnni, Precision::I8) => on!(vnni_512),
            (Isa::Avx512, Precision::I8) => on!(pairs_512),
            (Isa::Amx | Isa::Avx512Bf16 | Isa::Avx512Vnni | Isa::Avx512, _) => on!(f32_512),
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
        None
    }
}
