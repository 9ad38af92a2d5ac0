"""`chaski chat`, `say` and `listen`: a session at a terminal, over a killed server; the line mode and scripts."""

import json
import secrets
import signal
import subprocess
from pathlib import Path

import pytest

from clients import differs_on_rabbitmq
from command_line import account_at, run
from harness.brokers import Chaski
from harness.terminal import TerminalProgram
from rest import PASSWORD, Rest

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no chat")]


@pytest.fixture(scope="module")
def server():
    """A server of these tests alone: it is killed."""
    started = Chaski(settings={"chat.messages_per_second": 0})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def account(server, tmp_path):
    """Makes accounts; gives login and environment of one that is logged in."""
    return lambda label: account_at(server, tmp_path, label)


@pytest.fixture
def terminal(server):
    """Starts `chaski chat` on terminals that are closed at the end."""
    opened = []

    def opener(environment, *words, **size):
        opened.append(TerminalProgram([server.binary, "chat", *words], environment=environment, **size))
        return opened[-1]

    yield opener
    for program in opened:
        program.close()


def test_two_people_talk_and_miss_nothing_when_the_server_is_killed(server, account, terminal):
    anna, at_anna = account("anna")
    bob, at_bob = account("bob")
    first = terminal(at_anna, columns=120, rows=40)
    first.wait_for(f"● {anna}")
    second = terminal(at_bob, columns=80, rows=24)
    second.wait_for(f"● {bob}")
    first.wait_for(lambda text: f"● {bob}" in text and "MEMBERS" in text)

    first.type("hola a todos")
    first.press("enter")
    second.wait_for("hola a todos")
    second.type(f"hola @{anna[:-1]}")
    second.press("tab")
    second.press("enter")
    first.wait_for(f"hola @{anna}")
    assert b"\x07" not in first.written, "one looks at it: no bell"

    server.kill()
    first.wait_for("again in")
    second.wait_for("again in")
    first.type("said in between")
    first.press("enter")
    first.wait_for("said in between …")
    server.start()
    for program in (first, second):
        program.press("\x12")
    second.wait_for("said in between", seconds=60)
    text = first.wait_for(lambda text: "back after" in text and "said in between …" not in text, seconds=60)
    assert text.count("said in between") == 1
    assert text.count("hola a todos") == 1
    second.type("after it")
    second.press("enter")
    first.wait_for("after it")

    second.type("#exit")
    second.press("enter")
    assert second.wait_end() == 0
    assert not second.is_raw
    assert b"\x1b[?1049l" in second.written


def test_several_lines_that_are_pasted_ask_first_and_the_screen_follows_its_size(account, terminal):
    anna, at_anna = account("anna")
    program = terminal(at_anna, columns=120, rows=40)
    program.wait_for("MEMBERS")
    program.paste("one\ntwo\x1b[2J\nthree")
    program.wait_for("paste 3 lines?")
    program.press("esc")
    program.wait_for(lambda text: "paste 3 lines?" not in text)
    program.paste("one\ntwo")
    program.wait_for("paste 2 lines?")
    program.press("enter")
    program.wait_for(lambda text: "one" in text and "two" in text and "paste" not in text)
    program.resize(60, 16)
    program.wait_for(lambda text: "MEMBERS" not in text and "ROOMS" in text and f"● {anna}" in text)
    program.press("f1")
    program.wait_for("keys (arrows scroll, Esc closes)")
    program.press("esc")
    program.resize(80, 24)
    program.wait_for(lambda text: "keys (arrows" not in text and "ROOMS" in text)


def test_rooms_and_private_messages_by_command_and_by_key(account, terminal):
    anna, at_anna = account("anna")
    bob, at_bob = account("bob")
    room = f"tea{secrets.token_hex(3)}"
    first, second = terminal(at_anna), terminal(at_bob)
    for program in (first, second):
        program.wait_for("ROOMS")
    first.wait_for(f"● {anna}")
    first.type(f"#cR {room}\r")
    first.wait_for(lambda text: text.splitlines()[0].find(f" {room}") > 0)
    second.wait_for(f"● {bob}")
    second.type(f"#gR {room}\r")
    second.wait_for(lambda text: text.splitlines()[0].find(f" {room}") > 0)
    second.type(f"#\\private<{anna}> psst\r")
    first.wait_for(lambda text: f"{bob}" in text.split("ROOMS")[1])
    first.press("\x1ba")
    first.wait_for("psst")
    first.press("\x1b1")
    # Its creator goes for good: the room goes, and whoever was there reads why where they land.
    first.type("#exit\r")
    assert first.wait_end() == 0
    second.wait_for(lambda text: text.splitlines()[0].find(" lobby") > 0, seconds=40)


def title(text):
    """The line with the name of the place."""
    return text.splitlines()[0]


def ends(program):
    program.type("#exit\r")
    assert program.wait_end() == 0


def test_one_comes_back_to_the_rooms_of_the_last_time(server, account, terminal):
    anna, at_anna = account("anna")
    work, tea, gone = (f"{name}{secrets.token_hex(3)}" for name in ("work", "tea", "gone"))
    for room in (work, tea):
        Rest(server).post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    file = f"{at_anna['XDG_CONFIG_HOME']}/chaski/chat-rooms.json"
    first = terminal(at_anna)
    first.wait_for(f"● {anna}")
    for command, room in (("#gR", tea), ("#gR", work), ("#cR", gone), ("#gR", tea)):
        first.type(f"{command} {room}\r")
        first.wait_for(lambda text, room=room: room in title(text))
    ends(first)
    with open(file, encoding="utf-8") as opened:
        kept = json.load(opened)["accounts"][0]
    assert kept == {"server": server.http_url, "login": anna, "here": tea, "rooms": sorted((gone, tea, work))}

    # The room that went with its creator is said, and the place that was looked at is shown.
    second = terminal(at_anna)
    second.wait_for(lambda text: tea in title(text) and f"you are not back in {gone}" in text)
    second.wait_for(lambda text: all(f"{number} {room}" in text for number, room in ((1, "lobby"), (2, tea), (3, work))))
    second.type("#eR\r")
    second.wait_for(lambda text: "lobby" in title(text) and tea not in text)
    second.type(f"#gR {work}\r")
    second.wait_for(lambda text: work in title(text))
    second.send_signal(signal.SIGTERM)
    second.wait_end()

    third = terminal(at_anna)
    text = third.wait_for(lambda text: work in title(text) and "2 " + work in text)
    assert tea not in text and gone not in text, text
    ends(third)

    with open(file, "w", encoding="utf-8") as opened:
        opened.write("{")
    fourth = terminal(at_anna)
    fourth.wait_for(lambda text: "lobby" in title(text) and "the rooms of last time cannot be read" in text)
    assert work not in fourth.text
    ends(fourth)
    with open(file, encoding="utf-8") as opened:
        assert json.load(opened)["accounts"][0]["here"] == "lobby"


def filled(server, count):
    """A room with numbered messages that hold a word; gives both."""
    room, word = f"tome{secrets.token_hex(3)}", f"word{secrets.token_hex(3)}"
    rest = Rest(server)
    rest.post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    for number in range(1, count + 1):
        rest.post(f"/v1/rooms/{room}/messages", {"text": f"{word} number {number}"}).ok(201)
    return room, word


def test_a_search_goes_on_past_its_first_page_and_stays_in_a_room(server, account, terminal):
    anna, at_anna = account("anna")
    room, word = filled(server, 55)
    Rest(server).post("/v1/rooms/lobby/messages", {"text": f"{word} elsewhere"}).ok(201)
    program = terminal(at_anna, "--room", room)
    program.wait_for(lambda text: room in title(text))
    program.press("\x06")
    program.type(f"{word}\r")
    program.wait_for("search everywhere: 50 and more")
    program.wait_for("Tab: only this room")
    program.press(*["down"] * 50)
    program.wait_for("search everywhere: 56")
    program.press(*["down"] * 6)
    program.wait_for(f"{word} number 1 ")
    program.press("tab")
    program.wait_for(lambda text: f"search in {room}: 50 and more" in text and "elsewhere" not in text)
    program.press("\x15")
    program.type("elsewhere\r")
    program.wait_for(f"search in {room}: nothing has 'elsewhere'")
    program.press("tab")
    program.wait_for("search everywhere: 1")
    program.press("enter")
    program.wait_for(lambda text: "lobby" in title(text) and "elsewhere" in text and "Enter: go there" not in text)


def test_the_mouse_goes_to_rooms_scrolls_and_is_given_back(server, account, terminal):
    anna, at_anna = account("anna")
    room, word = filled(server, 60)
    program = terminal(at_anna, "--mouse", "--room", room)
    program.wait_for(f"{word} number 60")
    for mode in (b"1000", b"1006"):
        assert b"\x1b[?" + mode + b"h" in program.written
    for _ in range(8):
        program.wheel(up=True)
    program.wait_for(lambda text: f"{word} number 60" not in text and f"{word} number 30" in text)
    for _ in range(9):
        program.wheel(up=False)
    program.wait_for(f"{word} number 60")
    program.click("1 lobby")
    program.wait_for(lambda text: "lobby" in title(text))
    program.click(f"2 {room}")
    program.wait_for(lambda text: room in title(text))
    program.click("number 60")
    program.wait_for("r reply")
    program.press("esc")
    program.wait_for(lambda text: "r reply" not in text)
    ends(program)
    for mode in (b"1000", b"1006", b"1004", b"2004", b"1049"):
        assert b"\x1b[?" + mode + b"l" in program.written
    assert not program.is_raw


def test_whoever_looks_elsewhere_is_called_by_bell_and_notification(server, account, terminal):
    anna, at_anna = account("anna")
    bob, at_bob = account("bob")
    settings = Path(at_anna["XDG_CONFIG_HOME"]) / "chaski" / "chat.toml"
    settings.write_text('notify = ["osc9", "bell"]\n', encoding="utf-8")
    program = terminal(at_anna)
    program.wait_for(lambda text: f"● {anna}" in text and "1 lobby" in text)

    def says(text):
        assert run(server, at_bob, "say", "lobby", text).returncode == 0
        program.wait_for(text)

    def calls():
        return program.written.count(b"\x07"), program.written.count(b"\x1b]9;")

    says(f"one @{anna}")
    assert calls() == (0, 0), "it is seen as it comes"
    program.focus(has=False)
    program.type("x")
    program.wait_for("> x")
    says("two, for nobody")
    assert calls() == (0, 0)
    says(f"three @{anna}")
    assert calls() == (1, 1)
    assert f"\x1b]9;{bob} in lobby: three @{anna}\x1b\\".encode() in program.written
    program.focus(has=True)
    program.type("y")
    program.wait_for("> xy")
    says(f"four @{anna}")
    assert calls() == (1, 1)
    assert run(server, at_bob, "say", f"@{anna}", "psst").returncode == 0
    program.wait_for(lambda text: f"{bob}" in text.split("ROOMS")[1] and calls() == (2, 2))
    assert f"\x1b]9;{bob}: psst\x1b\\".encode() in program.written


def test_what_is_not_to_be_remembered_is_not(account, terminal):
    anna, at_anna = account("anna")
    home = Path(at_anna["XDG_CONFIG_HOME"]) / "chaski"
    (home / "chat.toml").write_text("remember = false\n", encoding="utf-8")
    program = terminal(at_anna)
    program.wait_for(f"● {anna}")
    ends(program)
    assert not (home / "chat-rooms.json").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_a_signal_gives_the_terminal_back(account, terminal, number):
    anna, at_anna = account("anna")
    program = terminal(at_anna)
    program.wait_for(f"● {anna}")
    assert program.is_raw
    program.send_signal(number)
    program.wait_end()
    assert not program.is_raw
    assert b"\x1b[?1049l" in program.written


def test_a_login_that_holds_no_more_is_said(server, account, terminal):
    anna, at_anna = account("anna")
    run(server, at_anna, "session", "list", "--json")
    contexts = f"{at_anna['XDG_CONFIG_HOME']}/chaski/contexts.json"
    with open(contexts, encoding="utf-8") as file:
        known = json.load(file)
    known["servers"]["default"]["token"] = "chs_" + "0" * 43
    with open(contexts, "w", encoding="utf-8") as file:
        json.dump(known, file)
    program = terminal(at_anna)
    program.wait_for("not logged in")
    said = run(server, at_anna, "say", "lobby", "hola")
    assert said.returncode == 4, said


def test_without_a_login_it_asks_and_makes_an_account(server, terminal, tmp_path):
    login = f"nora{secrets.token_hex(3)}"
    invitation = Rest(server).post("/v1/invitations", {"uses": 1}).ok(201)["code"]
    home = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "none"), "NO_COLOR": "1"}
    program = terminal(home, server.http_url, columns=100)
    answers = [
        ("Login", ""), ("New login", login), ("Password", PASSWORD), ("The same again", PASSWORD),
        ("First names", "Nora"), ("Last names", "Niño"), ("Gender", "woman"), ("invitation", invitation),
        ("Age", "30"), ("Stay logged in", "n"),
    ]
    for question, answer in answers:
        program.wait_for(question)
        program.type(f"{answer}\r")
    program.wait_for(f"● {login}")
    assert PASSWORD.encode() not in program.written


def test_the_line_mode_says_what_comes_in_and_ends_when_it_is_acknowledged(server, account):
    anna, at_anna = account("anna")
    words = [f"one {secrets.token_hex(3)}", f"two {secrets.token_hex(3)}"]
    ended = run(server, at_anna, "chat", "--plain", input="\n".join(words) + "\n")
    assert ended.returncode == 0, ended
    lines = ended.stdout.splitlines()
    assert [line[6:] for line in lines if anna in line] == [f"lobby {anna}: {text}" for text in words]
    assert "\x1b" not in ended.stdout + ended.stderr
    refused = run(server, at_anna, "chat", "--plain", input="#gR no-such-room\n")
    assert refused.returncode == 4, refused


def test_scripts_say_and_listen(server, account):
    anna, at_anna = account("anna")
    bob, at_bob = account("bob")
    said = run(server, at_anna, "say", "lobby", "from", "a", "script", "--json")
    stored = json.loads(said.stdout)
    assert stored["room"] == "lobby" and not stored["duplicate"]
    piped = run(server, at_anna, "say", "lobby", "-", input="piped\x1b[2J\n")
    assert int(piped.stdout) == stored["seq"] + 1
    after = ("--after", str(stored["seq"] - 1), "--count", "2")
    heard = run(server, at_bob, "listen", "lobby", *after)
    assert heard.stdout.splitlines() == [f"{anna}: from a script", f"{anna}: piped\\u{{1b}}[2J"]
    objects = [json.loads(line) for line in run(server, at_bob, "listen", "lobby", *after, "--json").stdout.splitlines()]
    assert [(one["seq"], one["from"]) for one in objects] == [(stored["seq"], anna), (stored["seq"] + 1, anna)]
    private = run(server, at_anna, "say", f"@{bob}", "psst")
    assert private.returncode == 0, private
    heard = run(server, at_bob, "listen", f"@{anna}", "--after", "0", "--count", "1")
    assert heard.stdout == f"{anna}: psst\n"
    assert run(server, at_anna, "say", "no-such-room", "x").returncode == 5
    assert run(server, at_anna, "listen", "no-such-room").returncode in (4, 5)


def test_a_listener_comes_back_by_itself(server, account):
    anna, at_anna = account("anna")
    bob, at_bob = account("bob")
    first = json.loads(run(server, at_anna, "say", "lobby", "before", "--json").stdout)
    command = [server.binary, "listen", "lobby", "--after", str(first["seq"] - 1), "--count", "3"]
    listener = subprocess.Popen(command, env=at_bob, stdout=subprocess.PIPE, text=True)
    assert listener.stdout.readline() == f"{anna}: before\n"
    server.kill()
    server.start()
    for text in ("during", "later"):
        assert run(server, at_anna, "say", "lobby", text).returncode == 0
    assert listener.stdout.read() == f"{anna}: during\n{anna}: later\n"
    assert listener.wait(30) == 0


def test_keys_are_printed_with_every_default(server, account):
    _, environment = account("anna")
    printed = run(server, environment, "chat", "--keys").stdout
    assert '#next_unread = ["alt-a"]' in printed
    assert run(server, environment, "chat", stdin=subprocess.DEVNULL).returncode == 2
