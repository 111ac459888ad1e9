"""Adapters to other libraries, one module each. Each is imported only on request.

===========================  =======================================================================
``langchain``                a document compressor, a cross-encoder and embeddings for LangChain
``llama_index``              a node postprocessor and embeddings for LlamaIndex
``haystack``                 a ranker component for Haystack
``rerankers``                a ranker for AnswerDotAI's ``rerankers``
``dspy``                     a reranking module for DSPy
``mteb``                     models for MTEB: by pair, and by list
``runs``                     rankings as runs of ``ranx`` and ``ir_measures``, and back
``ray``, ``spark``, ``daft`` :mod:`nearsort.batch` on many machines
===========================  =======================================================================

``sentence-transformers`` needs no adapter: its evaluators take :class:`nearsort.Reranker` and
:class:`nearsort.Encoder` as they are.
"""
