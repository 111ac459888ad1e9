#!/usr/bin/env python3
"""Kills nearsort at random moments, and flips bits in its files.

    python3 fuzz/torture.py kills --nearsort target/release/nearsort [--rounds 100] [--only build,embed]
    python3 fuzz/torture.py flips --nearsort target/release/nearsort [--rounds 300] [--only index,job,cache]

`kills`: for each kind of job, SIGKILL at random moments until there were so many, the same command again after each;
what is there at last must have the bytes of a run that nobody disturbed. `flips`: a bit of a random file is flipped,
then a reader runs: an error or the right answer is good, a signal or another answer is not. Exits 1 on a finding.
Needs Python 3.9 and nothing else; the tiny models of the repository; a judge is a server on this machine.
"""

import argparse
import hashlib
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
TINY = str(ROOT / "models/tiny-bert")
WORDS = "red door harbour tower salt bread ship wall stone".split()
KEY = "not-a-real-key"


class Judge(http.server.BaseHTTPRequestHandler):
    """Grades by a hash of the question, so that the same question has the same grade."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        messages = json.dumps(json.loads(body)["messages"])
        grade = int(hashlib.sha256(messages.encode()).hexdigest(), 16) % 11
        message = {"role": "assistant", "content": json.dumps({"score": grade})}
        answer = {
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 3},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def text(number):
    return f"{WORDS[number % 9]} {WORDS[number // 9 % 9]} {WORDS[number // 81 % 9]} of {number}"


def write_input(folder):
    """A corpus, a second one, queries, a run and lists."""
    rows = [json.dumps({"_id": f"d{n}", "text": text(n)}) for n in range(6000)]
    (folder / "corpus.jsonl").write_text("\n".join(rows) + "\n")
    more = [json.dumps({"_id": f"e{n}", "text": text(n + 7)}) for n in range(3000)]
    (folder / "more.jsonl").write_text("\n".join(more) + "\n")
    changed = [json.dumps({"_id": f"d{n}", "text": text(n + 13)}) for n in range(2000)]
    (folder / "changed.jsonl").write_text("\n".join(changed) + "\n")
    (folder / "ids.txt").write_text("\n".join(f"d{n}" for n in range(0, 6000, 3)) + "\n")
    queries = [json.dumps({"_id": f"q{n}", "text": text(n * 31)}) for n in range(40)]
    (folder / "queries.jsonl").write_text("\n".join(queries) + "\n")
    lines = [f"q{q} Q0 d{(q * 7919 + r * 104729) % 6000} {r + 1} {500 - r} made" for q in range(40) for r in range(200)]
    (folder / "run.trec").write_text("\n".join(lines) + "\n")
    judged = [f"judge this: {text(n)}" for n in range(60)]
    candidates = [{"id": str(n), "text": line} for n, line in enumerate(judged)]
    lists = [json.dumps({"query_id": f"q{q}", "query": text(q), "candidates": candidates}) for q in range(3)]
    (folder / "lists.jsonl").write_text("\n".join(lists) + "\n")


class Bench:
    """Where everything lies, and how the program is run."""

    def __init__(self, nearsort, folder, port):
        self.nearsort, self.folder, self.port = nearsort, folder, port

    def environment(self, place):
        return {**os.environ, "NEARSORT_CACHE": str(place / "cache"), "OPENAI_API_KEY": KEY}

    def start(self, place, arguments):
        command = [self.nearsort, *[str(argument) for argument in arguments]]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=place, env=self.environment(place), stdout=pipe, stderr=pipe, text=True)

    def run(self, place, arguments):
        process = self.start(place, arguments)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def must(self, place, arguments):
        code, out, err = self.run(place, arguments)
        if code != 0:
            sys.exit(f"{' '.join(map(str, arguments))}: exit {code}\n{err}")
        return out


def jobs(bench):
    """Name -> (commands that prepare, the command to be killed, what to compare)."""
    i = bench.folder
    index = ["index", "build", i / "corpus.jsonl", "--model", TINY, "--output", "index"]
    rerank = ["rerank", "--model", TINY, "--queries", i / "queries.jsonl", "--corpus", i / "corpus.jsonl", "--run", i / "run.trec"]
    judge = ["rerank", "--model", "openai:gpt-4o-mini", "--base-url", f"http://127.0.0.1:{bench.port}/v1"]
    return {
        "build": ([], index, ["index"]),
        "build-tokens": ([], [*index, "--tokens"], ["index"]),
        "add": ([index], ["index", "add", i / "more.jsonl", "--model", TINY, "--index", "index"], ["index"]),
        "replace": ([index], ["index", "add", i / "changed.jsonl", "--model", TINY, "--index", "index", "--replace"], ["index"]),
        "delete": ([index], ["index", "delete", "--index", "index", "--ids", i / "ids.txt"], ["index"]),
        "embed": ([], ["embed", i / "corpus.jsonl", "--model", TINY, "--output", "out.npy"], ["out.npy", "out.npy.ids.txt"]),
        "cache": ([], ["embed", i / "corpus.jsonl", "--model", TINY, "--output", "out.npy", "--cache"], ["out.npy"]),
        **{form: ([], [*rerank, "--output", f"out.{form}"], [f"out.{form}"]) for form in ("jsonl", "trec", "tsv", "json", "parquet")},
        "judge": ([], [*judge, "--candidates", i / "lists.jsonl", "--output", "out.jsonl"], ["out.jsonl"]),
    }


def contents(place, names):
    """Every file below the names, with its bytes; locks are left out."""
    found = {}
    for name in names:
        path = place / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and "lock" not in file.name:
                found[str(file.relative_to(place))] = file.read_bytes()
    return found


def prepared(bench, commands):
    place = pathlib.Path(tempfile.mkdtemp(dir=bench.folder))
    for command in commands:
        bench.must(place, command)
    return place


def leftovers(place, expected):
    """Files at the top that an undisturbed run does not leave."""
    return sorted(entry.name for entry in place.iterdir() if entry.name not in expected)


def kill(bench, name, job, rounds, rng):
    prepare, command, compared = job
    place = prepared(bench, prepare)
    began = time.monotonic()
    bench.must(place, command)
    length = time.monotonic() - began
    right, left = contents(place, compared), {entry.name for entry in place.iterdir()}
    kills = findings = tries = 0
    while kills < rounds and tries < rounds * 6:
        place = prepared(bench, prepare)
        for _ in range(rng.randint(1, 4)):
            tries += 1
            process = bench.start(place, command)
            try:
                process.communicate(timeout=rng.uniform(0, length))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                kills += 1
            if process.returncode == 0:
                break
        code, _, err = (0, "", "") if process.returncode == 0 else bench.run(place, command)
        # A command that was killed when its work was whole may say that there is nothing left to do.
        if code not in (0, 2) or contents(place, compared) != right:
            findings += 1
            print(f"{name}: exit {code}, other bytes in {place}\n{err}", flush=True)
        elif leftovers(place, left):
            findings += 1
            print(f"{name}: left behind in {place}: {leftovers(place, left)}", flush=True)
        else:
            shutil.rmtree(place)
    print(f"{name}: {kills} kills, {findings} findings; {length:.2f} s undisturbed", flush=True)
    return findings


def half_done_job(bench, command, rng):
    """A job's folder as a killed process leaves it."""
    while True:
        place = prepared(bench, [])
        process = bench.start(place, command)
        folder = place / "out.jsonl.job"
        while process.poll() is None:
            if folder.is_dir() and any(file.stat().st_size > 2000 for file in folder.glob("*answers*")):
                break
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if folder.is_dir():
            return place
        shutil.rmtree(place)


def flip_cases(bench, rng):
    """Name -> (a folder with files to damage, its parts, commands that read, what they leave)."""
    listing = jobs(bench)
    index = prepared(bench, [listing["build-tokens"][1], listing["add"][1], listing["delete"][1]])
    search = ["search", "--index", "index", "--queries", bench.folder / "queries.jsonl", "--top-k", "20", "--format", "trec"]
    reranked = ["rerank", "--index", "index", "--queries", bench.folder / "queries.jsonl", "--run", bench.folder / "small.trec", "--format", "trec"]
    lines = (bench.folder / "run.trec").read_text().splitlines()
    kept = [line for line in lines if int(line.split()[2][1:]) % 3 and int(line.split()[3]) <= 30]
    (bench.folder / "small.trec").write_text("\n".join(kept) + "\n")
    job = half_done_job(bench, listing["jsonl"][1], rng)
    cache = prepared(bench, [listing["cache"][1]])
    (cache / "out.npy").unlink()
    return {
        "index": (index, ["index"], [search, reranked], []),
        "job": (job, ["out.jsonl.job"], [listing["jsonl"][1]], ["out.jsonl"]),
        "cache": (cache, ["cache/embeddings"], [listing["cache"][1]], ["out.npy"]),
    }


def flip(bench, name, case, rounds, rng):
    original, parts, commands, outputs = case

    def answers(place):
        results = [bench.run(place, command) for command in commands]
        return results, contents(place, outputs)

    clean = pathlib.Path(tempfile.mkdtemp(dir=bench.folder)) / "copy"
    shutil.copytree(original, clean)
    right, right_files = answers(clean)
    if any(code != 0 for code, _, _ in right):
        sys.exit(f"{name}: undamaged and yet {right}")
    noticed = harmless = findings = 0
    for _ in range(rounds):
        place = pathlib.Path(tempfile.mkdtemp(dir=bench.folder)) / "copy"
        shutil.copytree(original, place)
        files = [file for part in parts for file in sorted((place / part).rglob("*")) if file.is_file() and file.stat().st_size]
        file = rng.choice(files)
        data = bytearray(file.read_bytes())
        at, bit = rng.randrange(len(data)), rng.randrange(8)
        data[at] ^= 1 << bit
        file.write_bytes(data)
        results, left = answers(place)
        where = f"{file.relative_to(place)} byte {at} bit {bit}"
        wrong = False
        for (code, out, err), (_, right_out, _) in zip(results, right):
            if code not in (0, 1, 2) or (code == 0 and out != right_out) or (code != 0 and not err.strip()):
                wrong = True
                print(f"{name}: {where}: exit {code}, {'another answer' if code == 0 else err[-300:]}", flush=True)
        if not wrong and all(code == 0 for code, _, _ in results) and left != right_files:
            wrong = True
            print(f"{name}: {where}: exit 0 with other bytes", flush=True)
        findings += wrong
        noticed += not wrong and any(code != 0 for code, _, _ in results)
        harmless += not wrong and all(code == 0 for code, _, _ in results)
        shutil.rmtree(place.parent)
    print(f"{name}: {rounds} flips: {noticed} noticed, {harmless} harmless, {findings} findings", flush=True)
    return findings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["kills", "flips"])
    parser.add_argument("--nearsort", required=True)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", help="names, separated by commas")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Judge)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    findings = 0
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        folder = pathlib.Path(folder)
        write_input(folder)
        bench = Bench(str(pathlib.Path(options.nearsort).resolve()), folder, server.server_port)
        rng = random.Random(options.seed)
        kills = options.what == "kills"
        cases = jobs(bench) if kills else flip_cases(bench, rng)
        rounds = options.rounds or (100 if kills else 300)
        for name, case in cases.items():
            if options.only is None or name in options.only.split(","):
                findings += (kill if kills else flip)(bench, name, case, rounds, rng)
    sys.exit(1 if findings else 0)


if __name__ == "__main__":
    main()
