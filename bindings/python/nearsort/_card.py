"""The model card that sentence-transformers' evaluators write to."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ModelCardData:
    """Keeps the results of sentence-transformers' evaluators, and does nothing else."""

    def __init__(self) -> None:
        self.evaluations: list[dict[str, Any]] = []

    def set_evaluation_metrics(self, evaluator: Any, metrics: dict[str, Any], epoch: int = 0, step: int = 0) -> None:
        """Keeps the metrics of an evaluator."""
        self.evaluations.append(
            {"evaluator": type(evaluator).__name__, "metrics": dict(metrics), "epoch": epoch, "step": step}
        )
