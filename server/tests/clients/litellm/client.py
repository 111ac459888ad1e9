"""LiteLLM with six providers."""

import checks
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
import litellm

# A provider and its api_base. `infinity/` sends the bytes of `hosted_vllm/`, so only the prefix tells them apart.
PROVIDERS = {
    "hosted_vllm": URL,
    "infinity": f"{URL}/infinity",
    "cohere": URL,
    "jina_ai": URL,
    "huggingface": URL,
    "voyage": URL,
}


def run(provider, model=MODEL, key=KEY, documents=DOCUMENTS, **more):
    given = {"api_base": PROVIDERS[provider], "api_key": key, "max_retries": 0, **more}
    return litellm.rerank(model=f"{provider}/{model}", query=QUERY, documents=documents, **given)


def of(response):
    return [(result["index"], result["relevance_score"]) for result in response.results]


checks.ranking("litellm, the example of the documentation", of(checks.snippet("litellm")["response"]))
for provider in PROVIDERS:
    checks.ranking(f"litellm {provider}/", of(run(provider)))
    checks.ranking(f"litellm {provider}/ with top_n", of(run(provider, top_n=2)), 2)
    for wanted in [True, False]:
        checks.ranking(f"litellm {provider}/, return_documents={wanted}", of(run(provider, return_documents=wanted)))
    checks.refused(f"litellm {provider}/, wrong key", lambda: run(provider, key="wrong"), "the API key is missing or wrong")
    if provider != "huggingface":  # which sends no model
        checks.refused(f"litellm {provider}/, unknown model", lambda: run(provider, "no-such-model"),
                       "unknown model 'no-such-model'")
    checks.refused(f"litellm {provider}/, empty list", lambda: run(provider, documents=[]), "is an empty list")
