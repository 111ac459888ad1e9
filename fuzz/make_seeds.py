#!/usr/bin/env python3
"""Writes the seeds that are not text: small files of Parquet, Arrow, gzip and zstd.

    pip install pyarrow
    python fuzz/make_seeds.py
"""

import datetime
import decimal
import gzip
import pathlib

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

SEEDS = pathlib.Path(__file__).resolve().parent / "seeds"

PLAIN = pa.table({"id": ["a", "b", "c"], "text": ["Eiffel", None, "Paris"], "score": [1.5, 2.0, None]})
TYPES = pa.table({
    "text": ["Eiffel", "Paris"],
    "id": pa.array([1, 2], pa.int64()),
    "day": pa.array([datetime.date(2026, 1, 2), None]),
    "time": pa.array([datetime.datetime(2026, 1, 2, 3, 4, 5), None], pa.timestamp("us", "UTC")),
    "price": pa.array([decimal.Decimal("1.25"), None], pa.decimal128(9, 2)),
    "tags": pa.array([["a", "b"], []], pa.list_(pa.string())),
    "nested": pa.array([{"x": 1, "y": None}, None], pa.struct([("x", pa.int32()), ("y", pa.string())])),
    "flag": [True, None],
    "raw": pa.array([b"\x00\xff", None], pa.binary()),
})
DICTIONARY = pa.table({"text": pa.array(["one", "two", "one"]).dictionary_encode(), "n": pa.array([1, 2, 3], pa.uint64())})


def main():
    SEEDS.mkdir(exist_ok=True)
    pq.write_table(PLAIN, SEEDS / "plain.parquet", compression="none")
    pq.write_table(TYPES, SEEDS / "types.parquet", compression="zstd")
    pq.write_table(DICTIONARY, SEEDS / "dictionary.parquet", compression="snappy", data_page_version="2.0")
    pyarrow.feather.write_feather(TYPES, SEEDS / "types.arrow", compression="lz4")
    with pa.ipc.new_stream(str(SEEDS / "types.arrows"), TYPES.schema) as stream:
        stream.write_table(TYPES)
    rows = b'{"id": "a", "text": "Eiffel"}\n{"id": "b", "text": "Paris", "score": 2}\n'
    (SEEDS / "rows.jsonl.gz").write_bytes(gzip.compress(rows, mtime=0))
    with pa.CompressedOutputStream(str(SEEDS / "rows.json.zst"), "zstd") as out:
        out.write(b'["Eiffel", {"id": 3, "text": "Paris"}]')


if __name__ == "__main__":
    main()
