#!/usr/bin/env python3
"""Signs without judgements: do they tell whether the first stage's scores should count?

usage: signs.py COLLECTION_DIR MODEL.trec

COLLECTION_DIR holds qrels.tsv (query-id, corpus-id, score, with a header) and bm25.trec. MODEL.trec has the model's own
scores of the same candidates: `nearsort rerank ... --blend none --feedback off --output MODEL.trec`.

The first stage's scores are taken as they are, with noise of several strengths (in standard deviations of the list), and
reversed. Of each variant: the signs, which see no judgements, and nDCG@10 by the first stage's share (min-max, without
feedback), which the signs should foretell. Signs, averaged over queries: Kendall's tau of both stages' scores; overlap of
both first tens; spread of the first stage's scores (standard deviation by range); the gap of its best to its second by range.
Needs Python's standard library only.
"""
import collections, math, random, statistics, sys

SHARES = [0, 0.03, 0.06, 0.1, 0.2, 0.3, 0.5]
NOISE = [0.5, 1, 2, 4]


def run(path):
    lists = collections.defaultdict(dict)
    with open(path) as lines:
        for line in lines:
            query, _, document, _, score, _ = line.split()
            lists[query][document] = float(score)
    return lists


def judgements(path):
    grades = collections.defaultdict(dict)
    with open(path) as lines:
        next(lines)
        for line in lines:
            query, document, grade = line.split("\t")
            grades[query][document] = int(grade)
    return grades


def order(scores):
    return sorted(scores, key=lambda document: (scores[document], document), reverse=True)


def ndcg(ranking, grades):
    gain = lambda found: sum(g / math.log2(rank + 1) for rank, g in enumerate(found[:10], 1))
    ideal = gain(sorted((g for g in grades.values() if g > 0), reverse=True))
    return gain([max(grades.get(d, 0), 0) for d in ranking]) / ideal if ideal else 0.0


def min_max(scores):
    low, high, most = min(scores.values()), max(scores.values()), 1 - 1 / len(scores)
    return {d: most * ((s - low) / (high - low) if high > low else 0.5) for d, s in scores.items()}


def tau(a, b):
    documents, signed, pairs = list(a), 0, 0
    for i, one in enumerate(documents):
        for other in documents[:i]:
            product = (a[one] - a[other]) * (b[one] - b[other])
            signed += (product > 0) - (product < 0)
            pairs += 1
    return signed / pairs if pairs else 0.0


def variant(scores, name, draw):
    if name == "reversed":
        return {d: -s for d, s in scores.items()}
    deviation = statistics.pstdev(scores.values()) or 1.0
    return {d: s + float(name or 0) * deviation * draw.gauss(0, 1) for d, s in scores.items()}


def signs(first, model):
    low, *_, high = sorted(first.values()) if len(first) > 1 else (0, 1)
    span, best = (high - low) or 1.0, sorted(first.values())[-2:]
    both = set(order(first)[:10]) & set(order(model)[:10])
    return [tau(first, model), len(both) / min(10, len(first)), statistics.pstdev(first.values()) / span, (best[-1] - best[0]) / span]


first_stage, model, qrels = run(sys.argv[1] + "/bm25.trec"), run(sys.argv[2]), judgements(sys.argv[1] + "/qrels.tsv")
print("| first stage | tau | overlap@10 | spread | gap | " + " | ".join(f"share {s}" for s in SHARES) + " | best |")
print("|---" * (len(SHARES) + 6) + "|")
for name in ["", *NOISE, "reversed"]:
    draw, seen, values = random.Random(1), [], collections.defaultdict(list)
    for query in first_stage:
        if query not in qrels or query not in model:
            continue
        first = variant(first_stage[query], name, draw)
        first = {d: s for d, s in first.items() if d in model[query]}
        seen.append(signs(first, model[query]))
        scaled = min_max(first)
        for share in SHARES:
            mixed = {d: (1 - share) * model[query][d] + share * scaled[d] for d in first}
            values[share].append(ndcg(order(mixed), qrels[query]))
    means = {share: statistics.mean(values[share]) for share in SHARES}
    cells = [statistics.mean(column) for column in zip(*seen)]
    shown = {"": "as it is", "reversed": "reversed"}.get(name, f"noise {name}")
    row = [f"{cell:.3f}" for cell in cells] + [f"{means[s]:.4f}" for s in SHARES] + [str(max(SHARES, key=means.get))]
    print(f"| {shown} | " + " | ".join(row) + " |")
