"""Scores and embeddings of Daft DataFrames.

>>> from nearsort.integrations import daft as nearsort_daft
>>> pairs = daft.read_parquet("s3://bucket/pairs/")  # columns query, text
>>> scored = nearsort_daft.score(pairs, workers=2)   # and score
>>> scored.write_parquet("s3://bucket/scored/")

As an expression: ``df.with_column("score", nearsort_daft.Scorer()(df["query"], df["text"]))``. Daft makes an instance
in each worker, on its first batch.
"""

from __future__ import annotations

from nearsort import batch
from nearsort.batch import Config

from ._needs import missing

try:
    import daft
    import pyarrow as pa
    from daft import DataFrame, DataType, Series
except ImportError as error:
    raise missing("daft", error) from error

__all__ = ["Embedder", "Scorer", "embed", "score"]


class _Scorer:
    """Scores a column of queries against a column of texts; an expression of type ``float32``.

    Args:
        config: The model. Default: :class:`nearsort.batch.Config` without arguments.
    """

    def __init__(self, config: Config | None = None) -> None:
        self._config = config or Config()

    @daft.method.batch(return_dtype=DataType.float32())
    def __call__(self, query: Series, text: Series) -> pa.Array:
        """The scores of a batch."""
        rows = pa.table({"query": query.to_arrow(), "text": text.to_arrow()})
        return batch.score(rows, self._config).column("score").combine_chunks()


class _Embedder:
    """Embeds a column of texts; an expression of a list of ``float32``.

    Args:
        config: The model. Default: :class:`nearsort.batch.Config` without arguments.
        role: ``document`` or ``query``.
    """

    def __init__(self, config: Config | None = None, role: str = "document") -> None:
        self._config, self._role = config or Config(), role

    @daft.method.batch(return_dtype=DataType.list(DataType.float32()))
    def __call__(self, text: Series) -> pa.Array:
        """The vectors of a batch."""
        rows = pa.table({"text": text.to_arrow()})
        vectors = batch.embed(rows, self._config, role=self._role).column("embedding").combine_chunks()
        return vectors.cast(pa.large_list(pa.float32()))


Scorer = daft.cls(_Scorer)
Embedder = daft.cls(_Embedder)


def score(
    df: DataFrame,
    config: Config | None = None,
    *,
    query: str = "query",
    text: str = "text",
    out: str = "score",
    workers: int = 1,
    cpus_per_worker: int = 1,
) -> DataFrame:
    """Scores each row's pair of query and text; see :func:`nearsort.batch.score`.

    Args:
        workers: Processes; each loads the model.
        cpus_per_worker: CPUs, and so threads, of each. Few workers with many threads take the least memory.

    Raises:
        InvalidInput: A column ``out`` is there already.
    """
    batch.check_new(df.column_names, out)
    scorer = _workers(_Scorer, workers, cpus_per_worker)((config or Config()).on(cpus_per_worker))
    return df.with_column(out, scorer(df[query], df[text]))


def embed(
    df: DataFrame,
    config: Config | None = None,
    *,
    text: str = "text",
    out: str = "embedding",
    role: str = "document",
    workers: int = 1,
    cpus_per_worker: int = 1,
) -> DataFrame:
    """Embeds each row's text; see :func:`nearsort.batch.embed`, and :func:`score` for the other arguments."""
    batch.check_new(df.column_names, out)
    embedder = _workers(_Embedder, workers, cpus_per_worker)((config or Config()).on(cpus_per_worker), role)
    return df.with_column(out, embedder(df[text]))


def _workers(kind: type, workers: int, cpus: int) -> type:
    return daft.cls(kind, cpus=cpus, max_concurrency=workers, use_process=True)
