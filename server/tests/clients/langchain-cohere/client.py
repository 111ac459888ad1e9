"""langchain-cohere's CohereRerank."""

import checks
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
from langchain_cohere import CohereRerank
from langchain_core.documents import Document

found = checks.snippet("langchain-cohere")["found"]
checks.texts("langchain-cohere compress_documents", [(d.page_content, d.metadata["relevance_score"]) for d in found])

rerank = CohereRerank(base_url=URL, cohere_api_key=KEY, model=MODEL, top_n=3)
best = rerank.rerank(DOCUMENTS, QUERY)
checks.ranking("langchain-cohere rerank", [(one["index"], one["relevance_score"]) for one in best], 3)
rows = [Document(text) for text in DOCUMENTS]
checks.that("langchain-cohere, default top_n of 3", len(rerank.compress_documents(rows, QUERY)) == 3)

unknown = CohereRerank(base_url=URL, cohere_api_key=KEY, model="no-such-model")
checks.refused("langchain-cohere, unknown model", lambda: unknown.rerank(DOCUMENTS, QUERY),
               "NotFoundError", "unknown model 'no-such-model'")
wrong = CohereRerank(base_url=URL, cohere_api_key="wrong", model=MODEL)
checks.refused("langchain-cohere, wrong key", lambda: wrong.rerank(DOCUMENTS, QUERY), "the API key is missing or wrong")
checks.that("langchain-cohere, an empty list is not sent", rerank.rerank([], QUERY) == [])
