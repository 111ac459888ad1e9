"""The package beside the program: size of the wheel, import, first score, and what the binding costs.

usage: package.py --wheel target/wheels/nearsort-*.whl --program target/release/nearsort --corpus corpus.jsonl [--rounds 7] [--threads 2]

Run it by the python of an environment that the wheel is installed in, on a quiet machine. Program and package take turns. Medians; times
in milliseconds. Wanted: wheel <= 25 MB, import <= 30 ms, Ctrl-C to
KeyboardInterrupt <= 100 ms, overhead <= 3 %.

overhead: the corpus (--num texts) by `nearsort embed --stats`, whose encode_seconds are tokenizing and the forward pass, and by
`Encoder.encode`; and one list (--query) by `nearsort rerank`, the whole process, beside a process that does the same by `Reranker.rerank`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

QUERY = "Where is the Eiffel Tower?"
TEXTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."]
IMPORT = "import time; begin = time.perf_counter(); import nearsort; print(time.perf_counter() - begin)"
FIRST = f"from nearsort import Reranker; print(Reranker(threads=THREADS).rerank({QUERY!r}, {TEXTS!r})[0].score)"
LIST = """
import json, sys
from nearsort import Reranker
texts = [json.loads(line)["text"] for line in open(sys.argv[1])]
for hit in Reranker(threads=THREADS).rerank(sys.argv[2], texts, top_k=10):
    print(hit.score)
"""

INTERRUPT = """
import os, signal, threading, time
from nearsort import Reranker
reranker = Reranker(threads=THREADS)
texts = [f"text number {at} " * 60 for at in range(200_000)]
begun, sent = threading.Event(), []
def interrupt():
    begun.wait()
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt).start()
try:
    reranker._ranker(None).score(["a query"], texts, progress=lambda count: begun.set())
except KeyboardInterrupt:
    print((time.perf_counter() - sent[0]) * 1000)
"""


def process(arguments):
    begin = time.perf_counter()
    done = subprocess.run(arguments, check=True, capture_output=True, text=True)
    return (time.perf_counter() - begin) * 1000, done.stdout


def python(code, *arguments):
    return process([sys.executable, "-c", code, *arguments])


def turns(rounds, **measures):
    """Each measure once per round, in turn; the medians."""
    found = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            found[name].append(measure())
    return {name: statistics.median(values) for name, values in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", required=True)
    parser.add_argument("--program", required=True)
    parser.add_argument("--corpus", required=True, help="JSON lines with a field text")
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    threads = str(given.threads)
    with open(given.corpus) as lines:
        texts = [json.loads(line)["text"] for _, line in zip(range(given.num), lines)]
    result = {"wheel_mb": round(os.path.getsize(given.wheel) / 1e6, 2)}
    result |= turns(
        given.rounds,
        empty_process=lambda: python("pass")[0],
        import_nearsort=lambda: float(python(IMPORT)[1]) * 1000,
        first_score_package=lambda: python(FIRST.replace("THREADS", threads))[0],
        first_score_program=lambda: process(
            [given.program, "rerank", "--query", QUERY, "--threads", threads, texts_file(TEXTS)]
        )[0],
    )
    result |= turns(given.rounds, interrupt=lambda: float(python(INTERRUPT.replace("THREADS", threads))[1]))
    from nearsort import Encoder

    encoder = Encoder(threads=given.threads)
    encoder.encode(texts)
    corpus = texts_file(texts)

    def by_program():
        with tempfile.TemporaryDirectory() as work:
            stats = os.path.join(work, "stats.json")
            process(
                [
                    given.program,
                    "embed",
                    corpus,
                    "--output",
                    os.path.join(work, "v.npy"),
                    "--threads",
                    threads,
                    "--stats",
                    stats,
                ]
            )
            with open(stats) as file:
                return json.load(file)["encode_seconds"] * 1000

    def by_package():
        begin = time.perf_counter()
        encoder.encode(texts)
        return (time.perf_counter() - begin) * 1000

    result |= turns(
        given.rounds,
        encode_program=by_program,
        encode_package=by_package,
        list_program=lambda: process(
            [given.program, "rerank", "--query", QUERY, "--top-k", "10", "--threads", threads, corpus]
        )[0],
        list_package=lambda: python(LIST.replace("THREADS", threads), corpus, QUERY)[0],
    )
    result["overhead_percent"] = 100 * (result["encode_package"] / result["encode_program"] - 1)
    print(json.dumps({name: round(value, 2) for name, value in result.items()}, indent=1))


def texts_file(texts):
    """A file that lives as long as the process."""
    file = tempfile.NamedTemporaryFile("w", suffix=".jsonl")
    _FILES.append(file)
    file.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    file.flush()
    return file.name


_FILES = []

if __name__ == "__main__":
    main()
