#!/usr/bin/env python3
"""Makes a collection of this repository: its functions, or the sections of its manual, with BM25's top 100.

usage: collect.py code|docs OUT_DIR

code: every documented function of src/ outside of tests, with its documentation and its first lines. docs: every section of the
chapters in docs/. The questions in code.tsv and docs.tsv were written by hand, in other words than the text: question, tab,
the ids that answer it (separated by blanks). OUT_DIR gets corpus.jsonl, queries.jsonl, qrels.tsv and bm25.trec. Needs
Python's standard library only.
"""
import collections, json, math, pathlib, re, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINES = 40  # of a function
DEPTH = 100  # of a list
K1, B = 0.9, 0.4


def functions():
    for path in sorted((ROOT / "src").rglob("*.rs")):
        name = path.relative_to(ROOT / "src").as_posix()
        if "tests" in name:
            continue
        lines = path.read_text(encoding="utf-8").split("#[cfg(test)]\nmod tests")[0].split("\n")
        seen = collections.Counter()
        for at, line in enumerate(lines):
            found = re.match(r"( *)(?:pub(?:\([a-z]+\))? )?(?:const |unsafe )*fn (\w+)", line)
            if not found:
                continue
            first = at
            while first and re.match(r" *(///|#\[)", lines[first - 1]):
                first -= 1
            last = at + 1
            while last < len(lines) and lines[last] != found[1] + "}" and last - at < LINES and not line.rstrip().endswith("}"):
                last += 1
            seen[found[2]] += 1
            if not any(line.lstrip().startswith("///") for line in lines[first:at]):
                continue
            number = f"#{seen[found[2]]}" if seen[found[2]] > 1 else ""
            text = "\n".join(text.strip().removeprefix("///").strip() for text in lines[first : last + 1])
            yield f"{name.removesuffix('.rs')}::{found[2]}{number}", found[2], text


def sections():
    for path in sorted((ROOT / "docs").glob("*.md")):
        if path.name in ("SUMMARY.md", "tune.md"):
            continue
        title, body, fenced = path.stem, [], False
        for line in [*path.read_text(encoding="utf-8").split("\n"), "# end"]:
            fenced ^= line.startswith("```")
            heading = None if fenced else re.match(r"#+ (.*)", line)
            if not heading:
                body.append(line)
                continue
            if "".join(body).strip():
                slug = re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
                yield f"{path.stem}#{slug}", title, "\n".join(body).strip()
            title, body = heading[1], []


def words(text):
    return re.findall(r"[a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())


def bm25(documents):
    counts = {id: collections.Counter(words(f"{title} {text}")) for id, title, text in documents}
    length = {id: sum(count.values()) for id, count in counts.items()}
    mean = sum(length.values()) / len(length)
    seen = collections.Counter(word for count in counts.values() for word in count)

    def rank(query):
        scores = collections.Counter()
        for word in set(words(query)) & seen.keys():
            idf = math.log(1 + (len(counts) - seen[word] + 0.5) / (seen[word] + 0.5))
            for id, count in counts.items():
                if word in count:
                    scores[id] += idf * count[word] * (K1 + 1) / (count[word] + K1 * (1 - B + B * length[id] / mean))
        return sorted(scores.items(), key=lambda found: (-found[1], found[0]))[:DEPTH]

    return rank


def main(kind, target):
    documents = list(functions() if kind == "code" else sections())
    known = {id for id, *_ in documents}
    lines = pathlib.Path(__file__).with_name(f"{kind}.tsv").read_text(encoding="utf-8").splitlines()
    questions = [line.split("\t") for line in lines if line and not line.startswith("#")]
    lost = [id for _, ids in questions for id in ids.split() if id not in known]
    if lost:
        sys.exit(f"{kind}.tsv names what is not in the tree: {', '.join(lost)}")
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    row = lambda **fields: json.dumps(fields, ensure_ascii=False) + "\n"
    rank = bm25(documents)
    with open(target / "corpus.jsonl", "w", encoding="utf-8") as out:
        out.writelines(row(_id=id, title=title, text=text) for id, title, text in documents)
    with open(target / "queries.jsonl", "w", encoding="utf-8") as out:
        out.writelines(row(_id=f"q{at}", text=question) for at, (question, _) in enumerate(questions))
    with open(target / "qrels.tsv", "w", encoding="utf-8") as out:
        out.write("query-id\tcorpus-id\tscore\n")
        out.writelines(f"q{at}\t{id}\t1\n" for at, (_, ids) in enumerate(questions) for id in ids.split())
    with open(target / "bm25.trec", "w", encoding="utf-8") as out:
        for at, (question, _) in enumerate(questions):
            for place, (id, score) in enumerate(rank(question), 1):
                out.write(f"q{at} Q0 {id} {place} {score:.6f} bm25\n")
    print(f"{kind}: {len(documents)} documents, {len(questions)} questions")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
