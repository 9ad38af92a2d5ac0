"""The programs that files are fetched with, each from servers of its own on loopback."""

import contextlib
import hashlib
import http.server
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
from pathlib import Path

from compare.servers import free_port

from .use import Used, cpu_s, measure

# Bytes that one torrent's piece has.
PIECE = 1 << 20
# How long a server may take to listen.
PATIENCE_S = 10


class NotInstalled(Exception):
    """The program is not there; the text says how to get it."""


def program(name, package):
    found = shutil.which(name)
    if not found:
        raise NotInstalled(f"{name}: apt-get install {package}")
    return found


@contextlib.contextmanager
def serving(commands, ports):
    """Servers, until the end of the block; gives their processes' ids."""
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for command in commands]
    try:
        for port in ports:
            wait_for(port)
        yield [process.pid for process in running]
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(timeout=PATIENCE_S)


def wait_for(port):
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.01)
    raise RuntimeError(f"nothing listens on port {port}")


def rsync(shared, fetched, _sources):
    """rsync's daemon, without encryption."""
    binary, port = program("rsync", "rsync"), free_port()
    config = fetched.parent / "rsyncd.conf"
    config.write_text(f"port = {port}\naddress = 127.0.0.1\nuse chroot = no\n[files]\npath = {shared}\nread only = yes\n")
    with serving([[binary, "--daemon", "--no-detach", f"--config={config}"]], [port]) as servers:
        return measure([[binary, "--archive", "--whole-file", f"rsync://127.0.0.1:{port}/files/", f"{fetched}/"]], servers, fetched)


def aria2_http(shared, fetched, sources):
    """aria2 from nginx over HTTP, without encryption; of a folder a list of links."""
    binary, nginx = program("aria2c", "aria2"), program("nginx", "nginx-light")
    ports = [free_port() for _ in range(sources)]
    config = fetched.parent / "nginx.conf"
    listens = "".join(f"listen 127.0.0.1:{port};" for port in ports)
    config.write_text(f"daemon off; user root; pid {fetched.parent}/nginx.pid; error_log /dev/null; worker_processes 1; events {{ }}\n"
                      f"http {{ access_log off; sendfile on; keepalive_requests 100000; server {{ {listens} root {shared}; }} }}\n")
    links = fetched.parent / "links"
    with links.open("w") as lines:
        for path in sorted(path for path in shared.rglob("*") if path.is_file()):
            name = path.relative_to(shared)
            urls = "\t".join(f"http://127.0.0.1:{port}/{urllib.parse.quote(str(name))}" for port in ports)
            lines.write(f"{urls}\n out={name}\n")
    command = [binary, "--quiet", f"--input-file={links}", f"--dir={fetched}", "--file-allocation=none", "--max-concurrent-downloads=16",
               f"--split={max(4, sources)}", "--max-connection-per-server=4", "--min-split-size=1M", "--disk-cache=32M"]
    with serving([[nginx, "-c", config, "-p", fetched.parent]], ports) as servers:
        # The worker is nginx's child, which has not ended yet.
        workers = [int(pid) for server in servers for pid in children(server)]
        return measure([command], servers + workers, fetched)


def children(pid):
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()


def aria2_torrent(shared, fetched, sources):
    """aria2's BitTorrent: checked by SHA-1 of pieces, without encryption."""
    binary = program("aria2c", "aria2")
    ports = [free_port() for _ in range(sources)]
    tracker = Tracker(ports)
    torrent = fetched.parent / "files.torrent"
    torrent.write_bytes(make_torrent(shared, tracker.url))
    shared_options = ["--quiet", "--enable-dht=false", "--bt-enable-lpd=false", "--enable-peer-exchange=false", "--disable-ipv6", "--file-allocation=none"]
    seeds = [[binary, *shared_options, f"--dir={shared.parent}", f"--listen-port={port}", "--check-integrity=false", "--bt-seed-unverified=true",
              "--seed-ratio=0.0", torrent] for port in ports]
    with tracker, serving(seeds, ports) as servers:
        command = [binary, *shared_options, f"--dir={fetched}", f"--listen-port={free_port()}", "--seed-time=0", "--bt-max-peers=64", torrent]
        return measure([command], servers, fetched)


class Tracker:
    """Tells whoever asks where the seeds are."""

    def __init__(self, ports):
        peers = b"".join(socket.inet_aton("127.0.0.1") + port.to_bytes(2, "big") for port in ports)
        answer = bencode({b"interval": 5, b"peers": peers})

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/announce"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def make_torrent(shared, url):
    """Describes a folder; its pieces run over the ends of files."""
    files, hashes, piece = [], [], b""
    for path in sorted(path for path in shared.rglob("*") if path.is_file()):
        names = [part.encode() for part in path.relative_to(shared).parts]
        files.append({b"length": path.stat().st_size, b"path": names})
        with path.open("rb") as file:
            while block := file.read(PIECE - len(piece)):
                piece += block
                if len(piece) == PIECE:
                    hashes.append(hashlib.sha1(piece).digest())
                    piece = b""
    if piece:
        hashes.append(hashlib.sha1(piece).digest())
    info = {b"files": files, b"name": shared.name.encode(), b"piece length": PIECE, b"pieces": b"".join(hashes)}
    return bencode({b"announce": url.encode(), b"info": info})


def bencode(value):
    """Writes a value as torrents have it."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, bytes):
        return b"%d:%s" % (len(value), value)
    if isinstance(value, list):
        return b"l" + b"".join(map(bencode, value)) + b"e"
    return b"d" + b"".join(bencode(key) + bencode(value[key]) for key in sorted(value)) + b"e"


def tcp(shared, _fetched, _sources):
    """Bare TCP: a file sent from the page cache into memory, neither checked nor written."""
    file = next(path for path in shared.rglob("*") if path.is_file())
    size = file.stat().st_size
    listener = socket.create_server(("127.0.0.1", 0))

    def send():
        connection, _ = listener.accept()
        with connection, file.open("rb") as source:
            connection.sendfile(source)

    sender = threading.Thread(target=send)
    before, began = cpu_s("self"), time.monotonic()
    sender.start()
    buffer, left = bytearray(PIECE), size
    with socket.create_connection(listener.getsockname()) as connection:
        while left:
            left -= connection.recv_into(buffer)
    sender.join()
    listener.close()
    return Used(time.monotonic() - began, cpu_s("self") - before)


PEERS = {"rsync": rsync, "aria2 HTTP": aria2_http, "aria2 BitTorrent": aria2_torrent, "bare TCP": tcp}
