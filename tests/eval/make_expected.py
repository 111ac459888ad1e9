"""Writes the runs and judgements of tests/eval.rs, and what ir_measures and scipy say about them.

    python3 tests/eval/make_expected.py

Needs ir_measures with pytrec-eval-terrier, perl (for gdeval), numpy and scipy; their versions are recorded in expected.json.
The same seed writes the same files. The runs are made to be awkward: tied scores, scores that differ as f64 and not as f32,
ids whose order by bytes is not that of their numbers, queries that the run lacks or that nobody judged, queries without a
relevant document, negative grades, scores in no order, fewer results than the cutoff.
"""

import importlib.metadata
import json
import pathlib
import random

import ir_measures
import numpy
import scipy.stats

HERE = pathlib.Path(__file__).parent
SEED = 20250714
MEASURES = (
    "nDCG nDCG@1 nDCG@5 nDCG@10 nDCG@1000 nDCG(judged_only=True)@10 RR RR@3 RR@10 RR(rel=2) RR(rel=2)@10 "
    "RR(judged_only=True) AP AP@10 AP(rel=2) AP(judged_only=True) AP(rel=2,judged_only=True)@5 P@1 P@10 P@100 P(rel=2)@10 "
    "P(judged_only=True)@10 R@5 R@100 R(rel=3)@10 R(judged_only=True)@5 Success@1 Success@5 Success(rel=3)@10 Judged "
    "Judged@1 Judged@10 Judged@1000 Rprec Rprec(rel=2) Rprec(judged_only=True) Bpref Bpref(rel=2) NumQ NumRet NumRet(rel=1) "
    "NumRet(rel=2) NumRel nDCG(dcg='exp-log2')@5 nDCG(dcg='exp-log2')@100 ERR@5 ERR@100"
).split()

# Equal as f32, not as f64.
NEAR = [7.0, 7.0 + 1e-9, 7.0 - 1e-9, 7.0 + 2e-9]


def document_ids(rng, count):
    forms = ["d{}", "D{}", "doc-{}", "{}", "é{}", "d0{}", "x.{}_y"]
    ids = dict.fromkeys(rng.choice(forms).format(rng.randrange(200)) for _ in range(count * 2))
    return list(ids)[:count]


def score(rng, ties):
    return {
        "all": 1.0,
        "many": float(rng.randrange(6)),
        "near": rng.choice(NEAR) if rng.random() < 0.5 else round(rng.uniform(0, 14), 1),
        "none": round(rng.gauss(0, 9), 9),
    }[ties]


def case(rng, name, num_queries, depth, grades, ties):
    qrels, run = {}, {}
    for number in range(1, num_queries + 1):
        query = str(number * 7)
        pool = document_ids(rng, depth + 12)
        judged = rng.sample(pool, rng.randrange(3, len(pool)))
        chosen = grades if number % 5 else [grade for grade in grades if grade <= 0]  # every fifth has nothing relevant
        qrels[query] = {document: rng.choice(chosen) for document in judged}
        retrieved = pool[: rng.randrange(1, depth + 1)]
        run[query] = {document: score(rng, ties) for document in retrieved}
    del run["14"]  # a query that the run lacks
    run["9999"] = {"d1": 1.0, "d2": 0.5}  # a query that nobody judged
    write(name, qrels, run)
    return expected(qrels, run)


def write(name, qrels, run):
    with open(HERE / f"{name}.qrels", "w") as file:
        for query, judged in qrels.items():
            for document, grade in judged.items():
                file.write(f"{query} 0 {document} {grade}\n")
    with open(HERE / f"{name}.run", "w") as file:
        for query, documents in run.items():
            for rank, (document, value) in enumerate(documents.items(), 1):
                file.write(f"{query} Q0 {document} {rank} {value!r} made\n")


def expected(qrels, run):
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    aggregates = ir_measures.calc_aggregate(measures, qrels, run)
    values = {name: {} for name in MEASURES}
    names = dict(zip(measures, MEASURES))
    for metric in ir_measures.iter_calc(measures, qrels, run):
        if metric.query_id in qrels:
            values[names[metric.measure]][metric.query_id] = round(metric.value, 9)
    queries = list(qrels)
    return {
        "queries": queries,
        "measures": {
            name: {"aggregate": round(aggregates[measure], 9), "values": [values[name][query] for query in queries]}
            for measure, name in names.items()
        },
    }


def significance(rng):
    """Vectors of differences with scipy's answers."""
    cases = []
    for count, shift in [(2, 0.1), (5, 0.2), (8, 0.0), (10, 0.1), (12, 0.15), (43, 0.05), (300, 0.01)]:
        values = [round(rng.gauss(shift, 0.2), 3) if count < 8 or rng.random() < 0.8 else 0.0 for _ in range(count)]
        array = numpy.array(values)
        interval = scipy.stats.bootstrap(
            (array,), numpy.mean, n_resamples=100_000, method="percentile", vectorized=True, rng=numpy.random.default_rng(SEED)
        ).confidence_interval
        permutations = numpy.inf if count <= 12 else 100_000
        cases.append(
            {
                "values": values,
                "t_test": scipy.stats.ttest_1samp(array, 0.0).pvalue,
                "interval": [interval.low, interval.high],
                "randomisation": scipy.stats.permutation_test(
                    (array, numpy.zeros(count)),
                    lambda a, b, axis: numpy.mean(a - b, axis=axis),
                    permutation_type="samples",
                    vectorized=True,
                    n_resamples=permutations,
                    batch=1000,
                    rng=numpy.random.default_rng(SEED),
                ).pvalue,
            }
        )
    return cases


def main():
    rng = random.Random(SEED)
    packages = ["ir_measures", "pytrec-eval-terrier", "numpy", "scipy"]
    answer = {
        "versions": {name: importlib.metadata.version(name) for name in packages},
        "cases": {
            "graded": case(rng, "graded", 15, 40, [-2, -1, 0, 0, 1, 2, 3], "many"),
            "near": case(rng, "near", 10, 30, [0, 1, 2, 3, 4], "near"),
            "binary": case(rng, "binary", 12, 25, [0, 0, 0, 1], "none"),
            "tied": case(rng, "tied", 6, 30, [-1, 0, 1, 2], "all"),
        },
        "significance": significance(rng),
    }
    (HERE / "expected.json").write_text(json.dumps(answer, separators=(",", ":"), allow_nan=False) + "\n")


main()
