"""Progress bars, if tqdm is there."""

from __future__ import annotations

from contextlib import contextmanager

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def progress(wanted: bool, total: int, unit: str = "texts") -> Iterator[Callable[[int], object] | None]:
    """What a call tells of the texts that it has finished; ``None`` if nobody wants to know or tqdm is not installed."""
    bar = None
    if wanted:
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped,unused-ignore]
        except ImportError:
            tqdm = None
        bar = tqdm and tqdm(total=total, unit=unit)
    try:
        yield bar.update if bar is not None else None
    finally:
        if bar is not None:
            bar.close()
