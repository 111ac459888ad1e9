"""Ctrl-C, with the signal that a terminal sends."""

import os
import signal
import subprocess
import sys
import textwrap

# The work would take minutes. The signal comes from another thread once the first texts are finished, so that it meets a call at work.
PROGRAM = """
import os, signal, threading
from nearsort import Reranker

reranker = Reranker()
texts = [f"text number {at} " * 60 for at in range(200_000)]
begun = threading.Event()
threading.Thread(target=lambda: begun.wait() and os.kill(os.getpid(), signal.SIGINT)).start()
try:
    reranker._ranker(None).score(["a query"], texts, progress=lambda count: begun.set())
except KeyboardInterrupt:
    print("interrupted")
    print(reranker.rerank("tower", ["the tower", "a boat"])[0].index)
"""


def test_ctrl_c_ends_a_call_and_the_model_goes_on():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == ["interrupted", "0"], done.stderr


def test_ctrl_c_ends_the_command_at_once(tmp_path):
    """The command has Rust's handling of signals, not Python's, which would wait for the end."""
    program = textwrap.dedent("""
        import sys
        from nearsort._cli import main
        sys.argv = ["nearsort", "rerank", "--query", "q", "-"]
        sys.exit(main())
    """)
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        # A terminal would be told that texts are awaited; of a pipe the handler is known to be there when a first line was read.
        handlers = f"/proc/{child.pid}/status"
        while not _catches_sigint(handlers):
            assert child.poll() is None, child.communicate()
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(timeout=60) == 130
    finally:
        child.kill()
        child.communicate()


def _catches_sigint(status):
    """Whether the process has a handler for SIGINT that is not Python's: the command waits for signals on a thread of its own."""
    with open(status) as lines:
        fields = dict(line.split(":", 1) for line in lines)
    caught = int(fields["SigCgt"].strip(), 16) & 1 << (signal.SIGINT - 1)
    hangup = int(fields["SigCgt"].strip(), 16) & 1 << (signal.SIGHUP - 1)
    return bool(caught and hangup)
