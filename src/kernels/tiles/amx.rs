//! AMX, the matrix unit of Intel's servers since Sapphire Rapids (2023): eight registers of 16 rows
//! of 64 bytes. It uses inline assembly, because its intrinsics are not stable in Rust 1.95.
//!
//! Tile registers are only named here, and compiled Rust never touches them: they keep their values
//! between two `asm!` blocks. `tmm0` to `tmm3` hold the sums of a block, `tmm4` to `tmm7` the
//! operands of a step. The kernel saves them with the thread's other registers, from the
//! `ldtilecfg` of [`Amx::enter`] until the `tilerelease` of its drop.

use std::arch::asm;
use std::arch::x86_64::*;
use std::fmt;
use std::sync::LazyLock;

use super::super::simd::avx512::Avx512;
use super::unit::Unit;

/// The reason why a processor's AMX cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Unavailable {
    /// CPUID reports no AMX, or not both bfloat16 and int8.
    Processor,
    /// The operating system does not save tile registers.
    System,
    /// The kernel refuses tile registers to this process, with this error number.
    Refused(i32),
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Processor => f.write_str("the processor has none"),
            Self::System => f.write_str("the operating system does not enable it; Linux 5.16 or later does"),
            Self::Refused(errno) => write!(
                f,
                "the kernel refused it (arch_prctl: {}); a container's seccomp profile may forbid it",
                std::io::Error::from_raw_os_error(*errno)
            ),
        }
    }
}

/// Checks that AMX can be used. It is checked once, because the permission holds for the whole
/// process.
pub(in super::super) fn availability() -> Result<(), Unavailable> {
    static ANSWER: LazyLock<Result<(), Unavailable>> = LazyLock::new(|| {
        if !processor_has_it() {
            return Err(Unavailable::Processor);
        }
        if !system_saves_it() {
            return Err(Unavailable::System);
        }
        request()
    });
    *ANSWER
}

/// Checks CPUID leaf 7: bits 22 (bfloat16), 24 (tiles) and 25 (int8) of EDX.
fn processor_has_it() -> bool {
    const BITS: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    is_x86_feature_detected!("avx512bf16") && __cpuid_count(7, 0).edx & BITS == BITS
}

/// Checks XCR0: bits 17 and 18, the configuration and the data of tiles.
fn system_saves_it() -> bool {
    const BITS: u64 = 0b11 << 17;
    // SAFETY: where AVX-512 is detected the system uses XSAVE, so XGETBV is there.
    unsafe { xgetbv() & BITS == BITS }
}

#[target_feature(enable = "xsave")]
fn xgetbv() -> u64 {
    // SAFETY: register 0 exists wherever the instruction does.
    unsafe { _xgetbv(0) }
}

/// Requests the tile registers from Linux: `arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)`,
/// since 5.16 (Documentation/arch/x86/xstate.rst).
fn request() -> Result<(), Unavailable> {
    const ARCH_PRCTL: isize = 158;
    const ARCH_REQ_XCOMP_PERM: usize = 0x1023;
    const XFEATURE_XTILEDATA: usize = 18;
    let result: isize;
    // SAFETY: a system call that takes two numbers and touches no memory of ours.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack)
        );
    }
    if result == 0 { Ok(()) } else { Err(Unavailable::Refused(-result as i32)) }
}

/// The operand of LDTILECFG: palette 1, all eight tiles of 16 rows of 64 bytes.
#[repr(C, align(64))]
struct TileConfiguration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static FULL_TILES: TileConfiguration = TileConfiguration {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// The configured tile registers of this thread.
pub(in super::super) struct Amx {
    /// A marker that makes the type not `Send`, because registers belong to a thread.
    not_send: std::marker::PhantomData<*const ()>,
}

impl Drop for Amx {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the maker of this value checked that the instruction is there.
        unsafe { asm!("tilerelease", options(nostack, preserves_flags, nomem)) }
    }
}

/// A step of a block with the instruction `$multiply`. Rows of `a` are read once per panel, past
/// the L1 cache (T1), where the panel stays.
macro_rules! step {
    ($multiply:literal, $a:ident, $b:ident) => {
        asm!(
            "tileloaddt1 tmm4, [{upper} + {line}]",
            "tileloadd tmm6, [{b} + {line} * 2]",
            concat!($multiply, " tmm0, tmm4, tmm6"),
            "tileloadd tmm7, [{b} + {line} * 2 + 64]",
            concat!($multiply, " tmm1, tmm4, tmm7"),
            "tileloaddt1 tmm5, [{lower} + {line}]",
            concat!($multiply, " tmm2, tmm5, tmm6"),
            concat!($multiply, " tmm3, tmm5, tmm7"),
            upper = in(reg) $a[0],
            lower = in(reg) $a[1],
            b = in(reg) $b,
            line = in(reg) 64usize,
            options(nostack, preserves_flags, readonly)
        )
    };
}

// SAFETY: `enter` configures the registers that the other methods name; they read and write what
// the trait says.
unsafe impl Unit for Amx {
    type Simd = Avx512;

    #[inline(always)]
    unsafe fn enter() -> Self {
        // SAFETY: the instruction is there by contract, and the configuration is 64 bytes of
        // palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const FULL_TILES, options(nostack, preserves_flags, readonly)) }
        Self { not_send: std::marker::PhantomData }
    }

    #[inline(always)]
    unsafe fn clear(&mut self) {
        // SAFETY: the registers are configured.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                options(nostack, preserves_flags, nomem)
            );
        }
    }

    #[inline(always)]
    unsafe fn load(&mut self, from: [*const f32; 2], stride: usize) {
        // SAFETY: the registers are configured; 32 rows of 64 bytes are at each pointer by
        // contract.
        unsafe {
            asm!(
                "tileloadd tmm0, [{left} + {stride}]",
                "tileloadd tmm1, [{right} + {stride}]",
                "tileloadd tmm2, [{lower_left} + {stride}]",
                "tileloadd tmm3, [{lower_right} + {stride}]",
                left = in(reg) from[0],
                right = in(reg) from[1],
                lower_left = in(reg) from[0].add(16 * stride),
                lower_right = in(reg) from[1].add(16 * stride),
                stride = in(reg) 4 * stride,
                options(nostack, preserves_flags, readonly)
            );
        }
    }

    #[inline(always)]
    unsafe fn store(&self, to: [*mut f32; 2], stride: usize) {
        // SAFETY: as above.
        unsafe {
            asm!(
                "tilestored [{left} + {stride}], tmm0",
                "tilestored [{right} + {stride}], tmm1",
                "tilestored [{lower_left} + {stride}], tmm2",
                "tilestored [{lower_right} + {stride}], tmm3",
                left = in(reg) to[0],
                right = in(reg) to[1],
                lower_left = in(reg) to[0].add(16 * stride),
                lower_right = in(reg) to[1].add(16 * stride),
                stride = in(reg) 4 * stride,
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn step_bf16(&mut self, a: [*const u8; 2], b: *const u8) {
        // SAFETY: the registers are configured; two tiles of `a` and 2 KB of `b` are there by
        // contract.
        unsafe { step!("tdpbf16ps", a, b) }
    }

    #[inline(always)]
    unsafe fn step_i8(&mut self, a: [*const u8; 2], b: *const u8) {
        // SAFETY: as above.
        unsafe { step!("tdpbusd", a, b) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn store_bf16<const V: usize>(to: *mut u16, x: [__m512; V]) {
        const { assert!(V == 2) };
        // SAFETY: 64 bytes by contract; `__m512bh` has the size of `__m512i` and no invalid values.
        unsafe {
            let rounded: __m512i = std::mem::transmute(_mm512_cvtne2ps_pbh(x[V - 1], x[0]));
            _mm512_storeu_si512(to.cast(), rounded);
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn interleave(a: *const u16, b: *const u16, to: *mut u16) {
        // SAFETY: 32 numbers of each row, and 64 of the output, by contract.
        unsafe {
            let (a, b) = (_mm512_loadu_si512(a.cast()), _mm512_loadu_si512(b.cast()));
            let index = _mm512_loadu_si512(INTERLEAVED.as_ptr().cast());
            let upper = _mm512_add_epi16(index, _mm512_set1_epi16(16));
            _mm512_storeu_si512(to.cast(), _mm512_permutex2var_epi16(a, index, b));
            _mm512_storeu_si512(to.add(32).cast(), _mm512_permutex2var_epi16(a, upper, b));
        }
    }
}

/// The indices `0, 32, 1, 33, ...`: they interleave the lower halves of two rows of 32 numbers.
static INTERLEAVED: [u16; 32] = {
    let mut index = [0; 32];
    let mut i = 0;
    while i < 16 {
        index[2 * i] = i as u16;
        index[2 * i + 1] = 32 + i as u16;
        i += 1;
    }
    index
};
