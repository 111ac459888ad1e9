"""A LangChain retriever that finds with nearsort's embeddings and reranks what it finds.

pip install 'nearsort[langchain]' langchain-classic
"""

from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.vectorstores import InMemoryVectorStore

from nearsort.integrations.langchain import NearsortEmbeddings, NearsortRerank

TEXTS = [
    "The Louvre is a museum in Paris.",
    "The Eiffel Tower stands on the Champ de Mars in Paris.",
    "Tokyo Tower is a little taller than the Eiffel Tower.",
    "Sourdough bread needs a starter.",
]

store = InMemoryVectorStore(NearsortEmbeddings())
store.add_documents([Document(text) for text in TEXTS])
retriever = ContextualCompressionRetriever(
    base_retriever=store.as_retriever(search_kwargs={"k": 4}),
    base_compressor=NearsortRerank(top_n=2),
)
for document in retriever.invoke("Where is the Eiffel Tower?"):
    print(f"{document.metadata['relevance_score']:.4f}  {document.page_content}")
