"""Haystack's rankers for TEI, Jina and Cohere."""

import checks
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
from haystack import Document
from haystack.utils import Secret
from haystack_integrations.components.rankers.cohere import CohereRanker
from haystack_integrations.components.rankers.huggingface_api import HuggingFaceTEIRanker
from haystack_integrations.components.rankers.jina import JinaRanker

ALL = len(DOCUMENTS)
WRONG_KEY = "the API key is missing or wrong"
UNKNOWN = "unknown model 'no-such-model'"


def run(ranker, documents=DOCUMENTS):
    found = ranker.run(query=QUERY, documents=[Document(content=text) for text in documents])
    return [(document.content, document.score) for document in found["documents"]]


def pairs(documents):
    return [(document.content, document.score) for document in documents]


key, wrong = Secret.from_token(KEY), Secret.from_token("wrong")

checks.texts("Haystack HuggingFaceTEIRanker", pairs(checks.snippet("haystack-tei")["best"]))
tei = HuggingFaceTEIRanker(url=URL, top_k=2, token=key, max_retries=0)
checks.texts("Haystack HuggingFaceTEIRanker, top_k", run(tei), 2)
checks.refused("Haystack HuggingFaceTEIRanker, wrong key",
               lambda: run(HuggingFaceTEIRanker(url=URL, token=wrong, max_retries=0)), "401")

checks.texts("Haystack JinaRanker", pairs(checks.snippet("haystack-jina")["best"]))
jina = f"{URL}/v1/rerank"
checks.texts("Haystack JinaRanker, top_k", run(JinaRanker(model=MODEL, api_key=key, base_url=jina, top_k=3)), 3)
checks.refused("Haystack JinaRanker, wrong key",
               lambda: run(JinaRanker(model=MODEL, api_key=wrong, base_url=jina)), WRONG_KEY)
checks.refused("Haystack JinaRanker, unknown model",
               lambda: run(JinaRanker(model="no-such-model", api_key=key, base_url=jina)), UNKNOWN)

cohere = CohereRanker(model=MODEL, api_key=key, api_base_url=URL, top_k=ALL)
checks.texts("Haystack CohereRanker", run(cohere))
checks.refused("Haystack CohereRanker, unknown model",
               lambda: run(CohereRanker(model="no-such-model", api_key=key, api_base_url=URL)), UNKNOWN)
