"""What an operator does about connections, sessions, virtual hosts, permissions and policies, and that nobody else does it."""

from urllib.parse import quote

import pika
import pytest

from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest, unique

pytestmark = REST_ONLY


@pytest.fixture(scope="module")
def member(server):
    Rest(server).post("/v1/accounts", {"login": "member", "password": PASSWORD}).ok(201)
    return Rest(server, "member", PASSWORD)


@pytest.fixture
def vhost(server):
    """A virtual host of the test's own."""
    name = unique("host")
    rest = Rest(server)
    rest.put("/v1/vhosts/" + name).ok(201)
    yield name
    assert rest.delete("/v1/vhosts/" + name).status in (204, 404)


def connect(server, login="guest", password="guest", vhost="/", **properties):
    parameters = pika.ConnectionParameters(server.host, server.port, vhost, pika.PlainCredentials(login, password),
                                           client_properties=properties)
    return pika.BlockingConnection(parameters)


def connections(rest, **query):
    return rest.get("/v1/connections", **query).ok()["items"]


def closed(connection):
    try:
        connection.process_data_events(time_limit=0.1)
    except pika.exceptions.AMQPError:
        return True
    return connection.is_closed


def test_connections_are_listed_and_closed(server, request):
    rest, name = Rest(server), unique("connection")
    connection = connect(server, connection_name=name)
    request.addfinalizer(lambda: connection.is_closed or connection.close())
    [shown] = connections(rest, name=name)
    assert shown["login"] == "guest" and shown["door"] == "amqp" and shown["vhost"] == "/" and shown["since_ms"] > 0
    rest.delete(f"/v1/connections/{shown['id']}", reason="tidying up").ok(204)
    eventually(lambda: closed(connection), within=10, what="the connection is closed")
    eventually(lambda: not connections(rest, name=name), within=10, what="it is gone from the list")
    rest.delete(f"/v1/connections/{shown['id']}").problem(404)
    rest.delete("/v1/connections/nonsense").problem(404)

    def written_down():
        entries = rest.get("/v1/audit", action="connection.close").ok()["items"]
        return [entry for entry in entries if entry["object"] == shown["id"] and "tidying up" in entry["detail"]]

    eventually(written_down, within=10, what="it is in the audit log")


def test_members_see_and_close_their_own_connections_alone(server, member, request):
    Rest(server).put("/v1/vhosts/%2F/permissions/member", {"configure": "", "write": "", "read": ""}).ok(204)
    own, others = connect(server, "member", PASSWORD), connect(server)
    for each in (own, others):
        request.addfinalizer(lambda each=each: each.is_closed or each.close())
    shown = connections(member, limit=1000)
    assert {one["login"] for one in shown} == {"member"}
    assert connections(member, login="guest") == []
    [other] = [one for one in connections(Rest(server), login="guest", limit=1000) if one["door"] == "amqp"][-1:]
    member.delete(f"/v1/connections/{other['id']}").problem(404)
    [mine] = [one for one in shown if one["door"] == "amqp"]
    member.delete(f"/v1/connections/{mine['id']}").ok(204)
    eventually(lambda: closed(own), within=10, what="one's own connection is closed")
    assert not closed(others)


def test_connections_come_in_pages(server, request):
    rest, name = Rest(server), unique("paged")
    for number in range(5):
        each = connect(server, connection_name=f"{name}-{number}")
        request.addfinalizer(each.close)
    first = rest.get("/v1/connections", name=name, limit=3).ok()
    rest_of_them = rest.get("/v1/connections", name=name, limit=3, cursor=first["next_cursor"]).ok()
    names = [one["name"] for one in first["items"] + rest_of_them["items"]]
    assert sorted(names) == [f"{name}-{number}" for number in range(5)] and "next_cursor" not in rest_of_them


def test_an_administrator_ends_sessions_of_others(server, member):
    token = member.post("/v1/sessions").ok(201)["token"]
    theirs = Rest(server, authorization="Bearer " + token)
    session = theirs.get("/v1/sessions/present").ok()["session"]["id"]
    Rest(server).post("/v1/accounts", {"login": "nosy", "password": PASSWORD})
    nosy = Rest(server, "nosy", PASSWORD)
    nosy.delete("/v1/sessions/" + session).problem(404)
    nosy.get("/v1/sessions", login="*").problem(403)
    assert any(one["id"] == session for one in Rest(server).get("/v1/sessions", login="*", limit=1000).ok()["items"])
    Rest(server).delete("/v1/sessions/" + session).ok(204)
    theirs.get("/v1/me").problem(401)


def test_virtual_hosts_are_made_listed_and_deleted(server, member, vhost):
    rest = Rest(server)
    rest.put("/v1/vhosts/" + vhost).ok(204)
    assert {"name": vhost} in rest.get("/v1/vhosts").ok()["items"]
    connect(server, vhost=vhost).close()
    assert {"name": vhost} not in member.get("/v1/vhosts").ok()["items"]
    member.put("/v1/vhosts/theirs").problem(403)
    member.delete("/v1/vhosts/" + vhost).problem(403)
    rest.delete("/v1/vhosts/" + vhost).ok(204)
    rest.delete("/v1/vhosts/" + vhost).problem(404)
    rest.delete("/v1/vhosts/%2F").problem(409, "stays")


def test_what_accounts_may_do_in_a_virtual_host_is_set_and_cleared(server, member, vhost):
    rest = Rest(server)
    path = f"/v1/vhosts/{vhost}/permissions/member"
    patterns = {"configure": "^own[.]", "write": ".*", "read": "^own[.]"}
    rest.put(path, patterns).ok(204)
    told = rest.get("/v1/permissions", vhost=vhost, login="member").ok()
    assert told == {"items": [{"login": "member", "vhost": vhost, **patterns}], "topics": []}
    assert {"name": vhost} in member.get("/v1/vhosts").ok()["items"]
    connection = connect(server, "member", PASSWORD, vhost)
    connection.channel().queue_declare("own.queue")
    [queue] = member.get("/v1/queues", vhost=vhost).ok()["items"]
    assert (queue["name"], queue["vhost"]) == ("own.queue", vhost) and queue["rights"]["configure"]
    assert member.get("/v1/queues/own.queue", vhost=vhost).ok()["vhost"] == vhost
    connection.close()
    rest.delete(path).ok(204)
    rest.delete(path).problem(404)
    member.get("/v1/queues", vhost=vhost).problem(403, vhost)
    member.put(path, patterns).problem(403)
    member.get("/v1/permissions").problem(403)
    rest.put(path, {**patterns, "read": "("}).problem(422)
    rest.put(f"/v1/vhosts/{vhost}/permissions/nobody", patterns).problem(404)
    rest.put("/v1/vhosts/nowhere/permissions/member", patterns).problem(404)


def test_routing_keys_are_bounded_by_topic(server, member, vhost):
    rest = Rest(server)
    rest.put(f"/v1/vhosts/{vhost}/permissions/member", {"configure": ".*", "write": ".*", "read": ".*"}).ok(204)
    connection = connect(server, "member", PASSWORD, vhost)
    channel = connection.channel()
    channel.exchange_declare("news", "topic")
    path = f"/v1/vhosts/{vhost}/topic-permissions/member/news"
    rest.put(path, {"write": "^local[.]", "read": ".*"}).ok(204)
    told = rest.get("/v1/permissions", vhost=vhost).ok()["topics"]
    assert told == [{"login": "member", "vhost": vhost, "topic": "news", "write": "^local[.]", "read": ".*"}]
    channel.confirm_delivery()
    channel.basic_publish("news", "local.weather", b"")
    with pytest.raises(pika.exceptions.ChannelClosedByBroker):
        channel.basic_publish("news", "world.weather", b"")
    connection.close()
    member.delete(path).problem(403)
    rest.delete(path).ok(204)
    rest.delete(path).problem(404)


def test_policies_are_set_listed_and_cleared(server, member, vhost):
    rest = Rest(server)
    path = f"/v1/vhosts/{vhost}/policies/short"
    wish = {"pattern": "^tmp[.]", "apply_to": "queues", "priority": 3, "definition": {"max-length": 2}}
    rest.put(path, wish).ok(204)
    shown = {"vhost": vhost, "name": "short", **wish}
    assert rest.get("/v1/policies", vhost=vhost).ok()["items"] == [shown]
    assert shown not in member.get("/v1/policies").ok()["items"]
    connection = connect(server, vhost=vhost)
    channel = connection.channel()
    channel.queue_declare("tmp.one")
    for _ in range(5):
        channel.basic_publish("", "tmp.one", b"")
    eventually(lambda: rest.get("/v1/queues/tmp.one", vhost=vhost).ok()["messages_ready"] == 2, within=10, what="the policy holds")
    assert rest.get("/v1/queues/tmp.one", vhost=vhost).ok()["policy"] == "short"
    connection.close()
    member.put(path, wish).problem(403)
    member.delete(path).problem(403)
    rest.put(path, {**wish, "definition": {"max-lenght": 2}}).problem(422, "max-length")
    rest.put(path, {**wish, "pattern": "("}).problem(422)
    rest.delete(path).ok(204)
    rest.delete(path).problem(404)


def test_names_are_names_wherever_they_stand_in_a_path(server):
    rest = Rest(server)
    name = "a/b %{}" + unique("x")
    path = "/v1/vhosts/" + quote(name, "")
    rest.put(path).ok(201)
    assert {"name": name} in rest.get("/v1/vhosts").ok()["items"]
    rest.delete(path).ok(204)


def test_tags_are_set_by_administrators(server, member):
    Rest(server).post("/v1/accounts", {"login": "tagged", "password": PASSWORD}).ok(201)
    path = "/v1/accounts/tagged/tags"
    member.put(path, {"tags": ["administrator"]}).problem(403)
    Rest(server).put(path, {"tags": ["monitoring"]}).ok(204)
    assert Rest(server).get("/v1/accounts/tagged").ok()["tags"] == ["monitoring"]
    Rest(server).put("/v1/accounts/nobody.here/tags", {"tags": []}).problem(404)
