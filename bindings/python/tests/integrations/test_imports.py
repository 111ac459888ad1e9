"""What is not installed is named, and nothing is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODULES = {
    "langchain": "langchain",
    "llama_index": "llama-index",
    "haystack": "haystack",
    "rerankers": "rerankers",
    "mteb": "mteb",
    "dspy": "dspy",
    "ray": "ray",
    "spark": "spark",
    "daft": "daft",
}
ROOTS = {
    "langchain": ["langchain_core"],
    "llama_index": ["llama_index.core"],
    "spark": ["pyspark"],
}


def _run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize(("module", "extra"), MODULES.items())
def test_a_missing_library_is_named_with_its_extra(module: str, extra: str) -> None:
    hidden = ROOTS.get(module, [module])
    output = _run(f"import sys\nsys.modules.update(dict.fromkeys({hidden!r}))\nimport nearsort.integrations.{module}")
    assert f"nearsort.integrations.{module} needs" in output
    assert f"pip install 'nearsort[{extra}]'" in output


def test_nearsort_imports_none_of_them() -> None:
    libraries = [
        "langchain_core",
        "llama_index",
        "haystack",
        "rerankers",
        "mteb",
        "dspy",
        "ray",
        "pyspark",
        "daft",
        "pyarrow",
        "torch",
        "pandas",
    ]
    program = f"import sys, nearsort, nearsort.integrations\nprint(sorted(set({libraries!r}) & set(sys.modules)))"
    assert _run(program) == "[]\n"
