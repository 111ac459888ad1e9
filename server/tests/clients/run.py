"""Runs real clients against `nearsort serve` and compares what they get with `nearsort rerank` and `nearsort embed`.

    python3 server/tests/clients/run.py [--nearsort BINARY] [--cache FOLDER] [--lock] [SET ...]

A set is a folder beside this file: packages that agree on their dependencies, and a script that uses them. Each set is
installed once into a folder of its own below --cache, at the versions of `locked.txt` or `package-lock.json`, and again
when these change. `--lock` writes them anew from `requirements.txt` or `package.json`, and runs nothing.

Needed: Python 3.11 or newer with venv and pip, Node 20 or newer with npm, PyPI and the npm registry for the first run, and
the model, which the binary fetches where it is not cached. Packages of Python are installed by uv, which pip installs below
--cache: it takes a tenth of pip's time.
"""

import argparse
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
SETS = ["sdks", "langchain-cohere", "llama-index", "haystack", "infinity", "litellm", "mcp", "schemathesis", "node"]
KEY = "a-key-of-the-client-tests"
MODEL = "all-MiniLM-L6-v2"
QUERY = "Where is the Eiffel Tower located?"
EXAMPLE = ROOT / "examples" / "landmarks.txt"
UV = "uv==0.13.9"
HOMES = ["HOME", "XDG_CACHE_HOME", "HF_HOME"]
# To wait for a server, and for one set of clients; in seconds.
START, SET = 180, 300


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    args = arguments()
    if args.lock:
        return lock(args.sets, args.cache)
    with tempfile.TemporaryDirectory(prefix="nearsort-clients-") as name, contextlib.ExitStack() as stack:
        work = Path(name)
        expected(args.nearsort, work)
        url = stack.enter_context(server(args.nearsort, work, "plain"))
        decoding = stack.enter_context(server(args.nearsort, work, "decoding", "--openai-token-ids", "cl100k_base"))
        environment = {
            **{name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
            "NEARSORT_URL": url,
            "NEARSORT_DECODING_URL": decoding,
            "NEARSORT_KEY": KEY,
            "NEARSORT_BINARY": str(args.nearsort),
            # Where the models are: a set has a home of its own.
            "NEARSORT_HOMES": json.dumps({name: os.environ[name] for name in HOMES if name in os.environ}),
            "NEARSORT_EXPECTED": str(work / "expected.json"),
            "NEARSORT_DOCS": str(ROOT / "docs" / "clients.md"),
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "HAYSTACK_TELEMETRY_ENABLED": "False",
            **tiktoken(work),
        }
        results = [one_set(name, args.cache, environment) for name in args.sets]
    return report(results)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nearsort", type=Path, default=ROOT / "target" / "release" / "nearsort")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="default: %(default)s")
    parser.add_argument("--lock", action="store_true", help="write the locked versions anew")
    parser.add_argument("sets", nargs="*", metavar="SET", help=f"default: all of {', '.join(SETS)}")
    args = parser.parse_args()
    args.sets = args.sets or SETS
    if unknown := [name for name in args.sets if name not in SETS]:
        parser.error(f"unknown sets {', '.join(unknown)}; there are {', '.join(SETS)}")
    if not args.lock and not args.nearsort.is_file():
        parser.error(f"{args.nearsort} is not there; build it first: cargo build --release")
    if "node" in args.sets and not shutil.which("npm"):
        parser.error("the set 'node' needs npm; install Node, or name the other sets")
    args.nearsort, args.cache = args.nearsort.resolve(), args.cache.resolve()
    return args


def default_cache():
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("NEARSORT_CLIENTS_CACHE") or Path(cache) / "nearsort-clients")


def expected(nearsort, work):
    """Writes what the command says of the example: `expected.json`."""
    vectors = work / "vectors.jsonl"
    ranked = command(nearsort, "rerank", "-q", "--model", MODEL, "--query", QUERY, "--format", "json", EXAMPLE)
    command(nearsort, "embed", "-q", "--model", MODEL, "--output", vectors, EXAMPLE)
    found = {
        "model": MODEL,
        "query": QUERY,
        "documents": EXAMPLE.read_text(encoding="utf-8").splitlines(),
        "ranking": [(result["index"], result["score"]) for result in json.loads(ranked)["results"]],
        "vectors": [json.loads(line)["embedding"] for line in vectors.read_text(encoding="utf-8").splitlines()],
    }
    (work / "expected.json").write_text(json.dumps(found), encoding="utf-8")


def command(*parts, **more):
    done = subprocess.run([str(part) for part in parts], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"{' '.join(str(part) for part in parts)}\n{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def server(nearsort, work, name, *options):
    """A server of its own port; it ends with this program, whatever ends it."""
    keys, log = work / "keys", work / f"{name}.log"
    keys.write_text(f"{KEY}\n", encoding="ascii")
    keys.chmod(0o600)
    address = f"127.0.0.1:{free_port()}"
    call = [nearsort, "serve", "--model", MODEL, "--listen", address, "--api-key-file", keys, "--log", "warn", *options]
    with log.open("wb") as out:
        process = subprocess.Popen([str(part) for part in call], stdout=out, stderr=out, preexec_fn=die_with_parent)
    try:
        wait_for(f"http://{address}", process, log)
        yield f"http://{address}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            print(f"the server '{name}' did not end within 30 s of SIGTERM", file=sys.stderr)


def die_with_parent():
    """Linux: SIGTERM for the server when this program is killed."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(url, process, log):
    end = time.monotonic() + START
    while True:
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            reason = error.read().decode(errors="replace")
        except OSError as error:
            reason = str(error)
        if process.poll() is not None or time.monotonic() > end:
            sys.exit(f"the server is not ready: {reason}\n{log.read_text(errors='replace')[-4000:]}")
        time.sleep(0.1)


def tiktoken(work):
    """OpenAI's vocabulary for langchain-openai, which would fetch it: a copy of the one in the crate tiktoken-rs."""
    home = Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")
    found = sorted(home.glob("registry/src/*/tiktoken-rs-*/assets/cl100k_base.tiktoken"))
    if not found:
        return {}
    source = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
    folder = work / "tiktoken"
    folder.mkdir()
    shutil.copyfile(found[-1], folder / hashlib.sha1(source.encode()).hexdigest())
    return {"TIKTOKEN_CACHE_DIR": str(folder)}


def one_set(name, cache, environment):
    """Installs and runs a set: (name, seconds to install, seconds to run, checks, failures)."""
    began = time.monotonic()
    folder = installed(name, cache)
    ready = time.monotonic()
    print(f"{name}:", flush=True)
    script = HERE / name / ("client.mjs" if name == "node" else "client.py")
    if name == "node":
        # Packages are looked for from where the script lies.
        shutil.copy(script, folder)
        call = ["node", folder / "client.mjs"]
    else:
        call = [folder / "bin" / "python", script]
    with tempfile.TemporaryDirectory() as home:
        places = {name: home for name in HOMES}
        done = subprocess.run([str(part) for part in call], env={**environment, **places}, cwd=home, timeout=SET,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith(("  ok ", "  FAILED "))]
    print("\n".join(lines), flush=True)
    failed = [line.strip() for line in lines if line.startswith("  FAILED")]
    if done.returncode:
        failed.append(f"the script ended with {done.returncode}: {done.stderr[-4000:]}")
        print(failed[-1], flush=True)
    return name, ready - began, time.monotonic() - ready, len(lines), failed


def installed(name, cache):
    """The folder of a set, which is installed where it is not there or of other versions."""
    locked = HERE / name / ("package-lock.json" if name == "node" else "locked.txt")
    version = hashlib.sha256(locked.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = cache / name / version
    # Written last: a folder without it is of an installation that did not end.
    whole = folder / "installed"
    if not whole.exists():
        print(f"{name}: installing into {folder}", flush=True)
        shutil.rmtree(cache / name, ignore_errors=True)
        folder.mkdir(parents=True)
        if name == "node":
            npm(HERE / name, folder)
        else:
            python(locked, folder, cache)
        whole.touch()
    return folder


def python(locked, folder, cache):
    uv, environment = uv_in(cache)
    command(uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, folder, env=environment)
    command(uv, "pip", "install", "--quiet", "--no-deps", "--python", folder, "-r", locked, env=environment)


def uv_in(cache):
    """uv and its environment; it reads none of pip's settings, so two of them are handed on."""
    folder = cache / UV
    if not (folder / "bin" / "uv").exists():
        command(sys.executable, "-m", "venv", folder)
        command(folder / "bin" / "python", "-m", "pip", "install", "--quiet", UV)
    told = {"UV_DEFAULT_INDEX": os.environ.get("PIP_INDEX_URL"), "SSL_CERT_FILE": os.environ.get("PIP_CERT")}
    told = {name: value for name, value in told.items() if value}
    return folder / "bin" / "uv", {**told, **os.environ, "UV_CACHE_DIR": str(cache / "uv-cache")}


def lock(sets, cache):
    for name in sets:
        source = HERE / name
        if name == "node":
            command("npm", "install", "--package-lock-only", "--no-audit", "--no-fund", cwd=source)
            continue
        uv, environment = uv_in(cache)
        command(uv, "pip", "compile", "--quiet", "--universal", "--python-version", "3.11", "--no-annotate",
                "--no-header", "--upgrade", "requirements.txt", "-o", "locked.txt", cwd=source, env=environment)


def npm(source, folder):
    for file in ["package.json", "package-lock.json"]:
        shutil.copy(source / file, folder)
    command("npm", "ci", "--prefix", folder, "--no-audit", "--no-fund", "--ignore-scripts")


def report(results):
    print(f"\n{'set':18} {'install s':>9} {'run s':>7} {'checks':>7} {'failed':>7}")
    for name, install, run, checks, failed in results:
        print(f"{name:18} {install:9.1f} {run:7.1f} {checks:7} {len(failed):7}")
    seconds = sum(install + run for _, install, run, _, _ in results)
    failures = [f"{name}: {line}" for name, *_, failed in results for line in failed]
    empty = [f"{name}: no check was run" for name, _, _, checks, _ in results if not checks]
    print(f"{'all':18} {seconds:17.1f} {sum(row[3] for row in results):7} {len(failures):7}")
    print("\n".join(failures + empty))
    return 1 if failures or empty else 0


if __name__ == "__main__":
    sys.exit(main())
