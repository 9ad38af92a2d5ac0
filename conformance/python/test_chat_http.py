"""The chat over REST and server-sent events: pages, long polls, resumption, what is private, who may do what."""

import threading
import time
from urllib.parse import quote

import pytest

from chat_client import Events, Socket, broker, name_of, open_socket, room, room_path, say, talk_path, texts  # noqa: F401
from harness.waiting import Stopwatch, eventually
from rest import PASSWORD, REST_ONLY, Rest, queue_path

pytestmark = REST_ONLY


@pytest.fixture
def people(member):
    """Two who talk, and one who does not."""
    return member("ana"), member("bob"), member("eva")


def later(call):
    """Calls on a thread of its own; returns what waits for the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(call()), daemon=True)
    thread.start()

    def result():
        thread.join(30)
        assert results, "no result"
        return results[0]

    return result


# Rooms and what is said there


def test_a_room_is_made_looked_at_changed_and_deleted(people):
    ana, bob, _ = people
    name = "Plaza-" + ana.login
    path = room_path(name)
    made = ana.post("/v1/rooms", {"room": name, "keep": True}).ok(201)
    assert (made["room"], made["owner"], made["keep"], made["default"], made["head"]) == (name, ana.login, True, False, 0)
    assert bob.get(room_path(name.upper())).ok()["room"] == name
    ana.patch(path, {"topic": "all about it", "slow_s": 5}).ok()
    shown = bob.get(path).ok()
    assert (shown["topic"], shown["slow_s"], shown["keep"]) == ("all about it", 5, True)
    rooms = [each["room"] for each in bob.get("/v1/rooms").ok()["rooms"]]
    assert rooms[0] == "lobby" and name in rooms
    bob.post("/v1/rooms", {"room": name.lower()}).problem(409)
    ana.delete(path).ok(204)
    bob.get(path).problem(404)


def test_pages_go_both_ways_and_join_without_a_gap(people, room):
    ana, bob, _ = people
    path = room(ana)
    for number in range(1, 26):
        assert say(ana, path, f"m{number}")["seq"] == number
    newest = bob.get(path + "/messages", limit=10).ok()
    assert texts(newest["messages"]) == [f"m{number}" for number in range(16, 26)]
    assert (newest["room"], newest["more"], newest["head"]) == (name_of(path), True, 25)
    back = bob.get(path + "/messages", limit=10, before=16).ok()
    first = bob.get(path + "/messages", limit=10, before=6).ok()
    assert [each["seq"] for each in back["messages"] + first["messages"]] == [*range(6, 16), *range(1, 6)]
    assert back["more"] and not first["more"]
    seen, after = [], 0
    while True:
        page = bob.get(path + "/messages", limit=7, after=after).ok()
        seen += [each["seq"] for each in page["messages"]]
        after = seen[-1]
        if not page["more"]:
            break
    assert seen == list(range(1, 26))
    assert bob.get(path + "/messages", after=25).ok()["messages"] == []
    assert bob.get(path + "/messages/7").ok()["text"] == "m7"
    bob.get(path + "/messages/26").problem(404)
    bob.get(path + "/messages/0").problem(404)


def test_a_message_that_is_sent_twice_under_one_name_is_one_message(people, room):
    ana, bob, _ = people
    path = room(ana)
    first = say(ana, path, "once", sent_id="a1")
    again = say(ana, path, "once", status=200, sent_id="a1")
    assert (again["seq"], again["id"]) == (first["seq"], first["id"])
    assert say(bob, path, "mine", sent_id="a1")["seq"] == first["seq"] + 1
    assert say(ana, path, "other", sent_id="a2")["seq"] == first["seq"] + 2
    assert texts(ana.get(path + "/messages").ok()["messages"]) == ["once", "mine", "other"]


def test_messages_are_edited_answered_reacted_to_and_taken_back(people, room):
    ana, bob, _ = people
    path = room(ana)
    first = say(ana, path, "helo", action=True)
    reply = say(bob, path, f"@{ana.login} what?", reply_to=first["seq"])
    assert first["action"] and reply["reply_to"] == first["seq"] and reply["mentions"] == [ana.login]
    one = f"{path}/messages/{first['seq']}"
    edited = ana.put(one, {"text": "hello"}).ok()
    assert (edited["text"], edited["seq"]) == ("hello", first["seq"]) and edited["edited_ms"] >= first["at_ms"]
    bob.put(one, {"text": "mine"}).problem(403)
    thumb = one + "/reactions/" + quote("👍")
    bob.put(thumb).ok()
    assert ana.put(thumb).ok()["reactions"] == [{"emoji": "👍", "logins": [bob.login, ana.login]}]
    assert bob.delete(thumb).ok()["reactions"] == [{"emoji": "👍", "logins": [ana.login]}]
    bob.delete(one).problem(403)
    ana.delete(one).ok(204)
    gone = ana.get(path + "/messages").ok()["messages"][0]
    assert gone["text"] == "" and gone["deleted_ms"] and gone["seq"] == first["seq"]
    ana.put(one, {"text": "back"}).problem(404)


def test_what_was_not_read_is_counted_by_the_server(people, room):
    ana, bob, _ = people
    path = room(ana)
    for text in ("one", "two"):
        say(ana, path, text)
    # Whoever comes for the first time has missed nothing.
    with Events(bob, path):
        eventually(lambda: bob.get(path).ok().get("read") == 2, what="bob is in the room")
    say(ana, path, "three")
    say(ana, path, f"@{bob.login} four")
    shown = bob.get(path).ok()
    assert (shown["head"], shown["read"], shown["unread"], shown["mentions"]) == (4, 2, 2, 1)
    bob.put(path + "/read", {"seq": 3}).ok(204)
    assert bob.get(path).ok()["unread"] == 1
    bob.put(path + "/read", {"seq": 4}).ok(204)
    shown = bob.get(path).ok()
    assert (shown["unread"], shown["mentions"]) == (0, 0)
    bob.put(path + "/notify", {"level": "mentions"}).ok(204)
    assert bob.get(path).ok()["notify"] == "mentions"


def test_words_are_found_in_what_one_may_read_and_nowhere_else(people, room):
    ana, bob, eva = people
    path = room(ana)
    word = "zw" + ana.login.replace("-", "")
    say(ana, path, f"in the room {word}")
    say(ana, talk_path(bob), f"for bob {word}")
    found = eventually(lambda: len(bob.get("/v1/search", words=word).ok()["messages"]) == 2 and bob.get("/v1/search", words=word).ok())
    assert [each["room"] for each in found["messages"]] == ["@" + ana.login, name_of(path)] and not found["more"]
    assert texts(eva.get("/v1/search", words=word[:-2]).ok()["messages"]) == [f"in the room {word}"]
    page = bob.get("/v1/search", words=word, limit=1).ok()
    assert page["more"] and texts(page["messages"]) == [f"for bob {word}"]
    rest_of_it = bob.get("/v1/search", words=word, before=page["messages"][0]["id"]).ok()
    assert texts(rest_of_it["messages"]) == [f"in the room {word}"]
    only = bob.get("/v1/search", words=word, room=name_of(path)).ok()
    assert len(only["messages"]) == 1


# What is private


def test_what_is_private_is_seen_by_both_and_by_nobody_else(rest, people):
    ana, bob, eva = people
    message = say(ana, talk_path(bob), "only you")
    assert message["room"] == "@" + bob.login and message["seq"] == 1
    say(bob, talk_path(ana), "and you")
    for account, other in ((ana, bob), (bob, ana)):
        page = account.get(talk_path(other) + "/messages").ok()
        assert texts(page["messages"]) == ["only you", "and you"] and page["room"] == "@" + other.login
    listed = {each["room"]: each for each in bob.get("/v1/conversations").ok()["conversations"]}
    assert listed["@" + ana.login]["head"] == 2 and listed["@" + ana.login]["last_ms"] >= message["at_ms"]
    for stranger in (eva, rest):
        assert stranger.get("/v1/search", words="only").ok()["messages"] == []
        for account in (ana, bob):
            assert stranger.get(talk_path(account) + "/messages").ok()["messages"] == []
            stranger.get(talk_path(account) + "/messages/1").problem(404)
            stranger.put(talk_path(account) + "/messages/1", {"text": "mine"}).problem(404)
            stranger.delete(talk_path(account) + "/messages/1").problem(404)
            stranger.put(talk_path(account) + "/messages/1/reactions/x").problem(404)
            stranger.put(talk_path(account) + "/read", {"seq": 1}).problem(404)
        rooms = [each["room"] for each in stranger.get("/v1/conversations").ok()["conversations"]]
        assert not {"@" + ana.login, "@" + bob.login} & set(rooms)
    ana.get("/v1/conversations/nobody.at.all/messages").problem(404)
    ana.post("/v1/conversations/nobody.at.all/messages", {"text": "x"}).problem(404)


def test_a_private_conversation_is_edited_reacted_to_and_counted(people):
    ana, bob, _ = people
    path, back = talk_path(bob), talk_path(ana)
    first = say(ana, path, "helo", sent_id="p1")
    assert say(ana, path, "helo", status=200, sent_id="p1")["id"] == first["id"]
    ana.put(path + "/messages/1", {"text": "hello"}).ok()
    assert bob.put(back + "/messages/1/reactions/" + quote("👍")).ok()["reactions"][0]["logins"] == [bob.login]
    listed = bob.get("/v1/conversations").ok()["conversations"]
    assert [(each["room"], each["unread"]) for each in listed] == [("@" + ana.login, 1)]
    bob.put(back + "/read", {"seq": 1}).ok(204)
    assert bob.get("/v1/conversations").ok()["conversations"][0]["unread"] == 0
    bob.put(back + "/messages/1", {"text": "mine"}).problem(403)
    ana.delete(path + "/messages/1").ok(204)
    assert bob.get(back + "/messages/1").ok()["text"] == ""


def test_who_is_blocked_is_not_heard(people):
    ana, bob, eva = people
    assert bob.get("/v1/blocks").ok() == {"logins": []}
    bob.put("/v1/blocks/" + ana.login).ok(204)
    assert bob.get("/v1/blocks").ok() == {"logins": [ana.login]}
    ana.post(talk_path(bob) + "/messages", {"text": "hello?"}).problem(403)
    say(eva, talk_path(bob), "me you hear")
    bob.delete("/v1/blocks/" + ana.login).ok(204)
    say(ana, talk_path(bob), "now?")
    bob.put("/v1/blocks/" + bob.login).problem(422)
    bob.put("/v1/blocks/nobody.at.all").problem(404)


# Waiting


def test_a_long_poll_answers_when_there_is_something(people, room):
    ana, bob, _ = people
    path = room(ana)
    say(ana, path, "one")
    watch = Stopwatch()
    assert texts(bob.get(path + "/messages", after=0, wait_s=20).ok()["messages"]) == ["one"]
    assert bob.get(path + "/messages", after=1, wait_s=1).ok()["messages"] == [] and watch.seconds >= 1
    for number in range(2, 5):
        waiting = later(lambda: bob.get(path + "/messages", after=number - 1, wait_s=20))
        say(ana, path, f"m{number}")
        assert texts(waiting().ok()["messages"]) == [f"m{number}"]
    assert watch.seconds < 15
    # Waiting is not being there.
    assert bob.login not in [each["login"] for each in ana.get(path + "/members").ok()["members"]]


def test_a_long_poll_hears_what_is_private(people):
    ana, bob, _ = people
    waiting = later(lambda: bob.get(talk_path(ana) + "/messages", after=0, wait_s=20))
    say(bob, "/v1/rooms/lobby", "elsewhere")
    say(ana, talk_path(bob), "psst")
    assert texts(waiting().ok()["messages"]) == ["psst"]


def test_a_long_poll_ends_with_the_room_and_with_the_login(rest, people, room):
    ana, bob, eva = people
    path = room(ana)
    watch = Stopwatch()
    waiting = later(lambda: bob.get(path + "/messages", after=0, wait_s=30))
    other = later(lambda: eva.get(talk_path(bob) + "/messages", after=0, wait_s=30))
    eventually(lambda: eva.login in [each["login"] for each in rest.get("/v1/users").ok()["users"] if each["presence"] == "online"])
    rest.delete("/v1/accounts/" + eva.login).ok(204)
    other().problem(401)
    ana.delete(path).ok(204)
    waiting().problem(404)
    assert watch.seconds < 20


# Events


def test_events_go_on_where_they_were_cut(people, room):
    ana, bob, _ = people
    path = room(ana)
    say(ana, path, "before")
    with Events(bob, path) as events:
        eventually(lambda: bob.login in [each["login"] for each in ana.get(path + "/members").ok()["members"]])
        for number in range(3):
            say(ana, path, f"m{number}")
        heard = events.take(3)
        assert texts(heard) == ["m0", "m1", "m2"] and {each["room"] for each in heard} == {name_of(path)}
    for number in range(3, 6):
        say(ana, path, f"m{number}")
    with Events(bob, path, last=heard[-1]["seq"]) as events:
        missed = events.take(3)
        assert texts(missed) == ["m3", "m4", "m5"]
        say(ana, path, "new")
        assert texts(events.take(1)) == ["new"]
    with Events(bob, path, after=0) as events:
        assert texts(events.take(8)) == ["before", *(f"m{number}" for number in range(6)), "new"]


def test_more_than_a_page_that_was_missed_comes_once_and_in_order_while_more_is_said(people, room, open_socket):
    ana, bob, _ = people
    path = room(ana)
    talker = open_socket(ana)
    for number in range(700):
        talker.send("say", room=name_of(path), text=str(number))
    for _ in range(700):
        talker.take("sent")
    with Events(bob, path, after=0) as events:
        for number in range(700, 800):
            talker.send("say", room=name_of(path), text=str(number))
        assert texts(events.take(800)) == [str(number) for number in range(800)]


def test_events_tell_what_changes_and_nothing_of_other_rooms(people, room):
    ana, bob, _ = people
    path, other = room(ana), room(ana)
    with Events(bob, path, after=0) as events:
        say(ana, path, "helo")
        events.take(1)
        say(ana, other, "elsewhere")
        say(ana, talk_path(bob), "private")
        ana.put(path + "/messages/1", {"text": "hello"}).ok()
        event, id_, data = events.next()
        assert (event, id_, data["text"], data["seq"]) == ("changed", None, "hello", 1)
        ana.patch(path, {"topic": "new"}).ok()
        event, _, data = events.next()
        assert (event, data["topic"], data["by"]) == ("changed_room", "new", ana.login)


def test_events_end_with_a_word_when_the_room_or_the_login_is_gone(rest, people, room):
    ana, bob, eva = people
    path = room(ana)
    with Events(bob, path, after=0) as left, Events(eva, path, after=0) as revoked:
        say(ana, path, "all here?")
        left.take(1), revoked.take(1)
        rest.delete("/v1/accounts/" + eva.login).ok(204)
        event, _, data = revoked.next()
        assert (event, data["type"], data["cause"]) == ("bye", "bye", "revoked") and revoked.next() is None
        ana.delete(path).ok(204)
        event, _, data = left.next()
        while event == "changed_room":
            event, _, data = left.next()
        assert (event, data["cause"], data["by"]) == ("left", "deleted", ana.login) and left.next() is None


def test_events_of_a_private_conversation_go_on_where_they_were_cut(people):
    ana, bob, _ = people
    with Events(bob, talk_path(ana)) as events:
        eventually(lambda: bob.login in [each["login"] for each in ana.get("/v1/users").ok()["users"] if each["presence"] == "online"])
        say(ana, talk_path(bob), "one")
        say(bob, talk_path(ana), "two")
        heard = events.take(2)
        assert texts(heard) == ["one", "two"] and {each["room"] for each in heard} == {"@" + ana.login}
    say(ana, talk_path(bob), "three")
    with Events(bob, talk_path(ana), last=2) as events:
        say(ana, talk_path(bob), "four")
        assert texts(events.take(2)) == ["three", "four"]


def test_events_are_refused_like_everything_else(people, room):
    ana, bob, _ = people
    path = room(ana)
    ana.put(f"{path}/bans/{bob.login}", {}).ok(204)
    for account, where, status in ((bob, path, 403), (bob, room_path("nowhere"), 404), (bob, "/v1/conversations/nobody.at.all", 404)):
        with Events(account, where) as events:
            assert events.status == status
    with Events(ana, path, last="x") as events:
        assert events.status == 400


# Who may do what


def test_a_creator_sends_out_keeps_out_and_keeps_silent(people, room, open_socket):
    ana, bob, _ = people
    path = room(ana)
    there = open_socket(bob, enter=False)
    there.do("join", room=name_of(path))
    ana.delete(f"{path}/members/{bob.login}", reason="loud").ok(204)
    left = there.take("left", room=name_of(path))
    assert (left["cause"], left["by"], left["reason"]) == ("kicked", ana.login, "loud") and left["text"]
    there.do("join", room=name_of(path))
    ana.put(f"{path}/mutes/{bob.login}", {"minutes": 5}).ok(204)
    bob.post(path + "/messages", {"text": "hm"}).problem(403)
    ana.delete(f"{path}/mutes/{bob.login}").ok(204)
    say(bob, path, "hm")
    ana.put(f"{path}/bans/{bob.login}", {"reason": "louder"}).ok(204)
    assert there.take("left", room=name_of(path))["cause"] == "banned"
    bob.post(path + "/messages", {"text": "hm"}).problem(403)
    bob.get(path + "/messages").problem(403)
    ana.delete(f"{path}/bans/{bob.login}").ok(204)
    assert texts(bob.get(path + "/messages").ok()["messages"]) == ["hm"]
    ana.delete(f"{path}/bans/{bob.login}").problem(404)
    ana.delete(f"{path}/members/{bob.login}").problem(404)


def test_who_is_kept_out_or_silent_is_listed_for_those_who_run_the_room(rest, people, room):
    ana, bob, eva = people
    path = room(ana)
    for kind in ("bans", "mutes"):
        assert ana.get(f"{path}/{kind}").ok() == {"items": []}
        ana.put(f"{path}/{kind}/{bob.login}", {"minutes": 5, "reason": "noise"}).ok(204)
        ana.put(f"{path}/{kind}/{eva.login}", {}).ok(204)
        listed = {each["login"]: each for each in rest.get(f"{path}/{kind}").ok()["items"]}
        until_ms = listed[bob.login].pop("until_ms")
        assert 0 < until_ms - time.time() * 1000 <= 5 * 60_000
        assert listed == {bob.login: {"login": bob.login, "by": ana.login, "reason": "noise"},
                          eva.login: {"login": eva.login, "by": ana.login}}
        first = ana.get(f"{path}/{kind}", limit=1).ok()
        second = ana.get(f"{path}/{kind}", limit=1, cursor=first["next_cursor"]).ok()
        paged = [each["login"] for page in (first, second) for each in page["items"]]
        assert paged == sorted(listed) and "next_cursor" not in second
        ana.delete(f"{path}/{kind}/{bob.login}").ok(204)
        assert [each["login"] for each in ana.get(f"{path}/{kind}").ok()["items"]] == [eva.login]
        ana.get(f"{path}/{kind}", limit=0).problem(422)
        ana.get(f"/v1/rooms/nowhere/{kind}").problem(404)


# Everything that somebody may not do in a room of somebody else.
OWNERS_ALONE = [
    ("PATCH", "", {"topic": "mine"}), ("DELETE", "", None), ("DELETE", "/members/{victim}", None), ("PUT", "/bans/{victim}", {}),
    ("DELETE", "/bans/{victim}", None), ("PUT", "/mutes/{victim}", {}), ("DELETE", "/mutes/{victim}", None), ("GET", "/bans", None),
    ("GET", "/mutes", None)]
ANYONE_WITH_A_LOGIN = [
    ("GET", "/v1/rooms", None), ("POST", "/v1/rooms", {"room": "x"}), ("GET", "/v1/rooms/lobby", None), ("PATCH", "/v1/rooms/lobby", {}),
    ("DELETE", "/v1/rooms/lobby", None), ("GET", "/v1/rooms/lobby/members", None), ("DELETE", "/v1/rooms/lobby/members/ana", None),
    ("PUT", "/v1/rooms/lobby/bans/ana", {}), ("DELETE", "/v1/rooms/lobby/bans/ana", None), ("PUT", "/v1/rooms/lobby/mutes/ana", {}),
    ("DELETE", "/v1/rooms/lobby/mutes/ana", None), ("GET", "/v1/rooms/lobby/bans", None), ("GET", "/v1/rooms/lobby/mutes", None), ("GET", "/v1/rooms/lobby/messages", None),
    ("POST", "/v1/rooms/lobby/messages", {"text": "x"}), ("GET", "/v1/rooms/lobby/messages/1", None),
    ("PUT", "/v1/rooms/lobby/messages/1", {"text": "x"}), ("DELETE", "/v1/rooms/lobby/messages/1", None),
    ("PUT", "/v1/rooms/lobby/messages/1/reactions/x", None), ("DELETE", "/v1/rooms/lobby/messages/1/reactions/x", None),
    ("PUT", "/v1/rooms/lobby/read", {"seq": 1}), ("PUT", "/v1/rooms/lobby/notify", {"level": "all"}), ("GET", "/v1/rooms/lobby/events", None),
    ("GET", "/v1/conversations", None), ("GET", "/v1/conversations/ana/messages", None),
    ("POST", "/v1/conversations/ana/messages", {"text": "x"}), ("GET", "/v1/conversations/ana/messages/1", None),
    ("PUT", "/v1/conversations/ana/messages/1", {"text": "x"}), ("DELETE", "/v1/conversations/ana/messages/1", None),
    ("PUT", "/v1/conversations/ana/messages/1/reactions/x", None), ("DELETE", "/v1/conversations/ana/messages/1/reactions/x", None),
    ("PUT", "/v1/conversations/ana/read", {"seq": 1}), ("PUT", "/v1/conversations/ana/notify", {"level": "all"}),
    ("GET", "/v1/conversations/ana/events", None), ("GET", "/v1/search?words=x", None), ("GET", "/v1/users", None),
    ("GET", "/v1/blocks", None), ("PUT", "/v1/blocks/ana", None), ("DELETE", "/v1/blocks/ana", None), ("GET", "/v1/chat", None)]


def test_a_stranger_changes_nothing_of_a_room_and_administrators_everything(rest, people, room):
    ana, bob, eva = people
    path = room(ana)
    for method, below, body in OWNERS_ALONE:
        bob.call(method, path + below.format(victim=eva.login), body).problem(403)
    shown = ana.get(path).ok()
    assert (shown["topic"], shown["head"]) == ("", 0)
    say(eva, path, "still here")
    rest.patch(path, {"topic": "ours"}).ok()
    rest.put(f"{path}/bans/{eva.login}", {"minutes": 1}).ok(204)
    ana.put(f"{path}/bans/guest", {}).problem(403)
    rest.delete(path).ok(204)


def test_who_was_banned_learns_the_same_whatever_there_is(people, room):
    ana, bob, _ = people
    path = room(ana)
    say(ana, path, "secret")
    ana.put(f"{path}/bans/{bob.login}", {}).ok(204)
    for verb, body in (("GET", None), ("PUT", {"text": "x"}), ("DELETE", None)):
        there, missing = (bob.call(verb, f"{path}/messages/{seq}", body) for seq in (1, 99))
        there.problem(403)
        assert there.text == missing.text, verb


@pytest.mark.parametrize("method, path, body", ANYONE_WITH_A_LOGIN, ids=lambda value: value if isinstance(value, str) else "")
def test_nothing_is_open_to_strangers_and_to_the_keys_of_queues(rest, broker, keyed, method, path, body):  # noqa: F811
    Rest(broker, authorization="").call(method, path, body).problem(401)
    keyed.call(method, path, body).problem(403, "key")


@pytest.fixture(scope="module")
def keyed(broker):  # noqa: F811
    """REST as somebody who has nothing but the key of a queue."""
    rest = Rest(broker)
    queue = "chat.keyed"
    rest.put(queue_path(queue), {}).ok(201)
    key = rest.post(queue_path(queue) + "/keys", {"read": True}).ok(201)
    return Rest(broker, authorization="Bearer " + key["secret"])


def test_services_chat_too(member, room):
    service = member("robot", role="service")
    assert say(service, room(service), "beep")["from"] == service.login


def test_a_cookie_alone_says_nothing(broker, people, room):  # noqa: F811
    ana = people[0]
    path = room(ana)
    opened = Rest(broker, authorization="").post("/v1/sessions", {"login": ana.login, "password": PASSWORD, "cookie": True})
    cookie, csrf = opened.headers["Set-Cookie"].split(";")[0], opened.ok(201)["csrf"]
    browser = Rest(broker, authorization="")
    browser.get(path, headers={"Cookie": cookie}).ok()
    browser.post(path + "/messages", {"text": "x"}, headers={"Cookie": cookie}).problem(403)
    browser.post(path + "/messages", {"text": "x"}, headers={"Cookie": cookie, "X-CSRF-Token": csrf}).ok(201)


# Wrong input, and the rest


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "/v1/rooms", {}, 422), ("POST", "/v1/rooms", {"room": ""}, 422), ("POST", "/v1/rooms", {"room": "a b"}, 422),
    ("POST", "/v1/rooms", {"room": "x" * 65}, 422), ("POST", "/v1/rooms", {"room": "раy"}, 422), ("POST", "/v1/rooms", {"room": "LOBBY"}, 409),
    ("POST", "/v1/rooms", {"room": "x", "colour": "red"}, 422), ("POST", "/v1/rooms", {"room": "l0bby\u0000"}, 422),
    ("PATCH", "/v1/rooms/lobby", {"slow_s": 100_000}, 422), ("PATCH", "/v1/rooms/lobby", {"slow_s": -1}, 422),
    ("PATCH", "/v1/rooms/lobby", {"keep": False}, 403), ("DELETE", "/v1/rooms/lobby", None, 403),
    ("POST", "/v1/rooms/lobby/messages", {}, 422), ("POST", "/v1/rooms/lobby/messages", {"text": ""}, 422),
    ("POST", "/v1/rooms/lobby/messages", {"text": "x" * 8193}, 422), ("POST", "/v1/rooms/lobby/messages", {"text": 7}, 422),
    ("POST", "/v1/rooms/lobby/messages", {"text": "x", "sent_id": "y" * 65}, 422),
    ("POST", "/v1/rooms/nowhere/messages", {"text": "x"}, 404), ("GET", "/v1/rooms/nowhere", None, 404),
    ("GET", "/v1/rooms/%40guest", None, 404), ("GET", "/v1/rooms/lobby/messages?limit=0", None, 422),
    ("GET", "/v1/rooms/lobby/messages?limit=201", None, 422), ("GET", "/v1/rooms/lobby/messages?before=1&after=1", None, 422),
    ("GET", "/v1/rooms/lobby/messages?after=x", None, 400), ("GET", "/v1/rooms/lobby/messages?after=1&wait_s=61", None, 422),
    ("GET", "/v1/rooms/lobby/messages?wait_s=1", None, 422), ("GET", "/v1/rooms/lobby/messages?colour=red", None, 400),
    ("GET", "/v1/rooms/lobby/messages/x", None, 400), ("PUT", "/v1/rooms/lobby/read", {"seq": -1}, 422),
    ("PUT", "/v1/rooms/lobby/notify", {"level": "some"}, 422), ("PUT", "/v1/rooms/lobby/messages/1/reactions/" + "x" * 65, None, 422),
    ("GET", "/v1/search", None, 400), ("GET", "/v1/search?words=", None, 422), ("GET", "/v1/search?words=" + "x" * 257, None, 422),
    ("GET", "/v1/search?words=x&room=nowhere", None, 404), ("GET", "/v1/time?t1_us=x", None, 400), ("GET", "/v1/chat", None, 400),
    ("PUT", "/v1/rooms/lobby/bans/guest", {}, 422), ("PUT", "/v1/rooms/lobby/bans/nobody.at.all", {"minutes": 1}, 404)], ids=str)
def test_wrong_input_is_a_problem_that_says_what_is_wrong(rest, method, path, body, status):
    if "/messages/1/" in path:
        say(rest, "/v1/rooms/lobby", "something to react to")
    rest.call(method, path, body).problem(status)


def test_the_time_is_told_to_everybody(broker):  # noqa: F811
    told = Rest(broker, authorization="").get("/v1/time", t1_us=-7).ok()
    assert told["t1_us"] == -7 and 1_600_000_000_000_000 < told["t2_us"] <= told["t3_us"] < told["t2_us"] + 1_000_000


def test_everyone_is_listed_with_how_present_they_are(people):
    ana, bob, _ = people
    socket = Socket(bob, enter=False)
    socket.do("join", room="lobby")
    socket.do("away", note="eating")
    users = {each["login"]: each for each in ana.get("/v1/users").ok()["users"]}
    assert users[ana.login]["presence"] == "offline" and users[bob.login]["presence"] == "away"
    assert users[bob.login]["note"] == "eating" and users[bob.login]["rooms"] == ["lobby"]
    members = ana.get("/v1/rooms/lobby/members").ok()
    assert members["room"] == "lobby" and {"login": bob.login, "presence": "away"} in members["members"]
    socket.close()
    eventually(lambda: bob.login not in str(ana.get("/v1/rooms/lobby/members").ok()), what="bob is gone")


def test_what_happens_is_counted(rest, people, room, open_socket):
    ana, bob, _ = people
    path = room(ana)

    def numbers():
        lines = [line.rsplit(" ", 1) for line in rest.get("/metrics").text.splitlines() if line.startswith("chaski_chat_")]
        return {name.removeprefix("chaski_chat_"): float(value) for name, value in lines}

    before = numbers()
    for each in (ana, bob):
        open_socket(each, enter=False).do("join", room=name_of(path))
    ana.patch(path, {"slow_s": 60}).ok()
    say(bob, path, "one", sent_id="the same")
    assert bob.post(path + "/messages", {"text": "two"}).status == 429
    say(ana, path, "three")
    after = numbers()
    assert {name: after[name] - before.get(name, 0) for name in (
        "messages_said_total", "messages_delivered_total", 'sessions{door="websocket"}', 'refused_total{reason="slow"}',
        'refused_total{reason="flood"}')} == {
            "messages_said_total": 2, "messages_delivered_total": 4, 'sessions{door="websocket"}': 2,
            'refused_total{reason="slow"}': 1, 'refused_total{reason="flood"}': 0}
    assert after["rooms"] >= 2
    assert after["commit_duration_seconds_count"] >= before["commit_duration_seconds_count"] + 2
