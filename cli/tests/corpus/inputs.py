"""The small files that every case of the corpus finds in its folder."""

import gzip
import json

PASSAGES = [
    ("d1", "Eiffel Tower", "The tower stands on the Champ de Mars in Paris, close to the river.", 12.5),
    ("d2", "Tokyo Tower", "A red and white tower, a little taller than the one that it was modelled on.", 11.25),
    ("d3", "", "Bread of rye needs a starter, flour, water, salt and patience.", 9.0),
    ("d4", "Harbour", "Ships leave the old harbour by the sea at dawn.", 8.5),
    ("d5", "Lighthouse", "The lighthouse is a tower by the sea.", 8.5),
    ("d6", "Brücke", "Die Brücke über den Fluss ist über hundert Jahre alt.", 4.0),
    ("d7", "塔", "東京の塔は赤い。", 2.0),
    ("d8", "Salt", "Salt was once worth as much as gold.", 0.5),
]
QUERIES = [("q1", "tower"), ("q2", "bread and salt"), ("q3", "old ships by the sea")]


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def zstd(data):
    """One raw block of Zstandard; short data only."""
    assert len(data) < 256
    return b"\x28\xb5\x2f\xfd" + bytes([0x20, len(data)]) + (len(data) << 3 | 1).to_bytes(3, "little") + data


def rows():
    return [{"id": id, "title": title, "text": text, "score": score} for id, title, text, score in PASSAGES]


def lists():
    def candidates(*places):
        return [{"id": PASSAGES[at][0], "text": PASSAGES[at][2], "score": PASSAGES[at][3]} for at in places]

    return [
        {"query_id": "q1", "query": "tower", "candidates": candidates(0, 1, 4, 2)},
        {"query_id": "q2", "query": "bread and salt", "candidates": candidates(2, 7, 0)},
        {"query_id": "q3", "query": "nothing to rank", "candidates": []},
    ]


RUN = {
    "q1": ["d1", "d2", "d5", "d3"],
    "q2": ["d8", "d4", "d3"],
    "q3": ["d5", "d4", "d1", "d8", "d6"],
}
OTHER = {"q1": ["d5", "d2", "d1", "d7"], "q2": ["d3", "d8", "d1"], "q3": ["d4", "d5", "d2"]}
QRELS = [("q1", "d1", 2), ("q1", "d2", 1), ("q1", "d5", 1), ("q2", "d3", 2), ("q2", "d8", 1), ("q3", "d4", 2), ("q3", "d1", 0)]


def trec(run, tag):
    return "".join(
        f"{query} Q0 {id} {rank} {20 - 1.5 * rank:g} {tag}\n"
        for query, ids in run.items()
        for rank, id in enumerate(ids, 1)
    )


def texts():
    """Name -> content of everything that is text."""
    plain = "".join(text + "\n" for _, _, text, _ in PASSAGES)
    csv = "".join(f'{id},{title},"{text}",{score}\n' for id, title, text, score in PASSAGES)
    tsv = "".join(f"{id}\t{title}\t{text}\t{score}\n" for id, title, text, score in PASSAGES)
    long = " ".join(f"word{at} of the old tower by the sea" for at in range(60))
    mixed = [
        {"id": "a", "text": "a tower", "year": 1889, "ratio": 0.1, "tags": ["x", "y"], "nested": {"deep": [1, None]}},
        {"id": "b", "text": "bread", "rank": 7, "year": None},
        {"id": "c", "text": "a tower"},
        {"id": "d", "text": " "},
    ]
    return {
        "docs.txt": plain,
        "one.txt": "a tower by the sea\n",
        "empty.txt": "",
        "blank.txt": "\n \n\t\n",
        "crlf.txt": "\ufeffa tower\r\nbread\r\n",
        "ids.txt": "d1\nd3\nd5\n",
        "unknown-ids.txt": "d1\nnobody\n",
        "long.txt": f"a tower\n{long}\n",
        "corpus.jsonl": lines(rows()),
        "strings.jsonl": '"a tower"\n"bread"\n',
        "mixed.jsonl": lines(mixed),
        "more.jsonl": lines([{"id": "d9", "text": "A wall of stone."}, {"id": "d10", "text": "A red door."}]),
        "again.jsonl": lines([{"id": "d1", "text": "Another text about a tower."}]),
        "unscored.jsonl": lines([{"id": "a", "text": "a tower", "score": 3}, {"id": "b", "text": "bread"}]),
        "twice.jsonl": lines([{"id": "a", "text": "a tower"}, {"id": "a", "text": "bread"}]),
        "corpus.json": json.dumps(rows(), ensure_ascii=False, indent=1),
        "corpus.csv": "id,title,text,score\n" + csv,
        "corpus.tsv": "id\ttitle\ttext\tscore\n" + tsv,
        "semicolons.csv": "id;text\na;a tower\nb;rye and salt\n",
        "columns-twice.csv": "id,text,text\na,a tower,bread\n",
        "hits.jsonl": lines([{"_id": "h1", "_source": {"text": "a tower"}}, {"_id": "h2", "_source": {"text": "bread"}}]),
        "documents.json": json.dumps({"documents": ["a tower", "bread"]}),
        "controls.jsonl": lines([{"id": "a\u001b[31m", "text": "a tower \u202e by the \u0007 sea"}, {"id": "b", "text": "\u200b"}]),
        "odd.jsonl": '{"id": 1, "text": "a tower", "big": 123456789012345678901234567890, "exp": 1e2, "zero": 1.50}\n'
        '{"id": 2.5, "text": null, "title": 1984, "score": "12.5"}\n'
        '{"text": 7, "index": "taken", "text_field": true}\n',
        "columns.csv": "key,headline,words,points\nk1,Tower,a tower by the sea,3\nk2,Bread,rye and salt,2\n",
        "badjson.jsonl": '{"id": "a", "text": "a tower"}\n{"id": "b", "text": }\n{"id": "c", "text": "bread"}\n',
        "notext.jsonl": '{"id": "a", "title": "a tower"}\n',
        "cut.json": '[{"id": "a", "text": "a tower"}, {"id": "b"',
        "ragged.csv": 'id,text\na,a tower\nb,bread,salt,more\nc,"a door\n',
        "queries.jsonl": lines([{"id": id, "text": text} for id, text in QUERIES]),
        "queries.tsv": "".join(f"{id}\t{text}\n" for id, text in QUERIES),
        "queries.txt": "".join(text + "\n" for _, text in QUERIES),
        "short-queries.jsonl": lines([{"id": "q1", "text": "tower"}]),
        "bm25.trec": trec(RUN, "bm25"),
        "other.trec": trec(OTHER, "other"),
        "stranger.trec": "q1 Q0 nobody 1 3 x\n",
        "broken.trec": "q1 Q0 d1 1\n",
        "run.jsonl": lines(
            [{"query_id": q, "id": i, "score": 9 - r} for q, ids in RUN.items() for r, i in enumerate(ids, 1)]
        ),
        "run.json": json.dumps({q: {i: 9.5 - r for r, i in enumerate(ids, 1)} for q, ids in RUN.items()}),
        "run.csv": "qid,docno,score\n" + "".join(f"{q},{i},{9 - r}\n" for q, ids in RUN.items() for r, i in enumerate(ids)),
        "msmarco.tsv": "".join(f"{q}\t{i}\t{r}\n" for q, ids in RUN.items() for r, i in enumerate(ids, 1)),
        "twice.trec": "q1 Q0 d1 1 3 x\nq1 Q0 d2 2 2 x\nq1 Q0 d1 3 1 x\n",
        "qrels.json": json.dumps({q: {d: g for p, d, g in QRELS if p == q} for q in RUN}),
        "qrels.csv": "qid,docno,label\n" + "".join(f"{q},{d},{g}\n" for q, d, g in QRELS),
        "answers.jsonl": lines(
            [{"query_id": q, "results": [{"rank": r, "id": i, "score": 9 - r} for r, i in enumerate(ids, 1)]}
             for q, ids in RUN.items()]
        ),
        "qrels.trec": "".join(f"{q} 0 {d} {grade}\n" for q, d, grade in QRELS),
        "qrels.tsv": "query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{grade}\n" for q, d, grade in QRELS),
        "broken.qrels": "q1 0 d1 many\n",
        "grades.tsv": "".join(f"{q}\t{d}\t{(at * 5) % 4}\n" for at, (q, d, _) in enumerate(QRELS)),
        "lists.jsonl": lines(lists()),
        "badlists.jsonl": lines(lists()[:1]) + '{"query": "no candidates"}\n{"query": "q", "candidates": [{"id": 1}]}\n',
        "prompt.txt": "Question: {{ query }}\nText: {{ candidate }}\nGrade it.",
        "badprompt.txt": "Question: {{ query }}\nText: {{ documnt }}",
        "prices.toml": '[[model]]\nname = "own"\ninput = 1.0\noutput = 2.0\n',
        "profile.toml": 'scoring = "cosine"\n',
    }


def write(folder):
    for name, content in texts().items():
        (folder / name).write_bytes(content.encode())
    plain = texts()["docs.txt"].encode()
    (folder / "docs.txt.gz").write_bytes(gzip.compress(plain, mtime=0))
    (folder / "docs.txt.zst").write_bytes(zstd(plain[:200].rsplit(b"\n", 1)[0] + b"\n"))
    (folder / "cut.txt.gz").write_bytes(gzip.compress(plain, mtime=0)[:-20])
    (folder / "latin1.txt").write_bytes("a tower\nBrücke\n".encode("latin-1"))
    (folder / "utf16.txt").write_bytes("a tower\nBrücke\n".encode("utf-16"))
    (folder / "nul.txt").write_bytes(b"a tower\nbr\0ead\n")
    (folder / "cut.parquet").write_bytes(b"PAR1 this is no table PAR1")
    (folder / "folder.d").mkdir()
