"""A peer that is not Chaski's: written from `proto/`, docs/files.md and docs/format/files.md, it may have a part only, or lie:
about `bytes`, about those and the `list` of their hashes, by sending the same `again` and again, by its `silence`, or by `chatter` without a byte.

A program of its own, as what it listens on belongs to its host. It reads one line of JSON about what it is to be, tells when others
find it, and at the end of its input what it was asked for.
"""

import base64
import concurrent.futures
import hashlib
import json
import secrets
import ssl
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import grpc

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.stubs import stubs  # noqa: E402
from rest import basic  # noqa: E402

v1 = stubs()

GROUP_BYTES = 256 << 10
SEGMENT_GROUPS = 4_096
# What certificates of peers are made out to; it is the key that counts.
NAME = "peer.chaski"
# The lies for which no file is needed.
SAYS_NOTHING = ("silence", "chatter")


def openssl(*words, said=None):
    return subprocess.run(["openssl", *words], input=said, check=True, capture_output=True).stdout


def key_of(public_key):
    """The name of a key: the SHA-256 of its SubjectPublicKeyInfo."""
    return hashlib.sha256(openssl("pkey", "-pubin", "-outform", "DER", said=public_key)).hexdigest()


class Index:
    """The server, as the peer's account."""

    def __init__(self, url, login, password):
        self._url, self._authorization = url, basic(login, password)

    def call(self, method, path, body):
        request = urllib.request.Request(self._url + path, json.dumps(body).encode(), method=method, headers={
            "Authorization": self._authorization, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)


def lists_of(index, root, segments):
    """The hashes of the groups, segment by segment, from somebody who has everything, as whoever downloads gets them."""
    source = index.call("POST", f"/v1/files/{root}/tickets", {})["sources"][0]
    host, _, port = source["addresses"][0].rpartition(":")
    certificate = ssl.get_server_certificate((host, int(port)), timeout=30).encode()
    assert key_of(openssl("x509", "-pubkey", "-noout", said=certificate)) == source["key"]
    credentials = grpc.ssl_channel_credentials(root_certificates=certificate)
    ticket = base64.urlsafe_b64decode(source["ticket"] + "=" * (-len(source["ticket"]) % 4))
    requests = [v1.FetchRequest(content=1, open=v1.Open(root=bytes.fromhex(root), ticket=ticket))]
    requests += [v1.FetchRequest(content=1, segment=segment) for segment in range(segments)]
    with grpc.secure_channel(f"{host}:{port}", credentials, options=[("grpc.ssl_target_name_override", NAME)]) as channel:
        fetch = channel.stream_stream("/chaski.v1.PeerService/Fetch", v1.FetchRequest.SerializeToString, v1.FetchResponse.FromString)
        answers = list(fetch(iter(requests), timeout=30))
    assert answers[0].HasField("opened"), answers
    return answers[0].opened.segments, [answer.segment.groups for answer in answers[1:]]


def number(value):
    """LEB128."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


class Stranger:
    """What it has, what it says of it, and what it was asked for."""

    def __init__(self, role, top, lists):
        self._role, self._top, self._lists = role, top, lists
        self._bytes = b"" if role["lies"] in SAYS_NOTHING else Path(role["file"]).read_bytes()
        groups = -(-len(self._bytes) // GROUP_BYTES)
        self._first, self._end = role["has"] or (0, groups)
        # The form of one run: how many groups are missing before it, and how many it has.
        self.have = None if role["has"] is None else b"\0" + number(self._first) + number(self._end - self._first)
        self.told = {"streams": 0, "sent": 0, "wrong": 0, "not_here": 0}

    def fetch(self, requests, context):
        self.told["streams"] += 1
        # Chaski sends its first request when the stream is answered.
        context.send_initial_metadata(())
        if self._role["lies"] == "silence":
            for _ in requests:
                pass
            return
        for request in requests:
            kind = request.WhichOneof("ask")
            if kind == "open":
                opened = v1.Opened(size=len(self._bytes), segments=self._top, have=self.have)
                yield v1.FetchResponse(content=request.content, opened=opened)
                over = threading.Event()
                is_heard = context.add_callback(over.set)
                while self._role["lies"] == "chatter" and is_heard and not over.wait(0.1):
                    yield v1.FetchResponse(content=request.content, opened=opened)
            elif kind == "segment":
                yield v1.FetchResponse(content=request.content, segment=self._segment(request.segment))
            elif kind == "groups":
                for group in range(request.groups.first, request.groups.first + request.groups.count):
                    yield v1.FetchResponse(content=request.content, **self._group(group))
                    while self._role["lies"] == "again" and context.is_active():
                        self.told["wrong"] += 1
                        yield v1.FetchResponse(content=request.content, **self._group(group))

    def _segment(self, segment):
        groups = self._lists[segment]
        if self._role["lies"] == "list":
            groups = groups[:-1] + bytes([groups[-1] ^ 1])
            self.told["wrong"] += 1
        return v1.SegmentHashes(segment=segment, groups=groups)

    def _group(self, group):
        if not self._first <= group < self._end:
            self.told["not_here"] += 1
            there = v1.Groups(first=group, count=1)
            return {"refused": v1.Refused(reason=v1.REFUSED_REASON_NOT_YET, text="not here yet", groups=there)}
        data = self._bytes[group * GROUP_BYTES:(group + 1) * GROUP_BYTES]
        self.told["sent"] += 1
        if self._role["lies"] in ("bytes", "list") and self.told["sent"] > self._role["honest"]:
            data = data[:-1] + bytes([data[-1] ^ 1])
            self.told["wrong"] += 1
        return {"group": v1.Group(index=group, data=data)}


def listen(address, stranger):
    """Serves with a certificate of its own; gives the server, where it is and the name of its key."""
    key = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    certificate = openssl("req", "-x509", "-new", "-key", "/dev/stdin", "-days", "2", "-subj", f"/CN={NAME}", said=key)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    fetch = grpc.stream_stream_rpc_method_handler(stranger.fetch, v1.FetchRequest.FromString, v1.FetchResponse.SerializeToString)
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("chaski.v1.PeerService", {"Fetch": fetch})])
    port = server.add_secure_port(f"{address}:0", grpc.ssl_server_credentials([(key, certificate)]))
    server.start()
    return server, f"{address}:{port}", key_of(openssl("pkey", "-pubout", said=key))


def main():
    role = json.loads(sys.stdin.readline())
    index = Index(role["url"], role["login"], role["password"])
    groups = -(-role["size"] // GROUP_BYTES)
    lists = (b"", []) if role["lies"] in SAYS_NOTHING else lists_of(index, role["root"], -(-groups // SEGMENT_GROUPS))
    stranger = Stranger(role, *lists)
    server, address, key = listen(role["address"], stranger)
    peer = secrets.token_hex(16)
    index.call("PUT", f"/v1/peers/{peer}", {"name": role["name"], "addresses": [address], "key": key, "relay": False})
    have = stranger.have and base64.urlsafe_b64encode(stranger.have).decode().rstrip("=")
    name = Path(role["file"]).name
    entry = {"file": name, "name": name, "path": name, "size": role["size"], "root": role["root"], "type": "application/octet-stream",
             "kind": role["kind"], "have": have, "since_ms": 1_750_000_000_000, "audience": {"everyone": True}}
    index.call("PATCH", f"/v1/peers/{peer}/files", {"from": 0, "to": 1, "put": [entry], "remove": []})
    print(json.dumps({"peer": peer}), flush=True)
    sys.stdin.read()
    server.stop(None)
    print(json.dumps(stranger.told), flush=True)


if __name__ == "__main__":
    main()
