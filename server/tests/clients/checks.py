"""What the scripts of all clients share: the example, the command's answer to it, and checks.

A script is run by run.py, which sets the environment and reads what the checks print, a line each.
"""

import json
import os
import re
from pathlib import Path

URL = os.environ["NEARSORT_URL"]
KEY = os.environ["NEARSORT_KEY"]
# The same server, but started with --openai-token-ids cl100k_base.
DECODING_URL = os.environ["NEARSORT_DECODING_URL"]
_COMMAND = json.loads(Path(os.environ["NEARSORT_EXPECTED"]).read_text(encoding="utf-8"))
_DOCS = Path(os.environ["NEARSORT_DOCS"]).read_text(encoding="utf-8")

MODEL = _COMMAND["model"]
QUERY = _COMMAND["query"]
DOCUMENTS = _COMMAND["documents"]
VECTORS = _COMMAND["vectors"]
# (index, score) of the command, best first. The server's scores are at least 0 (score_kind "hybrid_clamped").
RANKING = [(index, max(score, 0.0)) for index, score in _COMMAND["ranking"]]


def that(name, holds, found=""):
    """Counts one check."""
    print(f"  {'ok' if holds else 'FAILED':6} {name}" + ("" if holds else f": {found!s:.600}"), flush=True)


def ranking(name, results, first=None):
    """Checks that `results`, pairs of an index and a score, are the order and the scores of the command."""
    results, wanted = list(results), RANKING[:first]
    same_order = [index for index, _ in results] == [index for index, _ in wanted]
    same_scores = same_order and all(abs(a - b) < 1e-6 for (_, a), (_, b) in zip(results, wanted))
    that(name, same_scores, f"{results}, and the command has {wanted}")


def texts(name, results, first=None):
    """As `ranking`, of pairs of a text and a score."""
    ranking(name, [(DOCUMENTS.index(text), score) for text, score in results], first)


def vectors(name, found, wanted=None):
    """Checks vectors against those of `nearsort embed`."""
    wanted = VECTORS if wanted is None else wanted
    same = len(found) == len(wanted) and all(
        len(a) == len(b) and all(abs(x - y) < 1e-5 for x, y in zip(a, b)) for a, b in zip(found, wanted)
    )
    that(name, same, f"{len(found)} vectors, the first of them {list(found[0])[:4]}; wanted {wanted[0][:4]}")


def refused(name, call, *words):
    """Checks that `call` raises an error, and that the error shows each of `words`."""
    try:
        answer = call()
    except Exception as error:  # whatever the client makes of it
        shown = f"{type(error).__name__}: {error} {getattr(error, 'body', '')}"
        missing = [word for word in words if word not in shown]
        that(name, not missing, f"{missing} not in {shown}")
    else:
        that(name, False, f"no error but {answer}")


def snippet(name, url=URL, **more):
    """Runs the example of docs/clients.md after `<!-- name -->` and gives its variables."""
    found = re.search(rf"<!-- {re.escape(name)} -->\n```python\n(.*?)```", _DOCS, re.DOTALL)
    if not found:
        raise LookupError(f"docs/clients.md has no example '{name}'")
    code = found[1].replace("http://127.0.0.1:8787", url).replace('"KEY"', repr(KEY))
    variables = {"query": QUERY, "documents": DOCUMENTS, "print": lambda *_, **__: None, **more}
    exec(compile(code, f"docs/clients.md: {name}", "exec"), variables)
    return variables
