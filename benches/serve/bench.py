#!/usr/bin/env python3
"""Load on `nearsort serve`, beside the library alone and beside infinity serving the same model, in turn in the same run.

    cargo build --release
    apt-get install wrk
    python3 benches/serve/bench.py --seconds 20 --rounds 3 --output serve.json

    python3 -m venv /tmp/infinity && /tmp/infinity/bin/pip install 'infinity-emb[torch,server]==0.0.78'
    python3 benches/serve/bench.py --infinity /tmp/infinity/bin/infinity_emb --model-dir DIR ...

What is measured:
  throughput   requests a second, p50 and p99 for 1 x 10 and 1 x 100 candidates at 1, 8 and 64 clients, with kept connections
  beside       p50 and p99 of 1 x 10 while another client sends 1 x 1000 without a pause
  overhead     1 x 100 at one client against `nearsort rerank` on the same list, by the command's own time for the model
  memory       resident memory of the server after each round (/metrics)

infinity ranks by cross-encoders only, so the model of a comparison is one: --model NAME --model-dir its folder for infinity. Both servers answer /rerank with
the same body. A shared machine is noisy: look at ratios of the same round.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORDS = ("the tower museum river city bridge light street garden glass history stone water music night train window "
         "story market wine north island harbour letter").split()


def passage(number: int) -> str:
    """Some 60 words, the same on every machine, no two alike."""
    picked = [WORDS[(number * 7 + at * at * 3 + at) % len(WORDS)] for at in range(58)]
    return f"Passage {number}: " + " ".join(picked) + "."


def body(candidates: int, folder: pathlib.Path) -> pathlib.Path:
    path = folder / f"{candidates}.json"
    documents = [passage(number) for number in range(candidates)]
    path.write_text(json.dumps({"query": "Where does the river cross the old city?", "documents": documents}))
    return path


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def running(command: list, ready: str, log: pathlib.Path):
    """A server that runs until the block ends; only this process is ended."""
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        for _ in range(1200):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended at once; see {log}:\n{log.read_text(errors='replace')[-2000:]}")
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(ready, timeout=5).status == 200:
                    break
            time.sleep(0.1)
        else:
            sys.exit(f"{command[0]} was never ready; see {log}")
        yield
    finally:
        process.terminate()
        process.wait(60)


def load(url: str, payload: pathlib.Path, clients: int, seconds: float) -> dict:
    command = ["wrk", "-t", "1", "-c", str(clients), "-d", f"{seconds:g}s", "--timeout", "120s", "-s", str(HERE / "post.lua"), url]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "BODY": str(payload)})
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(lines[-1])
    result["per_second"] = result["requests"] / result["seconds"]
    return result


def short_beside_long(url: str, bodies: dict, seconds: float) -> dict:
    """The short ones are measured; the long ones come from one client that never pauses."""
    command = ["wrk", "-t", "1", "-c", "1", "-d", f"{seconds + 2:g}s", "--timeout", "120s", "-s", str(HERE / "post.lua"), url]
    long = subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, "BODY": str(bodies[1000])})
    try:
        time.sleep(1)
        return load(url, bodies[10], 1, seconds)
    finally:
        long.wait()


def metric(url: str, name: str) -> float:
    text = urllib.request.urlopen(url + "/metrics", timeout=10).read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.M)
    return float(found[1]) if found else float("nan")


def library_ms(binary: pathlib.Path, model: str, payload: pathlib.Path, folder: pathlib.Path) -> float:
    """Milliseconds a list by the library: many copies of the list in one run of the command, less one run of a single one."""
    request = json.loads(payload.read_text())
    candidates = [{"id": str(at), "text": text} for at, text in enumerate(request["documents"])]

    def seconds(lists: int) -> float:
        path = folder / f"lists-{lists}.jsonl"
        with path.open("w") as out:
            for number in range(lists):
                # A word of its own, so that no list is a copy of another whose texts are encoded already.
                own = [{**row, "text": f"{number} {row['text']}"} for row in candidates]
                out.write(json.dumps({"query_id": str(number), "query": request["query"], "candidates": own}) + "\n")
        command = [binary, "rerank", "--candidates", path, "--model", model, "--format", "jsonl"]
        began = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        return time.perf_counter() - began

    return (seconds(41) - seconds(1)) / 40 * 1e3


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--model", default="all-MiniLM-L6-v2", help="as nearsort takes it")
    arguments.add_argument("--model-dir", help="the same model's folder, for infinity")
    arguments.add_argument("--infinity", help="the program infinity_emb of a venv of its own")
    arguments.add_argument("--seconds", type=float, default=10)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    arguments.add_argument("--no-library", action="store_true", help="leave the library's own time out")
    arguments.add_argument("--output", type=pathlib.Path)
    options = arguments.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk is missing: apt-get install wrk")
    if options.infinity and not options.model_dir:
        sys.exit("--infinity needs --model-dir: both are to serve the same files")
    binary = ROOT / "target" / "release" / "nearsort"
    results = []

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        bodies = {count: body(count, folder) for count in (10, 100, 1000)}
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        command = [binary, "serve", "--listen", f"127.0.0.1:{port}", "--model", options.model, "--log", "warn"]
        servers = {"nearsort": (command, url, f"{url}/readyz")}
        if options.infinity:
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            command = [options.infinity, "v2", "--model-id", options.model_dir, "--port", str(port), "--device", "cpu"]
            servers["infinity"] = (command, url, f"{url}/health")

        def note(**what) -> None:
            results.append(what)
            print(json.dumps(what), flush=True)

        for number in range(options.rounds):
            # One after the other: two servers that compute at once would measure each other.
            for server, (command, url, ready) in servers.items():
                with running(command, ready, folder / f"{server}.log"):
                    load(f"{url}/rerank", bodies[10], 1, 1)
                    for count in (10, 100):
                        for clients in options.clients:
                            found = load(f"{url}/rerank", bodies[count], clients, options.seconds)
                            note(round=number, server=server, what="throughput", candidates=count, clients=clients, **found)
                    found = short_beside_long(f"{url}/rerank", bodies, options.seconds)
                    note(round=number, server=server, what="beside", candidates=10, **found)
                    if server == "nearsort":
                        note(round=number, server=server, what="memory", bytes=metric(url, "process_resident_memory_bytes"))
            if not options.no_library:
                note(round=number, what="library", candidates=100, ms=library_ms(binary, options.model, bodies[100], folder))
    if options.output:
        options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
