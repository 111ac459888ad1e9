"""Scores and embeddings of Arrow tables: the functions that Ray, Spark and Daft run on many machines.

Each function returns the rows that it is given, in the same order, with one more column:

>>> import pyarrow as pa
>>> from nearsort import batch
>>> pairs = pa.table({"query": ["Eiffel Tower"], "text": ["The tower stands in Paris."]})
>>> batch.score(pairs).column_names
['query', 'text', 'score']

The functions keep no state but the loaded models, one per configuration; forked children share them. A score depends on its query and
text alone. It has the same bits in every batch, so an engine may split, repeat and reorder rows as it likes. Only
:func:`rerank` looks at a whole list.

A row without a query (null, empty or white space) or without a text (null) gets a null, never an error. A warning of
the logger ``nearsort.batch`` counts such rows, and so does the column's ``null_count``. An empty text scores lowest, as
everywhere.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np

from nearsort import Encoder, InvalidInput, Reranker

try:
    import pyarrow as pa
except ImportError as error:
    raise ImportError("nearsort.batch needs pyarrow: pip install 'nearsort[arrow]'") from error

__all__ = ["Config", "embed", "encoder", "rerank", "reranker", "score"]

#: Rows that are Python objects at the same time; bounds the memory, whatever the size of a table.
SLICE_ROWS = 4096
#: The same for rows that hold a list of documents each.
SLICE_LISTS = 64
#: Loaded rerankers that a process keeps, and loaded encoders; the least recently used one goes first.
MODELS = 4

_log = logging.getLogger(__name__)

#: Fields of a configuration that go with each call of a reranker, and those that an encoder has no use for.
_OF_CALLS = frozenset({"raw_scores"})
_OF_RANKING = _OF_CALLS | {"scoring", "window", "blend", "blend_weight", "normalize", "feedback", "judge"}

Rows = TypeVar("Rows", pa.RecordBatch, pa.Table)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The model that a worker loads, and its options: a small value, hashable and picklable.

    The fields are arguments of :class:`nearsort.Reranker`; ``None`` is their default. Keys of services are not among
    them: workers take these from their environment.
    """

    model: str = "all-MiniLM-L6-v2"
    revision: str | None = None
    precision: str | None = None
    """Name it where machines differ: the default follows the processor, and bits are equal within a precision only."""
    engine: str | None = None
    device: str | None = None
    threads: int | None = None
    """Threads of a process. ``None``: the CPUs that an engine gives a worker, else one per core."""
    batch_tokens: int | None = None
    max_tokens: int | None = None
    dim: int | None = None
    pooling: str | None = None
    query_prompt: str | None = None
    document_prompt: str | None = None
    instruction: str | None = None
    cache_dir: str | None = None
    """Where model files are kept, on every machine."""
    offline: bool | None = None
    judge: str | None = None
    kind: str | None = None
    base_url: str | None = None
    concurrency: int | None = None
    scoring: str | None = None
    window: bool | None = None
    blend: str | None = None
    blend_weight: float | None = None
    normalize: str | None = None
    feedback: float | str | None = None
    raw_scores: bool | None = None

    def arguments(self, without: frozenset[str]) -> dict[str, Any]:
        """The fields that are given, as keyword arguments."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in without}
        return {name: value for name, value in values.items() if value is not None}

    def on(self, cpus: float | None) -> Config:
        """The same model with a thread per CPU of a worker, unless ``threads`` says something else."""
        if self.threads is not None or cpus is None:
            return self
        return replace(self, threads=max(1, int(cpus)))


def score(
    batch: Rows, config: Config | None = None, query: str = "query", text: str = "text", out: str = "score"
) -> Rows:
    """Scores each row's pair of query and text.

    Args:
        batch: A ``RecordBatch`` or ``Table``. ``query`` and ``text`` are columns of strings: ``string``,
            ``large_string``, ``string_view``, or a dictionary of one of them.
        config: The model. Default: :class:`Config` without arguments.
        out: The name of the new column, float32.

    Returns:
        The same rows in the same order, with the column ``out`` last.

    Raises:
        InvalidInput: A column is missing, is there twice, has no strings, or has the name ``out`` already.
    """
    config = config or Config()
    _check(batch, {query: _is_text, text: _is_text}, out)
    return _append(batch, out, pa.float32(), lambda rows: _scores(rows, config, query, text))


def embed(
    batch: Rows, config: Config | None = None, text: str = "text", out: str = "embedding", role: str = "document"
) -> Rows:
    """Embeds each row's text.

    Args:
        batch: A ``RecordBatch`` or ``Table`` with a column ``text`` of strings, as for :func:`score`.
        out: The name of the new column, a ``fixed_size_list`` of as many float32 as the model has dimensions.
        role: ``document`` or ``query``: which of the model's prompts stands before the texts.

    Returns:
        The same rows in the same order, with the column ``out`` last; null for a null text.

    Raises:
        InvalidInput: As for :func:`score`; or the model does not embed whole texts.
    """
    config = config or Config()
    _check(batch, {text: _is_text}, out)
    model = encoder(config)
    kind = pa.list_(pa.float32(), model.dim)
    return _append(batch, out, kind, lambda rows: _vectors(rows, model, kind, text, role))


def rerank(
    batch: Rows,
    config: Config | None = None,
    query: str = "query",
    documents: str = "documents",
    first_stage: str | None = None,
    out: str = "ranking",
    top_k: int | None = None,
) -> Rows:
    """Ranks each row's list of documents, for scores that depend on the whole list: judges, first-stage scores.

    Args:
        batch: A ``RecordBatch`` or ``Table``. ``documents`` is a column of lists of strings.
        first_stage: A column of lists of numbers: the scores of the search that found the documents, in their order.
            :meth:`nearsort.Reranker.rerank` says how they count.
        out: The name of the new column, a list of ``struct<index: int32, score: float32>``, best first. ``index`` is
            the position in ``documents``.
        top_k: Maximum number of documents; ``None`` for all.

    Returns:
        The same rows in the same order, with the column ``out`` last. It is null where the query or the list is null.
        Null documents come last, with a null score.

    Raises:
        InvalidInput: As for :func:`score`; or a list of scores is not as long as its list of documents.
    """
    config = config or Config()
    wanted: dict[str, Callable[[pa.DataType], bool]] = {query: _is_text, documents: _is_texts}
    if first_stage is not None:
        wanted[first_stage] = _is_numbers
    _check(batch, wanted, out)
    kind = pa.list_(pa.struct([("index", pa.int32()), ("score", pa.float32())]))
    column = partial(_rankings, config=config, names=(query, documents, first_stage), kind=kind, top_k=top_k)
    return _append(batch, out, kind, column, SLICE_LISTS)


def _scores(rows: Rows, config: Config, query: str, text: str) -> pa.Array:
    queries, texts = _values(rows, query), _values(rows, text)
    usable = [
        row for row, pair in enumerate(zip(queries, texts, strict=True)) if _has_text(pair[0]) and pair[1] is not None
    ]
    _warn_of(len(queries) - len(usable), len(queries), "query or text")
    scores = np.full(len(queries), np.nan, np.float32)
    if usable:
        pairs = [(queries[row], texts[row]) for row in usable]
        scores[usable] = reranker(config).predict(pairs, raw_scores=config.raw_scores)
    # A pair that the model has no score for has NaN.
    return pa.array(scores, mask=np.isnan(scores))


def _vectors(rows: Rows, model: Encoder, kind: pa.DataType, text: str, role: str) -> pa.Array:
    texts = _values(rows, text)
    usable = [row for row, value in enumerate(texts) if value is not None]
    _warn_of(len(texts) - len(usable), len(texts), "text")
    vectors, is_null = np.zeros((len(texts), kind.list_size), np.float32), np.ones(len(texts), bool)
    if usable:
        vectors[usable] = model.encode([texts[row] for row in usable], prompt_name=role)
        is_null[usable] = False
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), type=kind, mask=pa.array(is_null))


def _rankings(
    rows: Rows, config: Config, names: tuple[str, str, str | None], kind: pa.DataType, top_k: int | None
) -> pa.Array:
    query, documents, first_stage = names
    queries, lists = _values(rows, query), _values(rows, documents)
    scores = _values(rows, first_stage) if first_stage else [None] * len(queries)
    usable = [_has_text(asked) and texts is not None for asked, texts in zip(queries, lists, strict=True)]
    _warn_of(usable.count(False), len(usable), "query or list of documents")
    rankings = [
        _ranking(reranker(config), asked, texts, given, config, top_k) if is_usable else None
        for is_usable, asked, texts, given in zip(usable, queries, lists, scores, strict=True)
    ]
    return pa.array(rankings, kind)


def _ranking(
    model: Reranker,
    query: str,
    documents: list[str | None],
    scores: list[float | None] | None,
    config: Config,
    top_k: int | None,
) -> list[tuple[int, float | None]]:
    if scores is not None and len(scores) != len(documents):
        raise InvalidInput(
            f"a list has {len(documents)} documents and {len(scores)} first-stage scores; give one for each, or null"
        )
    present = [index for index, document in enumerate(documents) if document is not None]
    texts = [documents[index] for index in present]
    given = None if scores is None else [scores[index] for index in present]
    raw_scores = config.raw_scores
    hits = model.rerank(query, texts, first_stage=given, top_k=top_k, raw_scores=raw_scores) if texts else []
    ranked = [(present[hit.index], hit.score if hit.why is None else None) for hit in hits]
    missing = [(index, None) for index, document in enumerate(documents) if document is None]
    return (ranked + missing)[:top_k]


def _append(
    batch: Rows, out: str, kind: pa.DataType, column: Callable[[Rows], pa.Array], slice_rows: int = SLICE_ROWS
) -> Rows:
    """Appends the column ``out``, computed slice by slice."""
    parts = [column(batch.slice(start, slice_rows)) for start in range(0, batch.num_rows, slice_rows)]
    if isinstance(batch, pa.Table):
        return batch.append_column(pa.field(out, kind), pa.chunked_array(parts, kind))
    return batch.append_column(pa.field(out, kind), pa.concat_arrays(parts) if parts else pa.array([], kind))


def _values(rows: Rows, name: str) -> list[Any]:
    try:
        values: list[Any] = rows.column(name).to_pylist()
        return values
    except UnicodeDecodeError as error:
        raise InvalidInput(f"column '{name}' has bytes that are not UTF-8: {error}") from error


def _has_text(value: str | None) -> bool:
    return value is not None and not value.isspace() and value != ""


def _warn_of(nulls: int, rows: int, what: str) -> None:
    if nulls:
        _log.warning("%d of %d rows have no %s; they get a null", nulls, rows, what)


def _check(batch: Rows, wanted: dict[str, Callable[[pa.DataType], bool]], out: str) -> None:
    if not isinstance(batch, (pa.RecordBatch, pa.Table)):
        raise InvalidInput(
            f"expected a pyarrow RecordBatch or Table, found {type(batch).__name__}; convert it with pyarrow.table"
        )
    names = batch.schema.names
    for name, is_right in wanted.items():
        if names.count(name) != 1:
            found = "is there twice" if name in names else "is missing"
            raise InvalidInput(f"column '{name}' {found}; the columns are: {', '.join(names)}")
        kind = batch.schema.field(name).type
        if not is_right(kind):
            raise InvalidInput(f"column '{name}' has the type {kind}; cast it to {is_right.__doc__}")
    check_new(names, out)


def check_new(names: Collection[str], out: str) -> None:
    """Refuses a new column with a name that is there already.

    Raises:
        InvalidInput: ``out`` is among ``names``.
    """
    if out in names:
        raise InvalidInput(f"a column '{out}' is there already; choose another name with `out=`")


def _is_text(kind: pa.DataType) -> bool:
    """string"""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    types = pa.types
    return any(
        is_kind(kind) for is_kind in (types.is_string, types.is_large_string, types.is_string_view, types.is_null)
    )


def _is_texts(kind: pa.DataType) -> bool:
    """list<string>"""
    return pa.types.is_null(kind) or (_is_list(kind) and _is_text(kind.value_type))


def _is_numbers(kind: pa.DataType) -> bool:
    """list<double>"""
    if pa.types.is_null(kind):
        return True
    value = kind.value_type if _is_list(kind) else pa.string()
    return any(is_kind(value) for is_kind in (pa.types.is_floating, pa.types.is_integer, pa.types.is_null))


def _is_list(kind: pa.DataType) -> bool:
    return any(is_kind(kind) for is_kind in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


_loading = threading.Lock()


def reranker(config: Config) -> Reranker:
    """This process's reranker of a configuration, loaded on the first call. Threads share it.

    A forked child has the models of its parent, in the same memory until one of the two writes there, and threads of its own.
    """
    with _loading:
        return _reranker(config)


def encoder(config: Config) -> Encoder:
    """This process's encoder of a configuration; as :func:`reranker`."""
    with _loading:
        return _encoder(config)


@lru_cache(maxsize=MODELS)
def _reranker(config: Config) -> Reranker:
    return Reranker(**config.arguments(_OF_CALLS))


@lru_cache(maxsize=MODELS)
def _encoder(config: Config) -> Encoder:
    return Encoder(**config.arguments(_OF_RANKING))


def _unlock_child() -> None:
    """Another thread of the parent may have held the lock while it forked; it does not exist in the child."""
    global _loading
    _loading = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock_child)
