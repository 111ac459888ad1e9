"""Writes the tables of tests/io/tables: small files of Parquet and Arrow with the rows that pyarrow reads from them, as JSON.

    python tests/io/make_tables.py      # pyarrow 21 or later, pandas

Dates and times are written by `isoformat`, durations by pandas' `Timedelta.isoformat`, decimals by `str`; points in time with a zone are written in
UTC unless the zone is an offset. Maps with strings as keys become objects, as with `maps_as_pydicts`.
"""

import base64
import datetime
import decimal
import json
import math
import uuid
from pathlib import Path

import pandas
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "tables"
DECIMAL = decimal.Decimal


def as_json(value, kind):
    """The JSON text of a value as `to_pylist` gives it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, DECIMAL):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else json.dumps({"nan": "NaN"}.get(str(value), str(value)))
    if isinstance(value, pandas.Timestamp):
        if pa.types.is_timestamp(kind) and kind.tz and not kind.tz.startswith(("+", "-")):
            value = value.tz_convert("UTC")
        return json.dumps(value.isoformat())
    if isinstance(value, pandas.Timedelta):
        return json.dumps(value.isoformat())
    if isinstance(value, datetime.timedelta):
        return json.dumps(pandas.Timedelta(value).isoformat())
    if isinstance(value, datetime.datetime):
        if value.tzinfo and not kind.tz.startswith(("+", "-")):
            value = value.astimezone(datetime.timezone.utc)
        return json.dumps(value.isoformat())
    if isinstance(value, (datetime.date, datetime.time)):
        return json.dumps(value.isoformat())
    if isinstance(value, uuid.UUID):
        return json.dumps(str(value))
    if isinstance(value, bytes):
        try:
            return json.dumps(value.decode(), ensure_ascii=False)
        except UnicodeDecodeError:
            return json.dumps(value.hex())
    if pa.types.is_map(kind):
        pairs = [(as_json(key, kind.key_type), as_json(item, kind.item_type)) for key, item in value]
        if pa.types.is_string(kind.key_type):
            return "{" + ",".join(f"{key}:{item}" for key, item in pairs) + "}"
        return "[" + ",".join(f"[{key},{item}]" for key, item in pairs) + "]"
    if isinstance(value, dict):
        fields = (f"{json.dumps(name)}:{as_json(item, kind.field(name).type)}" for name, item in value.items())
        return "{" + ",".join(fields) + "}"
    if isinstance(value, (list, tuple)):
        item = getattr(kind, "value_type", None)
        return "[" + ",".join(as_json(element, item) for element in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def expected(table):
    """The fields of each row but for the text, as pairs of a name and the text of its value."""
    columns = [(name, table.schema.field(name).type, table.column(name).to_pylist()) for name in table.column_names]
    rows = []
    for at in range(table.num_rows):
        rows.append([[name, as_json(values[at], kind)] for name, kind, values in columns if name != "text"])
    return rows


def zoned(*values, zone):
    return pa.array(values, pa.timestamp("us", tz=zone))


def all_types():
    """Every type that has a form in JSON; the second row has nothing but nulls."""
    when = datetime.datetime(2024, 2, 29, 13, 4, 5, 678900)
    columns = {
        "text": pa.array(["a", "b", "c"]),
        "date32": pa.array([datetime.date(2024, 2, 29), None, datetime.date(1, 1, 1)], pa.date32()),
        "seconds": pa.array([when.replace(microsecond=0), None, datetime.datetime(1969, 12, 31, 23, 59, 59)], pa.timestamp("s")),
        "millis": pa.array([when.replace(microsecond=678000), None, datetime.datetime(1900, 3, 1)], pa.timestamp("ms")),
        "micros": pa.array([when, None, datetime.datetime(2024, 1, 1)], pa.timestamp("us")),
        "nanos": pa.array([1_709_211_845_678_900_123, None, 1_709_211_845_000_000_000], pa.timestamp("ns")),
        "utc": zoned(when, None, datetime.datetime(1970, 1, 1), zone="UTC"),
        "berlin": zoned(when, None, datetime.datetime(2024, 7, 1), zone="Europe/Berlin"),
        "offset": zoned(when, None, datetime.datetime(2024, 7, 1), zone="+05:30"),
        "time32": pa.array([datetime.time(1, 2, 3), None, datetime.time(23, 59, 59)], pa.time32("s")),
        "time64": pa.array([datetime.time(1, 2, 3, 4), None, datetime.time(0, 0)], pa.time64("us")),
        "duration": pa.array([datetime.timedelta(days=1, hours=2, microseconds=5), None, datetime.timedelta(seconds=-1)], pa.duration("us")),
        "decimal": pa.array([DECIMAL("123.4500"), None, DECIMAL("-0.0001")], pa.decimal128(20, 4)),
        "large": pa.array([DECIMAL("123456789012345678901234567890123456789012345678901234567890"), None, DECIMAL("-1")], pa.decimal256(70, 0)),
        "u64": pa.array([2**64 - 1, None, 0], pa.uint64()),
        "i64": pa.array([-(2**63), None, 2**63 - 1], pa.int64()),
        "f32": pa.array([1.1, None, float("nan")], pa.float32()),
        "f64": pa.array([0.1, None, float("-inf")], pa.float64()),
        "bool": pa.array([True, None, False]),
        "bytes": pa.array([b"caf\xc3\xa9", None, b"\xff\x00"], pa.binary()),
        "fixed": pa.array([b"abcd", None, b"\xff\xfe\xfd\xfc"], pa.binary(4)),
        "list": pa.array([[1, None, 3], None, []], pa.list_(pa.int64())),
        "large_list": pa.array([["x", "\""], None, ["y"]], pa.large_list(pa.large_string())),
        "fixed_list": pa.array([[1.5, 2.5], None, [0.0, -0.5]], pa.list_(pa.float64(), 2)),
        "struct": pa.array([{"a": 1, "b": {"c": [when]}}, None, {"a": None, "b": None}], pa.struct([("a", pa.int32()), ("b", pa.struct([("c", pa.list_(pa.timestamp("us")))]))])),
        "map": pa.array([[("k", 1), ("l", None)], None, []], pa.map_(pa.string(), pa.int64())),
        "int_map": pa.array([[(1, "x")], None, []], pa.map_(pa.int64(), pa.string())),
        "dictionary": pa.array(["en", None, "de"]).dictionary_encode(),
        "int_dictionary": pa.array([7, None, 8]).dictionary_encode(),
        "large_string": pa.array(["é", None, ""], pa.large_string()),
        "nothing": pa.nulls(3),
    }
    return pa.table(columns)


def arrow_only():
    """Types that only Arrow has."""
    return pa.table({
        "text": pa.array(["a", "b"], pa.string_view()),
        "view": pa.array([b"caf\xc3\xa9, and more than twelve bytes", None], pa.binary_view()),
        "list_view": pa.array([[1, 2], None], pa.list_view(pa.int32())),
        "runs": pa.RunEndEncodedArray.from_arrays(pa.array([1, 2], pa.int32()), pa.array(["x", "y"])),
        "date64": pa.array([datetime.date(2024, 2, 29), None], pa.date64()),
        "half": pa.array([1.5, None], pa.float16()),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([uuid.UUID(int=2**100 + 5).bytes, None], pa.binary(16))),
    })


def write(name, table, rows=None):
    (FOLDER / f"{name}.json").write_text("[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in (rows or expected(table))) + "\n]\n")


def write_arrow(name, table, compression=None):
    options = ipc.IpcWriteOptions(compression=compression)
    with ipc.new_file(FOLDER / f"{name}.arrow", table.schema, options=options) as file:
        file.write_table(table)
    with ipc.new_stream(FOLDER / f"{name}.arrows", table.schema, options=options) as stream:
        stream.write_table(table)


def main():
    FOLDER.mkdir(exist_ok=True)
    table = all_types()
    write("types", table)
    pq.write_table(table, FOLDER / "types.parquet")
    write_arrow("types", table)
    other = arrow_only()
    write("arrow_types", other)
    write_arrow("arrow_types", other)

    small = pa.table({"id": ["x", "y"], "text": ["a text that is compressed " * 4, "another one"], "n": [[1], []]})
    write("codecs", small)
    for codec in ["none", "snappy", "gzip", "lz4", "zstd", "brotli"]:
        pq.write_table(small, FOLDER / f"{codec}.parquet", compression=codec)
    for codec in ["lz4", "zstd"]:
        with ipc.new_file(FOLDER / f"{codec}.arrow", small.schema, options=ipc.IpcWriteOptions(compression=codec)) as file:
            file.write_table(small)

    frame = pandas.DataFrame({"text": ["a", "b"], "lang": pandas.Categorical(["en", "de"])}, index=["first", "second"])
    frame.to_parquet(FOLDER / "pandas.parquet")
    write("pandas", None, [[["lang", '"en"']], [["lang", '"de"']]])

    nulls = pa.table({"id": pa.array([1, 2]), "title": ["T", None], "text": pa.array([None, None], pa.string())})
    pq.write_table(nulls, FOLDER / "nulls.parquet")

    # One string of a megabyte, 1,024 times: 289 bytes or so, and a gigabyte when every row has it.
    text = "x" * (1 << 20)
    bomb = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 1024, pa.int32()), [text])})
    pq.write_table(bomb.replace_schema_metadata(None), FOLDER / "dictionary_bomb.parquet", compression="zstd", store_schema=False, write_statistics=False, dictionary_pagesize_limit=1 << 22)
    # The same where each value begins as the one before.
    flat = pa.table({"text": [text] * 1024})
    pq.write_table(flat, FOLDER / "delta_bomb.parquet", compression="zstd", use_dictionary=False, column_encoding="DELTA_BYTE_ARRAY", write_statistics=False)
    # A page of a megabyte for every row.
    pq.write_table(flat, FOLDER / "plain_bomb.parquet", compression="zstd", use_dictionary=False, write_statistics=False, data_page_size=1 << 20)
    with ipc.new_file(FOLDER / "zstd_bomb.arrow", flat.schema, options=ipc.IpcWriteOptions(compression="zstd")) as file:
        file.write_table(flat)
    encrypted()


def encrypted():
    import pyarrow.parquet.encryption as pe

    class Kms(pe.KmsClient):
        """Keeps keys in the file as they are: a toy."""

        def __init__(self, configuration):
            super().__init__()

        def wrap_key(self, key, _):
            return base64.b64encode(key)

        def unwrap_key(self, wrapped, _):
            return base64.b64decode(wrapped)

    table = pa.table({"id": ["x"], "text": ["a secret"]})
    for name, plaintext in [("encrypted", False), ("encrypted_columns", True)]:
        factory = pe.CryptoFactory(Kms)
        configuration = pe.EncryptionConfiguration(footer_key="footer", column_keys={"column": ["text"]}, plaintext_footer=plaintext)
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), configuration)
        with pq.ParquetWriter(FOLDER / f"{name}.parquet", table.schema, encryption_properties=properties) as writer:
            writer.write_table(table)


if __name__ == "__main__":
    main()
