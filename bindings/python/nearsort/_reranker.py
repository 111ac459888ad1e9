"""Rerankers: models that put the best documents first."""

from __future__ import annotations

from . import _native
from ._answer import Answer, Hit
from ._card import ModelCardData
from ._config import DEFAULT_MODEL, ModelConfig
from ._documents import Documents, first_stage_lists, first_stage_scores, is_arrow
from ._model import Loaded
from ._pairs import grouped, is_pair
from ._progress import progress
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, Literal

    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float32]


class Reranker:
    """A model that puts the best documents first.

    It is loaded once and shared by threads: every call releases the GIL. Ctrl-C ends a call. A pickle holds the configuration, and the
    process that unpickles it loads the model when it is first used.

    Args:
        model: A name of ``nearsort models list``, ``org/name[@revision]`` on the hub, a folder, or a model of a service such as
            ``"cohere:rerank-v4.0-pro"``.
        precision: Arithmetic of the forward pass: ``"f32"``, ``"bf16"``, ``"i8"``; default: the fastest that keeps a mean cosine of 0.999 to f32.
        engine: ``"native"`` (CPU) or ``"candle"`` (GPUs, more architectures); default: native if it knows the model.
        device: ``"cpu"`` (the default), ``"cuda"``, ``"cuda:N"`` or ``"metal"``.
        threads: Number of threads, 1 to 1024; default: one per core.
        max_tokens: Maximum tokens of a text, in place of the model's own limit.
        cache_dir: nearsort's own folder for models; default: ``NEARSORT_CACHE``, else ``~/.cache/nearsort``.
        offline: Opens no network connection.
        revision: A branch, tag or commit of a model of the hub.
        instruction: The instruction of a reranker that takes one, such as Qwen3-Reranker.
        window: Reading of documents beyond the model's limit: ``True`` reads them in windows, and the best one counts; ``False`` cuts them;
            ``"auto"`` follows the scoring.
        scoring: Scoring of an embedding model: ``"cosine"``, ``"maxsim"`` or ``"hybrid"``; default: hybrid.
        blend: Blend with first-stage scores: ``"linear"``, ``"rrf"`` or ``"none"``; default: follows the model.
        blend_weight: The first stage's share of the blend, 0 to 1.
        normalize: Normalisation of scores for a linear blend: ``"minmax"``, ``"zscore"`` or ``"none"``.
        feedback: Weight of a list's best candidates in ordering the others by their embeddings: ``"auto"`` (if first-stage scores count),
            ``"off"``, or a weight from 0 to 10 for every list. ``score`` and ``predict`` use no feedback.
        query_prompt: Prompt before every query, in place of the model's own.
        document_prompt: Prompt before every document, in place of the model's own.
        pooling: ``"cls"``, ``"mean"`` or ``"lasttoken"``, in place of the model's own.
        dim: Keeps the first N components of a vector (Matryoshka).
        batch_tokens: Maximum tokens per batch; bounds the memory of a forward pass.
        embedding_cache: Keeps vectors on disk (with ``scoring="cosine"``, ``window=False``), or answers of services.
        kind: Task of a service's model: ``"embeddings"``, ``"judge"`` or ``"rerank"``.
        api_key: The key of the model's service; default: the environment's. It is not pickled.
        base_url: The address of the model's service.
        budget: Maximum cost of the model's service, in dollars.
        concurrency: Maximum number of requests to a service at once; default: 8.

    Example:
        >>> from nearsort import Reranker
        >>> reranker = Reranker()
        >>> hits = reranker.rerank("Where is the Eiffel Tower?", ["The Louvre.", "The Eiffel Tower stands in Paris."])
        >>> hits[0].index
        1
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        precision: str | None = None,
        engine: str | None = None,
        device: str | None = None,
        threads: int | None = None,
        max_tokens: int | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        offline: bool = False,
        revision: str | None = None,
        instruction: str | None = None,
        window: bool | Literal["auto"] = "auto",
        scoring: str | None = None,
        blend: str | None = None,
        blend_weight: float | None = None,
        normalize: str | None = None,
        feedback: float | Literal["auto", "off"] = "auto",
        **options: Any,
    ) -> None:
        config = ModelConfig(
            model,
            precision=precision,
            engine=engine,
            device=device,
            threads=threads,
            max_tokens=max_tokens,
            cache_dir=cache_dir,
            offline=offline,
            revision=revision,
            instruction=instruction,
            **options,
        )
        rank = _rank_options(window, scoring, blend, blend_weight, normalize, feedback)
        self._begin(Loaded(config), rank)
        self._ranker(None)

    def _begin(self, loaded: Loaded, rank: dict[str, Any]) -> None:
        self._loaded = loaded
        self._rank = rank
        self._rankers: dict[bool | None, _native.Ranker] = {}
        self.model_card_data = ModelCardData()

    def _ranker(self, raw_scores: bool | None) -> _native.Ranker:
        if raw_scores not in self._rankers:
            self._rankers[raw_scores] = _native.Ranker(self._loaded.get(), self._rank | {"raw_scores": raw_scores})
        return self._rankers[raw_scores]

    def with_options(
        self,
        *,
        window: bool | Literal["auto"] = "auto",
        scoring: str | None = None,
        blend: str | None = None,
        blend_weight: float | None = None,
        normalize: str | None = None,
        feedback: float | Literal["auto", "off"] = "auto",
    ) -> Reranker:
        """Returns a reranker of the same loaded model with other options. See the class for the arguments."""
        self._loaded.get()
        other = Reranker.__new__(Reranker)
        rank = _rank_options(window, scoring, blend, blend_weight, normalize, feedback)
        other._begin(self._loaded, rank)
        other._ranker(None)
        return other

    @property
    def config(self) -> ModelConfig:
        """The model's configuration."""
        return self._loaded.config

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._loaded.get().name

    @property
    def kind(self) -> str:
        """The model's task: ``"embed"``, ``"embed-tokens"``, ``"cross-encode"``, ``"judge"`` or ``"rerank"``."""
        return self._loaded.get().task

    @property
    def score_kind(self) -> str:
        """The kind of scores: ``"cosine"``, ``"maxsim"`` and ``"hybrid"`` lie in [-1, 1], ``"probability"`` in [0, 1], ``"logit"`` anywhere."""
        return self._ranker(None).score_kind

    @property
    def max_tokens(self) -> int | None:
        """Maximum tokens of a text; longer texts are cut or read in windows. ``None`` if the model states no limit."""
        info = self._loaded.get().info
        return None if info is None else info[4]

    @property
    def model_info(self) -> dict[str, Any]:
        """The model and how it runs: ``name``, ``revision``, ``device``, ``engine``, ``precision``, ``isa``, ``scoring``, ``long_text``."""
        return self._ranker(None).model_run()

    def rerank(
        self,
        query: str,
        documents: Any,
        *,
        top_k: int | None = None,
        min_score: float | None = None,
        raw_scores: bool | None = None,
        return_documents: bool = False,
        first_stage: str | Iterable[float | None] | None = None,
        deadline: float | None = None,
        text_field: str | None = None,
        id_field: str | None = None,
        show_progress: bool = False,
    ) -> Answer:
        """Puts the best documents first.

        Args:
            query: The query.
            documents: A list of ``str``, of mappings with a field ``text``, of LangChain, LlamaIndex or Haystack documents; or an Arrow array
                of strings (a column of polars, pyarrow or pandas). ``None``, null and empty texts score lowest.
            top_k: Maximum number of hits; default: all.
            min_score: Minimum model score of a hit.
            raw_scores: A cross-encoder's logits (``True``) or probabilities (``False``); default: by the model's files.
            return_documents: Gives hits their ``text`` and ``document``.
            first_stage: The scores of the search that found the documents: higher is better, ``None`` for a missing one. Or the name of the
                field of mappings that has them. ``blend`` says how they count.
            deadline: Seconds until the call fails with ``DeadlineExceeded``.
            text_field: The field of mappings that has the text.
            id_field: The field of mappings that has the id.
            show_progress: Shows a progress bar, if tqdm is installed.

        Returns:
            Hits, best first; equal scores in the documents' order.
        """
        read = Documents(documents, text_field, id_field)
        scores = None if first_stage is None else [first_stage_scores(read, first_stage, "first_stage")]
        ranker = self._ranker(raw_scores)
        with progress(show_progress, len(read) if show_progress else 0) as told:
            ranked, usage = ranker.rank(
                [query],
                read.texts,
                top_k=top_k,
                min_score=min_score,
                first_stage=scores,
                deadline=deadline,
                progress=told,
            )
        return _answer(query, ranked[0], read, ranker, usage, return_documents)

    def rerank_many(
        self,
        queries: Sequence[str],
        documents: Any,
        *,
        top_k: int | None = None,
        min_score: float | None = None,
        raw_scores: bool | None = None,
        return_documents: bool = False,
        first_stage: str | Sequence[Iterable[float | None]] | None = None,
        deadline: float | None = None,
        text_field: str | None = None,
        id_field: str | None = None,
        show_progress: bool = False,
    ) -> list[Answer]:
        """Ranks several lists in one call: each distinct text is encoded once.

        Args:
            queries: The queries.
            documents: One list of documents per query, or one list or Arrow array that all queries share.
            first_stage: A list of scores per query; or the name of the field of mappings that has them.

        Returns:
            An answer per query, in the queries' order; ``usage`` is that of the whole call.

        For the other arguments see ``rerank``.
        """
        queries = list(queries)
        per_query = None if is_arrow(documents) else list(documents)
        if per_query and all(isinstance(item, (list, tuple)) or is_arrow(item) for item in per_query):
            if len(per_query) != len(queries):
                raise InvalidInput(f"{len(per_query)} lists of documents for {len(queries)} queries")
            lists = [Documents(item, text_field, id_field) for item in per_query]
            texts, candidates = _joined(lists)
        else:
            shared = Documents(documents if per_query is None else per_query, text_field, id_field)
            lists, texts, candidates = [shared] * len(queries), shared.texts, None
        scores = None if first_stage is None else first_stage_lists(queries, lists, first_stage)
        ranker = self._ranker(raw_scores)
        with progress(show_progress, sum(map(len, lists)) if show_progress else 0) as told:
            ranked, usage = ranker.rank(
                queries,
                texts,
                candidates,
                top_k=top_k,
                min_score=min_score,
                first_stage=scores,
                deadline=deadline,
                progress=told,
            )
        answers = zip(queries, ranked, lists, strict=True)
        return [_answer(query, hits, read, ranker, usage, return_documents) for query, hits, read in answers]

    def score(
        self,
        query: str,
        documents: Any,
        *,
        raw_scores: bool | None = None,
        deadline: float | None = None,
        text_field: str | None = None,
    ) -> Scores:
        """Scores documents, in their order: float32 of the shape ``(n,)``. NaN if a service gives no score."""
        read = Documents(documents, text_field)
        (scores,), _ = self._ranker(raw_scores).score([query], read.texts, deadline=deadline)
        return scores

    def predict(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[..., Any] | None = None,
        apply_softmax: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        *,
        raw_scores: bool | None = None,
        **ignored: Any,
    ) -> Any:
        """Scores pairs, with the signature of sentence-transformers' ``CrossEncoder.predict``.

        The pairs are grouped by query, so that each query is read once. ``batch_size`` and other arguments about PyTorch's computation are
        ignored.

        Args:
            inputs: Pairs of query and text: a list of pairs, or an array of shape ``(n, 2)``; or one pair.
            prompt_name: Refused, as is ``prompt``: see ``instruction`` of the class.
            show_progress_bar: Shows a progress bar, if tqdm is installed.
            activation_fn: ``torch.nn.Identity`` gives logits, ``torch.nn.Sigmoid`` probabilities, all others are called with the logits.
            convert_to_numpy: An array, else a list.
            convert_to_tensor: A ``torch.Tensor``.
            raw_scores: As for ``rerank``, without an ``activation_fn``.

        Returns:
            float32 of the shape ``(n,)``; a number for one pair.
        """
        inputs = ignored.pop("sentences", inputs)
        _refuse(prompt_name=prompt_name, prompt=prompt)
        if inputs is None:
            raise InvalidInput("predict needs inputs: pairs of a query and a text")
        one = is_pair(inputs)
        queries, texts, candidates, place = grouped([inputs] if one else inputs)
        if activation_fn is not None and raw_scores is not None:
            raise InvalidInput("activation_fn= and raw_scores= of predict have the same purpose; give one of them")
        of_activation, activation = _activation(activation_fn)
        ranker = self._ranker(of_activation if raw_scores is None else raw_scores)
        with progress(bool(show_progress_bar), len(texts), "pairs") as told:
            lists, _ = ranker.score(queries, texts, candidates, progress=told)
        scores = activation(place(lists))
        if convert_to_tensor:
            import torch

            scores = torch.as_tensor(scores)
        elif not convert_to_numpy:
            scores = list(scores)
        return scores[0] if one else scores

    def rank(
        self,
        query: str,
        documents: Sequence[str],
        top_k: int | None = None,
        return_documents: bool = False,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        activation_fn: Callable[..., Any] | None = None,
        **ignored: Any,
    ) -> list[dict[str, Any]]:
        """Ranks documents, with the signature of sentence-transformers' ``CrossEncoder.rank``.

        Returns:
            Best first: mappings of ``corpus_id``, ``score`` and, with ``return_documents=True``, ``text``.
        """
        _refuse(prompt_name=prompt_name, prompt=prompt)
        raw_scores, activation = _activation(activation_fn)
        hits = self.rerank(
            query,
            documents,
            top_k=top_k,
            raw_scores=raw_scores,
            return_documents=return_documents,
            show_progress=bool(show_progress_bar),
        )
        scores = [hit.score for hit in hits]
        if activation_fn is not None and hits:
            import numpy as np

            scores = activation(np.array(scores, dtype=np.float32)).tolist()
        ranked: list[dict[str, Any]] = [{"corpus_id": hit.index, "score": score} for hit, score in zip(hits, scores)]
        if return_documents:
            for row, hit in zip(ranked, hits):
                row["text"] = hit.text
        return ranked

    def _state(self) -> dict[str, Any]:
        return {"loaded": self._loaded, "rank": self._rank}

    def _restore(self, state: dict[str, Any]) -> None:
        self._begin(state["loaded"], state["rank"])

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (type(self), self._state()))

    def __repr__(self) -> str:
        if self._loaded._model is None:
            return f"{type(self).__name__}({self.config.model!r}, not loaded)"
        model = self.model_info
        threads = self.config.as_dict()["threads"] or "one per core"
        return (
            f"{type(self).__name__}({model['name']!r}, scoring={model['scoring']!r}, precision={model['precision']!r}, "
            f"device={model['device']!r}, threads={threads})"
        )


def _restored(kind: type[Reranker], state: dict[str, Any]) -> Reranker:
    reranker = kind.__new__(kind)
    reranker._restore(state)
    return reranker


def _rank_options(
    window: bool | Literal["auto"],
    scoring: str | None,
    blend: str | None,
    blend_weight: float | None,
    normalize: str | None,
    feedback: float | str | None,
) -> dict[str, Any]:
    """Returns the options of a ranking for the extension."""
    return {
        "scoring": scoring,
        "window": _window(window),
        "blend": blend,
        "blend_weight": blend_weight,
        "normalize": normalize,
        "feedback": None if feedback is None else str(feedback),
    }


def _window(window: bool | str | None) -> bool | None:
    if window is None or window == "auto":
        return None
    if isinstance(window, bool):
        return window
    raise InvalidInput(f"window is {window!r}; it must be True, False or 'auto'")


def _refuse(**given: Any) -> None:
    for name, value in given.items():
        if value is not None:
            raise InvalidInput(
                f"{name}={value!r} is for models with prompts of their own; use instruction= or query_prompt= of the class"
            )


def _activation(function: Callable[..., Any] | None) -> tuple[bool | None, Callable[[Any], Any]]:
    """Returns the option ``raw_scores`` and the function to apply to the scores."""

    def unchanged(scores: Any) -> Any:
        return scores

    if function is None:
        return None, unchanged
    name = type(function).__name__
    if name in ("Identity", "Sigmoid"):
        return name == "Identity", unchanged

    def applied(scores: Any) -> Any:
        try:
            import torch
        except ImportError:
            return function(scores)
        return function(torch.from_numpy(scores)).numpy()

    return True, applied


def _joined(lists: Sequence[Documents]) -> tuple[list[str], list[list[int]]]:
    """Returns the texts of all lists, and each list's positions among them."""
    texts: list[str] = []
    candidates: list[list[int]] = []
    for read in lists:
        first = len(texts)
        texts.extend(read.text(at) for at in range(len(read)))
        candidates.append(list(range(first, len(texts))))
    return texts, candidates


def _answer(
    query: str, ranked: Any, read: Documents, ranker: _native.Ranker, usage: Mapping[str, Any], return_documents: bool
) -> Answer:
    found, score_kind, feedback = ranked
    hits = [
        Hit(
            index,
            score if why is None else float("nan"),
            read.text(index) if return_documents else None,
            read.id(index),
            read.document(index) if return_documents else None,
            window,
            tokens,
            truncated,
            why,
        )
        for index, score, window, tokens, truncated, why in found
    ]
    return Answer(hits, query, ranker.model_run(), dict(usage), read, score_kind, feedback)
