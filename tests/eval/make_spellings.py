"""Writes spellings.json: names of measures in other programs' spellings, and what ir_measures says of a run with and without the
documents whose id is the query's (BEIR's ignore_identical_ids).

    python3 tests/eval/make_spellings.py

Needs ir_measures with pytrec-eval-terrier. trec_eval's names are read by ir_measures itself; those of BEIR, MTEB and ranx stand for the
measures that these programs compute, which their documentation says.
"""

import json
import pathlib
import random

import ir_measures

HERE = pathlib.Path(__file__).parent

TREC = (
    "ndcg ndcg_cut_10 ndcg_cut.10 ndcg_cut_1000 map map_cut_10 map_cut.100 P_5 P.5 P_1000 recall_100 recall.5 success_1 success.10 "
    "recip_rank Rprec bpref num_q num_ret num_rel num_rel_ret"
).split()
OTHERS = {
    "ndcg@10": "nDCG@10", "NDCG@10": "nDCG@10", "nDCG@10": "nDCG@10", "ndcg_at_10": "nDCG@10", "ndcg_10": "nDCG@10",
    "map": "AP", "MAP@100": "AP@100", "map@10": "AP@10", "map_at_10": "AP@10", "ap": "AP",
    "mrr": "RR", "mrr@10": "RR@10", "MRR@10": "RR@10", "mrr_at_10": "RR@10", "rr@10": "RR@10", "reciprocal_rank": "RR",
    "recall@100": "R@100", "Recall@100": "R@100", "recall_at_100": "R@100", "r@5": "R@5",
    "precision@5": "P@5", "Precision@5": "P@5", "p@5": "P@5", "P@5": "P@5", "prec@5": "P@5", "precision@5-l2": "P(rel=2)@5",
    "recall@5-l3": "R(rel=3)@5", "hit_rate@5": "Success@5", "hit@5": "Success@5", "success@1": "Success@1",
    "r-precision": "Rprec", "R_Precision": "Rprec", "RPREC": "Rprec", "BPref": "Bpref", "ndcg_burges@10": "nDCG(dcg='exp-log2')@10",
    "judged@10": "Judged@10", "err@20": "ERR@20", "numq": "NumQ", "NUM_Q": "NumQ",
}


def spellings():
    found = {}
    for name in TREC:
        (measure,) = ir_measures.parse_trec_measure(name)
        found[name] = "NumRelRet" if str(measure) == "NumRet(rel=1)" else str(measure)
    for name, measure in OTHERS.items():
        assert str(ir_measures.parse_measure(measure)) in (measure, measure), measure
        found[name] = measure
    return found


def identical():
    rng = random.Random(20261128)
    ids = [f"a{number}" for number in range(60)]
    qrels, run = {}, {}
    for query in ids[:20]:
        others = [document for document in ids if document != query]
        qrels[query] = {document: rng.choice([0, 1, 1, 2]) for document in rng.sample(others, 6)}
        results = rng.sample(others, 15)
        if rng.random() < 0.8:
            results.insert(rng.randrange(3), query)  # found by its own text, near the top
        run[query] = {document: 20.0 - rank for rank, document in enumerate(results)}
    run[ids[3]] = {ids[3]: 1.0}  # nothing but itself
    names = "nDCG@10 AP RR@10 R@10 P@5 NumRet NumQ Judged@10".split()
    measures = {name: ir_measures.parse_measure(name) for name in names}

    def aggregates(run):
        values = {name: [] for name in names}
        for metric in ir_measures.iter_calc(list(measures.values()), qrels, run):
            values[next(name for name in names if measures[name] == metric.measure)].append(metric.value)
        return {
            name: sum(values[name]) if name in ("NumRet", "NumQ") else sum(values[name]) / len(qrels) for name in names
        }

    filtered = {q: {d: s for d, s in documents.items() if d != q} for q, documents in run.items()}
    filtered = {q: documents for q, documents in filtered.items() if documents}
    lines = [f"{q} Q0 {d} {rank} {s} t" for q, documents in run.items() for rank, (d, s) in enumerate(documents.items(), 1)]
    judged = [f"{q} 0 {d} {grade}" for q, documents in qrels.items() for d, grade in documents.items()]
    return {
        "qrels": "\n".join(judged) + "\n",
        "run": "\n".join(lines) + "\n",
        "with": aggregates(run),
        "without": aggregates(filtered),
    }


def main():
    answer = {"ir_measures": ir_measures.__version__ if hasattr(ir_measures, "__version__") else "", "spellings": spellings(), "identical": identical()}
    (HERE / "spellings.json").write_text(json.dumps(answer, indent=1, allow_nan=False) + "\n")


main()
