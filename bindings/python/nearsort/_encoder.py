"""Encoders: texts in, vectors out."""

from __future__ import annotations

from . import _native
from ._card import ModelCardData
from ._config import DEFAULT_MODEL, ModelConfig
from ._documents import is_arrow
from ._model import Loaded
from ._progress import progress
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any, Literal

    import numpy as np
    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]


class Encoder:
    """An embedding model, with the encoding methods of sentence-transformers' ``SentenceTransformer``.

    It is loaded once and shared by threads: every call releases the GIL. Ctrl-C ends a call. A pickle holds the configuration.

    Args:
        model: A name of ``nearsort models list``, ``org/name[@revision]`` on the hub, a folder, or a model of a service such as
            ``"openai:text-embedding-3-large"``.
        dim: Keeps the first N components of a vector (Matryoshka), as ``truncate_dim`` of sentence-transformers does.

    For the other arguments see ``Reranker``.

    Example:
        >>> from nearsort import Encoder
        >>> encoder = Encoder()
        >>> encoder.encode(["The Eiffel Tower", "The Louvre"]).shape
        (2, 384)
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
        dim: int | None = None,
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
            dim=dim,
            **options,
        )
        self._begin(Loaded(config))
        if self.dim is None:
            raise InvalidInput(f"{self.model_id} has no embeddings; use a Reranker, or give an embedding model")

    def _begin(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._prompted: dict[str, _native.Model] = {}
        self.model_card_data = ModelCardData()

    @property
    def config(self) -> ModelConfig:
        """The model's configuration."""
        return self._loaded.config

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._loaded.get().name

    @property
    def dim(self) -> int | None:
        """Number of components of a vector."""
        return self._loaded.get().dim

    @property
    def max_tokens(self) -> int | None:
        """Maximum tokens of a text; longer texts are cut. ``None`` if the model states no limit."""
        info = self._loaded.get().info
        return None if info is None else info[4]

    @property
    def max_seq_length(self) -> int | None:
        """``max_tokens`` under sentence-transformers' name."""
        return self.max_tokens

    def get_sentence_embedding_dimension(self) -> int | None:
        """``dim`` under sentence-transformers' name."""
        return self.dim

    get_embedding_dimension = get_sentence_embedding_dimension

    def encode(
        self,
        inputs: Any = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: Literal["sentence_embedding"] | None = "sentence_embedding",
        precision: Literal["float32"] = "float32",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: Any = None,
        normalize_embeddings: bool = False,
        *,
        truncate_dim: int | None = None,
        normalize: bool | None = None,
        deadline: float | None = None,
        **ignored: Any,
    ) -> Any:
        """Turns texts into vectors.

        Args:
            inputs: A list of ``str``, an Arrow array of strings, or one ``str``. ``None`` and null are empty texts.
            prompt_name: ``"query"`` or ``"document"`` puts the model's prompt for this role before each text. Default: no prompt, as in
                sentence-transformers; with ``document_prompt``, ``embedding_cache`` or a service the prompt for documents.
            prompt: A text to put before each text.
            show_progress_bar: Shows a progress bar, if tqdm is installed.
            convert_to_numpy: An array, else a list of arrays.
            convert_to_tensor: A ``torch.Tensor``.
            normalize_embeddings: Scales vectors to length 1; many models do that anyway. ``normalize`` is the same.
            truncate_dim: Keeps the first N components of each vector, before it is scaled.
            deadline: Seconds until the call fails with ``DeadlineExceeded``.

        ``batch_size`` and other arguments about PyTorch's computation are ignored.

        Returns:
            float32 of the shape ``(n, dim)``; for one ``str`` of the shape ``(dim,)``.
        """
        inputs = ignored.pop("sentences", inputs)
        if output_value != "sentence_embedding" or precision != "float32":
            raise InvalidInput("encode gives float32 vectors of whole texts; leave output_value= and precision= out")
        if prompt is None and prompt_name in ("query", "document", "passage"):
            model, role = self._loaded.get(), "query" if prompt_name == "query" else "document"
        elif prompt is not None:
            model, role = self._with_prompt(prompt), "document"
        elif prompt_name is None:
            model, role = self._without_prompt(), "document"
        else:
            raise InvalidInput(
                f"prompt_name is {prompt_name!r}; it must be 'query' or 'document', or give the text by prompt="
            )
        one = isinstance(inputs, str)
        texts = [inputs] if one else inputs if is_arrow(inputs) else list(inputs)
        with progress(bool(show_progress_bar), len(texts) if show_progress_bar else 0) as told:
            encoded, _, _ = model.encode(texts, role, deadline=deadline, progress=told)
        vectors: Any = encoded
        if truncate_dim is not None:
            vectors = vectors[:, :truncate_dim]
        if normalize_embeddings if normalize is None else normalize:
            vectors = _normalized(vectors)
        if convert_to_tensor:
            import torch

            vectors = torch.from_numpy(vectors)
        elif not convert_to_numpy:
            vectors = list(vectors)
        return vectors[0] if one else vectors

    def encode_query(self, inputs: Any, prompt_name: str | None = None, **options: Any) -> Any:
        """As ``encode``, by default with the model's prompt for queries."""
        return self.encode(inputs, prompt_name=prompt_name or "query", **options)

    def encode_document(self, inputs: Any, prompt_name: str | None = None, **options: Any) -> Any:
        """As ``encode``, by default with the model's prompt for documents."""
        return self.encode(inputs, prompt_name=prompt_name or "document", **options)

    @property
    def similarity_fn_name(self) -> str:
        """The name of ``similarity`` in sentence-transformers."""
        return "cosine"

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine similarities of all pairs: ``(n, d)`` and ``(m, d)`` give float32 ``(n, m)``; a tensor for tensors."""
        first, second = _normalized(_matrix(embeddings1)), _normalized(_matrix(embeddings2))
        return _like(embeddings1, first @ second.T)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """Cosine similarities row by row: twice ``(n, d)`` gives float32 ``(n,)``; a tensor for tensors."""
        first, second = _normalized(_matrix(embeddings1)), _normalized(_matrix(embeddings2))
        return _like(embeddings1, (first * second).sum(axis=1))

    def _with_prompt(self, prompt: str) -> _native.Model:
        if prompt not in self._prompted:
            self._prompted[prompt] = self._loaded.get().with_document_prompt(prompt)
        return self._prompted[prompt]

    def _without_prompt(self) -> _native.Model:
        """Texts without a role have no prompt, unless one was given to the class, or prompts cannot be changed."""
        model, options = self._loaded.get(), self.config.as_dict()
        keeps = options["document_prompt"] is not None or options["embedding_cache"] or not model.is_local
        return model if keeps else self._with_prompt("")

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (type(self), self._loaded))

    def __repr__(self) -> str:
        model = self._loaded._model
        if model is None or model.info is None:
            return f"{type(self).__name__}({self.config.model!r}, not loaded)"
        _, device, _, precision, _ = model.info
        threads = self.config.as_dict()["threads"] or "one per core"
        return f"{type(self).__name__}({model.name!r}, dim={model.dim}, precision={precision!r}, device={device!r}, threads={threads})"


def _restored(kind: type[Encoder], loaded: Loaded) -> Encoder:
    encoder = kind.__new__(kind)
    encoder._begin(loaded)
    return encoder


def _like(given: Any, found: Vectors) -> Any:
    """A tensor where a tensor was given, as sentence-transformers' evaluators expect it."""
    if type(given).__module__.partition(".")[0] != "torch":
        return found
    import torch

    return torch.from_numpy(found)


def _matrix(vectors: Any) -> Vectors:
    import numpy as np

    return np.atleast_2d(np.asarray(vectors, dtype=np.float32))


def _normalized(vectors: Vectors) -> Vectors:
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled
