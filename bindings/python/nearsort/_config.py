"""The configuration of a model as a small value: hashable and picklable."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

DEFAULT_MODEL = "all-MiniLM-L6-v2"

_DEFAULTS: dict[str, Any] = {
    "precision": None,
    "engine": None,
    "device": "cpu",
    "threads": None,
    "batch_tokens": None,
    "max_tokens": None,
    "dim": None,
    "pooling": None,
    "query_prompt": None,
    "document_prompt": None,
    "instruction": None,
    "cache_dir": None,
    "offline": False,
    "embedding_cache": False,
    "judge": None,
    "kind": None,
    "api_key": None,
    "base_url": None,
    "budget": None,
    "concurrency": None,
}


class ModelConfig:
    """A model's name and its loading options. Options that are missing or ``None`` have their defaults.

    It is pickled without ``api_key``: another process takes the key from its own environment.
    """

    __slots__ = ("_options",)

    def __init__(self, model: str = DEFAULT_MODEL, *, revision: str | None = None, **options: Any) -> None:
        unknown = options.keys() - _DEFAULTS.keys()
        if unknown:
            raise TypeError(f"unknown options: {', '.join(sorted(unknown))}")
        name = f"{model}@{revision}" if revision else model
        chosen = {"model": name} | _DEFAULTS | {option: value for option, value in options.items() if value is not None}
        for option in ("precision", "engine"):
            chosen[option] = None if chosen[option] == "auto" else chosen[option]
        if chosen["cache_dir"] is not None:
            chosen["cache_dir"] = _path(chosen["cache_dir"])
        self._options = chosen

    @property
    def model(self) -> str:
        """The model's name, with its revision."""
        return str(self._options["model"])

    def as_dict(self) -> dict[str, Any]:
        """All options, the model's name among them."""
        return dict(self._options)

    def _given(self) -> dict[str, Any]:
        return {name: value for name, value in self._options.items() if name != "model" and value != _DEFAULTS[name]}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelConfig) and self._options == other._options

    def __hash__(self) -> int:
        return hash(tuple(self._options.values()))

    def __reduce__(self) -> tuple[Any, ...]:
        given = self._given()
        given.pop("api_key", None)
        return (_config, (self.model, given))

    def __repr__(self) -> str:
        given = self._given()
        if "api_key" in given:
            given["api_key"] = "..."
        options = "".join(f", {name}={value!r}" for name, value in given.items())
        return f"ModelConfig({self.model!r}{options})"


def _config(model: str, options: dict[str, Any]) -> ModelConfig:
    return ModelConfig(model, **options)


def _path(path: str | os.PathLike[str]) -> str:
    import os

    return os.path.abspath(os.fspath(path))
