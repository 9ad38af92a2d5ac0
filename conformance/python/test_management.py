"""RabbitMQ's management interface: shapes, status codes and paths. All of it runs against RabbitMQ, too."""

import secrets

import pytest

from clients import differs_on_rabbitmq
from harness.management import Management, path
from harness.waiting import eventually

pytestmark = pytest.mark.operated

NO_OBJECT = {"error": "Object Not Found", "reason": "Not Found"}


@pytest.fixture
def api(broker):
    return Management(broker.management_url)


@pytest.fixture
def label():
    """A name that no other test uses, with what has to be quoted in a path."""
    return f"c {secrets.token_hex(4)}/ñ"


@pytest.fixture
def vhost(api, label):
    assert api.status("PUT", f"vhosts/{path(label)}") == 201
    yield label
    api.status("DELETE", f"vhosts/{path(label)}")


@pytest.fixture
def account(api):
    """Makes accounts with a password of `secret` and the given tags, at the interface itself."""
    made = []

    def maker(tags, rights=None, vhost="/"):
        name = f"mgmt-{secrets.token_hex(4)}"
        assert api.status("PUT", f"users/{name}", {"password": "secret", "tags": tags}) == 201
        made.append(name)
        if rights is not None:
            body = {"configure": rights, "write": rights, "read": rights}
            assert api.status("PUT", f"permissions/{path(vhost, name)}", body) == 201
        return name

    yield maker
    for name in made:
        api.status("DELETE", f"users/{name}")


def test_overview_says_what_there_is(api):
    overview = api.get("overview")
    assert overview["rabbitmq_version"].startswith("3.")
    assert {kind["name"] for kind in overview["exchange_types"]} >= {"direct", "fanout", "topic", "headers"}
    assert overview["object_totals"].keys() == {"channels", "connections", "consumers", "exchanges", "queues"}
    assert any(listener["protocol"] == "amqp" for listener in overview["listeners"])
    # A RabbitMQ that has just started does not know its memory yet.
    eventually(lambda: "mem_used" in api.get("nodes")[0], within=20, what="the node knows itself")
    node, = api.get("nodes")
    assert node["running"] and node["name"] == overview["node"] and node["mem_used"] > 0
    assert api.get(f"nodes/{path(node['name'])}")["type"] == "disc"
    assert api.get("cluster-name").keys() == {"name"}
    assert api.get("whoami") == {"name": "guest", "tags": ["administrator"]}
    assert api.get("overview?columns=node,object_totals.queues").keys() == {"node", "object_totals"}


@differs_on_rabbitmq("it asks a node of any name, and answers 500")
def test_there_is_one_node(api):
    assert api.call("GET", "nodes/none@here") == (404, NO_OBJECT)


def test_a_vhost_is_made_shown_and_deleted(api, label):
    where = f"vhosts/{path(label)}"
    assert api.call("GET", where) == (404, NO_OBJECT)
    assert api.status("PUT", where, {}) == 201
    assert api.status("PUT", where) == 204
    assert api.get(where)["name"] == label
    assert label in [each["name"] for each in api.get("vhosts")]
    # Whoever makes one may use it.
    assert {"user": "guest", "vhost": label, "configure": ".*", "write": ".*", "read": ".*"} in api.get("permissions")
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)


def test_an_account_is_made_changed_and_deleted(api, connect):
    name = f"mgmt-{secrets.token_hex(4)}"
    where = f"users/{name}"
    assert api.status("PUT", where, {"password": "one", "tags": "monitoring,management"}) == 201
    shown = api.get(where)
    assert shown["name"] == name and shown["tags"] == ["monitoring", "management"]
    assert Management(api._url[:-5], name, "one").get("whoami")["name"] == name
    assert api.status("PUT", where, {"password": "two", "tags": ["administrator"]}) == 204
    assert Management(api._url[:-5], name, "one").status("GET", "whoami") == 401
    assert Management(api._url[:-5], name, "two").get("users")
    assert name in [each["name"] for each in api.get("users/without-permissions")]
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)


def test_an_account_brings_its_hash_from_rabbitmq(api):
    name = f"mgmt-{secrets.token_hex(4)}"
    # The salt 908DC60A and SHA-256, the example of RabbitMQ's documentation for the password `test12`.
    body = {"password_hash": "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR", "tags": "management",
            "hashing_algorithm": "rabbit_password_hashing_sha256"}
    assert api.status("PUT", f"users/{name}", body) == 201
    assert Management(api._url[:-5], name, "test12").get("whoami") == {"name": name, "tags": ["management"]}
    assert Management(api._url[:-5], name, "test13").status("GET", "whoami") == 401
    assert api.status("POST", "users/bulk-delete", {"users": [name]}) == 204


@pytest.mark.parametrize("body", [
    {"password": "x"},
    pytest.param({"tags": 5}, marks=differs_on_rabbitmq("tags that are none are a 500")),
    b"{",
    {"password_hash": "not base64", "tags": ""},
    pytest.param({"password_hash": "eHh4eA==", "hashing_algorithm": "bcrypt", "tags": ""},
                 marks=differs_on_rabbitmq("an unknown algorithm is a 500")),
])
def test_an_account_that_cannot_be_is_refused(api, body):
    name = f"mgmt-{secrets.token_hex(4)}"
    status, answer = api.call("PUT", f"users/{name}", body)
    assert status == 400 and answer["error"] == "bad_request", answer
    assert api.call("GET", f"users/{name}") == (404, NO_OBJECT)


def test_permissions_are_set_listed_and_cleared(api, vhost, account):
    name = account("")
    where = f"permissions/{path(vhost, name)}"
    rights = {"configure": "^a", "write": "^b", "read": ".*"}
    row = {"user": name, "vhost": vhost, **rights}
    assert api.call("GET", where) == (404, NO_OBJECT)
    assert api.status("PUT", where, rights) == 201
    assert api.status("PUT", where, rights) == 204
    assert api.get(where) == row
    assert api.get(f"users/{name}/permissions") == [row]
    assert row in api.get("permissions") and row in api.get(f"vhosts/{path(vhost)}/permissions")
    assert api.status("PUT", where, {**rights, "read": "("}) == 400
    assert api.status("PUT", where, {"configure": "a"}) == 400
    assert api.get(where) == row
    assert api.status("PUT", f"permissions/{path(vhost, 'nobody')}", rights) == 400
    assert api.status("PUT", f"permissions/{path('none', name)}", rights) == 400
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)


def test_topic_permissions_are_set_listed_and_cleared(api, vhost, account):
    name = account("")
    where = f"topic-permissions/{path(vhost, name)}"
    rights = {"exchange": "amq.topic", "write": "^a", "read": "^b"}
    row = {"user": name, "vhost": vhost, **rights}
    assert api.status("PUT", where, rights) == 201
    assert api.get(where) == [row] == api.get(f"users/{name}/topic-permissions")
    assert row in api.get("topic-permissions")
    assert api.status("DELETE", f"{where}/amq.topic") == 204
    assert api.call("DELETE", f"{where}/amq.topic") == (404, NO_OBJECT)


def test_an_exchange_is_made_shown_and_deleted(api, vhost):
    where = f"exchanges/{path(vhost, 'e/1')}"
    wish = {"type": "topic", "durable": "true", "arguments": {"alternate-exchange": "amq.fanout"}}
    assert api.status("PUT", where, wish) == 201
    assert api.status("PUT", where, wish) == 204
    shown = api.get(where)
    expected = {"name": "e/1", "vhost": vhost, "type": "topic", "durable": True, "auto_delete": False,
                "internal": False, "arguments": {"alternate-exchange": "amq.fanout"}}
    assert shown | expected == shown
    status, answer = api.call("PUT", where, {"type": "direct", "durable": True})
    assert status == 400 and "inequivalent arg 'type'" in answer["reason"]
    assert api.status("PUT", f"exchanges/{path(vhost, 'e2')}", {"type": "nope"}) == 400
    assert api.call("PUT", f"exchanges/{path(vhost, 'amq.mine')}", {"type": "direct"})[1]["error"] == "not_authorised"
    listed = [each["name"] for each in api.get(f"exchanges/{path(vhost)}")]
    assert {"", "amq.direct", "amq.topic", "e/1"} <= set(listed)
    assert api.get(f"exchanges/{path(vhost)}/amq.default")["name"] == ""
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)
    assert api.status("DELETE", f"exchanges/{path(vhost)}/amq.direct") == 401


def test_a_queue_is_made_shown_and_deleted(api, vhost):
    where = f"queues/{path(vhost, 'q/1')}"
    wish = {"durable": True, "auto_delete": "false", "arguments": {"x-max-length": 5}}
    assert api.status("PUT", where, wish) == 201
    assert api.status("PUT", where, wish) == 204
    shown = api.get(where)
    expected = {"name": "q/1", "vhost": vhost, "type": "classic", "durable": True, "auto_delete": False,
                "exclusive": False, "arguments": {"x-max-length": 5}, "consumer_details": []}
    assert shown | expected == shown
    status, answer = api.call("PUT", where, {"durable": True})
    assert status == 400 and "x-max-length" in answer["reason"]
    assert api.status("PUT", where, {"durable": 3}) == 400
    assert api.status("PUT", f"queues/{path(vhost, 'q2')}", {"arguments": {"x-message-ttl": -1}}) == 400
    assert api.status("PUT", f"queues/{path('none', 'q2')}", {}) == 404
    assert [each["name"] for each in api.get(f"queues/{path(vhost)}")] == ["q/1"]
    assert api.status("POST", f"{where}/actions", {"action": "sync"}) == 204
    assert api.status("POST", f"{where}/actions", {"action": "dance"}) == 400
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)
    assert api.call("GET", where) == (404, NO_OBJECT)


def test_bindings_are_named_by_their_keys(api, vhost):
    v = path(vhost)
    api.status("PUT", f"queues/{v}/q", {"durable": True})
    api.status("PUT", f"exchanges/{v}/e", {"type": "topic"})
    between = f"bindings/{v}/e/amq.direct/q/q"
    for wish in [{"routing_key": "a/b", "arguments": {"x": 1}}, {"routing_key": "a/b"}, {"routing_key": "k"}, {}]:
        assert api.status("POST", between, wish) == 201
    assert api.status("POST", f"bindings/{v}/e/amq.direct/e/e", {"routing_key": "ee"}) == 201
    assert api.status("POST", f"bindings/{v}/e/amq.direct/q/none", {}) == 404
    rows = api.get(between)
    keys = {(row["routing_key"], str(row["arguments"])): row["properties_key"] for row in rows}
    assert keys[("", "{}")] == "~" and keys[("k", "{}")] == "k" and keys[("a/b", "{}")] == "a%2Fb"
    assert keys[("a/b", "{'x': 1}")].startswith("a%2Fb~") and len(rows) == 4
    for row in rows:
        assert api.get(f"{between}/{path(row['properties_key'])}") == row
    assert len(api.get(f"queues/{v}/q/bindings")) == 5
    assert len(api.get(f"exchanges/{v}/amq.direct/bindings/source")) == 5
    assert [row["source"] for row in api.get(f"exchanges/{v}/e/bindings/destination")] == ["amq.direct"]
    assert {row["destination_type"] for row in api.get(f"bindings/{v}")} == {"queue", "exchange"}
    doomed = f"{between}/{path(keys[('a/b', str({'x': 1}))])}"
    assert api.status("DELETE", doomed) == 204
    assert api.call("DELETE", doomed) == (404, NO_OBJECT)
    assert sorted(row["properties_key"] for row in api.get(between)) == ["a%2Fb", "k", "~"]


def test_a_message_is_published_looked_at_and_taken(api, vhost):
    v = path(vhost)
    api.status("PUT", f"queues/{v}/q", {"durable": True})
    properties = {"headers": {"a": 1}, "delivery_mode": 2, "message_id": "m", "expiration": "60000", "priority": 3,
                  "timestamp": 5}
    to_default = f"exchanges/{v}/amq.default/publish"
    wish = {"properties": properties, "routing_key": "q", "payload": "año", "payload_encoding": "string"}
    assert api.call("POST", to_default, wish) == (200, {"routed": True})
    wish = {"properties": {}, "routing_key": "q", "payload": "AP8=", "payload_encoding": "base64"}
    assert api.call("POST", to_default, wish) == (200, {"routed": True})
    assert api.call("POST", to_default, {**wish, "routing_key": "none"}) == (200, {"routed": False})
    eventually(lambda: api.get(f"queues/{v}/q").get("messages_ready") == 2, within=20, what="two messages are counted")
    look = {"count": 5, "ackmode": "ack_requeue_true", "encoding": "auto"}
    status, messages = api.call("POST", f"queues/{v}/q/get", look)
    assert status == 200 and len(messages) == 2
    text, octets = messages
    assert (text["payload"], text["payload_encoding"], text["payload_bytes"]) == ("año", "string", 4)
    assert text["properties"] == properties and text["message_count"] == 1 and not text["redelivered"]
    assert (octets["payload"], octets["payload_encoding"], octets["message_count"]) == ("AP8=", "base64", 0)
    take = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "base64", "truncate": 1}
    status, (message,) = api.call("POST", f"queues/{v}/q/get", take)
    assert (message["payload"], message["payload_bytes"], message["redelivered"]) == ("YQ==", 4, True)
    assert api.status("DELETE", f"queues/{v}/q/contents") == 204
    assert api.call("POST", f"queues/{v}/q/get", look) == (200, [])


@pytest.mark.parametrize("wish", [
    {"routing_key": "q", "payload": "x", "payload_encoding": "string"},
    {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "other"},
    {"properties": {"priority": "high"}, "routing_key": "q", "payload": "x", "payload_encoding": "string"},
    pytest.param({"properties": {}, "routing_key": "q", "payload": "%%", "payload_encoding": "base64"},
                 marks=differs_on_rabbitmq("base64 that is none is a 500")),
])
def test_a_message_that_cannot_be_is_refused(api, wish):
    status, answer = api.call("POST", "exchanges/%2F/amq.default/publish", wish)
    assert status == 400 and answer["error"] == "bad_request"


def test_publishing_to_nowhere_is_refused(api):
    wish = {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"}
    status, answer = api.call("POST", "exchanges/%2F/no.such.exchange/publish", wish)
    assert status == 400 and "no exchange 'no.such.exchange'" in answer["reason"]


def test_a_policy_applies(api, vhost, broker, connect):
    v = path(vhost)
    api.status("PUT", f"queues/{v}/limited.q", {"durable": True})
    where = f"policies/{v}/p%2F1"
    wish = {"pattern": "^limited", "definition": {"max-length": 1}, "priority": 3, "apply-to": "queues"}
    assert api.status("PUT", where, wish) == 201
    row = {"vhost": vhost, "name": "p/1", "pattern": "^limited", "apply-to": "queues",
           "definition": {"max-length": 1}, "priority": 3}
    assert api.get(where) == row and api.get(f"policies/{v}") == [row] and row in api.get("policies")
    channel = connect(vhost=vhost).channel()
    channel.confirm_delivery()
    eventually(lambda: api.get(f"queues/{v}/limited.q").get("policy") == "p/1", within=20, what="the policy is shown")
    for body in [b"1", b"2", b"3"]:
        channel.basic_publish("", "limited.q", body)
    assert channel.basic_get("limited.q", auto_ack=True)[2] == b"3"
    assert channel.basic_get("limited.q", auto_ack=True)[2] is None
    for wrong in [{"pattern": "("}, {"definition": {}}, {"definition": {"max-lenght": 1}},
                  {"definition": {"max-length": -1}}, {"apply-to": "people"}]:
        assert api.status("PUT", f"policies/{v}/wrong", {**wish, **wrong}) == 400, wrong
    assert api.status("PUT", f"policies/{v}/wrong", {"pattern": "^a"}) == 400
    assert api.get("operator-policies") == [] == api.get("parameters")
    assert api.status("DELETE", where) == 204
    assert api.call("DELETE", where) == (404, NO_OBJECT)


def test_policies_go_with_their_vhost(api, vhost):
    v = path(vhost)
    assert api.status("PUT", f"policies/{v}/p", {"pattern": "^q", "definition": {"max-length": 1}}) == 201
    assert api.status("DELETE", f"vhosts/{v}") == 204
    assert vhost not in [row["vhost"] for row in api.get("policies")]
    assert api.status("PUT", f"vhosts/{v}") == 201
    assert api.get(f"policies/{v}") == []


def test_connections_and_consumers_are_shown_and_closed(api, connect, name):
    import pika

    called = f"mgmt-{secrets.token_hex(4)}"
    connection = connect(client_properties={"connection_name": called})
    channel = connection.channel()
    queue = name("watched")
    channel.queue_declare(queue, durable=False)
    channel.basic_qos(prefetch_count=7)
    channel.basic_consume(queue, print, consumer_tag="tag")

    def mine():
        return [each for each in api.get("connections") if each.get("user_provided_name") == called]

    eventually(mine, within=20, what="the connection is shown")
    shown, = mine()
    assert shown["user"] == "guest" and shown["vhost"] == "/" and shown["protocol"] == "AMQP 0-9-1"
    assert shown["name"] == f"{shown['peer_host']}:{shown['peer_port']} -> {shown['host']}:{shown['port']}"
    where = f"connections/{path(shown['name'])}"
    assert api.get(where)["name"] == shown["name"]
    assert shown["name"] in [each["name"] for each in api.get("vhosts/%2F/connections")]

    def consumers():
        return [each for each in api.get("consumers/%2F") if each["queue"]["name"] == queue]

    eventually(consumers, within=20, what="the consumer is shown")
    consumer, = consumers()
    assert (consumer["consumer_tag"], consumer["ack_required"], consumer["prefetch_count"]) == ("tag", True, 7)
    assert consumer["channel_details"]["connection_name"] == shown["name"]
    assert [each["number"] for each in api.get(f"{where}/channels")] == [1]
    assert f"{shown['name']} (1)" in [each["name"] for each in api.get("channels")]
    assert api.status("DELETE", where, headers={"X-Reason": "tidying up"}) == 204
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="tidying up"):
        connection.process_data_events(10)
        connection.process_data_events(10)
    eventually(lambda: not mine(), within=20, what="the connection is gone")
    assert api.call("DELETE", "connections/none") == (404, NO_OBJECT)


def test_health_checks(api, broker):
    for check in ["alarms", "local-alarms", "virtual-hosts", "node-is-quorum-critical", "node-is-mirror-sync-critical",
                  "protocol-listener/amqp", f"port-listener/{broker.port}"]:
        assert api.get(f"health/checks/{check}")["status"] == "ok", check
    status, answer = api.call("GET", "health/checks/port-listener/1")
    assert (status, answer["status"], answer["missing"]) == (503, "failed", 1)
    status, answer = api.call("GET", "health/checks/protocol-listener/gopher")
    assert (status, answer["status"], answer["missing"]) == (503, "failed", "gopher")
    assert api.status("GET", "health/checks/port-listener/x") == 400
    assert api.get("aliveness-test/%2F") == {"status": "ok"}
    assert api.status("GET", "aliveness-test/none") == 404


def test_an_alarm_fails_the_check(api, ctl):
    ctl.alarm_set()
    try:
        def failing():
            return api.status("GET", "health/checks/alarms") == 503

        eventually(failing, within=20, what="the check fails")
        assert api.call("GET", "health/checks/alarms")[1]["alarms"][0]["resource"] == "memory"
    finally:
        ctl.alarm_clear()
    eventually(lambda: api.status("GET", "health/checks/alarms") == 200, within=20, what="the check passes")


def test_lists_come_in_pages(api, vhost):
    v = path(vhost)
    for number in range(5):
        api.status("PUT", f"queues/{v}/Page-{number}", {})
    page = api.get(f"queues/{v}?page=2&page_size=2&name=page&sort=name&sort_reverse=true&columns=name")
    assert page == {"filtered_count": 5, "item_count": 2, "items": [{"name": "Page-2"}, {"name": "Page-1"}], "page": 2,
                    "page_count": 3, "page_size": 2, "total_count": 5}
    found = api.get(f"queues/{v}?page=1&name=PAGE-[34]&use_regex=true&columns=name".replace("[", "%5B").replace("]", "%5D"))
    assert [each["name"] for each in found["items"]] == ["Page-3", "Page-4"]
    assert api.get(f"queues/{v}?page=1&name=nothing")["items"] == []


@pytest.mark.parametrize("query", [
    "page=-1", "page=0", "page=x", "page=1&page_size=9223372036854775808", "page=1&page_size=0", "page=1&page_size=501",
    "page=1&name=%28&use_regex=true", "page=99&page_size=500",
])
def test_pages_that_cannot_be_are_refused(api, query):
    assert api.status("GET", f"exchanges?{query}") == 400


def test_paths_and_methods_that_do_not_exist(api):
    assert api.call("GET", "nothing") == (404, NO_OBJECT)
    assert api.status("POST", "queues") == 405
    assert api.status("GET", "queues/none") == 404


def test_logins_that_do_not_open(api, account):
    url = api._url[:-5]
    untagged = account("", rights=".*")
    for username, password in [("guest", "wrong"), ("nobody", "x"), (untagged, "wrong"), ("", "")]:
        status, answer = Management(url, username, password).call("GET", "overview")
        assert (status, answer["error"]) == (401, "not_authorized"), username
    status, answer = Management(url, untagged, "secret").call("GET", "overview")
    assert (status, answer) == (401, {"error": "not_authorised", "reason": "Not management user"})


READ_BY_ADMINISTRATORS = ["users", "permissions", "topic-permissions", "definitions"]
READ_BY_POLICYMAKERS = ["parameters", "global-parameters"]
READ_BY_MONITORS = ["nodes"]
READ_BY_ALL = ["overview", "whoami", "vhosts", "queues", "exchanges", "bindings", "connections", "channels", "consumers",
               "policies", "cluster-name", "extensions", "health/checks/alarms"]


@pytest.mark.parametrize("tag, allowed", [
    ("management", READ_BY_ALL),
    ("policymaker", READ_BY_ALL + READ_BY_POLICYMAKERS),
    ("monitoring", READ_BY_ALL + READ_BY_MONITORS),
    ("administrator", READ_BY_ALL + READ_BY_POLICYMAKERS + READ_BY_MONITORS + READ_BY_ADMINISTRATORS),
])
def test_tags_say_what_is_read(api, account, tag, allowed):
    visitor = Management(api._url[:-5], account(tag, rights=".*"), "secret")
    for where in READ_BY_ALL + READ_BY_POLICYMAKERS + READ_BY_MONITORS + READ_BY_ADMINISTRATORS:
        assert visitor.status("GET", where) == (200 if where in allowed else 401), where


@pytest.mark.parametrize("tag", ["management", "policymaker", "monitoring"])
def test_tags_say_what_is_written(api, account, tag):
    """ABUSE.md B.23: whoever may look at everything changes nothing."""
    visitor = Management(api._url[:-5], account(tag), "secret")
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    for method, where, body in [
        ("PUT", "vhosts/mine", {}),
        ("DELETE", "vhosts/%2F", None),
        ("PUT", "users/mine", {"password": "x", "tags": "administrator"}),
        ("PUT", f"users/{visitor.get('whoami')['name']}", {"password": "x", "tags": "administrator"}),
        ("DELETE", "users/guest", None),
        ("POST", "users/bulk-delete", {"users": ["guest"]}),
        ("PUT", "permissions/%2F/guest", rights),
        ("DELETE", "permissions/%2F/guest", None),
        ("PUT", "topic-permissions/%2F/guest", {"exchange": "", "write": "", "read": ""}),
        ("POST", "definitions", {}),
        ("POST", "definitions/%2F", {}),
        ("PUT", "queues/%2F/mine", {}),
        ("PUT", "exchanges/%2F/mine", {"type": "fanout"}),
        ("DELETE", "exchanges/%2F/amq.fanout", None),
        ("POST", "bindings/%2F/e/amq.direct/e/amq.topic", {}),
        ("PUT", "policies/%2F/mine", {"pattern": "^x", "definition": {"max-length": 1}}),
        ("POST", "exchanges/%2F/amq.default/publish",
         {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"}),
        ("GET", "aliveness-test/%2F", None),
    ]:
        assert visitor.status(method, where, body) == 401, (method, where)
    assert {"guest"} <= {each["name"] for each in api.get("users")}


def test_nobody_reaches_what_is_not_theirs(api, account, vhost, connect):
    v = path(vhost)
    api.status("PUT", f"queues/{v}/theirs", {})
    visitor = Management(api._url[:-5], account("management", rights="^mine", vhost=vhost), "secret")
    assert visitor.status("PUT", f"queues/{v}/mine", {}) == 201
    assert visitor.status("PUT", f"queues/{v}/theirs2", {}) == 401
    assert visitor.status("PUT", f"policies/{v}/p", {"pattern": "^m", "definition": {"max-length": 1}}) == 401
    assert visitor.status("GET", "queues/%2F") == 401
    connect()
    assert visitor.get("connections") == [] or all(each["user"] != "guest" for each in visitor.get("connections"))
    take = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    assert visitor.status("POST", f"queues/{v}/mine/get", take) == 200


@differs_on_rabbitmq("a queue of the virtual host is shown to whoever has any right there")
def test_what_nobody_may_touch_is_not_there(api, account, vhost):
    """ABUSE.md B.18: the answer for a queue of others is the answer for none."""
    v = path(vhost)
    api.status("PUT", f"queues/{v}/theirs", {})
    api.status("POST", f"bindings/{v}/e/amq.direct/q/theirs", {})
    visitor = Management(api._url[:-5], account("management", rights="^mine", vhost=vhost), "secret")
    take = {"count": 1, "ackmode": "ack_requeue_false", "encoding": "auto"}
    for method, tail, body in [("GET", "", None), ("DELETE", "", None), ("GET", "/bindings", None),
                               ("DELETE", "/contents", None), ("POST", "/get", take)]:
        for queue in ["theirs", "missing"]:
            assert visitor.call(method, f"queues/{v}/{queue}{tail}", body) == (404, NO_OBJECT), (method, tail, queue)
    assert [each["name"] for each in visitor.get(f"queues/{v}")] == []
    assert visitor.get(f"bindings/{v}") == []
