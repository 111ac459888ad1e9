"""A model that each process loads once, also after unpickling."""

from __future__ import annotations

from . import _native
from ._config import ModelConfig

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Loaded:
    """A configuration, and its model once it is needed."""

    __slots__ = ("_model", "config")

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self._model: _native.Model | None = None

    def get(self) -> _native.Model:
        """The model. Two threads that ask for it first may both load it; one of the two stays."""
        if self._model is None:
            self._model = _native.Model(self.config.as_dict())
        return self._model

    def __reduce__(self) -> tuple[Any, ...]:
        return (Loaded, (self.config,))
