"""Definitions: exported, imported, and refused when they cannot be."""

import json
import secrets

import pytest

from clients import differs_on_rabbitmq
from harness.management import Management, path

pytestmark = pytest.mark.operated


@pytest.fixture
def api(broker):
    return Management(broker.management_url)


@pytest.fixture
def document(api):
    """What RabbitMQ 3.10 exports, under names that no other test uses."""
    label = secrets.token_hex(4)
    user, vhost = f"defs-{label}", f"defs/{label}"
    yield {
        "rabbit_version": "3.10.8", "rabbitmq_version": "3.10.8", "product_name": "RabbitMQ",
        "product_version": "3.10.8",
        "users": [{"name": user, "password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR",
                   "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["management"], "limits": {}}],
        "vhosts": [{"name": vhost}],
        "permissions": [{"user": user, "vhost": vhost, "configure": "^q", "write": ".*", "read": ".*"}],
        "topic_permissions": [{"user": user, "vhost": vhost, "exchange": "amq.topic", "write": "a", "read": "b"}],
        "parameters": [], "global_parameters": [],
        "policies": [{"vhost": vhost, "name": "p", "pattern": "^q", "apply-to": "queues",
                      "definition": {"max-length": 5}, "priority": 1}],
        "queues": [{"name": "q1", "vhost": vhost, "durable": True, "auto_delete": False,
                    "arguments": {"x-queue-type": "quorum"}},
                   {"name": "q2", "vhost": vhost, "durable": True, "auto_delete": False, "arguments": {}}],
        "exchanges": [{"name": "e1", "vhost": vhost, "type": "topic", "durable": True, "auto_delete": False,
                       "internal": False, "arguments": {}}],
        "bindings": [{"source": "e1", "vhost": vhost, "destination": "q1", "destination_type": "queue",
                      "routing_key": "a.#", "arguments": {}},
                     {"source": "amq.fanout", "vhost": vhost, "destination": "e1", "destination_type": "exchange",
                      "routing_key": "", "arguments": {"x": 1}}],
    }
    api.status("DELETE", f"users/{user}")
    api.status("DELETE", f"vhosts/{path(vhost)}")


def of_vhost(exported, vhost):
    """What an export holds of one virtual host and its accounts, in an order of its own."""
    wanted = ["permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"]
    return {kind: sorted((row for row in exported[kind] if row["vhost"] == vhost and row.get("user") != "guest"),
                         key=json.dumps)
            for kind in wanted}


def test_a_partitioned_queue_is_one_queue_in_definitions(api, document):
    vhost = document["vhosts"][0]["name"]
    document["queues"] = [{"name": "split", "vhost": vhost, "durable": True, "auto_delete": False,
                           "arguments": {"x-partitions": 3}}]
    document["bindings"] = []
    assert api.status("POST", "definitions", document) == 204
    assert of_vhost(api.get("definitions"), vhost)["queues"] == document["queues"]
    names = sorted(queue["name"] for queue in api.get(f"queues/{path(vhost)}"))
    assert names == ["split", "split-0", "split-1", "split-2"]
    assert api.status("POST", "definitions", document) == 204, "what is there stays"


def test_what_is_imported_is_exported_again(api, document, connect):
    vhost, user = document["vhosts"][0]["name"], document["users"][0]
    assert api.status("POST", "definitions", document) == 204
    exported = api.get("definitions")
    assert of_vhost(exported, vhost) == of_vhost(document, vhost)
    assert user in exported["users"] and vhost in [row["name"] for row in exported["vhosts"]]
    assert exported.keys() >= document.keys()
    # Twice is as good as once.
    assert api.status("POST", "definitions", document) == 204
    assert of_vhost(api.get("definitions"), vhost) == of_vhost(document, vhost)
    channel = connect(user["name"], "test12", vhost).channel()
    channel.confirm_delivery()
    channel.basic_publish("amq.fanout", "a.b", b"hello", mandatory=True)
    assert channel.basic_get("q1", auto_ack=True)[2] == b"hello"


def test_one_virtual_host_is_exported_and_imported_alone(api, document):
    assert api.status("POST", "definitions", document) == 204
    vhost = document["vhosts"][0]["name"]
    alone = api.get(f"definitions/{path(vhost)}")
    assert "users" not in alone and {row["name"] for row in alone["queues"]} == {"q1", "q2"}
    assert all("vhost" not in row for row in alone["queues"] + alone["exchanges"] + alone["bindings"])
    assert api.status("DELETE", f"queues/{path(vhost)}/q1") == 204
    assert api.status("POST", f"definitions/{path(vhost)}", alone) == 204
    assert {row["name"] for row in api.get(f"queues/{path(vhost)}")} == {"q1", "q2"}
    assert len(api.get(f"bindings/{path(vhost)}/e/e1/q/q1")) == 1
    assert api.status("POST", "definitions/none", {}) == 404


@pytest.mark.parametrize("body", [
    b"{",
    b"5",
    b'{"queues": [{"name": "q", "vhost": "no such vhost", "durable": true}]}',
    b'{"users": [{"name": "x", "password_hash": "xx", "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ""}]}',
])
def test_what_cannot_be_imported_is_refused(api, body):
    status, answer = api.call("POST", "definitions", body)
    assert status == 400 and answer["error"] == "bad_request", answer


@differs_on_rabbitmq("3.10 takes some of these, and answers 500 to others")
@pytest.mark.parametrize("body, reason", [
    (b'{"queues": [{"name": "q", "vhost": "/", "arguments": ' + b'{"x": ' * 10_000 + b"1" + b"}" * 10_000 + b"}]}",
     "recursion limit"),
    (b'{"queues": [], "queues": []}', "duplicate field"),
    (b'{"users": [{"name": "x", "password_hash": "$2y$31$abc", "hashing_algorithm": "bcrypt", "tags": ""}]}', "bcrypt"),
])
def test_abuses_of_an_import_are_refused(api, body, reason):
    """ABUSE.md E.45."""
    status, answer = api.call("POST", "definitions", body)
    assert status == 400 and reason in answer["reason"], answer


def test_depth_that_nobody_reads_is_passed_over(api):
    assert api.status("POST", "definitions", b'{"unknown": ' + b"[" * 10_000 + b"]" * 10_000 + b"}") == 204


@differs_on_rabbitmq("3.10 reads 1 GiB")
def test_a_gigabyte_of_definitions_is_refused(api):
    """ABUSE.md E.45: by what it announces, before any of it is read."""
    import http.client

    connection = http.client.HTTPConnection(api._url.split("/")[2], timeout=20)
    connection.putrequest("POST", "/api/definitions")
    connection.putheader("Authorization", f"Basic {api._token}")
    connection.putheader("Content-Length", str(1 << 30))
    connection.endheaders(b"{")
    assert connection.getresponse().status == 413
    connection.close()


@differs_on_rabbitmq("3.10 makes what comes before the mistake")
def test_a_refused_import_changes_no_account(api, document):
    user = document["users"][0]["name"]
    document["policies"][0]["definition"] = {"no-such-key": 1}
    assert api.status("POST", "definitions", document) == 400
    assert api.status("GET", f"users/{user}") == 404
    assert document["vhosts"][0]["name"] not in [row["name"] for row in api.get("vhosts")]
