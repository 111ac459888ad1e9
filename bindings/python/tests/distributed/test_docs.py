"""The example of docs/distributed.md that needs no engine. Those of the engines are in examples/, as whole programs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[4] / "docs" / "distributed.md"


def test_the_first_example_runs() -> None:
    example = re.search(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert example
    names: dict[str, object] = {}
    exec(compile(example.group(1), str(PAGE), "exec"), names)
    assert names["scored"].column_names == ["query", "text", "score"]
