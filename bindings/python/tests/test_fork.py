"""Forked children: each computes with threads of its own."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import pytest

QUERY = "Where is the Eiffel Tower?"
DOCUMENTS = ["The Louvre is a museum.", "The Eiffel Tower stands in Paris.", "A cake recipe."] * 40

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


def test_a_forked_child_ranks_as_its_parent_did(reranker):
    expected = reranker.score(QUERY, DOCUMENTS).tolist()
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(120)
        try:
            same = reranker.score(QUERY, DOCUMENTS).tolist() == expected
            os.write(writes, b"same" if same else b"other")
        finally:
            os._exit(0)
    os.close(writes)
    with os.fdopen(reads, "rb") as answer:
        assert answer.read() == b"same"
    assert os.waitpid(child, 0)[1] == 0
    assert reranker.score(QUERY, DOCUMENTS).tolist() == expected, "the parent goes on"


def _score(shared):
    signal.alarm(120)
    return shared.score(QUERY, DOCUMENTS).tolist()


def test_multiprocessing_forks_and_spawns(reranker):
    expected = reranker.score(QUERY, DOCUMENTS).tolist()
    for method in ("fork", "spawn"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            assert pool.map(_score, [reranker] * 2) == [expected] * 2, method


SERVICE = """
import json
from nearsort import Reranker

reranker = Reranker()
# Before the fork, so that its threads are those of the master.
reranker.rerank("warm", ["up", "and down"])

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(reranker.score("Where is the Eiffel Tower?", ["The Louvre.", "The Eiffel Tower."]).tolist()).encode()]
"""


def test_gunicorn_preloads_one_model_for_its_workers(reranker, tmp_path):
    """The configuration asks its own server once the workers are there, prints the answers, and ends."""
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "conf.py").write_text(
        textwrap.dedent("""
            import threading, urllib.request

            bind, workers, preload_app, timeout = "unix:service.sock", 2, True, 120

            def when_ready(server):
                threading.Thread(target=ask, args=(server,), daemon=True).start()

            def ask(server):
                import http.client, os, signal, socket

                try:
                    for _ in range(8):
                        connection = http.client.HTTPConnection("localhost", timeout=120)
                        connection.sock = socket.socket(socket.AF_UNIX)
                        connection.sock.connect("service.sock")
                        connection.request("GET", "/")
                        print("answer", connection.getresponse().read().decode(), flush=True)
                        connection.close()
                finally:
                    os.kill(os.getpid(), signal.SIGTERM)
        """)
    )
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "-c", "conf.py", "service:app"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    answers = [line for line in done.stdout.splitlines() if line.startswith("answer")]
    expected = str(reranker.score(QUERY, ["The Louvre.", "The Eiffel Tower."]).tolist())
    assert answers == [f"answer {expected}"] * 8, done.stderr
