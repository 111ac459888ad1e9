"""nearsort puts the best candidates first: a local reranker.

>>> from nearsort import Reranker
>>> hits = Reranker().rerank("Where is the Eiffel Tower?", ["The Louvre is a museum.", "The Eiffel Tower stands in Paris."])
>>> hits[0].index
1
"""

from ._answer import Answer, Hit
from ._config import DEFAULT_MODEL
from ._cross_encoder import CrossEncoder
from ._encoder import Encoder
from ._index import Index
from ._judge import Judge
from ._native import __version__
from ._reports import Comparison, Diagnosis, Evaluation, compare, diagnose, evaluate
from ._reranker import Reranker
from ._server import Server, serve
from .errors import (
    Cancelled,
    ComputeError,
    CorruptedFile,
    DeadlineExceeded,
    DeviceError,
    Error,
    FileError,
    InvalidInput,
    JobError,
    ModelError,
    ModelNotFound,
    ServiceError,
    UnsupportedModel,
)

__all__ = [
    "DEFAULT_MODEL",
    "Answer",
    "Cancelled",
    "Comparison",
    "ComputeError",
    "CorruptedFile",
    "CrossEncoder",
    "DeadlineExceeded",
    "DeviceError",
    "Diagnosis",
    "Encoder",
    "Error",
    "Evaluation",
    "FileError",
    "Hit",
    "Index",
    "InvalidInput",
    "JobError",
    "Judge",
    "ModelError",
    "ModelNotFound",
    "Reranker",
    "Server",
    "ServiceError",
    "UnsupportedModel",
    "__version__",
    "compare",
    "diagnose",
    "evaluate",
    "serve",
]
