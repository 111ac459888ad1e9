"""Scores and embeddings of Spark DataFrames.

>>> from nearsort.integrations import spark as nearsort_spark
>>> pairs = session.read.parquet("s3://bucket/pairs/")  # columns query, text
>>> scored = nearsort_spark.score(pairs)                # and score
>>> scored.write.parquet("s3://bucket/scored/")

Each Python worker loads the model once and uses ``spark.task.cpus`` threads. The driver loads no model. The functions
pass all columns to Python; select the columns that you need first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from nearsort import InvalidInput, batch
from nearsort.batch import Config

from ._needs import missing

try:
    import pyarrow as pa
    from pyspark import TaskContext
    from pyspark.sql import DataFrame
    from pyspark.sql.types import ArrayType, DataType, FloatType, StringType, StructField, StructType
except ImportError as error:
    raise missing("spark", error) from error

__all__ = ["embed", "score"]


def score(
    df: DataFrame, config: Config | None = None, *, query: str = "query", text: str = "text", out: str = "score"
) -> DataFrame:
    """Scores each row's pair of query and text; see :func:`nearsort.batch.score`.

    Args:
        config: The model. Without ``threads`` it gets ``spark.task.cpus`` threads.
        out: The name of the new column, of Spark's type ``float``.

    Raises:
        InvalidInput: A column is missing, has no strings, or has the name ``out`` already. Nothing has run by then.
    """
    schema = _with_column(df, (query, text), out, FloatType())
    return df.mapInArrow(partial(_mapped, partial(_score, query=query, text=text, out=out), config or Config()), schema)


def embed(
    df: DataFrame, config: Config | None = None, *, text: str = "text", out: str = "embedding", role: str = "document"
) -> DataFrame:
    """Embeds each row's text, as ``array<float>``; see :func:`nearsort.batch.embed` and :func:`score`."""
    schema = _with_column(df, (text,), out, ArrayType(FloatType()))
    return df.mapInArrow(partial(_mapped, partial(_embed, text=text, out=out, role=role), config or Config()), schema)


def _mapped(
    function: Callable[[pa.RecordBatch, Config], pa.RecordBatch], config: Config, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Runs in a Python worker, once for each task."""
    context = TaskContext.get()
    config = config.on(context.cpus() if context else None)
    for rows in batches:
        yield function(rows, config)


def _score(rows: pa.RecordBatch, config: Config, query: str, text: str, out: str) -> pa.RecordBatch:
    return batch.score(rows, config, query, text, out)


def _embed(rows: pa.RecordBatch, config: Config, text: str, out: str, role: str) -> pa.RecordBatch:
    embedded = batch.embed(rows, config, text, out, role)
    # Spark has no lists of fixed size.
    vectors = embedded.column(out).cast(pa.list_(pa.float32()))
    return rows.append_column(pa.field(out, vectors.type), vectors)


def _with_column(df: DataFrame, texts: tuple[str, ...], out: str, kind: DataType) -> StructType:
    """The schema with the new column, where the columns of texts are as they must be."""
    types = {field.name: field.dataType for field in df.schema.fields}
    for name in texts:
        if name not in types:
            raise InvalidInput(f"column '{name}' is missing; the columns are: {', '.join(types)}")
        if not isinstance(types[name], StringType):
            raise InvalidInput(f"column '{name}' has the type {types[name].simpleString()}; cast it to string")
    batch.check_new(types, out)
    return StructType([*df.schema.fields, StructField(out, kind)])
