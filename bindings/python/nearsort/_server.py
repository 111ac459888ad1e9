"""The server of ``nearsort serve``, on threads of this process."""

from __future__ import annotations

from . import _native

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._encoder import Encoder
    from ._reranker import Reranker


class Server:
    """A server that runs until it is stopped, or its ``with`` block ends.

    Attributes:
        url: The server's address, such as ``"http://127.0.0.1:40123"``.
    """

    def __init__(self, server: _native.Server) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """The server's address."""
        return self._server.address

    def stop(self) -> None:
        """Finishes the requests under way, and ends."""
        self._server.stop()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "" if self._server.is_running else ", stopped"
        return f"Server({self.url!r}{state})"


def serve(*models: str | Reranker | Encoder, listen: str = "127.0.0.1:0", **settings: Any) -> Server:
    """Serves models over HTTP on threads of this process, for notebooks, tests and small services.

    Args:
        models: Rerankers and encoders, served by their models' names; or names as for ``nearsort serve --model``. Default:
            all-MiniLM-L6-v2. The ranking options of a reranker (``scoring``, ``window``, ``blend``) are not used.
        listen: ``"HOST:PORT"`` or ``"unix:PATH"``; port 0 takes a free one.
        settings: Settings of ``nearsort serve``, with underscores: ``api_key=["..."]``, ``cors_origin=["*"]``, ``max_texts=1000`` ...

    Example:
        >>> import json, urllib.request
        >>> from nearsort import Reranker, serve
        >>> with serve(Reranker()) as server:
        ...     body = json.dumps({"query": "tower", "documents": ["a boat", "the tower"]}).encode()
        ...     request = urllib.request.Request(server.url + "/v1/rerank", body, {"Content-Type": "application/json"})
        ...     json.load(urllib.request.urlopen(request))["results"][0]["index"]
        1
    """
    import json

    names = [model for model in models if isinstance(model, str)]
    loaded = [(model.model_id, model._loaded.get()) for model in models if not isinstance(model, str)]
    if names or not loaded:
        settings["model"] = names or None
    settings["listen"] = listen
    return Server(_native.Server(loaded, json.dumps(settings)))
