"""The chat over a WebSocket: everything live, in one order for all, resumed without loss, private where it has to be, bounded."""

import json
import socket as sockets
import struct
import time

import pytest
import websocket

from chat_client import Socket, broker, name_of, open_socket, room, room_path, say, talk_path, texts  # noqa: F401
from harness.brokers import Chaski
from harness.waiting import Stopwatch, eventually
from rest import REST_ONLY, Rest

pytestmark = REST_ONLY

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.fixture
def people(member):
    """Two who talk, and one who does not."""
    return member("ana"), member("bob"), member("eva")


def inside(open_socket, account, path, **options):  # noqa: F811
    """A socket that is in one room and no other."""
    socket = open_socket(account, enter=False)
    socket.do("join", room=name_of(path), **options)
    return socket


# What is said, and heard


def test_a_socket_is_greeted_and_is_in_the_default_room(people, open_socket):  # noqa: F811
    ana = people[0]
    socket = open_socket(ana)
    hello = socket.hello
    assert (hello["login"], hello["default_room"], hello["lang"]) == (ana.login, "lobby", "en")
    assert abs(hello["time_ms"] / 1_000 - time.time()) < 5 and hello["idle_ms"] > 0 and hello["version"]
    joined = socket.take("joined")
    assert (joined["room"], joined["cause"], joined["default"], joined["keep"]) == ("lobby", "arrived", True, True)
    assert "ref" not in joined
    alone = open_socket(ana, enter=False)
    alone.hears_no("joined")


def test_what_is_said_is_answered_and_heard_by_all_with_the_senders_name(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    one, other, second = inside(open_socket, ana, path), inside(open_socket, bob, path), inside(open_socket, ana, path)
    sent = one.do("say", room=name_of(path).upper(), text="hola \u001b[31m", sent_id="s1", action=True)
    assert (sent["type"], sent["room"], sent["seq"], sent["sent_id"]) == ("sent", name_of(path), 1, "s1") and "duplicate" not in sent
    for socket in (one, other, second):
        message = socket.take("message")
        assert (message["room"], message["from"], message["text"], message["seq"]) == (name_of(path), ana.login, "hola \u001b[31m", 1)
        assert message["action"] and message["id"] == sent["id"] and message["at_ms"] == sent["at_ms"] and "history" not in message
    again = one.do("say", room=name_of(path), text="hola", sent_id="s1")
    assert again["duplicate"] and again["seq"] == 1
    other.hears_no("message")


def test_everybody_hears_everything_once_in_one_order(people, room, open_socket):  # noqa: F811
    ana = people[0]
    path = room(ana)
    talkers = [inside(open_socket, account, path) for account in people]
    for number in range(100):
        for talker in talkers:
            talker.send("say", room=name_of(path), text=f"{talker.login} {number}")
    heard = [[(message["seq"], message["text"]) for message in talker.messages(300)] for talker in talkers]
    assert heard[0] == heard[1] == heard[2]
    assert [seq for seq, _ in heard[0]] == list(range(1, 301))
    for talker in talkers:
        own = [text for _, text in heard[0] if text.startswith(talker.login)]
        assert own == [f"{talker.login} {number}" for number in range(100)]
        # Answers without a `ref` come in the order of what they answer.
        seqs = [talker.take("sent")["seq"] for _ in range(100)]
        assert seqs == [seq for seq, text in heard[0] if text.startswith(talker.login)]


def test_commands_after_others_are_done_after_them(people, open_socket):  # noqa: F811
    ana = people[0]
    socket = open_socket(ana)
    name = "deep-" + ana.login
    socket.send("create", room=name, keep=True, ref="c")
    for number in range(5):
        socket.send("say", room=name, text=str(number), ref=number)
    socket.send("history", room=name, ref="h")
    socket.send("dance", ref="d")
    socket.send("set", room=name, topic="new", ref="s")
    socket.send("rooms", ref="r")
    refs = []
    while "r" not in refs:
        one = socket.hear()
        if "ref" in one:
            refs.append(one["ref"])
        if one.get("ref") == "h":
            assert texts(one["messages"]) == list("01234")
        if one.get("ref") == "r":
            assert [each["topic"] for each in one["rooms"] if each["room"] == name] == ["new"]
    assert refs == ["c", *range(5), "h", "d", "s", "r"]


def test_what_is_private_reaches_all_sockets_of_both_and_nobody_else(rest, people, open_socket):  # noqa: F811
    ana, bob, eva = people
    mine, yours, elsewhere = open_socket(ana), open_socket(bob), open_socket(bob, enter=False)
    strangers = [open_socket(eva), open_socket(rest)]
    sent = mine.do("say", room="@" + bob.login, text="only you")
    assert sent["room"] == "@" + bob.login
    assert mine.take("message", text="only you")["room"] == "@" + bob.login
    for socket in (yours, elsewhere):
        message = socket.take("message", text="only you")
        assert (message["room"], message["from"]) == ("@" + ana.login, ana.login)
    for stranger in strangers:
        stranger.hears_no("message", text="only you")
        stranger.hears_no("mentioned")
        assert stranger.do("search", words="only")["messages"] == []
    # It waits for who is away.
    yours.close(), elsewhere.close()
    mine.do("say", room="@" + bob.login, text="later")
    back = open_socket(bob)
    listed = back.do("conversations")["conversations"]
    assert [(each["room"], each["unread"], each["head"]) for each in listed] == [("@" + ana.login, 2, 2)]
    assert texts(back.do("history", room="@" + ana.login)["messages"]) == ["only you", "later"]


def test_edits_reactions_and_what_was_read_reach_whom_they_concern(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    name = name_of(path)
    one, other, second = inside(open_socket, ana, path), inside(open_socket, bob, path), open_socket(bob, enter=False)
    one.do("say", room=name, text="helo")
    changed = one.do("edit", room=name, seq=1, text="hello")
    assert (changed["type"], changed["text"], changed["room"]) == ("changed", "hello", name) and changed["edited_ms"]
    assert other.take("changed")["text"] == "hello"
    assert other.do("react", room=name, seq=1, emoji="🎉")["reactions"] == [{"emoji": "🎉", "logins": [bob.login]}]
    assert one.take("changed", reactions=[{"emoji": "🎉", "logins": [bob.login]}])
    assert "reactions" not in other.do("react", room=name, seq=1, emoji="🎉", off=True)
    assert other.do("read", room=name, seq=1) == {"type": "ok", "ref": other.number}
    read = second.take("read")
    assert (read["room"], read["read"], read["unread"]) == (name, 1, 0)
    assert one.do("delete", room=name, seq=1)["text"] == ""
    assert other.take("changed", text="")["deleted_ms"]
    one.do("typing", room=name)
    assert other.take("typing") == {"type": "typing", "room": name, "login": ana.login}


def test_who_is_named_elsewhere_is_told(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    inside(open_socket, bob, path).close()
    away = open_socket(bob, enter=False)
    say(ana, path, f"@{bob.login} come")
    mentioned = away.take("mentioned")
    assert (mentioned["room"], mentioned["from"]) == (name_of(path), ana.login) and bob.login in mentioned["mentions"]


def test_who_comes_and_goes_is_told_to_those_in_the_room(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    one = inside(open_socket, ana, path)
    other = inside(open_socket, bob, path)
    came = one.take("presence")
    while bob.login not in came.get("joined", []):
        came = one.take("presence")
    assert came["room"] == name_of(path) and came["joined_count"] >= 1 and came["members"] == 2
    other.do("away", note="eating")
    assert one.take("presence", changed=[{"login": bob.login, "presence": "away"}])
    other.cut()
    assert one.take("presence", left=[bob.login])["members"] == 1


# Coming back


def test_who_comes_back_misses_nothing_and_sees_nothing_twice(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    name = name_of(path)
    talker = inside(open_socket, ana, path)
    seen, said = [], 0
    for _ in range(4):
        back = open_socket(bob, enter=False)
        # What is said while it comes back is said once, too.
        back.send("join", room=name, after=len(seen), ref="j")
        for _ in range(20):
            talker.send("say", room=name, text=str(said))
            said += 1
        seen += [message["seq"] for message in back.messages(said - len(seen), name)]
        joined = back.take("joined", ref="j")
        assert joined["cause"] == "asked" and "skipped" not in joined
        back.cut()
        for _ in range(20):
            talker.do("say", room=name, text=str(said))
            said += 1
    assert seen == list(range(1, len(seen) + 1)) and len(seen) == 140


def test_what_was_missed_comes_before_the_answer_and_everything_new_behind_it(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    name = name_of(path)
    for number in range(3):
        say(ana, path, str(number))
    back = open_socket(bob, enter=False)
    back.send("join", room=name, after=1, ref="j")
    first, second, joined = back.hear(), back.hear(), back.hear()
    assert [(one["seq"], one["history"]) for one in (first, second)] == [(2, True), (3, True)]
    assert (joined["type"], joined["ref"], joined["head"]) == ("joined", "j", 3)
    say(ana, path, "new")
    assert "history" not in back.take("message")


def test_more_than_what_is_sent_again_is_counted_and_paged(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    name = name_of(path)
    talker = open_socket(ana)
    for number in range(620):
        talker.send("say", room=name, text=str(number))
    for _ in range(620):
        talker.take("sent")
    back = open_socket(bob, enter=False)
    joined = back.do("join", room=name, after=20)
    heard = [one["seq"] for one in back.kept if one["type"] == "message"]
    assert joined["skipped"] == 100 and heard == list(range(121, 621))
    page = back.do("history", room=name, before=121, limit=100)
    assert [one["seq"] for one in page["messages"]] == list(range(21, 121)) and page["more"]


def test_a_restart_says_goodbye_and_loses_nothing_that_was_answered(open_socket):  # noqa: F811
    server = Chaski(settings={"chat.messages_per_second": 0})
    server.start()
    try:
        socket = Socket(Rest(server))
        socket.do("say", room="lobby", text="remember", sent_id="r1")
        server.restart()
        last, code = socket.end()
        assert (last["type"], last["cause"], code) == ("bye", "shutdown", 1001) and last["text"]
        back = Socket(Rest(server), enter=False)
        back.do("join", room="lobby", after=0)
        assert texts(back.messages(1)) == ["remember"]
        assert back.do("say", room="lobby", text="remember", sent_id="r1")["duplicate"]
        server.kill()
        server.start()
        assert texts(Rest(server).get("/v1/rooms/lobby/messages").ok()["messages"]) == ["remember"]
    finally:
        server.stop()


# Rooms, rights and clocks


def test_a_room_that_is_deleted_sends_its_members_to_the_default_room_and_says_why(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    there = inside(open_socket, bob, path)
    assert there.do("lang", code="es") == {"type": "ok", "ref": there.number}
    ana.delete(path).ok(204)
    left = there.take("left")
    assert (left["room"], left["cause"], left["by"]) == (name_of(path), "deleted", ana.login) and "borr" in left["text"]
    joined = there.take("joined")
    assert (joined["room"], joined["cause"], joined["by"]) == ("lobby", "deleted", ana.login) and joined["text"]
    # The account keeps its language.
    again = open_socket(bob)
    assert again.hello["lang"] == "es"


def test_a_room_goes_with_its_creator(people, open_socket):  # noqa: F811
    ana, bob, _ = people
    name = "short-" + ana.login
    creator, guest = open_socket(ana), open_socket(bob)
    created = creator.do("create", room=name)
    assert (created["type"], created["owner"], created["keep"]) == ("joined", ana.login, False)
    guest.do("join", room=name)
    creator.link.send_close(1000)
    left = guest.take("left", room=name)
    assert (left["cause"], left["by"]) == ("creator_gone", ana.login)


def test_who_is_kicked_or_banned_is_told_and_may_not_come_back(people, room, open_socket):  # noqa: F811
    ana, bob, _ = people
    path = room(ana)
    name = name_of(path)
    owner, there = inside(open_socket, ana, path), inside(open_socket, bob, path)
    assert there.ask("kick", room=name, login=ana.login)["code"] == "not_owner"
    owner.do("ban", room=name, login=bob.login, minutes=5, reason="loud")
    left = there.take("left", room=name)
    assert (left["cause"], left["by"], left["reason"]) == ("banned", ana.login, "loud")
    assert 200_000 < left["until_ms"] - there.hello["time_ms"] < 400_000
    refused = there.ask("join", room=name)
    assert (refused["type"], refused["code"]) == ("error", "banned") and refused["text"]
    owner.do("unban", room=name, login=bob.login)
    assert there.do("join", room=name)["type"] == "joined"
    owner.do("mute", room=name, login=bob.login)
    assert there.ask("say", room=name, text="hm")["code"] == "muted"


def test_the_clock_is_compared(open_socket, rest):  # noqa: F811
    socket = open_socket(rest)
    t1 = time.time_ns() // 1_000
    told = socket.do("time", t1_us=t1)
    t4 = time.time_ns() // 1_000
    assert (told["type"], told["t1_us"]) == ("time", t1) and t1 - 1_000 <= told["t2_us"] <= told["t3_us"] <= t4 + 1_000
    three_hours = 3 * 3_600 * 1_000_000
    told = socket.do("time", t1_us=t1 + three_hours)
    offset = ((told["t2_us"] - t1 - three_hours) + (told["t3_us"] - t4 - three_hours)) // 2
    assert abs(offset + three_hours) < 5_000_000


# What goes wrong


@pytest.mark.parametrize("word", [
    "hello", "", "[]", "{}", '{"type":"dance"}', '{"type":7}', '{"type":"say"}', '{"type":"say","room":"lobby"}', '{"type":"say","room":7,"text":"x"}',
    '{"type":"read","room":"lobby","seq":-1}', '{"type":"rooms","ref":{}}', '{"type":"history","room":"lobby","limit":0}'])
def test_what_is_not_understood_is_an_error_and_the_socket_stays(rest, open_socket, word):  # noqa: F811
    socket = open_socket(rest, enter=False)
    socket.link.send(word)
    error = socket.take("error")
    assert error["code"] == "invalid" and error["text"]
    socket.do("rooms")


@pytest.mark.parametrize("word, code", [
    ({"type": "say", "room": "nowhere", "text": "x"}, "no_room"), ({"type": "say", "room": "lobby", "text": ""}, "empty_text"),
    ({"type": "say", "room": "lobby", "text": "x" * 8193}, "long_text"), ({"type": "say", "room": "@nobody.at.all", "text": "x"}, "no_user"),
    ({"type": "join", "room": "nowhere"}, "no_room"), ({"type": "leave", "room": "nowhere"}, "no_room"),
    ({"type": "create", "room": "lobby"}, "room_taken"), ({"type": "create", "room": "a b"}, "room_name"),
    ({"type": "create", "room": "lоbby"}, "room_name"), ({"type": "edit", "room": "lobby", "seq": 99_999, "text": "x"}, "no_message"),
    ({"type": "delete_room", "room": "lobby"}, "default_room"), ({"type": "block", "login": "guest"}, "yourself"),
    ({"type": "search", "words": ""}, "invalid"), ({"type": "history", "room": "nowhere"}, "no_room")], ids=lambda value: str(value)[:60])
def test_a_refusal_has_a_code_and_a_sentence(rest, open_socket, word, code):  # noqa: F811
    error = open_socket(rest, enter=False).ask(**{"type_": word.pop("type")}, **word)
    assert (error["type"], error["code"]) == ("error", code) and error["text"]


def test_the_longest_text_is_taken_however_it_is_written(rest, open_socket):  # noqa: F811
    socket = open_socket(rest, enter=False)
    text = "\u0001" * 8192
    socket.link.send(json.dumps({"type": "say", "room": "lobby", "text": text, "ref": 1}))
    assert socket.take("sent", ref=1)
    socket.link.send(" " * (65 << 10))
    with pytest.raises((OSError, websocket.WebSocketException)):
        while True:
            socket.link.recv()


def test_bytes_instead_of_text_close_the_socket(rest, open_socket):  # noqa: F811
    socket = open_socket(rest)
    socket.link.send_binary(b'{"type":"rooms"}')
    assert socket.end()[1] == 1003


def test_pages_of_other_sites_open_nothing(rest, broker):  # noqa: F811
    for origin, status in (("https://evil.example", 403), ("null", 403), (broker.http_url, 101)):
        # An answer of 101 has no end: only its status is read.
        answer = rest.get("/v1/chat", headers={**UPGRADE, "Origin": origin}) if status != 101 else None
        if answer is not None:
            answer.problem(status)
            continue
        Socket(rest, headers=[f"Origin: {origin}"]).close()
    rest.get("/v1/chat", headers=UPGRADE, enter="maybe").problem(400)
    rest.get("/v1/chat", headers=UPGRADE, lang="tlh").problem(422)


def test_a_socket_ends_at_once_when_its_login_does(rest, member, open_socket):  # noqa: F811
    account = member("eva")
    watch, socket = Stopwatch(), open_socket(account)
    rest.delete("/v1/accounts/" + account.login).ok(204)
    last, code = socket.end()
    assert (last["type"], last["cause"], code) == ("bye", "revoked", 1008) and watch.seconds < 5
    # By its token alone: the account and its other sockets stay.
    account = member("eva")
    token = account.post("/v1/sessions", {"login": account.login, "password": account.password}).ok(201)
    bearer = Rest(account.broker, account.login, authorization="Bearer " + token["token"])
    ended, stays = open_socket(bearer), open_socket(account)
    bearer.delete("/v1/sessions/present").ok(204)
    last, code = ended.end()
    assert (last["cause"], code) == ("revoked", 1008)
    stays.do("rooms")


def test_a_client_that_does_not_read_is_sent_away_and_delays_nobody(people, room, open_socket):  # noqa: F811
    ana, bob, eva = people
    path = room(ana)
    name = name_of(path)
    stuck = sockets.socket()
    stuck.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4_096)
    host, port = ana.broker.http_url.removeprefix("http://").split(":")
    stuck.connect((host, int(port)))
    headers = {**UPGRADE, "Host": f"{host}:{port}", "Authorization": bob.authorization}
    stuck.sendall(("GET /v1/chat?enter=false HTTP/1.1\r\n" + "".join(f"{key}: {value}\r\n" for key, value in headers.items()) + "\r\n").encode())
    word = json.dumps({"type": "join", "room": name}).encode()
    stuck.sendall(struct.pack("!BB4s", 0x81, 0x80 | len(word), b"\0\0\0\0") + word)
    members = lambda: {each["login"] for each in ana.get(path + "/members").ok()["members"]}  # noqa: E731
    eventually(lambda: bob.login in members(), what="the one that will not read is there")
    talker, reader = inside(open_socket, ana, path), inside(open_socket, eva, path)
    text, said = "x" * 8_000, 0
    while bob.login in members():
        assert said < 4_000, "it was not sent away"
        for _ in range(100):
            talker.send("say", room=name, text=text)
        for _ in range(100):
            talker.take("sent")
        said += 100
        talker.kept.clear()
        assert len(reader.messages(100)) == 100
    stuck.close()


def is_taken(attempt):
    """Whether the server takes the connection of an attempt: at its bound it closes one at once."""
    try:
        attempt()
    except (OSError, websocket.WebSocketException):
        return False
    return True


def test_open_sockets_count_for_the_bound_of_connections(chaski_with):
    """Those of the chat and those of queues: for as long as they live, not until they are upgraded."""
    server = chaski_with(max_connections=2)
    rest, opened = Rest(server), {}
    address, header = server.http_url.replace("http", "ws", 1), [f"Authorization: {rest.authorization}"]

    def opens(path):
        opened[path] = websocket.create_connection(address + path, timeout=10, header=header)

    def is_full():
        return not is_taken(lambda: rest.get("/healthz"))

    chat, queue = "/v1/chat", "/v1/queues/counted/ws"
    eventually(lambda: is_taken(lambda: rest.make("counted")), what="the server is reached")
    for path in (chat, queue):
        eventually(lambda: is_taken(lambda: opens(path)), what=f"a place for {path}")
    assert is_full()
    opened[chat].close(timeout=1)
    eventually(lambda: not is_full(), what="the chat's place is free")
    eventually(lambda: is_taken(lambda: opens(chat)), what="it is taken again")
    assert is_full()
    opened[queue].close(timeout=1)
    eventually(lambda: not is_full(), what="the queue's place is free")
    opened[chat].close(timeout=1)
