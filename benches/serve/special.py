"""What is measured beside throughput: memory over many requests, and what clients leave behind that hang up."""

import http.client
import json
import os
import re
import socket
import threading
import time
import urllib.parse
import urllib.request

# Documents of a request, and how often: most are short.
SIZES = [(2, 0.6), (10, 0.35), (100, 0.05)]
REQUESTS, CLIENTS, SAMPLE = 10_000, 8, 1_000


class Connection:
    """One kept connection."""

    def __init__(self, url: str):
        self.kept = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=300)
        self.kept.connect()
        self.kept.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def post(self, path: str, body: bytes) -> int:
        self.kept.request("POST", path, body, {"content-type": "application/json"})
        answer = self.kept.getresponse()
        answer.read()
        return answer.status


def metric(url: str, name: str) -> float:
    text = urllib.request.urlopen(url + "/metrics", timeout=60).read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.M)
    return float(found[1]) if found else float("nan")


def resident(pid: int) -> int:
    """Bytes."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory(url: str, pid: int, passage, chance) -> dict:
    """Resident memory after every 1,000 requests of mixed sizes and paths, of eight clients."""
    sizes = chance.choices([size for size, _ in SIZES], [share for _, share in SIZES], k=REQUESTS)
    jobs = list(enumerate(sizes))
    samples, statuses, lock = [resident(pid)], {}, threading.Lock()

    def client() -> None:
        connection = Connection(url)
        while True:
            with lock:
                if not jobs:
                    return
                number, size = jobs.pop()
            # Short texts of their own in every request; in every tenth list long ones, which are read in windows.
            texts = [passage(number * 101 + at) for at in range(size)]
            documents = [text * 6 if number % 10 == 0 and size < 100 else text[:80] for text in texts]
            path, body = [("/rerank", {"model": "minilm", "query": f"{number}?", "documents": documents}),
                          ("/rerank", {"model": "cross", "query": f"{number}?", "documents": documents}),
                          ("/embeddings", {"model": "minilm", "input": documents})][number % 3]
            status = connection.post(path, json.dumps(body).encode())
            with lock:
                statuses[status] = statuses.get(status, 0) + 1
                if sum(statuses.values()) % SAMPLE == 0:
                    samples.append(resident(pid))

    began = time.perf_counter()
    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"seconds": time.perf_counter() - began, "statuses": statuses, "resident_mib": [s / 2**20 for s in samples]}


def hang_up(url: str, pid: int, body: bytes) -> dict:
    """64 clients ask and go, as soon as all of them are admitted."""
    host = urllib.parse.urlsplit(url)
    cancelled = metric(url, "nearsort_requests_cancelled_total")
    head = f"POST /rerank HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    clients = [socket.create_connection((host.hostname, host.port)) for _ in range(64)]
    clients[0].sendall(head.encode() + body)
    while not metric(url, "nearsort_queue_tokens"):
        time.sleep(0.01)
    each = metric(url, "nearsort_queue_tokens")
    for client in clients[1:]:
        client.sendall(head.encode() + body)
    while metric(url, "nearsort_queue_tokens") < 64 * each:
        time.sleep(0.01)
    queued = metric(url, "nearsort_queue_tokens")
    began = time.perf_counter()
    for client in clients:
        client.close()
    while metric(url, "nearsort_requests_running") or metric(url, "nearsort_queue_tokens"):
        time.sleep(0.001)
    seconds = time.perf_counter() - began
    before = cpu_seconds(pid)
    time.sleep(2)
    return {"clients": 64, "queued_tokens": queued, "ms_until_idle": seconds * 1e3,
            "cancelled": metric(url, "nearsort_requests_cancelled_total") - cancelled,
            "queue_bytes": metric(url, "nearsort_queue_bytes"), "cpu_after": (cpu_seconds(pid) - before) / 2}
