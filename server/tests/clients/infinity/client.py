"""infinity-client, and langchain-community's InfinityRerank, which uses it."""

import checks
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
from infinity_client import AuthenticatedClient, Client
from infinity_client.api.default import rerank
from infinity_client.models import RerankInput
from langchain_community.document_compressors import InfinityRerank

client = AuthenticatedClient(base_url=URL, token=KEY)


def run(**more):
    return rerank.sync(client=client, body=RerankInput(query=QUERY, documents=DOCUMENTS, **more))


def of(answer):
    return [(result.index, result.relevance_score) for result in answer.results]


checks.ranking("infinity-client without a model", of(run()))
answer = run(model=MODEL, return_documents=True)
checks.ranking("infinity-client", of(answer))
checks.that("infinity-client documents", all(r.document == DOCUMENTS[r.index] for r in answer.results), answer)
checks.that("infinity-client usage", answer.usage.total_tokens > 0 and answer.model == MODEL, answer)
checks.ranking("infinity-client with top_n", of(run(model=MODEL, top_n=2)), 2)

# It takes no AuthenticatedClient, so the key is in a header.
found = checks.snippet("langchain-infinity")["found"]
checks.texts("langchain-community InfinityRerank", [(d.page_content, d.metadata["relevance_score"]) for d in found])

# The client gives None for each status but 200 and 422; only the detailed call has the text.
detailed = rerank.sync_detailed(client=client, body=RerankInput(query=QUERY, documents=[], model=MODEL))
shown = (int(detailed.status_code), detailed.content.decode())
checks.that("infinity-client, empty list", shown[0] == 400 and "'documents' is an empty list" in shown[1], shown)
detailed = rerank.sync_detailed(client=client, body=RerankInput(query=QUERY, documents=["a"], model="no-such-model"))
shown = (int(detailed.status_code), detailed.content.decode())
checks.that("infinity-client, unknown model", shown[0] == 404 and "unknown model 'no-such-model'" in shown[1], shown)
wrong = InfinityRerank(client=Client(base_url=URL, headers={"x-api-key": "wrong"}), model=MODEL)
checks.refused("langchain-community InfinityRerank, wrong key, is no ranking", lambda: wrong.rerank(DOCUMENTS, QUERY))
