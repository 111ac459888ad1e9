"""Scores and embeddings of Ray datasets.

>>> from nearsort.integrations import ray as nearsort_ray
>>> pairs = ray.data.read_parquet("s3://bucket/pairs/")             # columns query, text
>>> scored = nearsort_ray.score(pairs, actors=8, cpus_per_actor=4)  # and score
>>> scored.write_parquet("s3://bucket/scored/")

Each actor loads the model once and uses as many threads as it has CPUs. A restarted actor loads it again. A score does
not depend on batches or blocks, so what Ray repeats has the same bits.
"""

from __future__ import annotations

import logging
from typing import Any

from nearsort import batch
from nearsort.batch import Config

from ._needs import missing

try:
    import pyarrow as pa
    import ray
    from ray.data import ActorPoolStrategy, Dataset
except ImportError as error:
    raise missing("ray", error) from error

__all__ = ["Embedder", "Scorer", "embed", "score"]

_log = logging.getLogger(__name__)


class Scorer:
    """An actor for ``Dataset.map_batches(..., batch_format="pyarrow")`` around :func:`nearsort.batch.score`.

    Args:
        config: The model. Without ``threads`` it gets a thread per CPU of the actor.
        columns: ``query``, ``text`` and ``out`` of :func:`nearsort.batch.score`.
    """

    def __init__(self, config: Config | None = None, **columns: str) -> None:
        self._config, self._columns = _of_worker(config), columns
        batch.reranker(self._config)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows with one column more."""
        return batch.score(rows, self._config, **self._columns)


class Embedder:
    """As :class:`Scorer`, around :func:`nearsort.batch.embed`."""

    def __init__(self, config: Config | None = None, **columns: str) -> None:
        self._config, self._columns = _of_worker(config), columns
        batch.encoder(self._config)

    def __call__(self, rows: pa.Table) -> pa.Table:
        """The rows with one column more."""
        return batch.embed(rows, self._config, **self._columns)


def score(
    ds: Dataset,
    config: Config | None = None,
    *,
    query: str = "query",
    text: str = "text",
    out: str = "score",
    actors: int | tuple[int, int] = 1,
    cpus_per_actor: int = 1,
    batch_size: int = 1024,
    **options: Any,
) -> Dataset:
    """Scores each row's pair of query and text; see :func:`nearsort.batch.score`.

    Args:
        actors: The number of actors, or the minimum and maximum of a pool that grows. Actors keep their CPUs. Leave at least one CPU of the
            cluster for reading; otherwise a dataset that is read from files waits for ever. A warning says so.
        cpus_per_actor: CPUs, and so threads, of each. Few actors with many threads take less memory than many with few.
        batch_size: Rows per call. Equal texts are encoded once per batch.
        options: Further arguments of ``Dataset.map_batches``, such as ``memory`` or ``runtime_env``.
    """
    columns = {"query": query, "text": text, "out": out}
    return _mapped(ds, Scorer, config, columns, actors, cpus_per_actor, batch_size, options)


def embed(
    ds: Dataset,
    config: Config | None = None,
    *,
    text: str = "text",
    out: str = "embedding",
    role: str = "document",
    actors: int | tuple[int, int] = 1,
    cpus_per_actor: int = 1,
    batch_size: int = 1024,
    **options: Any,
) -> Dataset:
    """Embeds each row's text; see :func:`nearsort.batch.embed`, and :func:`score` for the other arguments."""
    columns = {"text": text, "out": out, "role": role}
    return _mapped(ds, Embedder, config, columns, actors, cpus_per_actor, batch_size, options)


def _mapped(
    ds: Dataset,
    actor: type,
    config: Config | None,
    columns: dict[str, str],
    actors: int | tuple[int, int],
    cpus: int,
    batch_size: int,
    options: dict[str, Any],
) -> Dataset:
    least, most = (actors, actors) if isinstance(actors, int) else actors
    _warn_of_cpus(least * cpus)
    return ds.map_batches(
        actor,
        fn_constructor_kwargs={"config": config, **columns},
        compute=ActorPoolStrategy(min_size=least, max_size=most),
        num_cpus=cpus,
        batch_size=batch_size,
        batch_format="pyarrow",
        udf_modifying_row_count=False,
        **options,
    )


def _warn_of_cpus(taken: int) -> None:
    """Of actors that leave no CPU, where it is known how many there are. More may come in a cluster that grows."""
    there = ray.cluster_resources().get("CPU", 0) if ray.is_initialized() else 0
    if 0 < there <= taken:
        _log.warning(
            "the actors take %d CPUs and the cluster has %d: none is left for tasks that read, shuffle or write, which may wait for ever; "
            "take fewer actors or fewer CPUs for each",
            taken,
            there,
        )


def _of_worker(config: Config | None) -> Config:
    resources: dict[str, float] = ray.get_runtime_context().get_assigned_resources()  # type: ignore[no-untyped-call,unused-ignore]
    return (config or Config()).on(resources.get("CPU"))
