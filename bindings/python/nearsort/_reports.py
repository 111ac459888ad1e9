"""Reports: evaluations of runs, comparisons of systems, diagnoses of rerankers."""

from __future__ import annotations

from . import _native
from ._html import escaped, table
from ._progress import progress
from .errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Any, TypeAlias

    from ._reranker import Reranker

    Path: TypeAlias = str | os.PathLike[str]
    Run: TypeAlias = Path | Mapping[str, Mapping[str, float]]
    Qrels: TypeAlias = Path | Mapping[str, Mapping[str, int]]
    Texts: TypeAlias = Path | Sequence[Path] | Mapping[str, str]

MEASURES = "nDCG@10,RR@10,AP,P@10,R@100,Judged@10"
_COMPARED = "nDCG@10,RR@10,AP,Judged@10"


class Report:
    """A report as a value: ``report.data`` is what the command prints with ``--format json``."""

    def __init__(self, text: str) -> None:
        import json

        self.data: dict[str, Any] = json.loads(text)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]


class PagedReport(Report):
    """A report that also has an HTML page."""

    def __init__(self, text: str, page: str) -> None:
        super().__init__(text)
        self._page = page

    def to_html(self) -> str:
        """The whole report as one self-contained page, with charts: what the command writes with ``--html``."""
        return self._page


class Evaluation(Report):
    """The measures of runs, each compared with the first. Notebooks show it as a table."""

    @property
    def runs(self) -> list[str]:
        """The names of the runs."""
        return [run["name"] for run in self.data["runs"]]

    def mean(self, measure: str, run: str | None = None) -> float | None:
        """The mean of a measure over the judged queries; ``run``: default the first."""
        found = next((of for of in self.data["runs"] if run is None or of["name"] == run), None)
        if found is None or measure not in found["measures"]:
            raise KeyError(f"{measure} of {run or 'the first run'}")
        value = found["measures"][measure].get("mean")
        return None if value is None else float(value)

    def per_query(self, measure: str, run: str | None = None) -> dict[str, float]:
        """The values of a measure by query."""
        found = next(of for of in self.data["runs"] if run is None or of["name"] == run)
        return {query: values[measure] for query, values in found["per_query"].items()}

    def __repr__(self) -> str:
        first = self.data["runs"][0]
        values = ", ".join(f"{name}={_number(value.get('mean'))}" for name, value in first["measures"].items())
        return f"Evaluation({first['name']!r}: {values}; {len(self.runs)} runs, {self.data['queries']} queries)"

    def _repr_html_(self) -> str:
        measures = list(self.data["runs"][0]["measures"])
        rows = [
            (escaped(run["name"]), *(_cell(run["measures"][measure]) for measure in measures))
            for run in self.data["runs"]
        ]
        caption = f"{self.data['queries']} judged queries; differences to {self.data['baseline']}, 95 % intervals"
        return table(("run", *measures), rows, caption)


class Comparison(PagedReport):
    """A comparison of systems. Notebooks show it as a table.

    Attributes:
        runs: The first stage's lists as rerankers and grades order them, by their names: ``{query_id: {document_id: score}}``, the best first.
    """

    def __init__(self, text: str, page: str, rankings: Sequence[tuple[str, Any]]) -> None:
        super().__init__(text, page)
        self.runs: dict[str, dict[str, dict[str, float]]] = {
            name: {query: dict(documents) for query, documents in queries} for name, queries in rankings
        }

    @property
    def systems(self) -> list[str]:
        """The names of the systems."""
        return [system["name"] for system in self.data["systems"]]

    def __repr__(self) -> str:
        return f"Comparison({', '.join(map(repr, self.systems))}{self._judged_by()})"

    def _repr_html_(self) -> str:
        systems = self.data["systems"]
        measures = list(systems[0].get("measures") or {})
        rows = [(escaped(of["name"]), *(_cell(of["measures"][measure]) for measure in measures)) for of in systems]
        return table(("system", *measures), rows, f"systems beside the first one, 95 % intervals{self._judged_by()}")

    def _judged_by(self) -> str:
        judgements = self.data.get("judgements")
        is_by_model = judgements is not None and judgements["by"] == "model"
        return "; judged by a model, not by people" if is_by_model else ""


class Diagnosis(PagedReport):
    """A diagnosis: whether reranking helps, why not, and what to change. Notebooks show it as a page.

    Attributes:
        profile: The recommendation as the text of a file for ``nearsort rerank --profile``; ``None`` if there is none.
    """

    def __init__(self, text: str, page: str, profile: str | None) -> None:
        super().__init__(text, page)
        self.profile = profile

    @property
    def verdict(self) -> str:
        """One sentence."""
        return str(self.data["report"]["verdict"]["text"])

    @property
    def findings(self) -> list[dict[str, Any]]:
        """What was found, the most severe first."""
        return list(self.data["report"]["findings"])

    @property
    def options(self) -> dict[str, Any] | None:
        """What is recommended, as keyword arguments of ``Reranker``; ``None`` where nothing is. The depth is in ``profile``."""
        if self.profile is None:
            return None
        import tomllib

        profile = tomllib.loads(self.profile)
        profile.pop("depth", None)
        if (long := profile.pop("long", None)) is not None:
            profile["window"] = long == "window"
        return {name.replace("-", "_"): value for name, value in profile.items()}

    def __repr__(self) -> str:
        return f"Diagnosis({self.verdict!r}, {len(self.findings)} findings)"

    def _repr_html_(self) -> str:
        rows = [(escaped(of["severity"]), escaped(of["evidence"]), escaped(of["remedy"])) for of in self.findings]
        return f"<p><b>{escaped(self.verdict)}</b></p>" + table(("severity", "finding", "remedy"), rows)


def evaluate(
    qrels: Qrels,
    runs: Run | Mapping[str, Run] | Sequence[Path],
    measures: str | Sequence[str] = MEASURES,
    *,
    test: str = "randomisation",
    resamples: int = 10_000,
    seed: int = 1,
    ignore_identical_ids: bool = False,
) -> Evaluation:
    """Measures runs by judgements, and compares them with the first.

    Args:
        qrels: A file, or ``{query_id: {document_id: grade}}``.
        runs: A file, ``{query_id: {document_id: score}}``, several files, or several runs by their names.
        measures: Names of ir_measures, such as ``"nDCG@10,RR@10"``.
        test: ``"randomisation"``, ``"t"`` or ``"none"``.
        resamples: Number of resamples for intervals and the randomisation test.
        seed: The same seed gives the same report.
        ignore_identical_ids: Leaves a document out whose id is its query's, as BEIR does for ArguAna and Quora.
    """
    named = _named(runs)
    listed = measures if isinstance(measures, str) else ",".join(measures)
    return Evaluation(_native.evaluate(qrels, named, listed, test, resamples, seed, ignore_identical_ids))


def compare(
    queries: Texts | None,
    documents: Texts | None,
    first_stage: Run | None,
    rerankers: Mapping[str, Reranker] | Sequence[Reranker] = (),
    *,
    runs: Mapping[str, Run] | None = None,
    grades: Mapping[str, Qrels] | None = None,
    qrels: Qrels | None = None,
    judge_as_qrels: Qrels | None = None,
    measures: str | Sequence[str] = _COMPARED,
    test: str = "randomisation",
    resamples: int = 10_000,
    seed: int = 1,
    depth: int | None = None,
    sample: int | None = None,
    disputed: int = 5,
    ignore_identical_ids: bool = False,
    show_progress: bool = False,
) -> Comparison:
    """Compares a first stage, rerankers over it, and other runs: quality, agreement, ties, time and money.

    Args:
        queries: A file, or ``{query_id: text}``; ``None`` if only runs are compared, as for ``documents``.
        documents: Files, or ``{document_id: text}``.
        first_stage: The run that is reranked: a file, or ``{query_id: {document_id: score}}``. Without it, systems are compared with the
            first of ``runs``.
        rerankers: Rerankers by their names, or a list of rerankers.
        runs: Other runs, by their names.
        grades: Grades of the first stage's candidates, by names, such as those of a language model. Each is a system.
        qrels: Judgements by people; without judgements there is no quality.
        judge_as_qrels: Judgements by a model in place of ``qrels``; the report says so beside every number that rests on them.
        depth: Reranks only the first stage's best N of each list.
        sample: Compares on N queries, drawn at random from the judged ones if there are any.
        disputed: Shows the N queries on which the systems disagree most.
        ignore_identical_ids: Leaves a document out whose id is its query's, as BEIR does for ArguAna and Quora.
    """
    named = dict(rerankers) if hasattr(rerankers, "keys") else {of.model_id: of for of in rerankers}
    if len(named) < len(rerankers):
        raise InvalidInput("two rerankers have the same model; give them by names: {'one': ..., 'other': ...}")
    if first_stage is None and (named or grades):
        raise InvalidInput("rerankers and grades order the candidates of a first stage; give first_stage=")
    if qrels is not None and judge_as_qrels is not None:
        raise InvalidInput("qrels= and judge_as_qrels= are both given; quality rests on one of them")
    settings = {
        "measures": measures if isinstance(measures, str) else ",".join(measures),
        "test": test,
        "resamples": resamples,
        "seed": seed,
        "depth": depth,
        "sample": sample,
        "disputed": disputed,
        "ignore_identical_ids": ignore_identical_ids,
        "by_model": judge_as_qrels is not None,
    }
    with progress(show_progress, 0) as told:
        text, page, rankings = _native.compare(
            queries,
            documents,
            first_stage,
            [(name, of._ranker(None)) for name, of in named.items()],
            list((runs or {}).items()),
            list((grades or {}).items()),
            qrels if judge_as_qrels is None else judge_as_qrels,
            settings,
            told,
        )
    return Comparison(text, page, rankings)


def diagnose(
    reranker: Reranker,
    queries: Texts,
    documents: Texts,
    first_stage: Run,
    qrels: Qrels | None = None,
    *,
    measure: str = "nDCG@10",
    sample: int | None = None,
    seed: int = 1,
    ignore_identical_ids: bool = False,
    show_progress: bool = False,
) -> Diagnosis:
    """Says whether reranking helps, why not, and what to change.

    Args:
        reranker: A reranker with a local embedding model.
        queries: A file, or ``{query_id: text}``.
        documents: Files, or ``{document_id: text}``.
        first_stage: The run that is reranked: a file, or ``{query_id: {document_id: score}}``.
        qrels: Judgements. Without them the diagnosis has only the findings that need none, and lists what is missing.
        measure: The measure of quality.
        sample: Uses N queries, drawn at random; only if the inputs are files.
        seed: The same seed gives the same diagnosis.
        ignore_identical_ids: Leaves a document out whose id is its query's, as BEIR does for ArguAna and Quora.
    """
    with progress(show_progress, 0) as told:
        text, page, profile = _native.diagnose(
            reranker._loaded.get(),
            reranker._rank | {"raw_scores": None},
            queries,
            documents,
            first_stage,
            qrels,
            measure,
            sample,
            seed,
            ignore_identical_ids,
            told,
        )
    return Diagnosis(text, page, profile)


def _named(runs: Any) -> list[tuple[str, Any]]:
    if hasattr(runs, "keys"):
        first: Any = next(iter(runs.values()), None)
        is_run = hasattr(first, "keys") and not any(hasattr(value, "keys") for value in first.values())
        return [("run", runs)] if is_run else list(runs.items())
    paths = [runs] if isinstance(runs, str) or hasattr(runs, "__fspath__") else list(runs)
    names = [str(path) for path in paths]
    return list(zip(names, paths))


def _cell(value: dict[str, Any]) -> str:
    if "sum" in value:
        return f"{value['sum']:.0f}"
    shown = f"{_number(value['mean'])}<br><small>{value['low']:.4f} to {value['high']:.4f}</small>"
    difference = value.get("difference")
    return (
        shown
        if difference is None
        else f"{shown}<br><small>{difference['mean']:+.4f}, p = {_number(difference['p_adjusted'])}</small>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"
