"""The examples run, and print what they say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_langchain_retriever() -> None:
    pytest.importorskip("langchain_classic")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "langchain_retriever.py"], check=True, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("The Eiffel Tower stands on the Champ de Mars in Paris.")
