"""A judge over HTTP, against a server on this machine that speaks the format of chat completions."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import nearsort
from nearsort import Judge

DOCUMENTS = ["A cake recipe.", "The Eiffel Tower stands in Paris.", "nonsense"]


class Chat(BaseHTTPRequestHandler):
    """Grades a question by the words of the document in it."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.keys.append(self.headers.get("Authorization"))
        grade = (
            '{"score": 9}' if "stands in Paris" in body else '{"score": 1}' if "cake" in body else "I would rather not."
        )
        message = {"role": "assistant", "content": grade, "refusal": None}
        reply = {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 5, "total_tokens": 105},
        }
        answer = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *ignored):
        pass


@pytest.fixture
def service():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Chat)
    server.keys = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def judge(service, **options):
    return Judge(
        "openai:gpt-4o-mini", base_url=f"http://127.0.0.1:{service.server_port}/v1", api_key="sk-test", **options
    )


def test_grades_rank_and_cost(service):
    judging = judge(service, budget=1.0)
    hits = judging.rerank("Where is the Eiffel Tower?", DOCUMENTS)
    assert [hit.index for hit in hits] == [1, 0, 2] and hits[0].score == 9.0
    assert hits[2].why and hits[2].score != hits[2].score, "a document without a grade has no score, and says why"
    assert hits.usage["requests"] >= 3 and hits.usage["dollars"] > 0 and set(service.keys) == {"Bearer sk-test"}
    assert judging.kind == "judge" and "pointwise" in repr(judging) and "sk-test" not in repr(judging)


def test_a_budget_is_kept(service):
    with pytest.raises(nearsort.Error, match="budget"):
        judge(service, budget=0.0).rerank("tower", DOCUMENTS)


def test_a_service_that_is_not_there_is_an_error():
    nowhere = Judge("openai:gpt-4o-mini", base_url="http://127.0.0.1:9/v1", api_key="sk-test")
    with pytest.raises(nearsort.Error):
        nowhere.rerank("tower", DOCUMENTS, deadline=5.0)
