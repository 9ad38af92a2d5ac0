"""ABUSE.md B to D as far as it concerns REST: others' things, odd names, pages without measure, guessed passwords, secrets."""

import re
from urllib.parse import quote

import pytest

from raw_http import RawHttp
from rest import PASSWORD, REST_ONLY, Rest, basic, queue_path, topic_path

pytestmark = REST_ONLY


@pytest.fixture
def owned(member, name):
    """A queue and a topic of one member, and another member that has no right on either."""
    owner, stranger = member("owner"), member("stranger")
    queue, topic = name("theirs"), name("their-topic")
    owner.make(queue)
    owner.publish(queue, "secret")
    owner.put(topic_path(topic), {}).ok(201)
    return owner, stranger, queue, topic


ON_A_QUEUE = {
    "show": ("GET", "", {}), "delete": ("DELETE", "", {}), "rename": ("PATCH", "", {"json": {"name": "mine-now"}}),
    "purge": ("POST", "/purge", {}), "publish": ("POST", "/messages", {"body": b"x"}),
    "publish a batch": ("POST", "/messages/batch", {"json": {"messages": [{}]}}), "pull": ("POST", "/pull", {"json": {}}),
    "read events": ("GET", "/events", {}), "look at dead letters": ("GET", "/deadletters", {}),
    "replay dead letters": ("POST", "/deadletters/replay", {"json": {"all": True}}),
    "discard dead letters": ("POST", "/deadletters/discard", {"json": {"all": True}}), "list grants": ("GET", "/grants", {}),
    "grant": ("PUT", "/grants/guest", {"json": {"read": True}}), "revoke": ("DELETE", "/grants/guest", {}),
    "list keys": ("GET", "/keys", {}), "make a key": ("POST", "/keys", {"json": {"read": True}}),
    "delete a key": ("DELETE", "/keys/x", {}), "split further": ("PATCH", "", {"json": {"partitions": 9}}),
    "list groups": ("GET", "/groups", {}), "show a group": ("GET", "/groups/g", {}), "forget a group": ("DELETE", "/groups/g", {}),
    "set a group": ("PUT", "/groups/g", {"json": {"offset": "first"}}), "pull by a group": ("POST", "/pull", {"json": {"group": "g"}}),
}


def without(answer, name):
    return answer.status, answer.text.replace(name, "NAME"), sorted(set(answer.headers) - {"content-length", "date"})


def is_refused(answer):
    """As a whole, or (a batch) message by message."""
    if answer.status == 200:
        return [result["outcome"] for result in answer.json["results"]] == ["refused"]
    return answer.status in (403, 404)


@pytest.mark.parametrize("verb", ON_A_QUEUE)
def test_b18_a_stranger_is_told_the_same_of_anothers_queue_and_of_a_missing_one(owned, name, verb):
    owner, stranger, queue, _ = owned
    missing = name("missing")
    method, path, options = ON_A_QUEUE[verb]
    theirs, none = (stranger.call(method, queue_path(each) + path, **options) for each in (queue, missing))
    assert is_refused(theirs)
    assert without(theirs, queue) == without(none, missing), "the answer tells whether the queue exists"
    assert [message["body"] for message in owner.pull(queue, max=9)] == ["secret"]


@pytest.mark.parametrize("ask", ["ask", "fail_without_worker", "async"])
def test_b18_a_stranger_cannot_ask_anothers_workers(owned, name, ask):
    _, stranger, queue, _ = owned
    missing = name("missing")
    query = {"wait_ms": 200, **({ask: True} if ask != "ask" else {})}
    theirs, none = (stranger.post("/v1/requests/" + each, body=b"x", **query) for each in (queue, missing))
    assert theirs.status in (403, 404)
    assert without(theirs, queue) == without(none, missing)


ON_A_TOPIC = {
    "show": ("GET", "", {}), "delete": ("DELETE", "", {}), "publish": ("POST", "/messages", {"body": b"x"}),
    "publish a batch": ("POST", "/messages/batch", {"json": {"messages": [{}]}}), "bindings": ("GET", "/bindings", {}),
    "unbind": ("DELETE", "/bindings", {"json": {"queue": "q", "pattern": ""}}), "read events": ("GET", "/events", {}),
    "grants": ("GET", "/grants", {}), "grant": ("PUT", "/grants/guest", {"json": {"write": True}}),
}


@pytest.mark.parametrize("verb", ON_A_TOPIC)
def test_b18_a_stranger_is_told_the_same_of_anothers_topic_and_of_a_missing_one(owned, name, verb):
    _, stranger, _, topic = owned
    missing = name("missing")
    method, path, options = ON_A_TOPIC[verb]
    theirs, none = (stranger.call(method, topic_path(each) + path, **options) for each in (topic, missing))
    assert is_refused(theirs)
    assert without(theirs, topic) == without(none, missing), "the answer tells whether the topic exists"


def test_b18_a_stranger_sees_nothing_of_others_in_any_list(owned):
    _, stranger, _, _ = owned
    assert stranger.get("/v1/queues").ok()["items"] == []
    mine = stranger.get("/v1/topics", limit=1000).ok()["items"]
    assert [topic["name"] for topic in mine if topic.get("owner")] == []
    for path in ("/v1/accounts", "/v1/invitations", "/v1/sessions?login=guest", "/v1/sessions?login=*", "/v1/audit?actor=guest"):
        stranger.get(path).problem(403)
    assert {entry["actor"] for entry in stranger.get("/v1/audit").ok()["items"]} <= {stranger.login}


def test_b22_a_stranger_taps_nothing_by_bindings_or_dead_letters(owned, name):
    owner, stranger, queue, topic = owned
    mine, own_topic = name("mine"), name("my-topic")
    stranger.make(mine)
    stranger.put(topic_path(own_topic), {}).ok(201)
    for source, binding in ((topic, {"queue": mine, "pattern": "#"}), (own_topic, {"queue": queue, "pattern": "#"}),
                            (own_topic, {"topic": topic}), (topic, {"topic": own_topic})):
        stranger.post(topic_path(source) + "/bindings", binding).problem(403)
    stranger.put(topic_path(name()), {"alternate": topic}).problem(403)
    stranger.put(queue_path(name()), {"settings": {"dead_letter_exchange": topic}}).problem(403)
    assert len(owner.pull(queue, max=9)) == 1


def test_b26_nobody_makes_itself_more_than_it_is(member):
    account = member()
    path = f"/v1/accounts/{account.login}"
    for wish in ({"role": "administrator"}, {"tags": ["administrator"]}, {"login": "guest"}, {"password_hash": "x"}):
        account.patch(path, wish).problem(422)
        account.patch("/v1/me", wish).problem(422)
    account.put(path + "/role", {"role": "administrator"}).problem(403)
    account.put(path + "/quota", {}).problem(403)
    account.put("/v1/accounts/guest/password", {"new": "another one"}).problem(403)
    account.delete("/v1/accounts/guest").problem(403)
    account.post("/v1/invitations", {"role": "administrator"}).problem(403)
    account.post("/v1/accounts", {"login": "x", "password": PASSWORD, "role": "administrator"}).problem(403)
    assert account.get("/v1/me").ok()["role"] == "member"


ODD = ["..", ".", "a/b", "../guest", "a%2fb", "%2e%2e", "x\0y", "\u202eevil", "a\u200bb", "güest", "x y", "a\tb", "a\nb", "'\"<img>",
       "amq.mine", "reply.x", "reader.x", "💥", "a" * 255, "ü" * 127, "C:\\x", "*", "#", "?x=1", "a;b", "{queue}"]


@pytest.mark.parametrize("queue", ODD, ids=repr)
def test_b20_an_odd_name_is_that_name_or_refused_and_never_another(member, queue):
    maker = member()
    answer = maker.put(queue_path(queue), {})
    if answer.status != 201:
        assert answer.status in (403, 404, 409, 422), answer
        answer.problem(answer.status)
        assert maker.get("/v1/queues").ok()["items"] == []
        return
    assert answer.json["name"] == queue
    assert [each["name"] for each in maker.get("/v1/queues").ok()["items"]] == [queue]
    maker.publish(queue, "to it")
    assert maker.take(queue)["routing_key"] == queue
    maker.delete(queue_path(queue)).ok()


@pytest.mark.parametrize("path", ["/v1/queues/" + "a" * 256, "/v1/queues/" + quote("ü" * 128), "/v1/topics/" + "a" * 256])
def test_b20_a_name_of_256_bytes_is_refused(rest, path):
    answer = rest.put(path, {})
    assert answer.status in (400, 409, 422), answer
    answer.problem(answer.status)


def test_b20_a_queue_is_not_renamed_to_what_amqp_would_not_keep(rest, name):
    queue = name()
    rest.make(queue)
    for new in ("", "a\nb", "a\rb", "a" * 256):
        rest.patch(queue_path(queue), {"name": new}).problem(422)
    assert rest.get(queue_path(queue)).ok()["name"] == queue


@pytest.mark.parametrize("path", ["/v1/queues/%ff%fe", "/v1/queues/%c0%ae", "/v1/queues/%zz", "/v1/queues/%", "/v1/queues/%2",
                                  "/v1/%71ueues/x/../../../etc/passwd", "//v1/queues", "/v1//queues", "/v1/queues/../accounts"])
def test_b20_a_path_that_is_no_text_or_climbs_is_a_problem(broker, path):
    with RawHttp(broker) as link:
        link.request(f"GET {path}", [f"Authorization: {basic('guest', 'guest')}"])
        answer = link.answer()
        assert answer.status in (400, 404), answer
        answer.problem(answer.status)


@pytest.mark.parametrize("login", ["gu est", "gu/est", "a:b", "", "ü", "a" * 65, "a\0", "<img>", "../x", "\u202eguest"], ids=repr)
def test_b20_a_login_that_could_be_taken_for_another_is_refused(broker, login):
    Rest(broker, authorization="").post("/v1/accounts", {"login": login, "password": PASSWORD}).problem(422)


@pytest.mark.parametrize("taken", ["guest", "GUEST", "Guest"])
def test_b20_a_login_is_taken_whatever_its_case(broker, taken):
    Rest(broker, authorization="").post("/v1/accounts", {"login": taken, "password": PASSWORD}).problem(409)


@pytest.mark.parametrize("path", ["/v1/queues", "/v1/topics", "/v1/accounts", "/v1/sessions", "/v1/audit"])
@pytest.mark.parametrize("query, status", [
    ("limit=0", 422), ("limit=1001", 422), ("limit=-1", 400), ("limit=9223372036854775808", 400), ("limit=1e3", 400),
    ("limit=1&limit=1000", 400), ("limit=", 400)])
def test_c35_a_page_without_measure_is_refused(rest, path, query, status):
    rest.get(f"{path}?{query}").problem(status)


@pytest.mark.parametrize("cursor", ["!!!", "%00", "a" * 3000, "//8", "../../x", "%27%20OR%201=1--", "____"])
def test_c35_a_cursor_that_no_page_gave_is_refused_or_leads_nowhere_else(rest, cursor):
    answer = rest.get(f"/v1/queues?cursor={cursor}")
    assert answer.status in (200, 422), answer
    if answer.status == 422:
        answer.problem(422, "cursor")


def test_c35_a_filter_is_text_not_a_pattern(rest, name):
    queue = name("a.*(b)+$")
    rest.make(queue)
    assert [each["name"] for each in rest.get("/v1/queues", name="a.*(b)+$").ok()["items"]] == [queue]
    assert rest.get("/v1/queues", name="(a+)+$" * 200).ok()["items"] == []


def test_d41_without_a_login_there_is_nothing_but_up_and_the_description(broker):
    stranger = Rest(broker, authorization="")
    for path in ("/healthz", "/readyz"):
        answer = stranger.get(path)
        assert re.fullmatch(rb"[a-z]+\n", answer.body), answer
    for path in ("/metrics", "/debug", "/debug/pprof", "/v1/audit", "/v1/accounts", "/v1/me", "/v1/queues", "/v1/topics", "/v1/nodes",
                 "/api/overview", "/v1/sessions", "/v1/invitations"):
        answer = stranger.get(path)
        assert answer.status in (401, 403, 404), answer
    # Who serves is no stranger's business.
    assert stranger.get("/healthz").headers["Server"] is None


def test_d38_what_users_write_comes_back_as_json_that_no_browser_takes_for_a_page(rest, name):
    queue = name("<img src=x onerror=alert(1)>")
    for answer in (rest.put(queue_path(queue), {}), rest.get("/v1/queues"), rest.get(queue_path("<script>")),
                   rest.get("/%3Cscript%3E")):
        assert answer.headers.get_content_type() in ("application/json", "application/problem+json"), answer
