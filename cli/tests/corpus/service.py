"""A service on 127.0.0.1 that answers as OpenAI and Anthropic do, always the same to the same request.

Models whose names begin with `bad-` fail in their own way: see FAULTS.
"""

import base64
import hashlib
import http.server
import json
import re
import struct
import sys

KEY = "sk-corpus-0123456789abcdef"

# Model name -> (status, body); a body of None closes the connection without an answer.
FAULTS = {
    "bad-key-embed": (401, '{"error": {"message": "Incorrect API key provided: sk-corpus-0123456789abcdef"}}'),
    "bad-quota-embed": (429, '{"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}'),
    "bad-server-embed": (500, "oops"),
    "bad-null-embed": (200, "null"),
    "bad-html-embed": (200, "<html>a proxy</html>"),
    "bad-closed-embed": (200, None),
    "bad-missing-embed": (404, '{"error": {"message": "The model does not exist"}}'),
    "bad-key": (401, '{"error": {"message": "Incorrect API key provided"}}'),
    "bad-null": (200, "null"),
    "bad-empty": (200, '{"choices": []}'),
    "bad-filter": (400, '{"error": {"message": "filtered", "code": "content_filter"}}'),
}


def number(text, below):
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % below


def vector(text, dim):
    """A vector of length 1 that depends on the text alone."""
    values = [number(f"{place} {text}", 2001) / 1000 - 1 for place in range(dim)]
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


def embeddings(body):
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    dim = body.get("dimensions", 8)
    data = []
    for index, text in enumerate(texts):
        found = vector(text, dim)
        if body.get("encoding_format") == "base64":
            found = base64.b64encode(struct.pack(f"<{dim}f", *found)).decode()
        data.append({"object": "embedding", "index": index, "embedding": found})
    tokens = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": body["model"], "usage": usage}


def texts_of(question):
    """The candidates of a judge's question: what stands between its marker lines."""
    marker = re.search(r"^=== \S+ ===$|=== (\S+)", question, re.M)
    if not marker:
        return [question]
    line = f"=== {question.split('=== ')[1].split(' ')[0]} ==="
    return [text.strip("\n") for text in question.split(line)[1::2]]


def answer_of(body):
    """A grade by a hash of the candidate, or an order of the window by the same hash."""
    question = body["messages"][-1]["content"]
    if not isinstance(question, str):
        question = json.dumps(question)
    texts = texts_of(question)
    if "ranking" in json.dumps(body):
        order = sorted(range(len(texts)), key=lambda at: number(texts[at], 1000))
        return json.dumps({"ranking": [at + 1 for at in order]})
    if "prose" in body["model"]:
        return "I cannot say."
    if "bread" in texts[0] and "mixed" in body["model"]:
        return "eight, or nine"
    return json.dumps({"score": number(texts[0], 11)})


def chat(body):
    message = {"role": "assistant", "content": answer_of(body), "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    usage = {"prompt_tokens": 50, "completion_tokens": 5, "total_tokens": 55}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": body["model"],
            "choices": [choice], "usage": usage}


def message(body):
    content = [{"type": "text", "text": answer_of(body)}]
    usage = {"input_tokens": 50, "output_tokens": 5}
    return {"id": "msg_1", "type": "message", "role": "assistant", "content": content, "model": body["model"],
            "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}


ANSWERS = {"/embeddings": embeddings, "/chat/completions": chat, "/messages": message}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        path = "/" + self.path.split("?")[0].split("/v1/", 1)[-1]
        if body.get("model") in FAULTS:
            status, text = FAULTS[body["model"]]
        elif path in ANSWERS:
            status, text = 200, json.dumps(ANSWERS[path](body))
        else:
            status, text = 404, '{"error": {"message": "no such path"}}'
        if text is None:
            self.close_connection = True
            return
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def start(port):
    http.server.ThreadingHTTPServer.allow_reuse_address = True
    try:
        return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        sys.exit(f"the corpus needs port {port} of 127.0.0.1: {error}")
