"""cohere, openai, langchain-openai, voyageai and huggingface_hub."""

import base64
import os
import struct

import checks
from checks import DECODING_URL, DOCUMENTS, KEY, MODEL, QUERY, URL, VECTORS
from cohere import Client, ClientV2
from huggingface_hub import InferenceClient
from langchain_openai import OpenAIEmbeddings
from openai import OpenAI
import voyageai

UNKNOWN = "unknown model 'no-such-model'"
WRONG_KEY = "the API key is missing or wrong"


def of(results):
    return [(result.index, result.relevance_score) for result in results]


def cohere():
    response = checks.snippet("cohere")["response"]
    checks.ranking("cohere ClientV2", of(response.results))
    checks.that("cohere ClientV2 meta", response.meta.tokens.input_tokens > 0, response.meta)
    checks.that("cohere ClientV2 gets no warnings", response.meta.warnings is None, response.meta)

    v2 = ClientV2(base_url=URL, api_key=KEY)
    response = v2.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, top_n=3, max_tokens_per_doc=200, priority=1)
    checks.ranking("cohere ClientV2 with top_n", of(response.results), 3)
    checks.refused("cohere ClientV2, empty list", lambda: v2.rerank(model=MODEL, query=QUERY, documents=[]),
                   "BadRequestError", "'documents' is an empty list")
    checks.refused("cohere ClientV2, unknown model",
                   lambda: v2.rerank(model="no-such-model", query=QUERY, documents=DOCUMENTS),
                   "NotFoundError", UNKNOWN, MODEL)
    wrong = ClientV2(base_url=URL, api_key="wrong")
    checks.refused("cohere ClientV2, wrong key", lambda: wrong.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS),
                   "UnauthorizedError", WRONG_KEY)

    v1 = Client(base_url=URL, api_key=KEY)
    response = v1.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, return_documents=True)
    checks.ranking("cohere Client (v1)", of(response.results))
    checks.that("cohere Client (v1) documents", all(r.document.text == DOCUMENTS[r.index] for r in response.results))
    rows = [{"title": "t", "body": text} for text in DOCUMENTS]
    response = v1.rerank(model=MODEL, query=QUERY, documents=rows, rank_fields=["body"], top_n=2)
    checks.ranking("cohere Client (v1) with rank_fields", of(response.results), 2)


def relevant_spans():
    """Spans are of the best window: long texts are read in windows, short ones are one."""
    v2 = ClientV2(base_url=URL, api_key=KEY)
    response = v2.rerank(model=MODEL, query=QUERY, documents=DOCUMENTS, relevant_spans={"mode": "enabled"})
    checks.ranking("cohere ClientV2 with relevant_spans", of(response.results))
    spans = response.results[0].relevant_spans
    text = DOCUMENTS[response.results[0].index]
    inside = spans and all(0 <= span.start < span.end <= len(text) for span in spans)
    checks.that("cohere ClientV2 reads the spans", inside, response.results[0])


def openai():
    variables = checks.snippet("openai")
    checks.vectors("openai, base64 by default", [entry.embedding for entry in variables["response"].data])
    client = OpenAI(base_url=f"{URL}/v1", api_key=KEY, max_retries=0)
    response = client.embeddings.create(model=MODEL, input=DOCUMENTS, encoding_format="float")
    checks.vectors("openai, floats", [entry.embedding for entry in response.data])
    checks.that("openai usage", response.usage.total_tokens > 0, response.usage)
    raw = client.embeddings.with_raw_response.create(model=MODEL, input=DOCUMENTS[0], encoding_format="base64")
    packed = base64.b64decode(raw.http_response.json()["data"][0]["embedding"])
    checks.vectors("base64 is little-endian f32", [struct.unpack(f"<{len(packed) // 4}f", packed)], VECTORS[:1])

    short = client.embeddings.create(model=MODEL, input=DOCUMENTS[:1], dimensions=64, encoding_format="float")
    vector = short.data[0].embedding
    norm = sum(x * x for x in vector) ** 0.5
    checks.that("openai, 64 dimensions of length 1", len(vector) == 64 and abs(norm - 1) < 1e-3, (len(vector), norm))
    checks.refused("openai, too many dimensions",
                   lambda: client.embeddings.create(model=MODEL, input="a", dimensions=4096),
                   "BadRequestError", "'dimensions' is the number 4096")
    checks.refused("openai, empty list", lambda: client.embeddings.create(model=MODEL, input=[]),
                   "BadRequestError", "'input' is an empty list")
    checks.refused("openai, unknown model", lambda: client.embeddings.create(model="no-such-model", input="a"),
                   "NotFoundError", UNKNOWN)
    wrong = OpenAI(base_url=f"{URL}/v1", api_key="wrong", max_retries=0)
    checks.refused("openai, wrong key", lambda: wrong.embeddings.create(model=MODEL, input="a"),
                   "AuthenticationError", WRONG_KEY)
    names = [model.id for model in client.models.list()]
    checks.that("openai models.list", MODEL in names, names)


def langchain_openai():
    embeddings = checks.snippet("langchain-openai")["embeddings"]
    checks.vectors("langchain-openai with texts", embeddings.embed_documents(DOCUMENTS))
    checks.vectors("langchain-openai, query", [embeddings.embed_query(DOCUMENTS[0])], VECTORS[:1])
    if "TIKTOKEN_CACHE_DIR" not in os.environ:
        return checks.that("langchain-openai, token ids: TIKTOKEN_CACHE_DIR is set", False)
    ids = OpenAIEmbeddings(base_url=f"{URL}/v1", api_key=KEY, model=MODEL, max_retries=0)
    checks.refused("langchain-openai, token ids are refused with the remedy", lambda: ids.embed_documents(DOCUMENTS),
                   "token ids", "check_embedding_ctx_length=False", "--openai-token-ids cl100k_base")
    decoded = OpenAIEmbeddings(base_url=f"{DECODING_URL}/v1", api_key=KEY, model=MODEL)
    checks.vectors("langchain-openai, token ids are decoded", decoded.embed_documents(DOCUMENTS))


def voyage():
    reranking = checks.snippet("voyageai")["reranking"]
    checks.ranking("voyageai", of(reranking.results))
    checks.that("voyageai documents", all(r.document == DOCUMENTS[r.index] for r in reranking.results))
    client = voyageai.Client(api_key=KEY, base_url=f"{URL}/v1")
    checks.ranking("voyageai with top_k", of(client.rerank(QUERY, DOCUMENTS, model=MODEL, top_k=2).results), 2)
    checks.vectors("voyageai embed", client.embed(DOCUMENTS, model=MODEL).embeddings)
    checks.refused("voyageai, empty list", lambda: client.rerank(QUERY, [], model=MODEL),
                   "InvalidRequestError", "'documents' is an empty list")
    checks.refused("voyageai, unknown model", lambda: client.rerank(QUERY, DOCUMENTS, model="no-such-model"), UNKNOWN)
    wrong = voyageai.Client(api_key="wrong", base_url=f"{URL}/v1")
    checks.refused("voyageai, wrong key", lambda: wrong.rerank(QUERY, DOCUMENTS, model=MODEL),
                   "AuthenticationError", WRONG_KEY)


def huggingface_hub():
    variables = checks.snippet("huggingface_hub")
    checks.vectors("huggingface_hub feature_extraction", variables["vectors"].tolist())
    wanted = [sum(x * y for x, y in zip(VECTORS[0], vector)) for vector in VECTORS[1:]]
    close = all(abs(a - b) < 1e-4 for a, b in zip(variables["similarities"], wanted))
    checks.that("huggingface_hub sentence_similarity", close, (variables["similarities"], wanted))
    client = InferenceClient(model=URL, token=KEY)
    checks.refused("huggingface_hub, empty list", lambda: client.feature_extraction([]), "'inputs' is an empty list")
    wrong = InferenceClient(model=URL, token="wrong")
    checks.refused("huggingface_hub, wrong key", lambda: wrong.feature_extraction("a"), WRONG_KEY)


for check in [cohere, relevant_spans, openai, langchain_openai, voyage, huggingface_hub]:
    check()
