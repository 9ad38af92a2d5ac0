"""ABUSE.md A, B and C as far as they concern the line protocol and the chat. Memory is read from /proc."""

import json as json_of
import re
import resource
import socket
import statistics
import threading
import time
import unicodedata

import pytest

from chat import Chat, Over, Person, Wire
from harness.brokers import Chaski
from harness.memory import KIB, MIB, resident
from harness.waiting import Stopwatch, eventually, pause
from rest import PASSWORD, REST_ONLY

pytestmark = REST_ONLY

HANDSHAKE_MS, LOGIN_MS = 700, 4_000
TEXT_MAX = 8_192


@pytest.fixture(scope="module")
def server():
    """Nobody may be silent for long, and everybody may talk as much as they like."""
    started = Chaski(settings={"limits.handshake_timeout_ms": HANDSHAKE_MS, "chat.login_timeout_ms": LOGIN_MS,
                               "chat.messages_per_second": 0, "chat.grace_ms": 300})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def plain():
    """The chat of a server with the usual settings."""
    started = Chaski()
    started.start()
    opened = Chat(started)
    yield opened
    opened.close()
    started.stop()


def works(chat):
    """A newcomer logs in and is heard, promptly."""
    watch = Stopwatch()
    chat.enter(chat.account("good"), PASSWORD).speak("hello")
    assert watch.seconds < 5
    return True


def test_a1_who_says_nothing_is_closed_at_the_handshakes_limit(chat, server):
    silent = chat.wire()
    watch = Stopwatch()
    with socket.create_connection((server.host, server.line_tls_port), timeout=20) as tls:
        assert "too long" in " ".join(silent.rest())
        assert HANDSHAKE_MS / 1_000 - 0.1 < watch.seconds < HANDSHAKE_MS / 1_000 + 1
        assert tls.recv(1) == b""
    assert watch.seconds < 7


def test_a2_a_slow_typist_may_log_in_and_whoever_never_ends_may_not(chat):
    login = chat.account()
    slow, endless = chat.wire(), chat.wire()
    watch = Stopwatch()
    words = f"token {chat.token(login)}"
    for part in range(0, len(words), 8):
        slow.send(words[part:part + 8].encode())
        endless.send(b"x")
        pause(HANDSHAKE_MS / 1_000 / 5)
    assert HANDSHAKE_MS < watch.seconds * 1_000 < LOGIN_MS, watch.seconds
    slow.say("")
    slow.hears("You are in")
    while b"too long" not in endless.all and watch.seconds < 10:
        endless.send(b"x")
        endless.more()
        pause(0.05)
    assert LOGIN_MS - 100 < watch.seconds * 1_000 < LOGIN_MS + 1_000
    endless.rest()
    # From the login on nobody has to say anything.
    slow.login = login
    slow.speak("still here")


@pytest.mark.parametrize("is_known", [False, True], ids=["a stranger", "a member"])
def test_a17_a_line_without_end_costs_no_memory(chat, server, is_known):
    wires = [chat.enter(chat.account()) if is_known else chat.wire() for _ in range(8)]
    for wire in wires:
        wire.send(b"y" * 100_000)
    before = resident(server)
    for _ in range(32):
        for wire in wires:
            wire.send(b"x" * 32_768)
    assert resident(server) - before < 1 * MIB
    for wire in wires:
        wire.hears("too long")
    # The rest of such a line is nobody's next line.
    for wire in wires[:1]:
        wire.say("tail")
        wire.say("#lang es")
        wire.hears("español")
        assert b"tail" not in wire.all
    works(chat)


def test_a_message_has_at_most_its_bytes_and_the_whole_of_them_comes(chat):
    ana, bob = chat.people("ana", "bob")
    for text in ("x" * TEXT_MAX, "ñ" * (TEXT_MAX // 2)):
        ana.speak(text)
        bob.hears(f"{ana.login}: {text}")
    ana.ask("y" * (TEXT_MAX + 1), str(TEXT_MAX))
    ana.ask("z" * 9_300, "too long")
    bob.never_hears("yyy", "zzz")


# What a terminal would act on, or what hides or turns what others read.
HOSTILE = {
    "clear": "\x1b[2J", "title": "\x1b]0;pwned\x07", "c1": "\u009b31m", "nul": "a\0b", "bell": "\x07", "bidi": "abc\u202edcba",
    "isolate": "\u2066x\u2069", "zero width": "a\u200bb", "line separator": "a\u2028bob: forged", "next line": "a\u0085b", "del": "a\x7fb",
    "tag": "a\U000e0041b", "vertical tab": "a\x0bb",
}


def is_harmless(data):
    text = data.decode()
    return all(character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Zl", "Zp", "Cs") for character in text)


@pytest.mark.parametrize("case", HOSTILE)
def test_a17_what_others_write_is_shown_and_never_acted_on(chat, case):
    text = HOSTILE[case]
    ana, bob = chat.people("ana", "bob")
    program = chat.program(chat.account("eva"))
    # By a line, and by JSON, which keeps everything.
    ana.say(f"one {text} two")
    bob.hears(f"{ana.login}: one", "two")
    program.does("say", room="lobby", text=f"three {text} four")
    assert program.hears("message", **{"from": program.login})["text"] == f"three {text} four"
    bob.hears(f"{program.login}: three", "four")
    room = program.login + "s"
    program.does("create", room=room)
    bob.goes(room)
    program.call("set", room=room, topic=f"topic {text} end")
    program.call("kick", room=room, login=bob.login, reason=f"reason {text} end")
    bob.hears("You are in", "lobby")
    program.call("away", note=f"note {text} end")
    for command in (f"#gR {text}", f"#cR {text}", f"#{text}", f"#pm {text} x", f"#help {text}", f"#search {text}", "#lR", "#show users",
                    "#history 5", f"#kick {text}", f"#react 1 {text}"):
        bob.say(command)
        bob.fence()
    assert is_harmless(bob.all), bob.all


def test_nobody_writes_a_line_that_looks_like_somebody_elses(chat):
    bob, eva = chat.people("bob", "eva")
    program = chat.program(chat.account("mallory"))
    for end in ("\n", "\r\n", "\r", "\u2028", "\x0b", "\x85"):
        program.does("say", room="lobby", text=f"hi{end}{eva.login}: forged{end}-- forged notice")
        program.does("say", room=f"@{bob.login}", text=f"hi{end}{eva.login}: forged{end}-- forged notice")
        program.does("say", room="lobby", text=f"x{end}[private] {eva.login}: forged", action=True)
    lines = bob.fence()
    assert len([line for line in lines if "forged" in line]) >= 6
    for line in lines:
        assert not line.startswith((eva.login + ": ", "-- forged", "[private] " + eva.login)), line


NOT_TEXT = [b"\xff\xfe", b"\xc0\xaf", b"\xed\xa0\x80", b"abc\xe2\x82", b"\xf4\x90\x80\x80", b"\x80"]


def test_a17_what_is_no_utf8_reaches_nobody_and_the_connection_goes_on(chat):
    ana, bob = chat.people("ana", "bob")
    stranger, program = chat.wire(), chat.program(chat.account())
    for data in NOT_TEXT:
        # The byte 255 is telnet's, so it is doubled as text.
        data = data.replace(b"\xff", b"\xff\xff")
        ana.send(b"bad " + data + b"\n")
        ana.hears("UTF-8")
        program.send(b'{"type":"say","room":"lobby","text":"bad ' + data + b'"}\n')
        assert program.hears("error")["text"]
        if data != b"\xff\xff\xfe":
            stranger.send(data + b"\n")
            stranger.hears("UTF-8")
    ana.speak("good")
    bob.hears("good")
    assert b"bad" not in bob.all


def test_a17_lines_end_in_every_way_and_commands_come_glued_or_in_pieces(chat):
    ana, bob = chat.people("ana", "bob")
    ana.send(b"one\ntwo\r\nthree\rfour\r\0five\n\n\r\n\rsix\n")
    heard = [bob.hears(f"{ana.login}: ") for _ in range(6)]
    assert [line.split(": ")[1] for line in heard] == ["one", "two", "three", "four", "five", "six"]
    for byte in "seven ñ\r".encode():
        ana.send(bytes([byte]))
    bob.hears(f"{ana.login}: seven ñ")
    # What was typed and taken back.
    ana.send("eighx\x08t\x7ft ññ\x08\n".encode())
    bob.hears(f"{ana.login}: eight ñ")
    for glued in ("#lR#exit", "#exit#exit", "#cRroom", "#gRlobby#eR", "#\\private<>x", "#pm", "#"):
        ana.say(glued)
    lines = ana.fence()
    # Those of the test before may still be leaving.
    answers = [line for line in lines if line.startswith("-- ") and not line.endswith(" left.")]
    assert len(answers) == 7, lines
    ana.speak("still here")
    bob.hears("still here")
    assert b"#" not in bytes(bob.all).split(b"still here")[0].split(b"one")[1]


def test_telnets_commands_are_no_text_wherever_they_stand(chat):
    ana, bob = chat.people("ana", "bob")
    ana.send(b"a\xff\xfb\x01b\xff\xfa\x18\x01xterm\xff\xf0c\xff\xf1d\n")
    bob.hears(f"{ana.login}: abcd")
    # One that never ends holds nothing.
    ana.send(b"\xff\xfa" + b"x" * 200_000)
    bob.speak("goes on")
    ana.send(b"\xff\xf0 back\n")
    bob.hears("back")


def test_c32_who_asks_and_never_reads_is_heard_no_further_and_costs_little(chat, server):
    """Both before the login and after it: half-open connections are no more than that."""
    strangers = [chat.wire(receive_buffer=4_096) for _ in range(20)]
    members = [chat.enter(chat.account(), receive_buffer=4_096) for _ in range(5)]
    before = resident(server)

    def ask(wire, line):
        wire._socket.settimeout(0.2)
        try:
            for _ in range(64):
                wire._socket.send(line * (32_768 // len(line)))
        except TimeoutError:
            pass

    threads = [threading.Thread(target=ask, args=(wire, b"#lang xx\n")) for wire in strangers]
    threads += [threading.Thread(target=ask, args=(wire, b"#help\n")) for wire in members]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    grown = resident(server) - before
    assert grown < 25 * 512 * KIB, f"{grown / MIB:.1f} MiB"
    works(chat)


class Hearer(threading.Thread):
    """Reads a room as fast as it can; knows how long each message was under way."""

    def __init__(self, person):
        super().__init__(daemon=True)
        self.person, self.delays, self.seen = person, [], []
        self.start()

    def run(self):
        while True:
            line = self.person.line(30)
            found = re.search(r": (\d+) (\d+) ", line)
            if found:
                self.delays.append((time.monotonic_ns() - int(found[2])) / 1e9)
                self.seen.append(int(found[1]))
            if "the end" in line:
                return


def test_a_member_that_reads_nothing_delays_nobody_is_cut_off_and_comes_back_without_loss(chat, server):
    room = "stuck-" + chat.account("room")
    chat.admin.post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    talker = chat.program(chat.account("talker"))
    talker.does("join", room=room)
    people = [chat.enter(chat.account("good")) for _ in range(3)]
    for person in people:
        person.goes(room)
    stuck = chat.program(chat.account("stuck"), receive_buffer=4_096)
    stuck.does("join", room=room)
    idle = chat.enter(chat.account("idle"), receive_buffer=4_096)
    idle.goes(room)
    hearers = [Hearer(person) for person in people]
    before, peak, number, watch = resident(server), 0, 0, Stopwatch()
    filler = "x" * 7_800

    def members():
        return {each["login"] for each in talker.does("members", room=room)["members"]}

    # 200 messages a second, until those that read nothing are not there any more.
    while {stuck.login, idle.login} & members():
        assert watch.seconds < 25, f"still there after {number} messages"
        for _ in range(20):
            number += 1
            while watch.seconds < number / 200:
                pause(0.001)
            talker.post("say", room=room, text=f"{number} {time.monotonic_ns()} {filler}")
        talker.fence()
        peak = max(peak, resident(server) - before)
    talker.does("say", room=room, text="the end")
    for hearer in hearers:
        hearer.join(10)
        assert hearer.seen == list(range(1, number + 1))
        delays = sorted(hearer.delays)
        assert delays[len(delays) * 99 // 100] < 0.25, f"p99 {delays[len(delays) * 99 // 100]:.3f} s"
    # Two connections with what may wait for each, and what the history's own pages take.
    assert peak < 24 * MIB, f"{peak / MIB:.1f} MiB"
    # What it had in its socket, and then what came after that.
    seen = []
    try:
        while True:
            word = stuck._take(time.monotonic() + 5)
            if word["type"] == "message":
                seen.append(word["seq"])
    except (Over, json_of.JSONDecodeError):
        pass
    again = chat.program(stuck.login)
    joined = again.does("join", room=room, after=seen[-1] if seen else 0)
    missed = [each["seq"] for each in again.heard if each["type"] == "message"]
    if joined.get("skipped"):
        after = seen[-1] if seen else 0
        older = []
        while len(older) < joined["skipped"]:
            page = again.does("history", room=room, after=older[-1] if older else after, limit=min(200, joined["skipped"] - len(older)))
            older += [each["seq"] for each in page["messages"]]
        missed = older + missed
    assert seen + missed == list(range(1, number + 2))


def test_floods_are_limited_by_account_and_nothing_is_lost_for_others(plain):
    ana, bob = plain.people("ana", "bob")
    room = f"{ana.login}s"
    second, program = plain.enter(ana.login), plain.program(plain.account("eva"))
    watch = Stopwatch()
    ana.send("".join(f"spam {number}\n" for number in range(60)).encode())
    second.send("".join(f"more {number}\n" for number in range(60)).encode())
    for number in range(10):
        bob.speak(f"calm {number}")
    assert watch.seconds < 1.5, f"{watch.seconds} s"
    ana.until("sending too fast", "Try again in")
    ana.fence(), second.fence()
    passed = [line for line in bob.fence() if line.startswith(ana.login)]
    # The burst and what grew again meanwhile, of both sessions together.
    allowed = 20 + 5 * (watch.seconds + 1)
    passed += [line for line in bytes(bob.all).decode().splitlines() if line.startswith(ana.login) and line not in passed]
    assert 20 <= len(set(passed)) <= allowed, len(passed)
    told = bytes(ana.all).decode().count("too fast") + bytes(second.all).decode().count("too fast")
    assert told + len(set(passed)) == 120, (told, len(set(passed)))
    asked = [program.post("say", room="lobby", text=f"json {number}") for number in range(40)]
    answers = [program.answer(ref) for ref in asked]
    refused = [each for each in answers if each["type"] == "error"]
    assert refused and all(each["code"] == "flood" and each["retry_after_ms"] > 0 and each["text"] for each in refused), refused[:2]
    sent = [each["seq"] for each in answers if each["type"] == "sent"]
    assert 20 <= len(sent) <= 30
    # Waiting as long as was said helps.
    until = time.monotonic() + refused[-1]["retry_after_ms"] / 1_000
    eventually(lambda: time.monotonic() >= until)
    program.does("say", room="lobby", text="patient")
    # Private messages, edits and rooms are no way round it.
    asked = [program.post("say", room=f"@{bob.login}", text=f"p {number}") for number in range(40)]
    assert "error" in {program.answer(ref)["type"] for ref in asked}
    ana.goes("lobby")
    ana.ask(f"#cR {room}", room)


def test_b20_nobody_takes_all_the_names_of_rooms(chat):
    greedy, ana = chat.program(chat.account("greedy")), chat.people("ana")[0]
    answers = [greedy.call("create", room=f"{greedy.login}-{number}") for number in range(25)]
    made = [each for each in answers if each["type"] == "joined"]
    assert len(made) == 20 and {each["code"] for each in answers[20:]} == {"too_many"}, answers[-1]
    ana.makes(f"{ana.login}s")
    greedy.does("delete_room", room=made[0]["room"])
    greedy.does("create", room=f"{greedy.login}-again")
    # Over REST it is the same account.
    chat.bearer(greedy.login).post("/v1/rooms", {"room": f"{greedy.login}-rest"}).problem(429)


# Each looks like `guest` or like somebody's login, or is no login at all.
LIKE_GUEST = ["guest", "guеst", "ɡuest", "ｇuest", "gue\u0301st", "guest\u200b", "\u202eguest", "guest ", "𝐠uest", "GUEST"]


@pytest.mark.parametrize("login", LIKE_GUEST, ids=ascii)
def test_b20_nobody_registers_under_a_login_that_looks_like_anothers(chat, login):
    person = chat.wire()
    person.say("new")
    for answer in ("Ana", "L", login):
        person.say(answer)
    asked = person.until("Login, by")
    answer = person.line()
    if "Password" in answer:
        for each in (PASSWORD, "", ""):
            person.say(each)
        person.hears("taken")
    else:
        assert answer.startswith("-- The login"), (asked, answer)
    chat.admin.post("/v1/accounts", {"login": login, "password": PASSWORD}).problem(409 if login.casefold() == "guest" else 422)


def test_2000_connections_that_never_log_in_do_not_delay_a_good_client(plain):
    most, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    size = 2_000 if hard == resource.RLIM_INFINITY else min(2_000, hard - 500)
    assert size >= 1_000, f"needs 1,500 file descriptors, and this process may have {hard}: raise `ulimit -Hn`"
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server = plain.server
    ana, login = plain.people("ana")[0], plain.account("late")
    plain.token(login)

    def trips():
        times = []
        for number in range(60):
            watch = Stopwatch()
            ana.say(f"#time {880_000_000_000 + number}")
            ana.until(str(880_000_000_000 + number))
            times.append(watch.seconds)
        return times

    def entry():
        watch = Stopwatch()
        plain.enter(login)
        return watch.seconds

    trips()
    usual, usual_entry = trips(), min(entry() for _ in range(3))
    before, crowd = resident(server), []
    try:
        for number in range(size):
            crowd.append(Wire(server, source=f"127.0.{1 + number % 8}.2"))
            if number % 3 == 0:
                crowd[-1].send(b"half a lo")
        for wire in crowd:
            wire.line()
        there, there_entry = trips(), min(entry() for _ in range(3))
        grown = resident(server) - before
    finally:
        for wire in crowd:
            wire.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    assert statistics.median(there) - statistics.median(usual) < 0.05, (statistics.median(there), statistics.median(usual))
    assert there_entry - usual_entry < 0.25, (there_entry, usual_entry)
    assert grown < size * 8 * KIB, f"{grown / size / KIB:.1f} KiB each"
    ana.speak("all well")


def test_c36_guessing_passwords_is_stopped_and_others_log_in(plain):
    victim, other = plain.account("victim"), plain.account("other")
    answers = []
    while len(answers) < 12 and "Try again in" not in " ".join(answers):
        guesser = plain.keep(Person(plain.server, source="127.0.9.9"))
        for _ in range(3):
            guesser.say(victim)
            guesser.hears("Password")
            guesser.say("a wrong guess")
            answers.append(guesser.line())
    assert "Too many wrong passwords" in " ".join(answers), answers
    watch = Stopwatch()
    plain.enter(other, PASSWORD, source="127.0.8.8").speak("in")
    assert watch.seconds < 2


STRANGE_PAGES = [{"limit": 0}, {"limit": -1}, {"limit": 2**63}, {"limit": 1e300}, {"limit": "x"}, {"before": -1}, {"before": 2**64},
                 {"before": 1, "after": 1}, {"before": None, "after": []}]


def test_c35_pages_that_cannot_be_are_refused_and_those_at_the_edge_are_empty(chat):
    program, rest = chat.program(chat.account()), chat.admin
    program.does("say", room="lobby", text="x")
    for page in STRANGE_PAGES:
        assert program.call("history", room="lobby", **page)["type"] in ("error", "history"), page
        if None not in page.values():
            program.refused("history", "invalid", room="lobby", **page)
            assert rest.get("/v1/rooms/lobby/messages", **page).status in (400, 422), page
    for page in ({"after": 2**63 - 1}, {"after": 2**63}, {"after": 2**64 - 1}, {"before": 0}, {"before": 1}):
        answer = program.does("history", room="lobby", **page)
        assert (answer["messages"], answer["more"]) == ([], False), page
        assert rest.get("/v1/rooms/lobby/messages", **page).ok()["messages"] == []
    for page in ({"before": 2**63}, {"before": 2**64 - 1}):
        assert program.does("history", room="lobby", **page)["messages"], page
    for words in ("", "x" * 257, '"', "* OR", "a NEAR b", "x' OR 1=1 --", "(((((", "seq:1", "\0", "-"):
        assert program.call("search", words=words)["type"] in ("found", "error"), words
    chat.people("ana")[0].listing("#history 999999999999999999999")


def test_a_deep_or_odd_json_is_refused_and_the_connection_goes_on(chat):
    program = chat.program(chat.account())
    for text in ("[" * 4_000, '{"a":' * 1_500, '{"type":"say","room":"lobby","text":"x","text":"y"}',
                 '{"type":"say","room":"lobby","text":"\\ud800"}', '{"type":"say","room":1,"text":"x"}', '{"ref":{},"type":"rooms"}',
                 '{"type":"time","t1_us":1e400}', "null", '"say"', "nul"):
        program.say(text)
        assert program.hears("error")["code"] == "invalid", text
    program.does("say", room="lobby", text="well")
