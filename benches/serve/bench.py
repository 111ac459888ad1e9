#!/usr/bin/env python3
"""Load on `nearsort serve`, beside infinity serving the same models and beside the library alone, in turns in the same run.

    cargo build --release
    apt-get install wrk
    python3 benches/serve/bench.py --model-dir MODEL --cross-dir CROSS --output serve.json

    python3 -m venv V && V/bin/pip install -r benches/serve/infinity.txt
    V/bin/python benches/serve/make_cross.py MODEL CROSS
    python3 benches/serve/bench.py --model-dir MODEL --cross-dir CROSS --infinity V/bin/infinity_emb ...

MODEL is a folder of all-MiniLM-L6-v2, CROSS a cross-encoder of the same shape with random weights, since infinity ranks by
cross-encoders only. Both servers answer /embeddings by MODEL (11 and 101 texts: a query and its candidates) and /rerank by
CROSS (1 x 10 and 1 x 100). `--onnx-dir` and `--cross-onnx-dir` are the same folders with onnx/model.onnx in them, for
infinity's second engine. One server computes at a time: the others are stopped (SIGSTOP), and the order changes every round.

  throughput   requests a second, p50 and p99 at 1, 8 and 64 kept connections, and answers that are not 200
  beside       p50 and p99 of 1 x 10 while another client sends 1 x 1000 without a pause
  overhead     1 x 100 at one client, less the same list by `nearsort rerank` without a server
  memory       resident memory of the server after every 1,000 of 10,000 requests of mixed sizes
  hang-up      64 clients send 1 x 1000 and go: time until nothing runs and nothing is queued, and the processor after that
"""

import argparse
import contextlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

import special

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORDS = ("the tower museum river city bridge light street garden glass history stone water music night train window "
         "story market wine north island harbour letter").split()
QUERY = "Where does the river cross the old city?"
COUNTS = (10, 100)


def passage(number: int) -> str:
    """Some 60 words, the same on every machine, no two alike."""
    picked = [WORDS[(number * 7 + at * at * 3 + at) % len(WORDS)] for at in range(58)]
    return f"Passage {number}: " + " ".join(picked) + "."


def write_bodies(folder: pathlib.Path) -> dict:
    """Files by (path, candidates)."""
    bodies = {}
    for count in (*COUNTS, 1000):
        documents = [passage(number) for number in range(count)]
        rerank = {"model": "cross", "query": QUERY, "documents": documents}
        embed = {"model": "minilm", "input": [QUERY, *documents]}
        for path, body in (("/rerank", rerank), ("/embeddings", embed), ("/hybrid", {**rerank, "model": "minilm"})):
            bodies[path, count] = folder / f"{path[1:]}-{count}.json"
            bodies[path, count].write_text(json.dumps(body))
    return bodies


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """A server of this run; only its process is stopped and ended."""

    def __init__(self, name: str, command: list, ready: str, port: int, folder: pathlib.Path):
        self.name, self.url, self.log = name, f"http://127.0.0.1:{port}", folder / f"{name}.log"
        self.ready = self.url + ready
        offline = {**os.environ, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
        with self.log.open("wb") as out:
            command = [str(part) for part in command]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=offline, cwd=folder)

    def wait(self) -> None:
        for _ in range(3000):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended at once:\n{self.log.read_text(errors='replace')[-2000:]}")
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(self.ready, timeout=5).status == 200:
                    return
            time.sleep(0.1)
        sys.exit(f"{self.name} was never ready; see {self.log}")

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def end(self) -> None:
        self.go_on()
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            # infinity first does the work of clients that have gone.
            print(f"{self.name} did not end within 30 s of SIGTERM", file=sys.stderr)
            self.process.kill()
            self.process.wait()


def of_nearsort(name: str, options: argparse.Namespace, folder: pathlib.Path, *more: str) -> Server:
    port = free_port()
    models = ["--model", f"{options.model_dir}=minilm", "--model", f"{options.cross_dir}=cross"]
    command = [options.nearsort, "serve", "--listen", f"127.0.0.1:{port}", *models, "--log", "warn", *more]
    return Server(name, command, "/readyz", port, folder)


def of_infinity(engine: str, options: argparse.Namespace, folder: pathlib.Path) -> Server:
    port = free_port()
    dirs = (options.onnx_dir, options.cross_onnx_dir) if engine == "optimum" else (options.model_dir, options.cross_dir)
    command = [options.infinity, "v2", "--port", port, "--host", "127.0.0.1", "--log-level", "error"]
    for path, name in zip(dirs, ("minilm", "cross")):
        command += ["--model-id", path, "--served-model-name", name, "--engine", engine, "--device", "cpu",
                    "--no-vector-disk-cache", "--no-model-warmup"]
    return Server(f"infinity-{engine}", command, "/health", port, folder)


def load(url: str, payload: pathlib.Path, clients: int, seconds: float) -> dict:
    command = ["wrk", "-t", "1", "-c", clients, "-d", f"{seconds:.0f}s", "--timeout", "300s", "-s", HERE / "post.lua", url]
    environment = {**os.environ, "BODY": str(payload)}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        sys.exit(f"wrk failed: {done.stdout}{done.stderr}")
    result = json.loads(lines[-1])
    return {**result, "per_second": result["requests"] / result["seconds"]}


def post(url: str, payload: pathlib.Path) -> float:
    """Seconds of one request."""
    began = time.perf_counter()
    request = urllib.request.Request(url, payload.read_bytes(), {"content-type": "application/json"})
    urllib.request.urlopen(request, timeout=300).read()
    return time.perf_counter() - began


def throughput(server: Server, path: str, count: int, clients: int, payload: pathlib.Path, options) -> dict:
    url = server.url + ("/rerank" if path == "/hybrid" else path)
    # The first one also waits for what clients of the measurement before have left behind.
    alone = min(post(url, payload) for _ in range(2))
    # Each client has at least three answers: a time-out of the clock would count none of a slow server.
    seconds = max(options.seconds, 3.2 * clients * alone + 1)
    found = load(url, payload, clients, min(seconds, options.longest))
    return {"what": "throughput", "server": server.name, "path": path, "candidates": count, "clients": clients, **found}


def short_beside_long(server: Server, bodies: dict, path: str, seconds: float) -> dict:
    """The short ones are measured; the long ones come from one client that never pauses."""
    url = server.url + path
    command = ["wrk", "-t", "1", "-c", "1", "-d", f"{seconds + 2:.0f}s", "--timeout", "300s", "-s", HERE / "post.lua", url]
    environment = {**os.environ, "BODY": str(bodies[path, 1000])}
    post(url, bodies[path, 10])
    long = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL, env=environment)
    try:
        time.sleep(1)
        found = load(url, bodies[path, 10], 1, seconds)
    finally:
        long.wait()
    return {"what": "beside", "server": server.name, "path": path, "candidates": 10, **found}


def of_library(options: argparse.Namespace, model: pathlib.Path, payload: pathlib.Path, folder: pathlib.Path) -> tuple:
    """Milliseconds of the clock and of processors a list: many lists in one run of the command, less a run of one."""
    request = json.loads(payload.read_text())

    def run(lists: int) -> tuple[float, float]:
        path = folder / f"lists-{lists}.jsonl"
        with path.open("w") as out:
            for number in range(lists):
                # A word of its own, so that no list is a copy of another whose texts are encoded already.
                own = [{"id": str(at), "text": f"{number} {text}"} for at, text in enumerate(request["documents"])]
                out.write(json.dumps({"query_id": str(number), "query": request["query"], "candidates": own}) + "\n")
        command = [options.nearsort, "rerank", "--candidates", path, "--model", model, "--format", "jsonl"]
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([str(part) for part in command], check=True, capture_output=True)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    many, one = run(options.lists + 1), run(1)
    return tuple((a - b) / options.lists * 1e3 for a, b in zip(many, one))


def of_server(server: Server, payload: pathlib.Path, lists: int) -> tuple:
    """Milliseconds of the clock and of the server's processors a list, by one client: the same texts."""
    request = json.loads(payload.read_text())
    connection, wall, before = special.Connection(server.url), 0.0, special.cpu_seconds(server.process.pid)
    for number in range(1, lists + 1):
        body = {**request, "documents": [f"{number} {text}" for text in request["documents"]]}
        payload = json.dumps(body).encode()
        began = time.perf_counter()
        connection.post("/rerank", payload)
        wall += time.perf_counter() - began
    return wall / lists * 1e3, (special.cpu_seconds(server.process.pid) - before) / lists * 1e3


def overhead(server: Server, bodies: dict, options: argparse.Namespace, folder: pathlib.Path):
    """In turns; the ratios are of the same turn. On a machine that others use, time of processors says more than the clock."""
    for path, model in (("/hybrid", options.model_dir), ("/rerank", options.cross_dir)):
        turns = []
        for _ in range(options.rounds):
            payload = bodies[path, 100]
            turns.append((*of_server(server, payload, options.lists), *of_library(options, model, payload, folder)))
        columns = [statistics.median(column) for column in zip(*turns)]
        names = ("server_ms", "server_cpu_ms", "library_ms", "library_cpu_ms")
        yield {"what": "overhead", "path": path, **dict(zip(names, columns)), "turns": turns,
               "ratio": statistics.median(turn[0] / turn[2] for turn in turns),
               "cpu_ratio": statistics.median(turn[1] / turn[3] for turn in turns)}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nearsort", type=pathlib.Path, default=ROOT / "target" / "release" / "nearsort")
    parser.add_argument("--model-dir", type=pathlib.Path, required=True)
    parser.add_argument("--cross-dir", type=pathlib.Path, required=True)
    parser.add_argument("--infinity", type=pathlib.Path, help="the program infinity_emb of a venv of its own")
    parser.add_argument("--onnx-dir", type=pathlib.Path)
    parser.add_argument("--cross-onnx-dir", type=pathlib.Path)
    parser.add_argument("--f32", action="store_true", help="nearsort with --precision f32 too")
    parser.add_argument("--seconds", type=float, default=8, help="of a measurement, at least; default: %(default)s")
    parser.add_argument("--longest", type=float, default=240, help="at most; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lists", type=int, default=40, help="of a measurement of the overhead; default: %(default)s")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--parts", nargs="+", default=["throughput", "beside", "overhead", "memory", "hang-up"])
    parser.add_argument("--output", type=pathlib.Path)
    options = parser.parse_args()
    for name in ("nearsort", "model_dir", "cross_dir", "infinity", "onnx_dir", "cross_onnx_dir"):
        if getattr(options, name):
            setattr(options, name, getattr(options, name).resolve())
    if not shutil.which("wrk"):
        parser.error("wrk is missing: apt-get install wrk")
    return options


def measured(options: argparse.Namespace, servers: list[Server], bodies: dict, folder: pathlib.Path):
    """All rows, as they come."""
    for number in range(options.rounds):
        cases = [(path, count, clients) for path in ("/embeddings", "/rerank") for count in COUNTS for clients in options.clients]
        cases = cases if "throughput" in options.parts else []
        order = servers[number % len(servers):] + servers[:number % len(servers)]
        for case in [*cases, *(["beside"] if "beside" in options.parts else [])]:
            for server in order:
                server.go_on()
                if case == "beside":
                    yield {"round": number, **short_beside_long(server, bodies, "/rerank", options.seconds)}
                else:
                    path, count, clients = case
                    yield {"round": number, **throughput(server, path, count, clients, bodies[path, count], options)}
                server.pause()
    own = servers[0]
    own.go_on()
    if "overhead" in options.parts:
        yield from overhead(own, bodies, options, folder)
    if "memory" in options.parts:
        yield {"what": "memory", **special.memory(own.url, own.process.pid, passage, random.Random(15))}
    if "hang-up" in options.parts:
        yield {"what": "hang-up", **special.hang_up(own.url, own.process.pid, bodies["/rerank", 1000].read_bytes())}


def main() -> None:
    options = arguments()
    results = []
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        bodies = write_bodies(folder)
        servers = [of_nearsort("nearsort", options, folder)]
        stack.callback(servers[0].end)
        if options.f32:
            servers.append(of_nearsort("nearsort-f32", options, folder, "--precision", "f32"))
            stack.callback(servers[-1].end)
        for engine in ("torch", "optimum") if options.infinity else ():
            if engine == "torch" or options.onnx_dir:
                servers.append(of_infinity(engine, options, folder))
                stack.callback(servers[-1].end)
        for server in servers:
            server.wait()
            for path in ("/embeddings", "/rerank"):
                post(server.url + path, bodies[path, 100])
            server.pause()
        for row in measured(options, servers, bodies, folder):
            results.append(row)
            print(json.dumps(row), flush=True)
            if options.output:
                options.output.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
