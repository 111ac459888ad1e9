"""Writes what numpy says of feedback inside lists, for tests/feedback.rs.

    python3 tests/feedback/make_expected.py

Needs numpy. The same seed writes the same file. Per list: scores in f32, vectors in f32 (as they are given, not of length 1;
null where a candidate has none), and the scores after feedback in f64. Some lists have equal texts with other scores.
"""

import json
import pathlib

import numpy

HERE = pathlib.Path(__file__).parent
SEED = 20251129


def feedback(scores, vectors, weight, temperature):
    known = [at for at, vector in enumerate(vectors) if vector is not None]
    best_of_text = {}
    for at in known:
        text = tuple(vectors[at])
        best_of_text[text] = max(scores[at], best_of_text.get(text, -numpy.inf))
    texts = numpy.array(list(best_of_text), dtype=numpy.float64)
    unit = lambda v: (v / numpy.linalg.norm(v, axis=-1, keepdims=True)).astype(numpy.float32).astype(numpy.float64)
    texts = unit(texts)
    s = numpy.array(list(best_of_text.values()), dtype=numpy.float64)
    p = numpy.exp((s - s.max()) / temperature)
    p /= p.sum()
    d = p @ texts - texts.mean(axis=0)
    moved = []
    for score, vector in zip(scores, vectors):
        v = texts.mean(axis=0) if vector is None else unit(numpy.array(vector, dtype=numpy.float64))
        moved.append(float(score) + weight * float(v @ d))
    return moved


def numbers(array):
    return [float(x) for x in array]


def main():
    rng = numpy.random.default_rng(SEED)
    cases = []
    for n, dim, copies, without in [(3, 5, 0, 0), (10, 7, 0, 0), (40, 16, 0, 0), (12, 8, 4, 0), (9, 8, 0, 3), (25, 33, 5, 4)]:
        scores = (0.3 + 0.1 * rng.standard_normal(n)).astype(numpy.float32)
        centre = rng.standard_normal(dim)
        vectors = [numbers((centre + rng.standard_normal(dim)).astype(numpy.float32)) for _ in range(n)]
        for at in range(copies):
            vectors[n - 1 - at] = vectors[at % 2]
        for at in range(without):
            vectors[2 + 2 * at] = None
        for weight in (0.5, 0.25):
            moved = feedback(scores, vectors, weight, 0.02)
            cases.append({"weight": weight, "scores": numbers(scores), "vectors": vectors, "moved": moved})
    text = json.dumps({"numpy": numpy.__version__, "cases": cases}, separators=(",", ":"))
    (HERE / "expected.json").write_text(text.replace('{"weight"', '\n{"weight"') + "\n")


main()
