"""Makes the pairs for `distributed.py`: passages of real collections, every text different.

usage: distributed_pairs.py FOLDER... --count N --output FOLDER
FOLDER: a collection in BEIR's layout, corpus.jsonl and queries.jsonl.

Documents are cut into passages of 60 words. Query i of all queries gets passages 100 i to 100 i + 99. Writes
`pairs.parquet` (id, query, text) and `lists.jsonl`, the same for `nearsort rerank --candidates`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

WORDS, DEPTH = 60, 100


def rows(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def passages(folders: list[Path]) -> Iterator[str]:
    """Passages of all documents, equal ones once."""
    seen = set()
    for folder in folders:
        for row in rows(folder / "corpus.jsonl"):
            words = f"{row.get('title', '')} {row['text']}".split()
            for start in range(0, len(words), WORDS):
                passage = " ".join(words[start : start + WORDS])
                if passage not in seen:
                    seen.add(passage)
                    yield passage


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    queries = [row["text"] for folder in args.folders for row in rows(folder / "queries.jsonl")]
    texts = [text for text, _ in zip(passages(args.folders), range(args.count))]
    if len(texts) < args.count or len(queries) * DEPTH < args.count:
        raise SystemExit(
            f"the collections have {len(texts)} passages and {len(queries)} queries: too few for {args.count} pairs"
        )
    args.output.mkdir(parents=True, exist_ok=True)
    asked = [queries[row // DEPTH] for row in range(args.count)]
    table = pa.table({"id": pa.array(range(args.count), pa.int64()), "query": asked, "text": texts})
    pq.write_table(table, args.output / "pairs.parquet")
    with (args.output / "lists.jsonl").open("w", encoding="utf-8") as lists:
        for start in range(0, args.count, DEPTH):
            candidates = [{"id": str(row), "text": texts[row]} for row in range(start, min(start + DEPTH, args.count))]
            entry = {"query_id": str(start), "query": asked[start], "candidates": candidates}
            lists.write(json.dumps(entry) + "\n")
    print(f"{args.count} pairs, {len(set(asked))} queries, {sum(map(len, texts)) / len(texts):.0f} characters a text")


if __name__ == "__main__":
    main()
