#!/usr/bin/env bash
# Tests and measures nearsort on a machine with a GPU: no network, no compiler, no cargo. benches/gpu/build.sh makes what it runs.
#
# usage: benches/gpu/run.sh --model DIR [--dist target/gpu/dist] [--device cuda] [--corpus FILE.jsonl] [--num 10000]
#                           [--peers PYTHON] [--rounds 5] [--no-tests]
#
#   --model DIR      folder of all-MiniLM-L6-v2 as sentence-transformers saves it
#   --dist DIR       what build.sh made: nearsort, tests, unit-tests, lib/
#   --program FILE   another nearsort instead, without its tests
#   --device NAME    cuda, cuda:N; cpu is the dry run of this script
#   --corpus FILE    passages, one JSON object with "text" a line; without it passages of some 80 tokens are made
#   --num N          how many of them (10,000; 300 on the CPU)
#   --peers PYTHON   a Python with torch and sentence-transformers: measured beside, fp16 on a GPU, the best of its batch sizes
#   --rounds N       all engines in turn, so often; medians are shown
#   --no-tests       only the table
#
# First the tests: parity with sentence-transformers, padded batches bit-equal from run to run, callers at once, errors. Then two tables:
# passages/s, cosine to f32 on the CPU, and one query x 1,000 candidates in one process: seconds, loading apart; and `nearsort serve` with many
# clients at once, whose passages share batches. The exit status is 0 only if all tests passed.
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
dist=$ROOT/target/gpu/dist program='' device=cuda model='' corpus='' num='' peers='' rounds=5 tests=yes

fail() { echo "run.sh: $*" >&2; exit 1; }
say() { echo "== $*" >&2; }

while [ $# -gt 0 ]; do
  case $1 in
    --dist | --program | --device | --model | --corpus | --num | --peers | --rounds) [ $# -ge 2 ] || fail "$1 needs a value" ;;
  esac
  case $1 in
    --dist) dist=$2; shift 2 ;;
    --program) program=$2; shift 2 ;;
    --device) device=$2; shift 2 ;;
    --model) model=$2; shift 2 ;;
    --corpus) corpus=$2; shift 2 ;;
    --num) num=$2; shift 2 ;;
    --peers) peers=$2; shift 2 ;;
    --rounds) rounds=$2; shift 2 ;;
    --no-tests) tests=no; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 0 ;;
    *) fail "'$1' is not an option; --help lists them" ;;
  esac
done

[ -n "$model" ] || fail "--model names the folder of all-MiniLM-L6-v2"
[ -f "$model/model.safetensors" ] || fail "$model has no model.safetensors"
model=$(cd "$model" && pwd)
[ -z "$corpus" ] || [ -f "$corpus" ] || fail "$corpus is not a file"
[[ $device =~ ^(cpu|cuda|cuda:[0-9]+)$ ]] || fail "--device $device: expected cpu, cuda or cuda:N"
command -v python3 >/dev/null || fail "missing: python3 (its standard library is enough)"
if [ -n "$peers" ]; then
  "$peers" -c 'import sentence_transformers, torch' || fail "$peers has no torch or no sentence-transformers"
fi
if [ -n "$program" ]; then
  tests=no
else
  program=$dist/nearsort
  [ -x "$program" ] || fail "$program is not there; benches/gpu/build.sh makes it"
fi

# Nothing is fetched, and the tests do not write into the user's cache.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 TOKENIZERS_PARALLELISM=true CANDLE_NUM_THREADS=1
if [ "$device" = cpu ]; then
  # A program with CUDA does not start without libcuda.so.1; on the CPU it makes no call to it.
  if [ -d "$dist/no-driver" ] && ! ldconfig -p | grep -q 'libcuda\.so\.1'; then
    export LD_LIBRARY_PATH="$dist/no-driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  fi
else
  command -v nvidia-smi >/dev/null || say "nvidia-smi is not here; is there a driver?"
  nvidia-smi --query-gpu=name,driver_version,compute_cap,memory.total --format=csv || true
fi
"$program" --version --verbose || fail "$program does not start; a program with CUDA needs the driver's libcuda.so.1"
if [ "$device" != cpu ]; then
  "$program" --version --verbose | grep -q '^devices:.*cuda' || fail "$program was built without CUDA"
fi

failed=()
run_tests() { # run_tests PROGRAM FILTER...
  local name=$1
  shift
  [ -x "$dist/$name" ] || fail "$dist/$name is not there; run build.sh without --program-only"
  say "$name $*"
  NEARSORT_TEST_DEVICE=$device NEARSORT_TEST_MODEL=$model "$dist/$name" "$@" --test-threads 1 || failed+=("$name $*")
}
if [ $tests = yes ]; then
  built=$(cat "$dist/root")
  [ -d "$built/models/tiny-bert" ] || fail "the tests read $built/models, where they were built; put the checkout there (a link will do)"
  run_tests unit-tests candle_backend::
  run_tests tests device::
fi

options=(--program "$program" --device "$device" --model "$model" --rounds "$rounds" --work "$work")
[ -z "$corpus" ] || options+=(--corpus "$corpus")
[ -z "$num" ] || options+=(--num "$num")
[ -z "$peers" ] || options+=(--peers "$peers")
python3 "$HERE/measure.py" "${options[@]}"
python3 "$HERE/clients.py" --program "$program" --device "$device" --model "$model" --work "$work"
[ ${#failed[@]} -eq 0 ] || fail "tests failed: ${failed[*]}"
