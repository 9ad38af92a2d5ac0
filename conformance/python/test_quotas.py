"""Quotas of accounts: the server's own, those of single accounts, and what whoever is over them is told."""

import grpc
import pytest

from grpc_client import Client, Failure, v1
from harness.brokers import Chaski
from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest, queue_path

pytestmark = REST_ONLY

BOUNDS = {"queues": 3, "bytes": 1_000, "connections": 20, "publish_rate": 5}


@pytest.fixture(scope="module")
def bounded():
    """A server on which every account has bounds."""
    names = {"queues": "max_queues", "bytes": "max_bytes", "connections": "max_connections", "publish_rate": "publish_rate"}
    started = Chaski(settings={f"accounts.{names[key]}": value for key, value in BOUNDS.items()})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def account(bounded, name):
    login = name("account")
    Rest(bounded).post("/v1/accounts", {"login": login, "password": PASSWORD}).ok(201)
    return Rest(bounded, login, PASSWORD)


def until_refused(publish):
    """What refuses a publisher that does not slow down."""
    for _ in range(200):
        if refused := publish():
            return refused
    raise AssertionError("200 messages in a moment were no refusal")


def test_a_publish_above_the_rate_is_429_over_http_and_says_when_to_come_again(account, name):
    path = account.make(name()) + "/messages"
    answer = until_refused(lambda: (got := account.post(path, body=b"x")).status != 201 and got)
    assert answer.problem(429, "5 messages per second")
    assert int(answer.headers["Retry-After"]) >= 1
    eventually(lambda: account.post(path, body=b"x").status == 201, within=10)


def test_a_publish_above_the_rate_is_resource_exhausted_over_grpc_and_says_when_to_come_again(bounded, account, name):
    queue = name()
    account.make(queue)
    with grpc.insecure_channel(bounded.http_url.removeprefix("http://")) as channel:
        client = Client(channel, account.login, PASSWORD)

        def publish():
            try:
                return client.publish(queue, b"x")[0].status != v1.PUBLISH_STATUS_CONFIRMED
            except grpc.RpcError as error:
                return Failure(error)

        found = until_refused(publish)
        assert found.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        delay = found.detail("RetryInfo").retry_delay
        assert delay.seconds + delay.nanos > 0
        eventually(lambda: not publish(), within=10)


def test_an_account_owns_as_many_queues_as_the_server_allows_or_as_its_own_quota_does(bounded, account, name):
    for number in range(BOUNDS["queues"]):
        account.make(name(str(number)))
    account.put(queue_path(name("more")), {}).problem(429, "quota")
    quota = f"/v1/accounts/{account.login}/quota"
    assert account.get(quota).ok()["limits"] == BOUNDS
    Rest(bounded).put(quota, {"queues": 5}).ok(204)
    account.make(name("more"))
    assert account.get(quota).ok()["limits"] == {**BOUNDS, "queues": 5}


def test_whoever_has_too_many_bytes_waiting_publishes_nothing_more_until_some_are_gone(account, name):
    queue = name()
    path = account.make(queue)
    account.publish(queue, b"x" * 1_500)
    eventually(lambda: account.post(path + "/messages", body=b"x").status == 429, within=10)
    account.post(path + "/purge").ok()
    eventually(lambda: account.post(path + "/messages", body=b"x").status == 201, within=10)
