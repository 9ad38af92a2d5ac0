"""Requests to workers: answered over REST and over AMQP, waited for or fetched later, and what happens when nobody answers."""

import threading

import pika
import pytest

from clients import await_get, publish
from harness.waiting import Stopwatch, eventually
from rest import REST_ONLY, Rest, lease_path, queue_path, unique

pytestmark = REST_ONLY


def ask(rest, queue, body=b"question", **options):
    return rest.post("/v1/requests/" + queue, body=body, **options)


class Worker(threading.Thread):
    """Pulls requests over REST and answers each with its body in capitals."""

    def __init__(self, rest, queue, **headers):
        super().__init__(daemon=True)
        self.seen, self._rest, self._queue, self._headers, self._over = [], rest, queue, headers, False
        self.start()

    def run(self):
        while not self._over:
            for request in self._rest.pull(self._queue, wait_ms=200):
                self.seen.append(request)
                answer = self._rest.post(lease_path(request, "/reply"), body=request["body"].upper().encode(),
                                         headers=self._headers)
                assert answer.status == 204, answer

    def finish(self):
        self._over = True
        self.join(10)


@pytest.fixture
def queue(rest, name):
    made = unique("worker")
    rest.make(made)
    yield made
    rest.delete(queue_path(made))


@pytest.fixture
def worker(rest, queue):
    started = Worker(rest, queue, **{"Content-Type": "text/plain", "Chaski-Header-Took": "3 ms"})
    yield started
    started.finish()


def amqp_worker(channel, queue):
    """Answers one request as RabbitMQ's tutorial of remote calls does."""
    request = await_get(channel, queue, auto_ack=False)
    channel.basic_publish("", request.properties.reply_to, request.body.upper(), pika.BasicProperties(
        correlation_id=request.properties.correlation_id, content_type="text/plain", headers={"n": 7, "who": "amqp"}))
    channel.basic_ack(request.tag)
    return request


def test_a_request_gets_the_reply_of_a_worker_over_rest(rest, queue, worker):
    answer = ask(rest, queue, headers={"Content-Type": "text/csv", "Chaski-Header-Tenant": "red"}, wait_ms=10_000)
    assert (answer.status, answer.body) == (200, b"QUESTION")
    assert answer.headers["Content-Type"] == "text/plain" and answer.headers["Chaski-Header-Took"] == "3 ms"
    request = worker.seen[0]
    assert request["content_type"] == "text/csv" and request["headers"] == {"tenant": "red"}
    assert request["reply_to"] and request["correlation_id"]
    eventually(lambda: rest.show(queue)["messages_unacknowledged"] == 0)


def test_a_reply_is_shown_as_data_never_as_a_page(rest, queue, name):
    page = Worker(rest, queue, **{"Content-Type": "text/html"})
    answer = ask(rest, queue, b"<script>alert(1)</script>", wait_ms=10_000)
    page.finish()
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_a_request_gets_the_reply_of_a_worker_over_amqp(rest, channel, queue):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(rest, queue, b"to pika", wait_ms=10_000)))
    asking.start()
    request = amqp_worker(channel, queue)
    asking.join(10)
    assert request.properties.correlation_id and request.text == "to pika"
    assert (answers[0].status, answers[0].body) == (200, b"TO PIKA")
    assert answers[0].headers["Chaski-Header-who"] == "amqp" and answers[0].headers["Chaski-Header-n"] == "7"


def test_a_client_over_amqp_gets_the_reply_of_a_worker_over_rest(rest, channel, queue, worker):
    reply_to = channel.queue_declare("", exclusive=True).method.queue
    publish(channel, queue, "from pika", reply_to=reply_to, correlation_id="77")
    reply = await_get(channel, reply_to)
    assert (reply.text, reply.properties.correlation_id) == ("FROM PIKA", "77")


def test_many_requests_at_once_each_get_their_own_reply(rest, broker, queue, worker):
    answers = {}

    def put(number):
        answers[number] = ask(Rest(broker), queue, f"q{number}".encode(), wait_ms=20_000).body

    threads = [threading.Thread(target=put, args=(number,)) for number in range(16)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(25)
    assert answers == {number: f"Q{number}".encode() for number in range(16)}


def test_when_nobody_answers_in_time_it_is_504_and_the_request_still_waits(rest, queue):
    watch = Stopwatch()
    ask(rest, queue, wait_ms=300).problem(504, "300")
    assert 0.29 <= watch.seconds < 5
    late = rest.take(queue)
    assert late["body"] == "question"
    # Whoever asked is gone; the worker is not bothered with that.
    rest.post(lease_path(late, "/reply"), body=b"too late").ok(204)
    eventually(lambda: rest.show(queue)["messages_unacknowledged"] == 0)


def test_without_a_worker_a_request_can_be_refused_at_once(rest, channel, queue):
    watch = Stopwatch()
    answer = ask(rest, queue, fail_without_worker=True, wait_ms=20_000)
    answer.problem(503, "worker")
    assert watch.seconds < 2 and answer.headers["Retry-After"]
    assert rest.ready(queue) == 0
    channel.basic_consume(queue, print)
    eventually(lambda: rest.show(queue)["consumers"] == 1)
    ask(rest, queue, fail_without_worker=True, wait_ms=1).problem(504)


def test_a_worker_that_gives_back_leaves_the_request_to_the_next(rest, queue):
    answers = []
    asking = threading.Thread(target=lambda: answers.append(ask(rest, queue, wait_ms=10_000)))
    asking.start()
    rest.post(lease_path(rest.take(queue), "/nack"), {}).ok(204)
    again = rest.take(queue)
    assert again["redelivered"]
    rest.post(lease_path(again, "/reply"), body=b"second try").ok(204)
    asking.join(10)
    assert answers[0].body == b"second try"


@pytest.mark.parametrize("way", [{"async": True}, {"headers": {"Prefer": "wait=5, respond-async"}}], ids=["query", "header"])
def test_an_asynchronous_request_is_fetched_later_and_once(rest, queue, way):
    answer = ask(rest, queue, **way)
    accepted = answer.ok(202)
    assert answer.headers["Location"] == accepted["location"] == f"/v1/requests/{queue}/{accepted['id']}"
    assert rest.get(accepted["location"]).ok(204) is None
    request = rest.take(queue)
    rest.post(lease_path(request, "/reply"), body=b"\xff\0", headers={"Content-Type": "image/png"}).ok(204)
    reply = rest.get(accepted["location"], wait_ms=10_000)
    assert (reply.status, reply.body, reply.headers["Content-Type"]) == (200, b"\xff\0", "image/png")
    rest.get(accepted["location"]).problem(404)


def test_fetching_waits_for_the_reply(rest, channel, queue):
    location = ask(rest, queue, **{"async": True}).ok(202)["location"]
    replies = []
    fetching = threading.Thread(target=lambda: replies.append(rest.get(location, wait_ms=20_000)))
    fetching.start()
    amqp_worker(channel, queue)
    fetching.join(20)
    assert replies[0].body == b"QUESTION"


def test_an_asynchronous_request_and_its_reply_outlive_a_kill(rest, broker, queue):
    first, second = (ask(rest, queue, body, **{"async": True}).ok(202)["location"] for body in (b"one", b"two"))
    rest.post(lease_path(rest.take(queue), "/reply"), body=b"answered before").ok(204)
    broker.kill()
    broker.start()
    eventually(lambda: rest.get("/readyz").status == 200, within=20)
    assert rest.get(first, wait_ms=10_000).body == b"answered before"
    held = rest.pull(queue, max=9, wait_ms=10_000)
    for request in held:
        rest.post(lease_path(request, "/reply"), body=request["body"].encode()).ok(204)
    assert rest.get(second, wait_ms=10_000).body == b"two"


def test_a_reply_is_for_who_asked_alone(rest, member, queue):
    location = ask(rest, queue, **{"async": True}).ok(202)["location"]
    rest.post(lease_path(rest.take(queue), "/reply"), body=b"private").ok(204)
    stranger = member()
    stranger.get(location).problem(404)
    assert rest.get(location, wait_ms=5_000).body == b"private"


def test_another_worker_cannot_answer_under_a_lease_that_is_not_its_own(rest, member, queue):
    ask(rest, queue, **{"async": True}).ok(202)
    held = rest.take(queue)
    member().post(lease_path(held, "/reply"), body=b"mine").problem(404)
    rest.post(lease_path(held, "/reply"), body=b"x").ok(204)
    rest.post(lease_path(held, "/reply"), body=b"twice").problem(404)


def test_a_message_that_wants_no_reply_is_a_conflict_and_stays_leased(rest, queue):
    rest.publish(queue, "no answer")
    held = rest.take(queue)
    rest.post(lease_path(held, "/reply"), body=b"x").problem(409, "reply_to")
    rest.delete(lease_path(held)).ok(204)


def test_a_request_that_cannot_be_is_a_problem(rest, queue, name):
    ask(rest, queue, wait_ms=0).problem(422)
    ask(rest, queue, wait_ms=600_001).problem(422)
    ask(rest, queue, wait_ms="long").problem(400)
    ask(rest, name(), wait_ms=500).problem(404)
    ask(rest, name(), **{"async": True}).problem(404)
    ask(rest, name(), fail_without_worker=True).problem(404)
    rest.get(f"/v1/requests/{queue}/nonsense").problem(404)
    assert rest.ready(queue) == 0


def test_a_waiting_request_whose_client_leaves_frees_what_it_held(rest, queue):
    with pytest.raises(TimeoutError):
        ask(rest, queue, wait_ms=60_000, within=0.3)
    request = rest.take(queue)
    rest.post(lease_path(request, "/reply"), body=b"nobody").ok(204)
    assert ask(rest, queue, wait_ms=200).status == 504
