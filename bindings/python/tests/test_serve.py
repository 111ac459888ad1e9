"""The server in a thread of the test."""

import json
import urllib.error
import urllib.request

import pytest

from nearsort import InvalidInput, serve

TEXTS = ["A boat.", "The Eiffel Tower stands in Paris."]


def post(server, path, body, **headers):
    request = urllib.request.Request(
        server.url + path, json.dumps(body).encode(), {"Content-Type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


def test_a_loaded_model_is_served_and_stays_usable(reranker):
    with serve(reranker) as server:
        results = post(server, "/v1/rerank", {"query": "tower", "documents": TEXTS})["results"]
        assert [result["index"] for result in results] == [1, 0]
        assert repr(server) == f"Server({server.url!r})"
    assert "stopped" in repr(server)
    server.stop()
    assert reranker.rerank("tower", TEXTS)[0].index == 1


def test_keys_are_asked_for(reranker):
    with serve(reranker, api_key=["secret-key"]) as server:
        body = {"query": "tower", "documents": TEXTS}
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(server, "/v1/rerank", body)
        assert refused.value.code == 401
        assert post(server, "/v1/rerank", body, Authorization="Bearer secret-key")["results"][0]["index"] == 1


def test_what_cannot_be_served_is_refused(reranker):
    with pytest.raises(InvalidInput, match="cors_origins"):
        serve(reranker, cors_origins=["*"])
    with serve(reranker) as server, pytest.raises(InvalidInput, match="listen"):
        serve(reranker, listen=server.url.removeprefix("http://"))
