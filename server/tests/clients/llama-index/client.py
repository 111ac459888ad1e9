"""LlamaIndex's rerankers for TEI, Cohere, Jina and NVIDIA, and its embeddings for TEI."""

import checks
from checks import DOCUMENTS, KEY, MODEL, QUERY, URL
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode
from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference
from llama_index.postprocessor.cohere_rerank import CohereRerank
from llama_index.postprocessor.jinaai_rerank import JinaRerank
from llama_index.postprocessor.nvidia_rerank import NVIDIARerank
from llama_index.postprocessor.tei_rerank import TextEmbeddingInference as TeiRerank

ALL = len(DOCUMENTS)
WRONG_KEY = "the API key is missing or wrong"
UNKNOWN = "unknown model 'no-such-model'"


def run(reranker, documents=DOCUMENTS):
    nodes = [NodeWithScore(node=TextNode(text=text), score=0.0) for text in documents]
    return [(node.text, node.score) for node in reranker.postprocess_nodes(nodes, QueryBundle(QUERY))]


checks.texts("llama-index TEI rerank", [(node.text, node.score) for node in checks.snippet("llama-index-tei")["best"]])
checks.texts("llama-index TEI rerank, top_n", run(TeiRerank(base_url=URL, auth_token=KEY, top_n=2)), 2)
# It looks at no status and takes the error for a list.
checks.refused("llama-index TEI rerank, wrong key, is no ranking", lambda: run(TeiRerank(base_url=URL, auth_token="x")))

embed = TextEmbeddingsInference(model_name=MODEL, base_url=URL, auth_token=KEY)
checks.vectors("llama-index TEI embeddings", embed.get_text_embedding_batch(DOCUMENTS))

cohere = dict(base_url=URL, max_retries=1)
checks.texts("llama-index Cohere", run(CohereRerank(model=MODEL, api_key=KEY, top_n=ALL, **cohere)))
checks.texts("llama-index Cohere, top_n", run(CohereRerank(model=MODEL, api_key=KEY, top_n=2, **cohere)), 2)
checks.refused("llama-index Cohere, wrong key", lambda: run(CohereRerank(model=MODEL, api_key="x", **cohere)), WRONG_KEY)
checks.refused("llama-index Cohere, unknown model",
               lambda: run(CohereRerank(model="no-such-model", api_key=KEY, **cohere)), UNKNOWN)

jina = f"{URL}/v1"
checks.texts("llama-index Jina", run(JinaRerank(base_url=jina, api_key=KEY, model=MODEL, top_n=ALL)))
checks.refused("llama-index Jina, wrong key", lambda: run(JinaRerank(base_url=jina, api_key="x", model=MODEL)), WRONG_KEY)
checks.refused("llama-index Jina, unknown model",
               lambda: run(JinaRerank(base_url=jina, api_key=KEY, model="no-such-model")), UNKNOWN)

# NVIDIA's answers have the model's own numbers, which may be negative.
nvidia = run(NVIDIARerank(model=MODEL, base_url=f"{URL}/v1", api_key=KEY, top_n=ALL))
checks.texts("llama-index NVIDIA", [(text, max(score, 0.0)) for text, score in nvidia])
checks.refused("llama-index NVIDIA, unknown model",
               lambda: NVIDIARerank(model="no-such-model", base_url=f"{URL}/v1", api_key=KEY), "no-such-model")
checks.refused("llama-index NVIDIA, wrong key",
               lambda: NVIDIARerank(model=MODEL, base_url=f"{URL}/v1", api_key="x"), "401")
