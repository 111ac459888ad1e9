//! The instruction sets, best first, and the detection of this processor's ones.

use std::fmt;

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use super::tiles::amx;

/// An instruction set that kernels are written for, in order of preference.
///
/// The AVX-512 levels are those of real processors: BF16 and VNNI (Zen 4 and 5, Sapphire Rapids and
/// later), VNNI alone (Ice Lake, Cascade Lake), neither (Skylake-X). Sapphire Rapids and its
/// successors also have AMX. AVX2 stands for AVX2, FMA and F16C, which came together (Haswell,
/// Zen). Alder Lake added AVX-VNNI to it, and ARMv8.2 added the dot product to Arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// [`Isa::Avx512Bf16`] and AMX with bfloat16 and int8, where Linux permits it.
    Amx,
    /// AVX-512 F, BW, VL, VNNI and BF16.
    Avx512Bf16,
    /// AVX-512 F, BW, VL and VNNI.
    Avx512Vnni,
    /// AVX-512 F, BW and VL.
    Avx512,
    /// AVX2, FMA, F16C and AVX-VNNI.
    AvxVnni,
    /// AVX2, FMA and F16C.
    Avx2,
    /// Advanced SIMD of 64-bit Arm with the dot product instructions.
    NeonDot,
    /// Advanced SIMD of 64-bit Arm.
    Neon,
    /// Plain loops, everywhere.
    Scalar,
}

impl Isa {
    /// All instruction sets, best first.
    pub const ALL: [Isa; 9] = [
        Isa::Amx,
        Isa::Avx512Bf16,
        Isa::Avx512Vnni,
        Isa::Avx512,
        Isa::AvxVnni,
        Isa::Avx2,
        Isa::NeonDot,
        Isa::Neon,
        Isa::Scalar,
    ];

    /// Returns true if this processor and this operating system can run it.
    pub fn is_available(self) -> bool {
        match self {
            Isa::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDot => Isa::Neon.is_available() && std::arch::is_aarch64_feature_detected!("dotprod"),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => Isa::Avx2.is_available() && is_x86_feature_detected!("avxvnni"),
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            Isa::Amx => Isa::Avx512Bf16.is_available() && amx::availability().is_ok(),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Bf16 => Isa::Avx512Vnni.is_available() && is_x86_feature_detected!("avx512bf16"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512Vnni => Isa::Avx512.is_available() && is_x86_feature_detected!("avx512vnni"),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => {
                is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
            }
            #[allow(unreachable_patterns)] // what is left depends on the architecture
            _ => false,
        }
    }

    /// Returns the reason why AMX cannot be used here; `None` if it can.
    pub fn why_no_amx() -> Option<String> {
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        let reason = amx::availability().err().map(|reason| reason.to_string());
        #[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
        let reason = Some("it is used on Linux and x86-64 only".to_owned());
        reason
    }

    /// Returns the available instruction sets, best first; the last is always [`Isa::Scalar`].
    pub fn available() -> impl Iterator<Item = Isa> {
        Isa::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Returns the best available one. The processor's identity decides, never a measurement, which
    /// would change bits from run to run.
    pub fn detect() -> Isa {
        Isa::available().find(|isa| isa.why_not_on(vendor()).is_none()).unwrap_or(Isa::Scalar)
    }

    /// Returns the reason why [`Isa::detect`] skips this available instruction set here; `None` if
    /// it does not.
    pub fn why_passed_over(self) -> Option<&'static str> {
        self.why_not_on(vendor())
    }

    /// Does [`Isa::why_passed_over`] for processors of a vendor, as CPUID spells it.
    fn why_not_on(self, vendor: [u8; 12]) -> Option<&'static str> {
        let slow = self == Isa::Avx512Bf16 && &vendor != b"AuthenticAMD";
        slow.then_some("VDPBF16PS is slower than multiply-adds of f32 on Intel's processors")
    }

    /// Returns the name in answers and reports, such as `avx512-bf16`.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Amx => "amx",
            Isa::Avx512Bf16 => "avx512-bf16",
            Isa::Avx512Vnni => "avx512-vnni",
            Isa::Avx512 => "avx512",
            Isa::AvxVnni => "avx-vnni",
            Isa::Avx2 => "avx2",
            Isa::NeonDot => "neon-dotprod",
            Isa::Neon => "neon",
            Isa::Scalar => "scalar",
        }
    }
}

/// Returns the vendor of an x86-64 processor, as CPUID spells it; zeros on others.
fn vendor() -> [u8; 12] {
    #[cfg(target_arch = "x86_64")]
    let words = {
        let leaf = std::arch::x86_64::__cpuid(0);
        [leaf.ebx, leaf.edx, leaf.ecx]
    };
    #[cfg(not(target_arch = "x86_64"))]
    let words = [0u32; 3];
    let mut vendor = [0; 12];
    vendor.chunks_exact_mut(4).zip(words).for_each(|(to, word)| to.copy_from_slice(&word.to_le_bytes()));
    vendor
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn native_bf16_products_are_for_amd() {
        assert_eq!(Isa::Avx512Bf16.why_not_on(*b"AuthenticAMD"), None);
        assert!(Isa::Avx512Bf16.why_not_on(*b"GenuineIntel").is_some());
        assert_eq!(Isa::Avx512Vnni.why_not_on(*b"GenuineIntel"), None);
        assert_eq!(Isa::Amx.why_not_on(*b"GenuineIntel"), None);
        assert!(Isa::detect().is_available());
        #[cfg(target_arch = "x86_64")]
        assert!(vendor().iter().all(u8::is_ascii_graphic), "{:?}", vendor());
    }
}
