"""The index: hashing a shared folder, starting again, and searching a million files."""

import http.client
import json
import os
import secrets
import statistics
import subprocess
import time

from compare.servers import log

from .peers import program
from .use import resident_mib

# What a server or a peer may take to be there.
PATIENCE_S = 300
# Files in one step, as the server takes them.
STEP = 1_000
WORDS = ("report", "holiday", "music", "draft", "letter", "backup", "photo", "plan", "notes", "invoice", "slides", "film")
SEARCHES = 1_000
HEARTBEAT_S = 5


class Server:
    """A Chaski of one's own, empty."""

    def __init__(self, binary, place):
        command = [binary, "serve", "--data", place / "data", "--amqp", "off", "--amqps", "off", "--https", "off", "--management", "off",
                   "--line", "off", "--line-tls", "off", "--http", "127.0.0.1:0", "--ready-json"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        ready = json.loads(self._process.stdout.readline())
        self.url = f"http://{ready['http']}"
        self.pid = self._process.pid
        self._connection = http.client.HTTPConnection(ready["http"], timeout=60)
        self._token = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(timeout=30)

    def log_in(self):
        """From here on by a session's token: a password is hashed each time, on purpose slowly."""
        answer = self.ask("POST", "/v1/sessions", {"login": "guest", "password": "guest"})
        self._token = f"Bearer {answer['token']}"

    def ask(self, method, path, body=None):
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **({"Authorization": self._token} if self._token else {})}
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text or b"null")


def share(options, server, folder, state):
    """Shares a folder until nothing is left to be done; gives the seconds until the last file was known, and until then."""
    command = [options.chaski, "peer", "--share", folder, "--listen", "127.0.0.1:0", "--state", state, "--json", "--server", server.url]
    began = known = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as peer:
        try:
            for line in peer.stdout:
                event = json.loads(line)["event"]
                if event == "shared":
                    known = time.monotonic()
                if event == "ready":
                    return known - began, time.monotonic() - began
            raise RuntimeError("the peer ended before everything was shared")
        finally:
            peer.terminate()


def hashing(options, place):
    """Hashing 4 GiB in 128 files: seconds of Chaski, first, and of b3sum, both from the page cache."""
    b3sum = program("b3sum", "b3sum")
    folder = place / "hashed"
    folder.mkdir()
    block = os.urandom(32 << 20)
    for number in range(128):
        (folder / f"{number}.bin").write_bytes(number.to_bytes(8, "big") + block[8:])
    files = sorted(folder.iterdir())
    subprocess.run(["cat", *files], stdout=subprocess.DEVNULL, check=True)
    began = time.monotonic()
    subprocess.run([b3sum, *files], stdout=subprocess.DEVNULL, check=True)
    theirs = time.monotonic() - began
    with Server(options.chaski, place) as server:
        known, _ = share(options, server, folder, place / "state of hashed")
    return known, theirs


def restarting(options, place, count):
    """Sharing many small files, and the same again unchanged: seconds of both."""
    folder = place / "many"
    for number in range(count):
        if number % 1_000 == 0:
            (folder / str(number // 1_000)).mkdir(parents=True)
        (folder / str(number // 1_000) / f"{number}.txt").write_text(str(number))
    with Server(options.chaski, place) as server:
        state = place / "state of many"
        return [share(options, server, folder, state)[1] for _ in range(2)]


def searching(options, place, count):
    """Publishing many files, and searching them: seconds, latencies in ms, MiB of the server."""
    with Server(options.chaski, place) as server:
        server.log_in()
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
        settled = settle(server, peer)
        latencies, pages, beat = [], 0, 0.0
        for number in range(SEARCHES):
            cursor = ""
            while True:
                if time.monotonic() - beat > HEARTBEAT_S:
                    server.ask("POST", f"/v1/peers/{peer}/heartbeat", {})
                    beat = time.monotonic()
                began = time.monotonic()
                found = server.ask("GET", f"/v1/files?limit=20&{query(number, count)}{cursor}")
                latencies.append((time.monotonic() - began) * 1e3)
                pages += 1
                if found["files"]:
                    break
                if not found.get("next"):
                    raise RuntimeError(f"nothing was found by {query(number, count)}")
                # A search looks at so many entries for each page.
                cursor = f"&cursor={found['next']}"
        quantiles = statistics.quantiles(latencies, n=100)
        return {"published_s": published, "settled_s": settled, "p50_ms": quantiles[49], "p99_ms": quantiles[98], "pages": pages / SEARCHES, "memory_mib": resident_mib(server.pid), "empty_mib": empty}


def settle(server, peer):
    """Waits until the words of everything are in the server's memory: a page of a common word is full then; gives the seconds."""
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        server.ask("POST", f"/v1/peers/{peer}/heartbeat", {})
        if len(server.ask("GET", f"/v1/files?limit=20&q={WORDS[0]}")["files"]) == 20:
            return time.monotonic() - began
        time.sleep(0.1)
    raise RuntimeError("searches still look at every name")


def name_of(number):
    return f"{WORDS[number % len(WORDS)]} {WORDS[number // 7 % len(WORDS)]} {number:07}"


def entry(number):
    name = f"{name_of(number)}.{('txt', 'pdf', 'mp3')[number % 3]}"
    return {"file": str(number), "name": name, "path": f"files/{name}", "size": 1_000 + number, "root": f"{number:064x}", "type": "text/plain",
            "kind": "file", "have": None, "since_ms": 1_750_000_000_000 + number, "audience": {"everyone": True}}


def query(number, count):
    """Words that are common and rare, beginnings, patterns, hashes and sizes."""
    wanted = number * 7_919 % count
    word = WORDS[wanted % len(WORDS)]
    kinds = (f"q={word}", f"q={wanted:07}", f"q={word}+{WORDS[wanted // 7 % len(WORDS)][:3]}*", f"glob={name_of(wanted)}*".replace(" ", "%20"),
             f"root={wanted:064x}", f"q={word}&sort=size&order=desc&min_bytes={1_000 + wanted // 2}")
    return kinds[number % len(kinds)]
