"""Progress bars, if tqdm is installed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


class progress:
    """A context with the callback for finished texts; ``None`` if no progress is shown or tqdm is not installed.

    A class, for ``contextlib`` would be a fourth of the time of importing nearsort.
    """

    def __init__(self, wanted: bool, total: int, unit: str = "texts") -> None:
        self._bar: Any = None
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit=unit)

    def __enter__(self) -> Callable[[int], object] | None:
        return self._bar.update if self._bar is not None else None

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()
