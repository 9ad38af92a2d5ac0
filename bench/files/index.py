"""The index: hashing a shared folder, starting again, and searching a million files."""

import json
import os
import secrets
import statistics
import subprocess
import time
import urllib.request

from compare.servers import log

from .peers import program
from .use import resident_mib

GUEST = "Basic Z3Vlc3Q6Z3Vlc3Q="
# What a server or a peer may take to be there.
PATIENCE_S = 300
# Files in one step, as the server takes them.
STEP = 1_000
WORDS = ("report", "holiday", "music", "draft", "letter", "backup", "photo", "plan", "notes", "invoice", "slides", "film")
SEARCHES = 1_000


class Server:
    """A Chaski of one's own, empty."""

    def __init__(self, binary, place):
        command = [binary, "serve", "--data", place / "data", "--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--chat", "127.0.0.1:0", "--ready-json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = json.loads(self._process.stdout.readline())
        self.url = f"http://{ready['http']}"
        self.pid = self._process.pid

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=30)

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": GUEST, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")


def share(options, server, folder, state):
    """Shares a folder until everything is hashed and announced; gives the seconds until it was."""
    command = [options.chaski, "peer", "--share", folder, "--listen", "127.0.0.1:0", "--state", state, "--json", "--server", server.url]
    began = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as peer:
        try:
            for line in peer.stdout:
                if json.loads(line)["event"] == "ready":
                    return time.monotonic() - began
            raise RuntimeError("the peer ended before everything was shared")
        finally:
            peer.terminate()


def hashing(options, place):
    """Hashing 2 GiB in 64 files: seconds of Chaski, first, and of b3sum, both from the page cache."""
    b3sum = program("b3sum", "b3sum")
    folder = place / "hashed"
    folder.mkdir()
    block = os.urandom(32 << 20)
    for number in range(64):
        (folder / f"{number}.bin").write_bytes(number.to_bytes(8, "big") + block[8:])
    files = sorted(folder.iterdir())
    subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)
    began = time.monotonic()
    subprocess.run([b3sum, *files], stdout=subprocess.DEVNULL, check=True)
    theirs = time.monotonic() - began
    with Server(options.chaski, place) as server:
        ours = share(options, server, folder, place / "state of hashed")
    return ours, theirs


def restarting(options, place, count):
    """Sharing many small files, and the same again unchanged: seconds of both."""
    folder = place / "many"
    for number in range(count):
        if number % 1_000 == 0:
            (folder / str(number // 1_000)).mkdir(parents=True)
        (folder / str(number // 1_000) / f"{number}.txt").write_text(str(number))
    with Server(options.chaski, place) as server:
        state = place / "state of many"
        return share(options, server, folder, state), share(options, server, folder, state)


def searching(options, place, count):
    """Publishing many files, and searching them: seconds, latencies in ms, MiB of the server."""
    with Server(options.chaski, place) as server:
        empty = resident_mib(server.pid)
        peer = secrets.token_hex(16)
        announcement = {"name": "bench", "addresses": ["127.0.0.1:1"], "key": secrets.token_hex(32), "relay": False}
        server.ask("PUT", f"/v1/peers/{peer}", announcement)
        began, revision = time.monotonic(), 0
        for first in range(0, count, STEP):
            put = [entry(number) for number in range(first, min(first + STEP, count))]
            revision = server.ask("PATCH", f"/v1/peers/{peer}/files", {"from": revision, "to": revision + 1, "put": put, "remove": []})["revision"]
        published = time.monotonic() - began
        log(f"published {count:,} files in {published:.0f} s")
        latencies = []
        for number in range(SEARCHES):
            if number % 100 == 0:
                server.ask("POST", f"/v1/peers/{peer}/heartbeat", {})
            began = time.monotonic()
            found = server.ask("GET", f"/v1/files?limit=20&{query(number)}")
            latencies.append((time.monotonic() - began) * 1e3)
            if not found["files"]:
                raise RuntimeError(f"nothing was found by {query(number)}")
        quantiles = statistics.quantiles(latencies, n=100)
        return {"published_s": published, "p50_ms": quantiles[49], "p99_ms": quantiles[98], "memory_mib": resident_mib(server.pid), "empty_mib": empty}


def entry(number):
    name = f"{WORDS[number % len(WORDS)]} {WORDS[number // 7 % len(WORDS)]} {number:07}.{('txt', 'pdf', 'mp3')[number % 3]}"
    return {"file": str(number), "name": name, "path": f"files/{name}", "size": 1_000 + number, "root": f"{number:064x}", "type": "text/plain",
            "kind": "file", "have": None, "since_ms": 1_750_000_000_000 + number, "audience": {"everyone": True}}


def query(number):
    """Words that are common and rare, beginnings, patterns, hashes and sizes."""
    seed = number * 7_919 % 999_983
    word = WORDS[number % len(WORDS)]
    return (f"q={word}", f"q={seed:07}", f"q={word}+{WORDS[seed // 7 % len(WORDS)][:3]}*", f"glob=*{seed:07}*",
            f"root={seed:064x}", f"q={word}&sort=size&order=desc&min_bytes={1_000 + seed // 2}")[number % 6]
