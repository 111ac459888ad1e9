"""The library as an extension module. Use ``nearsort`` instead."""

from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

__all__ = [
    "DEFAULT_MODEL",
    "Index",
    "Model",
    "Ranker",
    "Server",
    "__version__",
    "compare",
    "diagnose",
    "environment",
    "evaluate",
    "main",
    "read_texts",
]

__version__: str
DEFAULT_MODEL: str

_Progress: TypeAlias = Callable[[int], object] | None
_Hit: TypeAlias = tuple[int, float, tuple[int, int] | None, int, bool, str | None]

def main(args: Sequence[str]) -> int: ...
def environment() -> list[tuple[str, str]]: ...
def evaluate(
    qrels: Any,
    runs: Sequence[tuple[str, Any]],
    measures: str,
    test: str,
    resamples: int,
    seed: int,
    ignore_identical_ids: bool,
) -> str: ...
def compare(
    queries: Any | None,
    documents: Any | None,
    first_stage: Any | None,
    rankers: Sequence[tuple[str, Ranker]],
    runs: Sequence[tuple[str, Any]],
    grades: Sequence[tuple[str, Any]],
    qrels: Any | None,
    settings: dict[str, Any],
    progress: _Progress = None,
) -> tuple[str, str, list[tuple[str, list[tuple[str, list[tuple[str, float]]]]]]]: ...
def diagnose(
    model: Model,
    config: dict[str, Any],
    queries: Any,
    documents: Any,
    first_stage: Any,
    qrels: Any,
    measure: str,
    sample: int | None,
    seed: int,
    ignore_identical_ids: bool,
    progress: _Progress = None,
) -> tuple[str, str, str | None]: ...
def read_texts(value: Any, what: str) -> list[str | None]: ...

@final
class Model:
    def __new__(cls, config: dict[str, Any]) -> Model: ...
    @property
    def name(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def info(self) -> tuple[str | None, str, str, str, int] | None: ...
    @property
    def dim(self) -> int | None: ...
    @property
    def is_local(self) -> bool: ...
    def fingerprint(self) -> str: ...
    def with_document_prompt(self, prompt: str) -> Model: ...
    def encode(
        self, texts: Any, role: str, deadline: float | None = None, progress: _Progress = None
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint32], npt.NDArray[np.bool_]]: ...

@final
class Ranker:
    def __new__(cls, model: Model, config: dict[str, Any]) -> Ranker: ...
    @property
    def score_kind(self) -> str: ...
    @property
    def needs_whole_lists(self) -> bool: ...
    def model_run(self) -> dict[str, Any]: ...
    def score(
        self,
        queries: Sequence[str],
        texts: Any,
        candidates: Sequence[Sequence[int]] | None = None,
        deadline: float | None = None,
        progress: _Progress = None,
    ) -> tuple[list[npt.NDArray[np.float32]], dict[str, Any]]: ...
    def rank(
        self,
        queries: Sequence[str],
        texts: Any,
        candidates: Sequence[Sequence[int]] | None = None,
        *,
        top_k: int | None = None,
        min_score: float | None = None,
        first_stage: Sequence[Sequence[float | None]] | None = None,
        deadline: float | None = None,
        progress: _Progress = None,
    ) -> tuple[list[tuple[list[_Hit], str, float | None]], dict[str, Any]]: ...

@final
class Index:
    def __new__(cls, folder: str | PathLike[str]) -> Index: ...
    @staticmethod
    def build(
        folder: str | PathLike[str],
        model: Model,
        ids: Sequence[str] | None,
        texts: Any,
        files: Sequence[str | PathLike[str]],
        dtype: str,
        tokens: bool,
        replace: bool,
        restart: bool,
        progress: _Progress = None,
    ) -> Index: ...
    @staticmethod
    def add(
        folder: str | PathLike[str],
        model: Model,
        ids: Sequence[str] | None,
        texts: Any,
        files: Sequence[str | PathLike[str]],
        replace: bool,
        restart: bool,
        progress: _Progress = None,
    ) -> Index: ...
    @staticmethod
    def delete(folder: str | PathLike[str], ids: Sequence[str]) -> int: ...
    def __len__(self) -> int: ...
    def __contains__(self, id: str, /) -> bool: ...
    @property
    def folder(self) -> Path: ...
    @property
    def info(self) -> tuple[str, int, str, str, bool, int]: ...
    def damages(self) -> list[str]: ...
    def search(
        self, model: Model, queries: Sequence[str], top_k: int, deadline: float | None = None
    ) -> list[list[tuple[str, float]]]: ...

@final
class Server:
    def __new__(cls, models: Sequence[tuple[str, Model]], settings: str) -> Server: ...
    @property
    def address(self) -> str: ...
    @property
    def is_running(self) -> bool: ...
    def stop(self) -> None: ...
