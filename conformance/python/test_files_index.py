"""The file index: who is there, what they have, who finds and may fetch it."""

import base64
import secrets
import time

import pytest

from harness.brokers import Chaski
from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest

pytestmark = [*REST_ONLY, pytest.mark.timeout(60)]

EVERYONE = {"everyone": True}
KEY = "ab" * 32


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"files.heartbeat_s": 20, "files.silence_s": 3_600})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def member(server):
    """Makes accounts; removed at the end of the test."""
    made = []

    def maker(label="member"):
        login = f"{label}-{secrets.token_hex(4)}"
        Rest(server).post("/v1/accounts", {"login": login, "password": PASSWORD}).ok(201)
        made.append(login)
        return Rest(server, login, PASSWORD)

    yield maker
    for login in made:
        Rest(server).delete(f"/v1/accounts/{login}")


def root():
    return secrets.token_hex(32)


def word():
    """A word that no other test has."""
    return "w" + secrets.token_hex(6)


def entry(name, of=None, audience=None, **more):
    return {"file": name, "name": name.rsplit("/", 1)[-1], "path": name, "size": 1_000, "root": of or root(), "type": "text/plain",
            "kind": "file", "have": None, "since_ms": 1_750_000_000_000, "audience": audience or EVERYONE, **more}


class Peer:
    """A peer of an account, announced; it is logged out at the end of its test, if that used `peers`."""

    def __init__(self, rest, addresses=("192.0.2.7:7070",), **more):
        self.rest, self.id, self.revision = rest, secrets.token_hex(16), 0
        self.path = "/v1/peers/" + self.id
        self.wish = {"name": f"{rest.login}'s", "addresses": list(addresses), "key": KEY, "relay": False, **more}
        self.announced = self.announce(201)

    def announce(self, status=200):
        return self.rest.put(self.path, self.wish).ok(status)

    def patch(self, put=(), remove=(), begin=None, to=None):
        begin = self.revision if begin is None else begin
        changes = {"from": begin, "to": begin + 1 if to is None else to, "put": list(put), "remove": list(remove)}
        return self.rest.patch(self.path + "/files", changes)

    def publish(self, *put, remove=(), **options):
        answer = self.patch(put, remove, **options).ok()
        self.revision = answer["revision"]
        return answer


@pytest.fixture
def peer():
    made = []

    def maker(rest, **options):
        made.append(Peer(rest, **options))
        return made[-1]

    yield maker
    for each in made:
        each.rest.delete(each.path, forget=True)


def found(rest, **query):
    """The names of what is found, all pages."""
    names, cursor = [], None
    while True:
        page = rest.get("/v1/files", **query, **({"cursor": cursor} if cursor else {})).ok()
        names += [each["name"] for each in page["files"]]
        cursor = page.get("next")
        if cursor is None:
            return names


def test_a_peer_is_announced_heard_listed_and_logged_out(member, peer):
    ana, ben = member("ana"), member("ben")
    one = peer(ana)
    assert one.announced["heartbeat_s"] == 20 and one.announced["silence_s"] == 3_600 and one.announced["revision"] == 0
    key, = one.announced["ticket_keys"]
    assert isinstance(key["id"], int) and len(bytes.fromhex(key["key"])) == 32
    assert one.announce(200)["ticket_keys"] == [key]
    assert ana.post(one.path + "/heartbeat", {}).ok() == {"revision": 0, "offers": 0}
    listed = {each["peer"]: each for each in ben.get("/v1/peers", limit=1_000).ok()["items"]}
    shown = listed[one.id]
    assert (shown["account"], shown["addresses"], shown["live"], shown["own"]) == (ana.login, ["192.0.2.7:7070"], True, False)
    assert "files" not in shown
    ana.delete(one.path).ok(204)
    assert one.id not in {each["peer"] for each in ana.get("/v1/peers", limit=1_000).ok()["items"]}
    mine = ana.get("/v1/peers", all=True, limit=1_000).ok()["items"]
    assert [(each["peer"], each["files"]) for each in mine if not each["live"]] == [(one.id, 0)]
    ana.post(one.path + "/heartbeat", {}).problem(404)
    ana.delete(one.path, forget=True).ok(204)
    ana.delete(one.path).problem(404)


def test_peers_come_in_pages(member, peer):
    ana = member()
    made = sorted(peer(ana).id for _ in range(5))
    seen, cursor = [], {}
    while True:
        page = ana.get("/v1/peers", limit=2, **cursor).ok()
        seen += [each["peer"] for each in page["items"] if each["own"]]
        if "next_cursor" not in page:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == made


def test_a_peer_says_that_it_speaks_the_sealed_line_alone(member, peer):
    ana, ben, of = member("ana"), member("ben"), root()
    page, taker = peer(ana, addresses=(), relay=True, sealed=True), peer(ben)
    page.publish(entry("of a page.txt", of))
    listed = {each["peer"]: each["sealed"] for each in ben.get("/v1/peers", limit=1_000).ok()["items"]}
    assert listed[page.id] is True and listed[taker.id] is False
    source, = ben.post(f"/v1/files/{of}/tickets", {}).ok()["sources"]
    assert source["sealed"] is True
    wish = {"from": taker.id, "root": of, "name": "a.txt", "size": 5, "kind": "file", "to": {"peer": page.id}}
    receiver, = ben.post("/v1/offers", wish).ok()["receivers"]
    assert receiver["sealed"] is True
    page.wish["sealed"] = False
    page.announce()
    listed = {each["peer"]: each["sealed"] for each in ben.get("/v1/peers", limit=1_000).ok()["items"]}
    assert listed[page.id] is False


def test_without_an_address_the_server_notes_the_one_that_it_sees(member, peer):
    assert peer(member(), addresses=[], port=7071).announced["addresses"] == ["127.0.0.1:7071"]
    assert peer(member(), addresses=[]).announced["addresses"] == []


@pytest.mark.parametrize("wish", [
    {"key": "ab"}, {"key": "zz" * 32}, {"name": ""}, {"name": "x" * 256}, {"port": 0}, {"addresses": ["192.0.2.1"]},
    {"addresses": ["a b:1"]}, {"addresses": ["host:0"]}, {"addresses": ["host:70000"]}, {"addresses": ["::1:80"]},
    {"addresses": ["h:1"] * 9}, {"addresses": ["http://h:1"]}, {"unknown": 1}])
def test_what_a_peer_cannot_say_is_refused(member, wish):
    wish = {"name": "n", "addresses": ["[2001:db8::7]:1", "a-b.example:65535"], "key": KEY, **wish}
    member().put("/v1/peers/" + "0" * 32, wish).problem(422)


@pytest.mark.parametrize("peer_id", ["0" * 31, "G" * 32, "A" * 32, "0" * 33])
def test_an_id_has_32_digits(member, peer_id):
    member().put("/v1/peers/" + peer_id, {"name": "n", "key": KEY}).problem(422)


def test_the_peer_of_another_account_is_not_there(member, peer):
    ana, ben = member("ana"), member("ben")
    one = peer(ana)
    one.publish(entry(word()))
    ben.put(one.path, one.wish).problem(409)
    ben.post(one.path + "/heartbeat", {}).problem(404)
    ben.patch(one.path + "/files", {"from": 0, "to": 9, "put": [], "remove": []}).problem(404)
    ben.delete(one.path).problem(404)
    ben.delete(one.path, forget=True).problem(404)
    assert one.announce()["revision"] == 1


def test_nobody_gets_in_without_an_account(server, member, rest_paths):
    ana = member("ana")
    queue = f"q-{secrets.token_hex(4)}"
    ana.put(f"/v1/queues/{queue}", {}).ok(201)
    secret = ana.post(f"/v1/queues/{queue}/keys", {"read": True}).ok(201)["secret"]
    for method, path, body in rest_paths:
        assert Rest(server, authorization="").call(method, path, body).status == 401, path
        assert Rest(server, authorization=f"Bearer {secret}").call(method, path, body).status == 403, path


@pytest.fixture
def rest_paths():
    peer_id, of = "0" * 32, "1" * 64
    return [("GET", "/v1/peers", None), ("PUT", f"/v1/peers/{peer_id}", {"name": "n", "key": KEY}),
            ("DELETE", f"/v1/peers/{peer_id}", None), ("POST", f"/v1/peers/{peer_id}/heartbeat", {}),
            ("PATCH", f"/v1/peers/{peer_id}/files", {"from": 0, "to": 1}), ("GET", "/v1/files", None),
            ("GET", f"/v1/files/{of}", None), ("POST", f"/v1/files/{of}/tickets", {}),
            ("POST", "/v1/offers", {"from": peer_id, "root": of, "name": "n", "size": 1, "kind": "file"}),
            ("GET", "/v1/links", None), ("POST", "/v1/links", {"root": of}), ("DELETE", "/v1/links/x", None)]


def test_a_full_list_and_then_differences(member, peer):
    ana, mark = member("ana"), word()
    one = peer(ana)
    one.publish(entry(f"{mark} a"), entry(f"{mark} b"), begin=0, to=7)
    refused = one.patch([entry(f"{mark} c")], begin=6).problem(409, "7")
    assert refused["type"] == "/problems/wrong-revision" and refused["revision"] == 7
    one.publish(entry(f"{mark} c"), remove=[f"{mark} a", "never there"])
    assert found(ana, q=mark) == [f"{mark} b", f"{mark} c"]
    one.publish({**entry(f"{mark} b"), "name": f"{mark} z"})
    assert found(ana, q=mark) == [f"{mark} c", f"{mark} z"]
    assert one.announce()["revision"] == one.revision == 9
    one.publish(entry(f"{mark} anew"), begin=0, to=3)
    assert found(ana, q=mark) == [f"{mark} anew"]
    mine, = [each for each in ana.get("/v1/peers", all=True, limit=1_000).ok()["items"] if each["own"]]
    assert (mine["files"], mine["revision"]) == (1, 3)


@pytest.mark.parametrize("wrong", [
    {"name": "a/b"}, {"name": ""}, {"name": "nul\0"}, {"root": "12"}, {"size": -1}, {"size": 2**53}, {"kind": "folder"}, {"have": "!"},
    {"have": "AAAAAAA"}, {"audience": {}}, {"audience": {"everyone": False}}, {"audience": {"everyone": True, "link": True}},
    {"audience": {"rooms": []}}, {"audience": {"accounts": ["x"] * 65}}, {"type": ""}, {"file": "x" * 4_097}])
def test_what_no_file_is_like_is_refused_and_nothing_is_done(member, peer, wrong):
    ana, mark = member(), word()
    one = peer(ana)
    one.patch([entry(mark), {**entry("b"), **wrong}]).problem(422)
    assert found(ana, q=mark) == [] and one.announce()["revision"] == 0


def test_a_request_has_at_most_1000_entries(member, peer):
    one = peer(member())
    many = [entry(f"f{number}") for number in range(1_001)]
    one.patch(many).problem(422)
    one.patch(many[:500], remove=["x"] * 501).problem(422)
    one.publish(*many[:1_000])


def test_no_peer_has_more_files_and_no_account_more_peers_than_allowed(member):
    limited = Chaski(settings={"files.max_files_per_peer": 2, "files.max_peers_per_account": 2})
    limited.start()
    try:
        rest = Rest(limited)
        one, two = Peer(rest), Peer(rest)
        one.publish(entry("a"), entry("b"))
        one.patch([entry("c")]).problem(429)
        one.publish(entry("c"), remove=["a"])
        third = "/v1/peers/" + "0" * 32
        rest.put(third, one.wish).problem(429)
        rest.delete(two.path).ok(204)
        # The one that was silent for longest makes room.
        rest.put(third, one.wish).ok(201)
        assert {each["peer"] for each in rest.get("/v1/peers", all=True).ok()["items"]} == {one.id, "0" * 32}
    finally:
        limited.stop()


def test_silence_drops_a_peer_and_a_heartbeat_keeps_it():
    quick = Chaski(settings={"files.heartbeat_s": 1, "files.silence_s": 2})
    quick.start()
    try:
        rest = Rest(quick)
        silent, alive = Peer(rest), Peer(rest)
        silent.publish(entry("gone.txt"))
        alive.publish(entry("there.txt"))

        def only_one_is_left():
            rest.post(alive.path + "/heartbeat", {}).ok()
            return found(rest) == ["there.txt"]

        assert found(rest) == ["gone.txt", "there.txt"]
        eventually(only_one_is_left, 10)
        rest.post(silent.path + "/heartbeat", {}).problem(404)
        silent.patch([entry("more.txt")]).problem(404)
        # It goes on from where it was.
        assert silent.announce()["revision"] == 1
        assert found(rest) == ["gone.txt", "there.txt"]
    finally:
        quick.stop()


def test_after_a_restart_peers_announce_themselves_and_go_on():
    server = Chaski()
    server.start()
    try:
        rest = Rest(server)
        one = Peer(rest)
        one.publish(entry("a.txt"))
        keys = one.announced["ticket_keys"]
        server.restart()
        assert found(Rest(server)) == []
        rest.post(one.path + "/heartbeat", {}).problem(404)
        again = one.announce()
        assert again["revision"] == 1 and again["ticket_keys"] == keys
        assert found(Rest(server)) == ["a.txt"]
    finally:
        server.stop()


def test_names_are_found_by_words_beginnings_and_patterns(member, peer):
    ana, mark = member(), word()
    peer(ana).publish(entry(f"{mark} Résumé-2024.PDF"), entry(f"{mark} report.txt"), entry(f"other {mark}x.txt"))
    assert found(ana, q=f"{mark} resume") == [f"{mark} Résumé-2024.PDF"]
    assert found(ana, q=f"rep* {mark}") == [f"{mark} report.txt"]
    assert found(ana, q=f"{mark}*") == [f"other {mark}x.txt", f"{mark} report.txt", f"{mark} Résumé-2024.PDF"]
    assert found(ana, q=mark, order="desc") == [f"{mark} Résumé-2024.PDF", f"{mark} report.txt"]
    assert found(ana, glob=f"{mark}*.pdf") == [f"{mark} Résumé-2024.PDF"]
    assert found(ana, glob=f"*{mark}?.[st]xt") == [f"other {mark}x.txt"]
    ana.get("/v1/files", glob="[a").problem(422)
    # Words have no other meaning, and a pattern of many stars is as quick as any.
    for typed in ('"', "a OR b", "NEAR(a b)", "fold:x", "*", "-", "\0"):
        ana.get("/v1/files", q=f"{mark} {typed}").ok()
    begun = time.monotonic()
    assert found(ana, glob="*a" * 400 + "b", q=f"{mark}*") == []
    assert time.monotonic() - begun < 5


def test_files_are_found_by_what_they_are(member, peer):
    ana, ben, mark, of = member("ana"), member("ben"), word(), root()
    peer(ana).publish(entry(f"{mark} 1", of, size=10, since_ms=100), entry(f"{mark} 2", size=20, since_ms=50, type="image/png"))
    peer(ben).publish(entry(f"{mark} 3", size=30, since_ms=200, kind="collection"), entry(f"{mark} 1b", of, size=10, since_ms=300))
    names = [f"{mark} 1", f"{mark} 2", f"{mark} 3"]
    assert found(ana, q=mark) == names
    for query, expected in [
            ({"min_bytes": 20}, names[1:]), ({"max_bytes": 20}, names[:2]), ({"type": "image/*"}, names[1:2]), ({"type": "IMAGE/png"}, names[1:2]),
            ({"type": "image"}, []), ({"owner": ana.login.upper()}, names[:2]), ({"newer_than_ms": 100, "older_than_ms": 300}, names[2:]),
            ({"root": of}, names[:1]), ({"sort": "size", "order": "desc"}, [names[2], names[1], f"{mark} 1b"]), ({"sort": "since"}, [names[1], names[0], names[2]]),
            ({"sort": "since", "order": "desc"}, [f"{mark} 1b", names[2], names[1]])]:
        assert found(ana, q=f"{mark}", **query) == expected, query
    shown = ana.get("/v1/files/" + of).ok()
    assert shown["names"] == [f"{mark} 1", f"{mark} 1b"] and [each["account"] for each in shown["holders"]] == [ana.login, ben.login]
    assert shown == ana.get("/v1/files", root=of).ok()["files"][0]
    ana.get("/v1/files/" + root()).problem(404)
    ana.get("/v1/files/xyz").problem(422)


def test_pages_follow_each_other_and_cursors_cannot_be_forged(member, peer):
    ana, mark = member(), word()
    peer(ana).publish(*[entry(f"{mark} {number:03}", size=number % 7, since_ms=number % 5) for number in range(100)])
    for order in ("asc", "desc"):
        for sort in ("name", "size", "since"):
            names = found(ana, q=mark, sort=sort, order=order, limit=9)
            assert sorted(names) == [f"{mark} {number:03}" for number in range(100)]
            assert names == found(ana, q=mark, sort=sort, order=order, limit=1_000)
    page = ana.get("/v1/files", q=mark, limit=2).ok()
    ana.get("/v1/files", q=mark, cursor=page["next"], sort="size").problem(422)
    for forged in ("x", "!", "bmEx", base64.urlsafe_b64encode(b"na1').decode() OR 1=1 --").decode().rstrip("="),
                   base64.urlsafe_b64encode(b"na-1 x").decode().rstrip("=")):
        ana.get("/v1/files", q=mark, cursor=forged).problem(422)
    for wrong in ({"limit": 0}, {"limit": 1_001}, {"sort": "fold; DROP TABLE files"}, {"order": "up"}, {"colour": "red"}, {"min_bytes": -1}):
        assert ana.get("/v1/files", **wrong).status in (400, 422), wrong


def test_partial_holders_say_how_much_they_have(member, peer):
    ana, ben, of = member("ana"), member("ben"), root()
    # Four groups of 256 KiB, of which the first is there: none outside, one inside.
    part = base64.urlsafe_b64encode(bytes([0, 0, 1])).decode().rstrip("=")
    peer(ana).publish(entry("part", of, size=1 << 20, have=part))
    peer(ben).publish(entry("whole", of, size=1 << 20))
    held = ana.get("/v1/files/" + of).ok()["holders"]
    assert [(each["account"], each["part"]) for each in held] == [(ben.login, 1.0), (ana.login, 0.25)]
    sources = ana.post(f"/v1/files/{of}/tickets", {}).ok()["sources"]
    assert [(each["account"], each["have"]) for each in sources] == [(ben.login, None), (ana.login, part)]


def test_each_finds_and_fetches_what_the_audience_allows(member, peer):
    ana, ben, eve = member("ana"), member("ben"), member("eve")
    mark, for_ben, linked = word(), root(), root()
    published = peer(ana).publish(entry(f"{mark} ben", for_ben, {"accounts": [ben.login, "no-such-one"]}),
                                  entry(f"{mark} linked", linked, {"link": True}))
    assert published["ignored"] == ["account no-such-one"]
    assert [found(each, q=mark) for each in (ana, ben, eve)] == [[f"{mark} ben", f"{mark} linked"], [f"{mark} ben"], []]
    for each, of, status in ((ben, for_ben, 200), (ben, linked, 404), (eve, for_ben, 404), (eve, linked, 404), (ana, linked, 200)):
        assert each.get("/v1/files/" + of).status == status
        assert each.post(f"/v1/files/{of}/tickets", {}).status == status
    # Whoever runs the server has no other eyes.
    assert found(Rest(ana.broker), q=mark) == []


def test_an_account_made_anew_is_another_one(server, member, peer):
    ana, ben, mark, of = member("ana"), member("ben"), word(), root()
    peer(ana).publish(entry(mark, of, {"accounts": [ben.login]}))
    old = peer(ben)
    old.publish(entry(f"{mark} old"))
    link = ben.post("/v1/links", {"root": old.rest.get("/v1/files", q=mark, owner=ben.login).ok()["files"][0]["root"]}).ok(201)
    ben.delete(old.path).ok(204)
    Rest(server).delete(f"/v1/accounts/{ben.login}").ok(204)
    Rest(server).post("/v1/accounts", {"login": ben.login, "password": PASSWORD}).ok(201)
    assert of not in {each["root"] for each in ben.get("/v1/files", q=mark).ok()["files"]}
    assert ben.get("/v1/links").ok()["items"] == []
    ben.delete("/v1/links/" + link["id"]).problem(404)
    ben.put(old.path, old.wish).problem(409)


def ticket_of(text, keys):
    """What a ticket says; its last 64 bytes are a signature."""
    body = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))[:-64]
    assert body[0] == 1
    assert int.from_bytes(body[1:5], "little") in [key["id"] for key in keys]
    issued, expires = (int.from_bytes(body[at:at + 8], "little") for at in (7, 15))
    assert body[6] == 0 and body[23:55] == bytes.fromhex(KEY)
    return {"right": body[5], "life_ms": expires - issued, "expires_ms": expires, "root": body[55:87].hex(),
            "account": body[88:].decode(), "length": body[87]}


def test_a_ticket_names_account_content_peer_and_right(member, peer):
    ana, ben, of = member("ana"), member("ben"), root()
    one = peer(ana)
    one.publish(entry("a.txt", of))
    answer = ben.post(f"/v1/files/{of}/tickets", {}).ok()
    assert (answer["root"], answer["size"], answer["name"], answer["kind"]) == (of, 1_000, "a.txt", "file")
    source, = answer["sources"]
    assert (source["peer"], source["account"], source["addresses"], source["key"]) == (one.id, ana.login, ["192.0.2.7:7070"], KEY)
    said = ticket_of(source["ticket"], one.announced["ticket_keys"])
    assert said == {"right": 0, "life_ms": 300_000, "expires_ms": source["expires_ms"], "root": of, "account": ben.login,
                    "length": len(ben.login)}
    ana.delete(one.path).ok(204)
    ben.post(f"/v1/files/{of}/tickets", {}).problem(404)


def test_two_peers_of_one_account_do_not_outvote_an_honest_one_and_each_size_has_its_sources(member, peer):
    ana, ben, eve, of = member("ana"), member("ben"), member("eve"), root()
    liars = [peer(eve), peer(eve)]
    for each in liars:
        each.publish(entry("a.txt", of, size=999))
    honest = peer(ben)
    honest.publish(entry("a.txt", of, size=1_000))

    def tickets(rest, **wish):
        given = rest.post(f"/v1/files/{of}/tickets", wish).ok()
        return given["size"], given["sizes"], {each["peer"] for each in given["sources"]}

    every_liar = {each.id for each in liars}
    # An account each: what was there first.
    assert tickets(ana) == (999, [999, 1_000], every_liar)
    assert tickets(ana, size=1_000) == (1_000, [999, 1_000], {honest.id})
    ana.post(f"/v1/files/{of}/tickets", {"size": 5}).problem(404)
    assert tickets(ben)[0] == 1_000, "one believes oneself"
    # Whoever was lied to comes to the honest one by and by.
    for each in liars:
        ana.post(each.path + "/reports", {"root": of}).ok(204)
    assert tickets(ana) == (1_000, [1_000], {honest.id})
    assert ana.get(f"/v1/files/{of}").ok()["size"] == 1_000
    other = peer(member("carl"))
    other.publish(entry("b.txt", of, size=1_000))
    assert tickets(member("dora")) == (1_000, [1_000, 999], {honest.id, other.id})


def test_an_offer_finds_a_peer_an_account_or_somebody(member, peer):
    ana, ben, carl, of = member("ana"), member("ben"), member("carl"), root()
    one, other, first, second, third = peer(ana), peer(ana), peer(ben), peer(ben), peer(carl)

    def offer(to=None, by=ana, begin=one, tried=()):
        wish = {"from": begin.id, "root": of, "name": "a.txt", "size": 5, "kind": "file", **({} if to is None else {"to": to})}
        if tried:
            wish["except"] = list(tried)
        return by.post("/v1/offers", wish)

    def receivers(*args, **options):
        return {each["peer"] for each in offer(*args, **options).ok()["receivers"]}

    assert receivers({"peer": first.id}) == {first.id}
    assert receivers({"account": ben.login}) == {first.id, second.id}
    assert receivers({"account": ana.login}) == {other.id}
    said = ticket_of(offer({"peer": first.id}).ok()["receivers"][0]["ticket"], one.announced["ticket_keys"])
    assert (said["right"], said["root"], said["account"]) == (1, of, ana.login)
    assert ben.post(first.path + "/heartbeat", {}).ok()["offers"] == 3
    # It was never picked, however often it was named.
    assert [*receivers()] + [*receivers()] + [*receivers()] == sorted([first.id, second.id, third.id])
    for each in (third, first):
        each.wish["takes"] = each is third
        each.announce()
    for _ in range(2):
        assert receivers() == {third.id}, "it says that it takes files"
    assert receivers(tried=[third.id]) == {second.id}, "it may take some"
    offer(tried=[third.id, second.id]).problem(404)
    offer(tried=["0" * 32] * 101).problem(422)
    offer(tried=["no id"]).problem(422)
    offer({"peer": first.id}, tried=[third.id]).problem(422)
    for each in (first, second, third):
        each.rest.delete(each.path).ok(204)
    for to in ({"peer": first.id}, {"peer": "0" * 32}, {"account": ben.login}, {"account": "no-such-one"}, None):
        offer(to).problem(404)
    offer({}).problem(422)
    offer({"peer": first.id, "account": ben.login}).problem(422)
    # Nobody sends in the name of another one's peer.
    offer({"peer": other.id}, by=ben).problem(404)


def test_a_link_opens_one_content_of_its_maker(member, peer):
    ana, ben, eve, of, hidden = member("ana"), member("ben"), member("eve"), root(), root()
    peer(ana).publish(entry("a.txt", of, {"link": True}), entry("b.txt", hidden, {"link": True}))
    made = ana.post("/v1/links", {"root": of}).ok(201)
    scheme, _, capability = made["link"].partition("?key=")
    assert scheme == f"chaski:{of}" and len(capability) > 40
    assert [each["account"] for each in ben.post(f"/v1/files/{of}/tickets", {"link": capability}).ok()["sources"]] == [ana.login]
    for of_what, link in ((hidden, capability), (of, capability[:-1]), (of, ""), (of, made["id"])):
        ben.post(f"/v1/files/{of_what}/tickets", {"link": link}).problem(404)
    listed = ana.get("/v1/links").ok()["items"]
    assert [(each["id"], each["root"], "link" in each) for each in listed] == [(made["id"], of, False)]
    assert capability not in str(listed) and ben.get("/v1/links").ok()["items"] == []
    # Only who has a file makes a link to it, and only the maker ends it.
    eve.post("/v1/links", {"root": of}).problem(404)
    ana.post("/v1/links", {"root": of, "expires_ms": 1}).problem(422)
    ben.delete("/v1/links/" + made["id"]).problem(404)
    ana.delete("/v1/links/" + made["id"]).ok(204)
    ben.post(f"/v1/files/{of}/tickets", {"link": capability}).problem(404)
    soon = ana.post("/v1/links", {"root": of, "expires_ms": int(time.time() * 1_000) + 700}).ok(201)
    capability = soon["link"].partition("?key=")[2]
    eventually(lambda: ben.post(f"/v1/files/{of}/tickets", {"link": capability}).status == 404)


def test_a_rooms_files_are_for_those_who_are_or_were_in_it_and_not_banned(server, member, peer, chat):
    ana, ben, eve, mark, of = member("ana"), member("ben"), member("eve"), word(), root()
    room = f"ops{secrets.token_hex(4)}"
    Rest(server).post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    published = peer(ana).publish(entry(mark, of, {"rooms": [room.upper(), "no-such-room"]}))
    assert published["ignored"] == ["room no-such-room"]
    assert found(ben, q=mark) == []
    ben.put(f"/v1/rooms/{room}/read", {"seq": 1}).ok(204)
    assert found(ben, q=mark) == found(ben, room=room) == [mark]
    assert ben.post(f"/v1/files/{of}/tickets", {}).status == 200
    eve.get("/v1/files", room=room).problem(404)
    Rest(server).put(f"/v1/rooms/{room}/bans/{ben.login}", {}).ok(204)
    assert found(ben, q=mark) == []
    ben.get("/v1/files/" + of).problem(404)
    # Another room of the same name is another room.
    Rest(server).put(f"/v1/rooms/{room}/bans/{eve.login}", {"minutes": 1})
    Rest(server).delete(f"/v1/rooms/{room}").ok(204)
    Rest(server).post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    Rest(server).post(f"/v1/rooms/{room}/messages", {"text": "anew"}).ok(201)
    eve.put(f"/v1/rooms/{room}/read", {"seq": 1}).ok(204)
    assert found(eve, room=room) == []


def test_a_room_is_told_of_a_content_once():
    server = Chaski(settings={"files.heartbeat_s": 20, "files.silence_s": 3_600})
    server.start()
    try:
        rest, of = Rest(server), root()
        one, other = Peer(rest), Peer(rest)
        audience = {"rooms": ["lobby"]}
        one.publish(entry("docs/Report é\n.pdf", of, audience, size=1_536))

        def said():
            return [each["text"] for each in Rest(server).get("/v1/rooms/lobby/messages", limit=200).ok()["messages"]]

        assert said() == [f"Report é\ufffd.pdf (1.5 KiB) chaski:{of}"]
        other.publish(entry("copy.pdf", of, audience, size=1_536))
        one.publish(entry("again.pdf", of, audience, size=1_536), begin=0, to=5)
        assert len(said()) == 1
        server.restart()
        one.announce()
        one.publish(entry("again.pdf", of, audience, size=1_536), begin=0, to=6)
        assert len(said()) == 1
        # A folder of many does not drown the room.
        many = [entry(f"{number:03}", None, audience, size=1_024) for number in range(100)]
        one.publish(*many)
        texts = said()
        assert len(texts) == 1 + 10 + 1
        assert texts[1] == f"000 (1.0 KiB) chaski:{many[0]['root']}" and texts[-1] == "010 (1.0 KiB) and 89 more (89.0 KiB)"
        one.publish(*many, begin=0, to=99)
        assert len(said()) == 12
    finally:
        server.stop()


def test_without_an_index_there_is_none():
    server = Chaski(settings={"files.enabled": "false"})
    server.start()
    try:
        rest = Rest(server)
        rest.get("/v1/peers").problem(503, "files.enabled")
        rest.get("/v1/files").problem(503)
        rest.put("/v1/peers/" + "0" * 32, {"name": "n", "key": KEY}).problem(503)
    finally:
        server.stop()
