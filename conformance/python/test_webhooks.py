"""Webhooks: a queue's messages posted to a URL, seen from the receiver."""

import base64
import hashlib
import hmac
import http.client
import json
import queue
import socket
import ssl
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import quote, urlsplit

import pytest

from harness.brokers import Chaski
from harness.waiting import Stopwatch, eventually

pytestmark = [pytest.mark.differs_on_rabbitmq("it has no webhooks"), pytest.mark.operated]

FAST = {"max_attempts": 3, "first_ms": 10, "max_ms": 20}


class Receiver:
    """An HTTP server that keeps what it gets and answers what the test says.

    `answer` is called with each request and returns a status, or a status and headers, or None when it answered by itself.
    """

    def __init__(self, answer=lambda request: 204, tls=None):
        self.got = queue.Queue()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.note(self, self.body)
                answered = outer.answer(self)
                if answered is None:
                    return
                status, headers = answered if isinstance(answered, tuple) else (answered, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", "0")
                self.end_headers()

            def do_GET(self):
                outer.note(self, b"")
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.answer = answer
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook?key=1"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def note(self, handler, body):
        # The handler lives as long as its connection and changes with each request.
        self.got.put(SimpleNamespace(path=handler.path, headers=handler.headers, body=body))

    def next(self, within=10.0):
        return self.got.get(timeout=within)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


class Rest:
    """The REST interface as one account."""

    def __init__(self, broker, account="guest", password="guest"):
        self._broker, self._account, self._password = broker, account, password

    def call(self, method, path, body=None, expect=None):
        parts = urlsplit(self._broker.http_url)
        link = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        token = base64.b64encode(f"{self._account}:{self._password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        try:
            link.request(method, path, None if body is None else json.dumps(body), headers)
            answer = link.getresponse()
            text = answer.read()
        finally:
            link.close()
        if expect is not None:
            assert answer.status == expect, f"{method} {path}: {answer.status} {text[:500]!r}"
            return json.loads(text) if text else None
        return answer.status, json.loads(text) if text else None

    def make_queue(self, name, **settings):
        self.call("PUT", f"/v1/queues/{quote(name, '')}", {"settings": settings})

    def publish(self, name, *bodies, **attributes):
        for body in bodies:
            status, answer = self.call("POST", f"/v1/queues/{quote(name, '')}/messages/batch",
                                       {"messages": [{"body": body, **attributes}]})
            assert status < 300, answer

    def hook(self, name, url, **wish):
        return self.call("POST", f"/v1/queues/{quote(name, '')}/webhooks", {"url": url, **wish}, expect=201)

    def show(self, hook):
        return self.call("GET", f"/v1/webhooks/{hook['id']}", expect=200)

    def waiting(self, name):
        return self.call("GET", f"/v1/queues/{quote(name, '')}", expect=200)

    def pull(self, name):
        return self.call("POST", f"/v1/queues/{quote(name, '')}/pull", {"max": 10, "wait_ms": 2000}, expect=200)["messages"]


def open_private():
    return Chaski(settings={"webhooks.allow_private": "true"})


@pytest.fixture(scope="module")
def private():
    """A broker whose webhooks may reach this machine."""
    started = open_private()
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def rest(private):
    return Rest(private)


@pytest.fixture
def receiver():
    opened = []

    def opener(*arguments):
        opened.append(Receiver(*arguments))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def check_signature(request, secret):
    seconds, signature = (part.split("=", 1)[1] for part in request.headers["Chaski-Signature"].split(","))
    signed = f"{seconds}.{request.headers['Chaski-Delivery-Id']}.".encode() + request.body
    assert hmac.compare_digest(signature, hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest())
    assert abs(time.time() - int(seconds)) < 60


def test_a_message_is_posted_as_it_is_and_signed(rest, receiver, name):
    orders, target = name("orders ü"), receiver()
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url)
    assert hook["secret"].startswith("chwh_") and hook["state"] == "active" and hook["max_in_flight"] == 1
    rest.publish(orders, '{"order":7}', content_type="application/json", message_id="m 1", headers={"colour": "red"})
    request = target.next()
    assert (request.path, request.body) == ("/hook?key=1", b'{"order":7}')
    check_signature(request, hook["secret"])
    expected = {
        "Content-Type": "application/json", "Chaski-Webhook-Id": hook["id"], "Chaski-Attempt": "1",
        "Chaski-Queue": quote(orders, safe=" "), "Chaski-Message-Id": "m 1", "Chaski-Header-Colour": "red",
        "Chaski-Redelivered": "false", "Host": f"127.0.0.1:{target.port}",
    }
    assert {key: request.headers[key] for key in expected} == expected
    assert request.headers["Chaski-Delivery-Id"] == f"{hook['id']}-{request.headers['Chaski-Position']}"
    eventually(lambda: rest.show(hook)["delivered"] == 1, what="the delivery is counted")
    left = rest.waiting(orders)
    assert (left["messages_ready"], left["messages_unacknowledged"]) == (0, 0)
    assert "secret" not in rest.show(hook)


def test_a_failure_is_tried_again_under_the_same_id(rest, receiver, name):
    orders = name("orders")
    statuses = iter([500, 503, 302, 200])
    target = receiver(lambda request: next(statuses))
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url, retry={"max_attempts": 5, "first_ms": 10, "max_ms": 20})
    rest.publish(orders, "one")
    got = [target.next() for _ in range(4)]
    assert [request.headers["Chaski-Attempt"] for request in got] == ["1", "2", "3", "4"]
    assert len({request.headers["Chaski-Delivery-Id"] for request in got}) == 1
    for request in got:
        check_signature(request, hook["secret"])
    eventually(lambda: rest.show(hook)["delivered"] == 1, what="it is delivered")
    shown = rest.show(hook)
    assert (shown["state"], shown["failed_attempts"], shown["dead_lettered"]) == ("active", 3, 0)
    assert shown["last_error"]["status"] == 302


def test_one_in_flight_keeps_the_order_through_failures(rest, receiver, name):
    orders, failed = name("orders"), set()

    def answer(request):
        if request.body not in failed:
            failed.add(request.body)
            return 500
        return 200

    target = receiver(answer)
    rest.make_queue(orders)
    rest.publish(orders, *(str(number) for number in range(20)))
    rest.hook(orders, target.url, retry=FAST)
    got = [target.next().body for _ in range(40)]
    assert got == [str(number).encode() for number in range(20) for _ in range(2)]


def test_many_in_flight_are_bounded(rest, receiver, name):
    orders, lock, opened, now, most = name("orders"), threading.Lock(), threading.Event(), [0], [0]

    def answer(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
            if now[0] == 4:
                opened.set()
        assert opened.wait(10)
        with lock:
            now[0] -= 1
        return 200

    target = receiver(answer)
    rest.make_queue(orders)
    rest.publish(orders, *(str(number) for number in range(12)))
    hook = rest.hook(orders, target.url, max_in_flight=4)
    eventually(lambda: rest.show(hook)["delivered"] == 12, what="all are delivered")
    assert most[0] == 4


def test_what_nobody_takes_becomes_a_dead_letter(rest, receiver, name):
    dead, orders = name("dead"), name("orders")
    target = receiver(lambda request: 500)
    rest.make_queue(dead)
    rest.make_queue(orders, dead_letter_exchange="", dead_letter_routing_key=dead)
    hook = rest.hook(orders, target.url, retry=FAST)
    rest.publish(orders, "poison")
    [message] = eventually(lambda: rest.pull(dead), what="the message is dead")
    assert message["body"] == "poison"
    shown = rest.show(hook)
    assert (shown["state"], shown["dead_lettered"], shown["failed_attempts"]) == ("failing", 1, 3)
    target.answer = lambda request: 200
    rest.publish(orders, "good")
    eventually(lambda: rest.show(hook)["state"] == "active", what="it goes on with the next message")


@pytest.mark.parametrize("settings", [{}, {"dead_letter_exchange": "", "dead_letter_routing_key": "nowhere"}])
def test_what_would_be_lost_pauses_the_webhook(rest, receiver, name, settings):
    orders = name("orders")
    target = receiver(lambda request: 500)
    rest.make_queue(orders, **settings)
    hook = rest.hook(orders, target.url, retry=FAST)
    rest.publish(orders, "precious", "next")
    shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, what="it is paused")
    assert "dead-letter" in shown["paused_because"] and shown["dead_lettered"] == 0
    eventually(lambda: rest.waiting(orders)["messages_ready"] == 2, what="both messages are in the queue again")
    assert target.got.qsize() == 3
    target.answer = lambda request: 200
    resumed = rest.call("PATCH", f"/v1/webhooks/{hook['id']}", {"paused": False}, expect=200)
    assert "paused_because" not in resumed
    eventually(lambda: rest.show(hook)["delivered"] == 2, what="they are delivered after all")
    bodies = [target.next().body for _ in range(5)]
    assert bodies[3:] == [b"precious", b"next"]


def test_gone_pauses_at_once_and_keeps_the_message(rest, receiver, name):
    orders = name("orders")
    target = receiver(lambda request: 410)
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url)
    rest.publish(orders, "one")
    shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, what="it is paused")
    assert "410" in shown["paused_because"]
    eventually(lambda: rest.waiting(orders)["messages_ready"] == 1, what="the message is in the queue again")
    assert target.got.qsize() == 1


def test_retry_after_is_honoured(rest, receiver, name):
    orders = name("orders")
    statuses = iter([(503, {"Retry-After": "1"}), 200])
    target = receiver(lambda request: next(statuses))
    rest.make_queue(orders)
    rest.hook(orders, target.url, retry=FAST)
    rest.publish(orders, "one")
    target.next()
    watch = Stopwatch()
    target.next()
    assert 0.9 < watch.seconds < 5


def test_a_redirect_is_not_followed(rest, receiver, name):
    orders, elsewhere = name("orders"), receiver()
    for status in (301, 302, 303, 307, 308):
        target = receiver(lambda request: (status, {"Location": elsewhere.url}))
        rest.make_queue(orders)
        hook = rest.hook(orders, target.url, retry=FAST)
        rest.publish(orders, "one")
        eventually(lambda: rest.show(hook)["state"] == "paused", what=f"{status} is no success")
        assert rest.show(hook)["last_error"]["status"] == status
        rest.call("DELETE", f"/v1/webhooks/{hook['id']}", expect=204)
        rest.call("POST", f"/v1/queues/{orders}/purge", expect=200)
    assert elsewhere.got.empty()


def test_an_endless_answer_is_cut_off(rest, receiver, name):
    orders, cut = name("orders"), queue.Queue()

    def answer(request):
        sent = 0
        try:
            request.send_response(200)
            request.send_header("Transfer-Encoding", "chunked")
            request.end_headers()
            while sent < 1 << 30:
                request.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
                sent += 0x4000
        except OSError:
            pass
        cut.put(sent)
        request.close_connection = True

    target = receiver(answer)
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url)
    rest.publish(orders, "one", "two")
    # What was sent and not read lies in the buffers of the two sockets.
    assert max(cut.get(timeout=10), cut.get(timeout=10)) < 64 << 20
    eventually(lambda: rest.show(hook)["delivered"] == 2, what="the status counts, not the body")


def test_an_answer_that_never_ends_or_never_comes_is_bounded_in_time(rest, receiver, name):
    orders, done = name("orders"), threading.Event()

    def trickle(request):
        request.send_response(200)
        request.send_header("Content-Length", "100")
        request.end_headers()
        request.wfile.flush()
        done.wait(20)

    def silence(request):
        done.wait(20)

    try:
        for answer, is_taken in ((trickle, True), (silence, False)):
            target = receiver(answer)
            rest.make_queue(orders)
            hook = rest.hook(orders, target.url, timeout_ms=500, retry={"max_attempts": 1})
            rest.publish(orders, "one")
            if is_taken:
                eventually(lambda: rest.show(hook)["delivered"] == 1, within=5, what="the status counts")
            else:
                shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, within=5,
                                   what="it gives up")
                assert "in time" in shown["last_error"]["reason"]
            rest.call("DELETE", f"/v1/webhooks/{hook['id']}", expect=204)
    finally:
        done.set()


def test_what_is_no_http_is_a_failure(rest, name):
    orders = name("orders")
    with socket.create_server(("127.0.0.1", 0)) as server:
        def answer():
            for _ in range(2):
                link, _ = server.accept()
                link.recv(65536)
                link.sendall(b"SSH-2.0-OpenSSH_9.9\r\n")
                link.close()

        threading.Thread(target=answer, daemon=True).start()
        rest.make_queue(orders)
        hook = rest.hook(orders, f"http://127.0.0.1:{server.getsockname()[1]}/", retry={"max_attempts": 2, "first_ms": 10})
        rest.publish(orders, "one")
        shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, what="it gives up")
    assert "SSH" not in json.dumps(shown) and "not HTTP" in shown["last_error"]["reason"]


def test_webhooks_go_on_after_a_restart(receiver):
    target = receiver(lambda request: 500)
    broker = open_private()
    broker.start()
    try:
        rest = Rest(broker)
        rest.make_queue("orders")
        rest.make_queue("others")
        hook = rest.hook("orders", target.url, retry={"max_attempts": 100, "first_ms": 10, "max_ms": 50})
        paused = rest.hook("others", target.url, paused=True)
        rest.publish("orders", "one", "two")
        first = target.next()
        broker.kill()
        target.answer = lambda request: 200
        broker.start()
        eventually(lambda: rest.show(hook)["delivered"] == 2, what="both are delivered")
        got = []
        while not target.got.empty():
            got.append(target.next())
        assert [request.body for request in got][-2:] == [b"one", b"two"]
        assert got[-2].headers["Chaski-Delivery-Id"] == first.headers["Chaski-Delivery-Id"]
        check_signature(got[-1], hook["secret"])
        assert rest.show(paused)["state"] == "paused"
    finally:
        broker.stop()


def test_addresses_that_are_not_public_are_refused_by_default(broker, receiver, name):
    rest, orders, target = Rest(broker), name("orders"), receiver()
    rest.make_queue(orders)
    refused = [
        target.url, f"http://localhost:{target.port}/", f"http://[::ffff:127.0.0.1]:{target.port}/",
        f"http://0x7f.1:{target.port}/", f"http://2130706433:{target.port}/", "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/", "http://100.64.0.1/", "http://0.0.0.0/", "http://224.0.0.1/",
        "file:///etc/passwd", "gopher://127.0.0.1/", "http://ana:secret@example.org/", "nothing",
    ]
    for url in refused:
        status, problem = rest.call("POST", f"/v1/queues/{orders}/webhooks", {"url": url})
        assert (status, problem["type"]) == (422, "/problems/invalid"), url
    assert rest.call("GET", f"/v1/queues/{orders}/webhooks", expect=200) == {"items": []}
    assert target.got.empty()


def test_an_address_is_judged_again_when_messages_are_sent(receiver):
    target, broker = receiver(), open_private()
    broker.start()
    try:
        rest = Rest(broker)
        rest.make_queue("orders")
        hook = rest.hook("orders", target.url, retry=FAST)
        rest.publish("orders", "one")
        target.next()
        eventually(lambda: rest.show(hook)["delivered"] == 1, what="it is delivered")
        broker.shut_down()
        broker._settings = []
        broker.start()
        rest.publish("orders", "two")
        shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, what="it gives up")
        assert "public" in shown["last_error"]["reason"]
        assert target.got.empty()
        tried = rest.call("POST", f"/v1/webhooks/{hook['id']}/test", expect=200)
        assert not tried["ok"] and "public" in tried["error"] and target.got.empty()
    finally:
        broker.stop()


def test_a_webhook_stops_within_a_second_when_its_owner_loses_the_right_to_read(private, receiver, name):
    owner, operator, orders, target = f"owner-{time.time_ns()}", Rest(private), name("orders"), receiver()
    private.ctl.user_add(owner, "secret")
    private.ctl.permission_set(owner, configure="", write="", read=".*")
    operator.make_queue(orders)
    hers = Rest(private, owner, "secret")
    hook = hers.hook(orders, target.url)
    operator.publish(orders, "one")
    assert target.next().body == b"one"
    private.ctl.permission_set(owner, configure="", write="", read="other")
    eventually(lambda: hers.show(hook)["state"] == "failing", within=1, what="it reads no more")
    operator.publish(orders, "two")
    eventually(lambda: operator.waiting(orders)["messages_ready"] == 1, what="nobody takes the message")
    assert target.got.empty()
    private.ctl.permission_set(owner, configure="", write="", read=".*")
    assert target.next(20).body == b"two"
    private.ctl.user_delete(owner)
    eventually(lambda: operator.call("GET", f"/v1/webhooks/{hook['id']}")[0] == 404, what="it goes with its owner")
    operator.publish(orders, "three")
    eventually(lambda: operator.waiting(orders)["messages_ready"] == 1, what="nobody takes the message")
    assert target.got.empty()


def test_who_may_do_what(private, receiver, name):
    stamp, operator, orders, target = time.time_ns(), Rest(private), name("orders"), receiver()
    accounts = {}
    for label, configure, read in (("reader", "", ".*"), ("keeper", ".*", ""), ("stranger", "", "")):
        private.ctl.user_add(f"{label}-{stamp}", "secret")
        private.ctl.permission_set(f"{label}-{stamp}", configure=configure, write="", read=read)
        accounts[label] = Rest(private, f"{label}-{stamp}", "secret")
    reader, keeper, stranger = accounts["reader"], accounts["keeper"], accounts["stranger"]
    operator.make_queue(orders)
    path = f"/v1/queues/{orders}/webhooks"
    for account in (keeper, stranger):
        assert account.call("POST", path, {"url": target.url})[0] == 403
    assert reader.call("POST", f"/v1/queues/{orders}x/webhooks", {"url": target.url})[0] == 403
    hook = reader.hook(orders, target.url, paused=True)
    one = f"/v1/webhooks/{hook['id']}"
    assert [each["url"] for each in reader.call("GET", path, expect=200)["items"]] == [target.url]
    assert [each["url"] for each in keeper.call("GET", path, expect=200)["items"]] == [f"http://127.0.0.1:{target.port}"]
    assert stranger.call("GET", path, expect=200)["items"] == []
    for method, tail, body in (("GET", "", None), ("PATCH", "", {"paused": False}), ("POST", "/test", None), ("DELETE", "", None)):
        assert stranger.call(method, one + tail, body)[0] == 404, method
    assert keeper.call("PATCH", one, {"url": target.url})[0] == 403
    assert keeper.call("POST", one + "/test")[0] == 403
    keeper.call("DELETE", one, expect=204)
    assert reader.call("GET", one)[0] == 404
    for account in accounts:
        private.ctl.user_delete(f"{account}-{stamp}")


def test_a_webhook_is_changed_tried_out_and_given_a_new_secret(rest, receiver, name):
    orders, target, other = name("orders"), receiver(), receiver(lambda request: 418)
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url, secret="a secret of my own")
    assert hook["secret"] == "a secret of my own"
    one = f"/v1/webhooks/{hook['id']}"
    tried = rest.call("POST", one + "/test", expect=200)
    request = target.next()
    check_signature(request, hook["secret"])
    assert tried["ok"] and tried["status"] == 204 and request.headers["Chaski-Test"] == "true"
    changed = rest.call("PATCH", one, {"url": other.url, "new_secret": True, "retry": {"max_attempts": 1}}, expect=200)
    assert changed["secret"].startswith("chwh_") and changed["retry"]["max_attempts"] == 1
    tried = rest.call("POST", one + "/test", expect=200)
    assert (tried["ok"], tried["status"]) == (False, 418)
    check_signature(other.next(), changed["secret"])
    assert rest.show(hook)["failed_attempts"] == 0
    for wrong in ({"max_in_flight": 65}, {"timeout_ms": 1}, {"retry": {"max_attempts": 0}}, {"secret": "short"},
                  {"url": "ftp://x/"}, {"unknown": 1}):
        assert rest.call("PATCH", one, wrong)[0] == 422, wrong
    rest.call("DELETE", one, expect=204)
    assert rest.call("GET", one)[0] == 404


def test_a_webhook_goes_with_its_queue(rest, receiver, name):
    orders, target = name("orders"), receiver()
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url)
    rest.call("DELETE", f"/v1/queues/{orders}", expect=200)
    eventually(lambda: rest.call("GET", f"/v1/webhooks/{hook['id']}")[0] == 404, what="it is gone")
    rest.make_queue(orders)
    rest.publish(orders, "one")
    assert rest.waiting(orders)["messages_ready"] == 1
    assert rest.call("GET", f"/v1/queues/{orders}/webhooks", expect=200) == {"items": []}


def test_one_slow_receiver_holds_up_nobody_else(rest, receiver, name):
    slow, fast, done = name("slow"), name("fast"), threading.Event()
    try:
        sleeper, target = receiver(lambda request: done.wait(20) and 200), receiver()
        rest.make_queue(slow)
        rest.make_queue(fast)
        rest.hook(slow, sleeper.url, max_in_flight=8)
        rest.hook(fast, target.url)
        rest.publish(slow, *("x" for _ in range(8)))
        for _ in range(8):
            sleeper.next()
        watch = Stopwatch()
        rest.publish(fast, "quick")
        target.next()
        assert watch.seconds < 2
    finally:
        done.set()


def authority(directory):
    """Makes an authority's certificate and, vouched for by it, a receiver's for `localhost`; returns a TLS context of the latter."""

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-days", "2", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", *key, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    (directory / "extensions").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "extensions", "-out", "cert.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
    return context


def test_tls_is_checked_against_the_authorities_of_the_machine(receiver, tmp_path, monkeypatch):
    target = receiver(lambda request: 200, authority(tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    broker = open_private()
    broker.start()
    try:
        rest = Rest(broker)
        for queue_name, host, is_taken in (("right", "localhost", True), ("wrong", "127.0.0.1", False)):
            rest.make_queue(queue_name)
            hook = rest.hook(queue_name, f"https://{host}:{target.port}/", retry=FAST)
            rest.publish(queue_name, "one")
            if is_taken:
                eventually(lambda: rest.show(hook)["delivered"] == 1, what="it is delivered")
                check_signature(target.next(), hook["secret"])
            else:
                shown = eventually(lambda: (shown := rest.show(hook))["state"] == "paused" and shown, what="it gives up")
                assert "certificate" in shown["last_error"]["reason"]
        assert target.got.empty()
    finally:
        broker.stop()


def test_webhooks_can_be_switched_off(receiver):
    target, broker = receiver(), open_private()
    broker.start()
    try:
        rest = Rest(broker)
        rest.make_queue("orders")
        hook = rest.hook("orders", target.url)
        broker.shut_down()
        broker._settings = ["--set", "webhooks.enabled=false"]
        broker.start()
        rest.publish("orders", "one")
        status, problem = rest.call("POST", "/v1/queues/orders/webhooks", {"url": target.url})
        assert status == 409 and "webhooks.enabled" in problem["detail"]
        shown = rest.show(hook)
        assert shown["state"] == "paused" and "webhooks.enabled" in shown["paused_because"]
        assert rest.waiting("orders")["messages_ready"] == 1 and target.got.empty()
    finally:
        broker.stop()


def test_a_large_body_is_signed_and_sent_whole(rest, receiver, name):
    orders, target = name("orders"), receiver()
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url)
    rest.publish(orders, "x" * 1_000_000)
    request = target.next()
    assert len(request.body) == 1_000_000
    check_signature(request, hook["secret"])


def test_a_stream_is_refused(rest, receiver, name):
    log = name("log")
    rest.call("PUT", f"/v1/queues/{log}", {"kind": "stream"}, expect=201)
    status, problem = rest.call("POST", f"/v1/queues/{log}/webhooks", {"url": receiver().url})
    assert status == 422 and "stream" in problem["detail"]


def test_a_webhook_is_tried_out_so_often_and_no_more(rest, receiver, name):
    orders, target = name("orders"), receiver()
    rest.make_queue(orders)
    hook = rest.hook(orders, target.url, paused=True)
    statuses = [rest.call("POST", f"/v1/webhooks/{hook['id']}/test")[0] for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    other = rest.hook(orders, target.url, paused=True)
    rest.call("POST", f"/v1/webhooks/{other['id']}/test", expect=200)


def test_one_queue_has_so_many_webhooks_and_no_more(rest, receiver, name):
    orders, target = name("orders"), receiver()
    rest.make_queue(orders)
    for _ in range(16):
        rest.hook(orders, target.url, paused=True)
    assert rest.call("POST", f"/v1/queues/{orders}/webhooks", {"url": target.url})[0] == 429
