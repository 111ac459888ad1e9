"""Pairs of query and text for tests: made from a seed, the same on every machine.

A text has 4 to 60 words. One in 100 is longer than the model reads at once, and one in 20 belongs to other queries too.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa

#: Candidates per query.
DEPTH = 100

_WORDS = (
    "the of and to a in is for that it as was with on are by be this from at which an not have has but they one when its who will more if out "
    "up so what time than other into some could these two first then do any like my now over such our man me even most made after also did many "
    "before must through back years where much your way well down should because long each just state people too mister good world still own see "
    "men work here get life day between both being year never under same another know while last might us great old off come since go against "
    "came right used take three small place around water city bridge river tower museum castle garden harbour island mountain valley engine "
    "metal copper glass paper cotton winter summer animal tree heart stone village music painting doctor disease muscle protein market price"
).split()


def pairs(count: int, seed: int = 7) -> pa.Table:
    """``count`` rows with the columns ``id`` (int64), ``query_id``, ``query`` and ``text``."""
    rng = random.Random(seed)
    shared = [_text(rng) for _ in range(50)]
    queries = [" ".join(rng.choices(_WORDS, k=rng.randint(2, 8))) for _ in range(-(-count // DEPTH))]
    texts = [rng.choice(shared) if rng.random() < 0.05 else _text(rng) for _ in range(count)]
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "query_id": pa.array([f"q{row // DEPTH}" for row in range(count)]),
            "query": pa.array([queries[row // DEPTH] for row in range(count)]),
            "text": pa.array(texts),
        }
    )


def write_lists(table: pa.Table, path: Path) -> None:
    """The pairs as a file of lists, as ``nearsort rerank --candidates`` reads it."""
    lists: dict[str, dict] = {}
    for row in table.to_pylist():
        entry = lists.setdefault(
            row["query_id"], {"query_id": row["query_id"], "query": row["query"], "candidates": []}
        )
        entry["candidates"].append({"id": str(row["id"]), "text": row["text"]})
    path.write_text("".join(json.dumps(entry) + "\n" for entry in lists.values()), encoding="utf-8")


def _text(rng: random.Random) -> str:
    words = rng.randint(280, 400) if rng.random() < 0.01 else rng.randint(4, 60)
    return " ".join(rng.choices(_WORDS, k=words)).capitalize() + "."
