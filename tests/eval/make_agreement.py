"""Writes agreement.json: orders of our own making with what scipy and the package rbo say of them.

    pip install scipy==1.17.1 rbo==0.1.3
    python make_agreement.py
"""

import json
import pathlib
import random

import rbo
import scipy.stats

HERE = pathlib.Path(__file__).parent


def tau_case(rng):
    length = rng.randrange(2, 40)
    levels = rng.choice([2, 4, 1000])
    first, second = ([rng.randrange(levels) / 4 for _ in range(length)] for _ in range(2))
    tau = float(scipy.stats.kendalltau(first, second).statistic)
    return {"first": first, "second": second, "tau": None if tau != tau else tau}


def rbo_case(rng):
    pool = [f"d{number}" for number in range(rng.randrange(4, 30))]
    first, second = (rng.sample(pool, rng.randrange(1, len(pool))) for _ in range(2))
    p = rng.choice([0.5, 0.9, 0.98])
    return {"first": first, "second": second, "p": p, "rbo": rbo.RankingSimilarity(first, second).rbo_ext(p=p)}


def main():
    rng = random.Random(11)
    made = {"tau": [tau_case(rng) for _ in range(60)], "rbo": [rbo_case(rng) for _ in range(60)]}
    lines = [f'"{name}": [\n' + ",\n".join(json.dumps(case) for case in cases) + "\n]" for name, cases in made.items()]
    (HERE / "agreement.json").write_text("{" + ",\n".join(lines) + "}\n")


if __name__ == "__main__":
    main()
