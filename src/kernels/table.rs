//! The tables of kernels. This is the only place where generic code gets `#[target_feature]`.

use super::activation::Activation;
use super::bf16_rows::{self, Bf16Rows};
use super::elementwise::{self, Elementwise, Exponentials, ToCodes, Transposition};
use super::gemm::products::{self, Code};
use super::gemm::{self, Gemm, GemmI8, Product, ProductJob};
use super::norms::{self, NormOperands, RmsNorm};
use super::simd::Simd;
#[cfg(target_arch = "aarch64")]
use super::simd::neon::Neon;
use super::simd::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::simd::{avx2::Avx2, avx512::Avx512};
use super::tiles::Tiles;
use super::{
    Isa,
    dot::{self, Dot},
};
use std::marker::PhantomData;
use std::sync::LazyLock;

/// The kernels of one instruction set.
///
/// ```
/// use nearsort::kernels::Kernels;
/// let kernels = Kernels::best();
/// let mut scores = [0.0; 2];
/// kernels.dot_f32.rows(&[1.0, 2.0], &[3.0, 4.0, 0.5, 0.5], &mut scores);
/// assert_eq!(scores, [11.0, 1.5]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Kernels {
    isa: Isa,
    /// Dot products of f32 with f32, accumulated in f32.
    pub dot_f32: Dot<f32, f32>,
    /// Dot products of IEEE half precision as bit patterns, accumulated in f32. Products are exact.
    pub dot_f16: Dot<u16, f32>,
    /// Dot products of bfloat16 as bit patterns, accumulated in f32. Where the processor multiplies
    /// bfloat16 itself, subnormal numbers count as zero.
    pub dot_bf16: Dot<u16, f32>,
    /// Dot products of i8 with i8, accumulated in i32, exact; for vectors of at most
    /// [`MAX_I8_LEN`](dot::MAX_I8_LEN).
    pub dot_i8: Dot<i8, i32>,
    /// Matrix products of f32.
    pub gemm_f32: Gemm<f32>,
    /// Matrix products of bfloat16 as bit patterns, accumulated in f32. Where the processor
    /// multiplies bfloat16 itself, subnormal numbers count as zero.
    pub gemm_bf16: Gemm<u16>,
    /// Matrix products of quantised rows with i8 weights, accumulated in i32, exact.
    pub gemm_i8: GemmI8,
    /// Row operations between the products.
    pub elementwise: Elementwise,
    /// Row operations in front of products of bfloat16, if the processor multiplies bfloat16 faster
    /// than f32.
    pub bf16_rows: Option<Bf16Rows>,
    /// Products and attention of the matrix unit, if there is one.
    pub tiles: Option<Tiles>,
}

impl Kernels {
    /// Returns the kernels of this processor's best instruction set, looked up once.
    pub fn best() -> &'static Kernels {
        static BEST: LazyLock<Kernels> = LazyLock::new(|| table(Isa::detect()));
        &BEST
    }

    /// Returns the kernels of one instruction set; `None` if this processor lacks it.
    pub fn for_isa(isa: Isa) -> Option<Kernels> {
        isa.is_available().then(|| table(isa))
    }

    /// Returns the instruction set that these kernels use.
    pub fn isa(&self) -> Isa {
        self.isa
    }
}

/// A product in tiles of `$rows` rows and `$vectors` vectors of columns: a function with the
/// features, and its table entry.
macro_rules! gemm {
    ($($feature:literal,)? $product:ty, $rows:literal x $vectors:literal) => {{
        $(#[target_feature(enable = $feature)])?
        unsafe fn run(job: &ProductJob) {
            // SAFETY: the caller's promise.
            unsafe { gemm::run::<$product, gemm::StoreProduct, $rows, $vectors>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn run_column_max(job: &ProductJob) {
            // SAFETY: the caller's promise.
            unsafe { gemm::run::<$product, gemm::ColumnMax, $rows, $vectors>(job) }
        }
        Gemm {
            run,
            run_column_max,
            nr: $vectors * <<$product as Product>::Simd as Simd>::LANES,
            k_step: <$product as Product>::K_STEP,
            element: PhantomData,
        }
    }};
}

/// An integer product like `gemm!`, with the codes of its activations.
macro_rules! gemm_i8 {
    ($($feature:literal,)? $product:ty, $code:ty, $rows:literal x $vectors:literal) => {{
        $(#[target_feature(enable = $feature)])?
        unsafe fn run(job: &ProductJob) {
            // SAFETY: the caller's promise.
            unsafe { gemm::run::<$product, gemm::StoreProduct, $rows, $vectors>(job) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn quantize(row: &ToCodes) -> (f32, i32) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::quantize::<<$product as Product>::Simd, $code>(row) }
        }
        const { assert!(size_of::<<$product as Product>::A>() == <$code as Code>::BYTES) };
        GemmI8 {
            run,
            quantize,
            nr: $vectors * <<$product as Product>::Simd as Simd>::LANES,
            k_step: <$product as Product>::K_STEP,
            code_bytes: <$code as Code>::BYTES,
            max_code: <$code as Code>::MAX,
        }
    }};
}

/// The elementwise kernels over one kind of vectors.
macro_rules! elementwise {
    ($($feature:literal,)? $simd:ty) => {{
        $(#[target_feature(enable = $feature)])?
        unsafe fn activate(activation: Activation, x: *mut f32, len: usize) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::activate::<$simd>(activation, x, len) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn multiply(a: *const f32, b: *const f32, len: usize, out: *mut f32) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::multiply::<$simd>(a, b, len, out) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn layer_norm(x: *mut f32, norm: &NormOperands) {
            // SAFETY: the caller's promise.
            unsafe { norms::layer_norm::<$simd>(x, norm) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn rms_norm(x: *mut f32, norm: &RmsNorm) {
            // SAFETY: the caller's promise.
            unsafe { norms::rms_norm::<$simd>(x, norm) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn exp_rows(job: &Exponentials<f32>, rows: usize) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::exp_rows::<elementwise::InF32<$simd>>(job, rows) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn to_bf16(x: *const f32, len: usize, out: *mut u16) {
            // SAFETY: the caller's promise.
            unsafe { bf16_rows::round::<bf16_rows::ByIntegers<$simd>>(x, len, out) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn transpose(job: &Transposition) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::transpose::<$simd>(job) }
        }
        Elementwise { activate, multiply, layer_norm, rms_norm, exp_rows, to_bf16, transpose }
    }};
}

/// The row operations for products of bfloat16 over one kind of rounding.
macro_rules! bf16_rows {
    ($($feature:literal,)? $round:ty) => {{
        $(#[target_feature(enable = $feature)])?
        unsafe fn round(x: *const f32, len: usize, out: *mut u16) {
            // SAFETY: the caller's promise.
            unsafe { bf16_rows::round::<$round>(x, len, out) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn softmax(job: &Exponentials<u16>, rows: usize) {
            // SAFETY: the caller's promise.
            unsafe { elementwise::exp_rows::<bf16_rows::Rounded<$round>>(job, rows) }
        }
        $(#[target_feature(enable = $feature)])?
        unsafe fn interleave(a: *const u16, b: *const u16, len: usize, out: *mut u16) {
            // SAFETY: the caller's promise.
            unsafe { bf16_rows::interleave::<<$round as bf16_rows::Round>::Simd>(a, b, len, out) }
        }
        Bf16Rows { round, softmax, interleave }
    }};
}

/// Returns the kernels of an instruction set, which the caller has found to be available.
fn table(isa: Isa) -> Kernels {
    match isa {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        Isa::Amx => Kernels { isa, tiles: Some(Tiles::amx()), ..table(Isa::Avx512Bf16) },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Bf16 => Kernels {
            isa,
            gemm_bf16: gemm!("avx512f,avx512bw,avx512vl,avx512bf16", products::Bf16Paired, 12 x 2),
            bf16_rows: Some(bf16_rows!("avx512f,avx512bw,avx512vl,avx512bf16", bf16_rows::ByInstruction)),
            ..table(Isa::Avx512Vnni).with_dots(isa)
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => Kernels {
            isa,
            gemm_i8: gemm_i8!("avx512f,avx512bw,avx512vl,avx512vnni", products::I8Vnni512, products::CodeU8, 12 x 2),
            ..table(Isa::Avx512).with_dots(isa)
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512 => Kernels {
            isa,
            gemm_f32: gemm!("avx512f,avx512bw,avx512vl", products::F32<Avx512>, 12 x 2),
            gemm_bf16: gemm!("avx512f,avx512bw,avx512vl", products::Bf16Widened<Avx512>, 8 x 2),
            gemm_i8: gemm_i8!("avx512f,avx512bw,avx512vl", products::I8Pairs512, products::CodeI16, 12 x 2),
            elementwise: elementwise!("avx512f,avx512bw,avx512vl", Avx512),
            ..table(Isa::Scalar).with_dots(isa)
        },
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => Kernels {
            isa,
            gemm_i8: gemm_i8!("avx2,fma,avxvnni", products::I8Vnni256, products::CodeU8, 6 x 2),
            ..table(Isa::Avx2)
        },
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => Kernels {
            isa,
            gemm_f32: gemm!("avx2,fma", products::F32<Avx2>, 6 x 2),
            gemm_bf16: gemm!("avx2,fma", products::Bf16Widened<Avx2>, 4 x 2),
            gemm_i8: gemm_i8!("avx2,fma", products::I8Pairs256, products::CodeI16, 6 x 2),
            elementwise: elementwise!("avx2,fma", Avx2),
            ..table(Isa::Scalar).with_dots(isa)
        },
        #[cfg(target_arch = "aarch64")]
        Isa::NeonDot => Kernels {
            isa,
            gemm_i8: gemm_i8!("neon,dotprod", products::I8Dot, products::CodeI8, 6 x 4),
            ..table(Isa::Neon)
        },
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => Kernels {
            isa,
            gemm_f32: gemm!("neon", products::F32<Neon>, 6 x 4),
            gemm_bf16: gemm!("neon", products::Bf16Widened<Neon>, 4 x 4),
            gemm_i8: gemm_i8!("neon", products::I8Widened, products::CodeI16, 6 x 4),
            elementwise: elementwise!("neon", Neon),
            ..table(Isa::Scalar).with_dots(isa)
        },
        _ => scalar(),
    }
}

fn scalar() -> Kernels {
    let dot::Dots { f32, f16, bf16, i8 } = dot::table(Isa::Scalar);
    Kernels {
        isa: Isa::Scalar,
        dot_f32: f32,
        dot_f16: f16,
        dot_bf16: bf16,
        dot_i8: i8,
        gemm_f32: gemm!(products::F32<Portable>, 4 x 2),
        gemm_bf16: gemm!(products::Bf16Widened<Portable>, 4 x 2),
        gemm_i8: gemm_i8!(products::I8Portable, products::CodeU8, 4 x 2),
        elementwise: elementwise!(Portable),
        bf16_rows: None,
        tiles: None,
    }
}

impl Kernels {
    /// Returns the scalar kernels with a matrix unit in plain Rust, [`Tiles::emulated`], for tests
    /// without a matrix unit.
    pub fn emulating_tiles() -> Kernels {
        Kernels { tiles: Some(Tiles::emulated()), ..scalar() }
    }

    /// Returns the scalar kernels with row operations for products of bfloat16, for tests where the
    /// processor has no such products.
    pub fn emulating_bf16_rows() -> Kernels {
        Kernels { bf16_rows: Some(bf16_rows!(bf16_rows::ByIntegers<Portable>)), ..scalar() }
    }

    fn with_dots(self, isa: Isa) -> Self {
        let dot::Dots { f32, f16, bf16, i8 } = dot::table(isa);
        Self { dot_f32: f32, dot_f16: f16, dot_bf16: bf16, dot_i8: i8, ..self }
    }
}
