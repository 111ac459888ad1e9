"""The command of the wheel beside the Rust program: the same bytes, and the same exit codes.

NEARSORT_PROGRAM names the program; without it these tests fail, for then nothing is compared."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TEXTS = "The Louvre is a museum.\nThe Eiffel Tower stands in Paris.\nA cake recipe.\n"


@pytest.fixture(scope="session")
def programs():
    ours = Path(sys.executable).parent / "nearsort"
    rust = os.environ.get("NEARSORT_PROGRAM")
    assert rust and shutil.which(rust), "set NEARSORT_PROGRAM to the Rust program: make test-python does"
    return str(ours), rust


def both(programs, arguments, **options):
    return [subprocess.run([program, *arguments], capture_output=True, timeout=300, **options) for program in programs]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--version", "--verbose"],
        ["--help"],
        ["rerank", "--help"],
        ["man", "rerank"],
        ["completions", "bash"],
        ["models", "list", "--json"],
        ["rerank", "--query", "Where is the Eiffel Tower?", "texts.txt", "--format", "json"],
        ["rerank", "--query", "-40 degrees", "texts.txt", "--explain"],
        ["rerank", "--query", "tower", "texts.txt", "--min-score", "0.99"],
        ["rerank", "--query", "tower", "missing.txt"],
        ["rerank", "--querry", "tower"],
        ["rerank", "--query", "tower", "--threads", "0", "texts.txt"],
        [],
        ["frobnicate"],
        ["eval", "--qrels", "qrels.tsv", "run.trec"],
    ],
    ids=" ".join,
)
def test_the_bytes_are_those_of_the_program(programs, arguments, tmp_path):
    (tmp_path / "texts.txt").write_text(TEXTS)
    (tmp_path / "qrels.tsv").write_text("q1\td1\t1\n")
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 0.9 x\nq1 Q0 d2 2 0.8 x\n")
    ours, rust = both(programs, arguments, cwd=tmp_path)
    assert (ours.returncode, ours.stdout, ours.stderr) == (rust.returncode, rust.stdout, rust.stderr)


def test_files_with_the_command_line_in_them_are_the_same(programs, tmp_path):
    (tmp_path / "run.trec").write_text("q1 Q0 d1 1 0.9 x\nq1 Q0 d2 2 0.8 x\n")
    (tmp_path / "other.trec").write_text("q1 Q0 d2 1 0.9 x\nq1 Q0 d1 2 0.8 x\n")
    (tmp_path / "qrels.tsv").write_text("q1\td1\t1\n")
    pages = []
    for program in programs:
        arguments = ["compare", "--runs", "run.trec", "other.trec", "--qrels", "qrels.tsv", "--html", "page.html"]
        subprocess.run([program, *arguments], cwd=tmp_path, check=True, capture_output=True, timeout=300)
        pages.append((tmp_path / "page.html").read_bytes())
    assert pages[0] == pages[1] and b"nearsort compare" in pages[0]


def test_a_reader_that_goes_away_is_no_error(programs, tmp_path):
    (tmp_path / "texts.txt").write_text(TEXTS * 20_000)
    for program in programs:
        shell = f"'{program}' rerank --query tower texts.txt --scoring cosine --threads 1 --format jsonl 2>err.txt | head -c 10 >/dev/null; echo ${{PIPESTATUS[0]}}"
        # Equal texts are scored once, so this takes no time.
        done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.stdout.strip() == "0", (tmp_path / "err.txt").read_text()


def test_the_scores_of_the_package_are_those_of_the_command(programs, reranker, tmp_path):
    import json

    import numpy as np

    (tmp_path / "texts.txt").write_text(TEXTS)
    arguments = ["rerank", "--query", "tower", "texts.txt", "--format", "json"]
    ours, _ = both(programs, arguments, cwd=tmp_path)
    results = json.loads(ours.stdout)["results"]
    hits = reranker.rerank("tower", TEXTS.splitlines())
    assert [np.float32(result["score"]) for result in results] == [np.float32(hit.score) for hit in hits]


@pytest.mark.parametrize("feedback", ["auto", "off", "1.5"])
def test_orders_by_first_stage_and_feedback_are_those_of_the_command(programs, feedback, tmp_path):
    import json

    import numpy as np

    from nearsort import Reranker

    rows = [{"text": text, "score": score} for text, score in zip(TEXTS.splitlines(), [3.0, 1.0, 2.0])]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ["rerank", "--query", "tower", "rows.jsonl", "--format", "json", "--feedback", feedback]
    ours, _ = both(programs, arguments, cwd=tmp_path)
    answer = json.loads(ours.stdout)
    hits = Reranker(feedback=feedback).rerank("tower", rows, first_stage="score")
    assert [np.float32(result["score"]) for result in answer["results"]] == [np.float32(hit.score) for hit in hits]
    assert (answer["score_kind"], answer["feedback"]) == (hits.score_kind, hits.feedback)
