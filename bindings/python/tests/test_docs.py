"""Every Python example of the documentation runs, page by page, each page in one folder and one namespace."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / "README.md", ROOT / "docs" / "python.md", ROOT / "bindings" / "python" / "README.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text()
    examples = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert examples
    names = {}
    for example in examples:
        # Errors name the page and the line.
        lines_before = text[: example.start(1)].count("\n")
        exec(compile("\n" * lines_before + example.group(1), str(page), "exec"), names)
