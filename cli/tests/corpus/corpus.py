#!/usr/bin/env python3
"""Records what a corpus of commands prints, writes and returns, and compares two recordings.

    python3 cli/tests/corpus/corpus.py record --nearsort target/release/nearsort --out /tmp/before
    python3 cli/tests/corpus/corpus.py record --nearsort target/release/nearsort --out /tmp/after
    python3 cli/tests/corpus/corpus.py compare /tmp/before /tmp/after

`record` runs each case of commands.txt in a fresh folder with the files of inputs.py. Of every command it keeps the
standard output, the standard error and the exit status; of every case the files that it left, with their modes. Times,
speeds, memory, versions and the folder's own name are replaced (NORMAL below); scores and the processor's name stay,
so both recordings have to come from one machine. `--only PART` runs the cases that have PART in their name.

`compare` prints a diff of what differs, by case, and exits 1 where anything does.

Needs Python 3.9 and nothing else, and the default model in nearsort's cache (`nearsort models pull all-MiniLM-L6-v2`).
A service on 127.0.0.1 (service.py) stands for OpenAI and Anthropic; its port is fixed, for the fingerprint of an index
holds the service's address.
"""

import argparse
import concurrent.futures
import difflib
import os
import pathlib
import pty
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import threading

import inputs
import service

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
TIMEOUT = 120
PORT = 47311

# Shorthands of commands.txt.
SHORT = {
    "{tiny}": "--model ./models/tiny-bert",
    "{cross}": "--model ./models/cross-tiny-bert",
    "{colbert}": "--model ./models/colbert-tiny-bert",
    "{judge}": "--model openai:gpt-4o-mini --concurrency 1 --retries 0",
    "{embedder}": "--model openai:text-embedding-3-small --dim 8 --concurrency 1 --retries 0",
    "{job}": "--queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --progress none",
    "{judged}": "--queries queries.jsonl --corpus corpus.jsonl --run bm25.trec --qrels qrels.tsv",
}

# What differs from run to run, as (pattern, replacement); applied to all text.
NORMAL = [
    # JSON: seconds, speeds and memory under their own names.
    (r'("[a-z_]*(?:seconds|seconds_left|per_second|rss_bytes|latency_us)": ?)[-+0-9.eE]+', r"\1<N>"),
    (r'("(?:oldest|newest|total|p50|p95)": ?)[0-9.eE+-]+(?=,?\n)', r"\1<N>"),
    # Text: "in 0.12 s", "1234 texts/s".
    (r"\b[0-9]+(?:\.[0-9]+)? ?(?:ms|µs|s)\b(?! [a-z]*ranges)", "<TIME>"),
    (r"\b[0-9][0-9,.]*( [a-z]+)?(?:/s\b| per second)", r"<SPEED>\1"),
    # The version and the commit.
    (r"nearsort [0-9]+\.[0-9]+\.[0-9]+(?: \([^)\n]*\))?", "nearsort <VERSION>"),
]


def read_cases(only):
    """The cases of commands.txt: (name, [command, ...])."""
    cases = []
    for number, line in enumerate((HERE / "commands.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            if not cases:
                sys.exit(f"commands.txt, line {number}: a command before the first case")
            cases[-1][1].append(line.strip())
            continue
        name, _, first = line.partition(":")
        if not re.fullmatch(r"[a-z0-9-]+", name):
            sys.exit(f"commands.txt, line {number}: expected 'name: command', found '{line}'")
        cases.append((name, [first.strip()] if first.strip() else []))
    names = [name for name, _ in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        sys.exit(f"commands.txt: two cases have the name {twice[0]}")
    return [case for case in cases if only in case[0]]


class Command:
    """A command as commands.txt writes it: [tty] [NAME=VALUE ...] arguments [< FILE]; or `sh: ...` for a shell."""

    def __init__(self, line):
        for short, long in SHORT.items():
            line = line.replace(short, long)
        self.shell = line[3:].strip() if line.startswith("sh:") else None
        words = [] if self.shell else shlex.split(line)
        self.tty = words[:1] == ["tty"]
        words = words[self.tty :]
        self.env = {}
        while words and re.match(r"[A-Z_]+=", words[0]):
            name, _, value = words.pop(0).partition("=")
            self.env[name] = value
        self.stdin = None
        if len(words) > 1 and words[-2] == "<":
            self.stdin = words[-1]
            words = words[:-2]
        self.words = words

    def run(self, binary, folder):
        """Gives the standard output, the standard error and the status."""
        env = {**environment(folder), **self.env}
        if self.shell:
            done = subprocess.run(["sh", "-c", self.shell], cwd=folder, env=env, capture_output=True, timeout=TIMEOUT)
            return done.stdout, done.stderr, done.returncode
        arguments = [binary, *self.words]
        if self.tty:
            return run_on_terminal(arguments, folder, env)
        stdin = open(folder / self.stdin, "rb") if self.stdin else subprocess.DEVNULL
        try:
            done = subprocess.run(
                arguments, cwd=folder, env=env, stdin=stdin, capture_output=True, timeout=TIMEOUT
            )
            return done.stdout, done.stderr, done.returncode
        except subprocess.TimeoutExpired:
            return b"", b"", "timeout"
        finally:
            if self.stdin:
                stdin.close()


def environment(folder):
    """Nothing of the user's environment but the path, and a cache of the case's own."""
    env = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env.update(
        NEARSORT_CACHE=str(folder / "cache"),
        HF_HOME=str(folder / "no-hub"),
        # Nobody listens there: no case leaves this machine.
        HF_ENDPOINT="http://127.0.0.1:9",
        PIP_INDEX_URL="http://127.0.0.1:9",
        LC_ALL="C.UTF-8",
        TERM="xterm",
        COLUMNS="100",
    )
    for provider in ("OPENAI", "ANTHROPIC"):
        env[f"{provider}_API_KEY"] = service.KEY
        env[f"{provider}_BASE_URL"] = f"http://127.0.0.1:{PORT}/v1"
    return env


def run_on_terminal(arguments, folder, env):
    """Runs with both outputs on a terminal; what it showed counts as the standard output."""
    main, side = pty.openpty()
    process = subprocess.Popen(arguments, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=side, stderr=side)
    os.close(side)
    shown = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            part = b""
        if not part:
            break
        shown += part
    os.close(main)
    return shown, b"", process.wait(TIMEOUT)


def normal(data, folder):
    """Replaces what differs from run to run; bytes that are no UTF-8 stay as they are."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return data
    if "\0" in text:
        return data
    for place, name in ((folder, "<FOLDER>"), (ROOT, "<ROOT>")):
        text = text.replace(str(place), name)
    for pattern, replacement in NORMAL:
        text = re.sub(pattern, replacement, text)
    return text.encode()


def prepare(folder, cache):
    """Puts the inputs into a fresh folder, and the model files where nearsort looks for them."""
    inputs.write(folder)
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "tables").symlink_to(ROOT / "tests/io/tables")
    (folder / "eval").symlink_to(ROOT / "tests/eval")
    (folder / "examples").symlink_to(ROOT / "examples")
    (folder / "cache").mkdir()
    for name in ("models", "verified"):
        (folder / "cache" / name).symlink_to(cache / name)


def keep_files(folder, before, out, hidden):
    """Copies the files that a case left, and lists them with their modes."""
    lines = []
    for base, names, files in os.walk(folder):
        names.sort()
        base = pathlib.Path(base)
        # The cache's tables hold times; what the cache knows is seen through its verbs.
        names[:] = [name for name in names if base / name not in hidden and not (base / name).is_symlink()]
        for name in sorted(files):
            path = base / name
            inside = path.relative_to(folder)
            data = path.read_bytes()
            if before.get(path) == data:
                continue
            data = normal(data, folder)
            mode = stat.S_IMODE(path.lstat().st_mode)
            lines.append(f"{mode:04o} {len(data):8} {inside}\n")
            target = out / "files" / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        lines += [f"     empty folder {(base / name).relative_to(folder)}\n" for name in names if not any((base / name).iterdir())]
    (out / "files.txt").write_text("".join(lines))


def record_case(case, binary, cache, out):
    name, lines = case
    out = out / name
    out.mkdir()
    with tempfile.TemporaryDirectory(prefix="nearsort-corpus-") as folder:
        folder = pathlib.Path(folder).resolve()
        prepare(folder, cache)
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}
        for number, line in enumerate(lines, 1):
            stdout, stderr, status = Command(line).run(binary, folder)
            head = f"{number:02}"
            (out / f"{head}.command").write_text(line + "\n")
            (out / f"{head}.stdout").write_bytes(normal(stdout, folder))
            (out / f"{head}.stderr").write_bytes(normal(stderr, folder))
            (out / f"{head}.status").write_text(f"{status}\n")
        keep_files(folder, before, out, {folder / "cache"})


def record(options):
    binary = str(pathlib.Path(options.nearsort).resolve())
    out = pathlib.Path(options.out)
    if out.exists() and any(out.iterdir()):
        sys.exit(f"{out} is not empty; name a new folder")
    cache = pathlib.Path(os.environ.get("NEARSORT_CACHE", pathlib.Path.home() / ".cache/nearsort")).resolve()
    found = subprocess.run([binary, "models", "path", "all-MiniLM-L6-v2"], capture_output=True)
    if found.returncode != 0:
        sys.exit(f"the default model is not in {cache}; run: nearsort models pull all-MiniLM-L6-v2")
    out.mkdir(parents=True, exist_ok=True)
    cases = read_cases(options.only)
    server = service.start(PORT)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for done in [pool.submit(record_case, case, binary, cache, out) for case in cases]:
            done.result()
    server.shutdown()
    print(f"{len(cases)} cases, {sum(len(lines) for _, lines in cases)} commands in {out}")


def files_of(folder):
    return {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}


def shown_lines(text):
    """The lines of a text; long JSON lines are cut at their fields, so that a diff shows the field."""
    lines = []
    for line in text.splitlines(keepends=True):
        lines += re.sub(r',(?=["{\[])', ",\n", line).splitlines(keepends=True) if len(line) > 200 else [line]
    return lines


def difference(name, before, after):
    """What to print about two files, or None."""
    if before is None or after is None:
        where = "after" if before is None else "before"
        content = (before or after).read_bytes()
        shown = content[:2000].decode(errors="replace") if b"\0" not in content else f"{len(content)} bytes\n"
        return f"only {where}: {name}\n{shown}"
    old, new = before.read_bytes(), after.read_bytes()
    if old == new:
        return None
    try:
        texts = [shown_lines(data.decode()) for data in (old, new)]
        if b"\0" in old + new:
            raise ValueError
    except ValueError:
        place = next((at for at, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))
        return f"{name}: {len(old)} and {len(new)} bytes, the first difference at byte {place}\n"
    lines = difflib.unified_diff(*texts, f"before/{name}", f"after/{name}", n=1)
    return "".join(line if line.endswith("\n") else line + "\n" for line in lines)


def compare(options):
    before, after = pathlib.Path(options.before), pathlib.Path(options.after)
    for folder in (before, after):
        if not folder.is_dir() or not any(folder.iterdir()):
            sys.exit(f"{folder} holds no recording")
    old, new = files_of(before), files_of(after)
    differing = {}
    for name in sorted(old.keys() | new.keys()):
        found = difference(name, old.get(name), new.get(name))
        if found:
            differing.setdefault(name.split("/")[0], []).append(found)
    for case, found in differing.items():
        commands = [path.read_text().strip() for path in sorted((after / case).glob("*.command"))]
        print(f"=== {case}", *commands, sep="\n  $ ")
        print("".join(found))
    cases = len({name.split("/")[0] for name in old.keys() | new.keys()})
    print(f"{len(differing)} of {cases} cases differ")
    return 1 if differing else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(required=True)
    verb = verbs.add_parser("record")
    verb.add_argument("--nearsort", required=True, help="the program")
    verb.add_argument("--out", required=True, help="a new or empty folder")
    verb.add_argument("--only", default="", help="a part of the cases' names")
    verb.add_argument("--jobs", type=int, default=2, help="cases at once")
    verb.set_defaults(run=record)
    verb = verbs.add_parser("compare")
    verb.add_argument("before")
    verb.add_argument("after")
    verb.set_defaults(run=compare)
    options = parser.parse_args()
    sys.exit(options.run(options))


if __name__ == "__main__":
    main()
