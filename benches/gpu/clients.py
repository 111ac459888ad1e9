"""The second table of run.sh: requests of many clients to `nearsort serve` on a device, where their passages share batches.

Needs Python's standard library alone. Each client keeps one connection and sends its next request when it has the answer. One client alone
is what requests one after the other come to.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import threading
import time

from measure import QUERY, passages

CLIENTS = [1, 8, 64]
PASSAGES = [10, 100]


def main():
    options = read_options()
    on_cpu = options.device == "cpu"
    seconds = options.seconds or (3 if on_cpu else 10)
    # A processor would take minutes for the largest ones.
    numbers, counts = (CLIENTS[:2], PASSAGES[:1]) if on_cpu else (CLIENTS, PASSAGES)
    print(f"\nPOST /rerank by `nearsort serve --device {options.device}`, {seconds} s each\n")
    print("| passages | clients | requests/s | passages/s | p50, ms | p99, ms | other answers |")
    print("|---|---|---|---|---|---|---|")
    with serving(options) as port:
        for count in counts:
            bodies = [body(client, count) for client in range(max(numbers))]
            load(port, bodies[:1], 1)
            for clients in numbers:
                print(row(count, clients, *load(port, bodies[:clients], seconds)), flush=True)


def read_options():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ["--program", "--device", "--model", "--work"]:
        parser.add_argument(name, required=True)
    parser.add_argument("--seconds", type=float)
    return parser.parse_args()


def body(client, count):
    """A request of passages of 30 to 130 tokens; the clients' differ."""
    texts = passages(None, client * 7 + count)[-count:]
    return json.dumps({"query": QUERY, "documents": texts}).encode()


@contextlib.contextmanager
def serving(options):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [options.program, "serve", "--model", options.model, "--device", options.device, "--listen", f"127.0.0.1:{port}", "--log", "warn"]
    log = os.path.join(options.work, "serve.log")
    with open(log, "wb") as out:
        server = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        wait_for(server, port, log)
        yield port
    finally:
        server.terminate()
        server.wait()


def wait_for(server, port, log):
    for _ in range(600):
        if server.poll() is not None:
            with open(log, errors="replace") as file:
                raise SystemExit(f"clients.py: the server ended at once:\n{file.read()}")
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise SystemExit(f"clients.py: the server was not ready within a minute; see {log}")


def load(port, bodies, seconds):
    """Milliseconds of each answered request, how many had another status, and the seconds that all took."""
    times, others, begun = [], [], time.perf_counter()

    def client(body):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        while time.perf_counter() - begun < seconds:
            sent = time.perf_counter()
            connection.request("POST", "/rerank", body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            (times if response.status == 200 else others).append((time.perf_counter() - sent) * 1e3)

    threads = [threading.Thread(target=client, args=[body]) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, len(others), time.perf_counter() - begun


def row(count, clients, times, others, seconds):
    if not times:
        raise SystemExit(f"clients.py: no answer to {clients} clients")
    times.sort()
    rate = len(times) / seconds
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return f"| {count} | {clients} | {rate:.1f} | {rate * count:.0f} | {statistics.median(times):.1f} | {p99:.1f} | {others} |"


if __name__ == "__main__":
    main()
