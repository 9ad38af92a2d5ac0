"""The chat at a bare socket: registration and login as a dialogue, section 5's commands word for word, telnet, TLS, tokens."""

import json as json_of
import re
import socket
import subprocess
import time
from datetime import UTC, datetime

import pytest

from chat import ANSWERS, Chat, Over, Person, Program, answers_up_to, login_of, registering
from harness.brokers import Chaski
from harness.waiting import Stopwatch, eventually
from rest import PASSWORD, REST_ONLY, Rest

pytestmark = REST_ONLY

IAC, WILL, WONT, DO, ECHO = 255, 251, 252, 253, 1
GRACE_MS = 1_500


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"chat.grace_ms": GRACE_MS, "chat.messages_per_second": 0})
    started.start()
    yield started
    started.stop()


def test_the_server_tells_its_time_and_a_newcomer_registers_by_answering_questions(chat):
    ana = chat.wire()
    ana.login = login_of("ana")
    assert abs((datetime.now(UTC) - ana.told_time()).total_seconds()) < 5
    ana.hears("Login", "new")
    ana.say("new")
    answers_up_to(ana, None)
    ana.hears("lobby")
    shown = chat.admin.get(f"/v1/accounts/{ana.login}").ok()
    assert (shown["first_names"], shown["last_names"]) == ("Ana María", "López Díaz")
    assert (shown["age"], shown["gender"], shown["role"]) == (22, "ella", "member")
    ana.speak("hola a todos")
    # Later: login and password. A wrong one is told and asked for again.
    again = chat.wire()
    again.say(ana.login)
    again.hears("Password")
    again.say("not it")
    again.hears("Wrong login or password")
    again.hears("Login")
    again.say(ana.login)
    again.hears("Password")
    again.say(PASSWORD)
    again.hears("lobby")
    again.login = ana.login
    again.speak("here I am again")


WRONG = {
    "First names": ["", "x" * 129, "Ana\u202eMaría"],
    "Last names": ["", "\u2066x"],
    "Login": ["", "two words", "guest", "anа", "ana\u200b", "..", "x" * 65, "a/b", "a%2fb", "@ana"],
    "Password": ["", "short", "x" * 1_025],
    "Age": ["old", "0", "151", "-1", "1e1", "22 years"],
    "Gender": ["x" * 33, "\u202e"],
}


@pytest.mark.parametrize("question", WRONG)
def test_what_cannot_be_is_asked_again_and_the_rest_is_not(chat, question):
    login = login_of("eva")
    person = registering(chat, login, question)
    for wrong in WRONG[question]:
        person.say(wrong)
        # A login that is taken is found out at the end only.
        if wrong == "guest":
            for later in ("Password", "Age", "Gender"):
                person.hears(later)
                person.say(ANSWERS[later])
            person.hears("taken")
            person.hears("Login")
            person.say(login)
            person.hears("lobby")
            person = registering(chat, login := login_of("eva"), question)
            continue
        refused, asked = person.line(), person.line()
        assert refused.startswith("-- ") and question in asked, (wrong, refused, asked)
    questions = list(ANSWERS)
    person.say(ANSWERS[question] or login)
    for later in questions[questions.index(question) + 1:]:
        person.hears(later)
        person.say(ANSWERS[later] or login)
    person.hears("lobby")
    assert chat.rest(login).get("/v1/me").ok()["login"] == login


def test_age_and_gender_may_be_left_out_and_the_dialogue_may_be_left(chat):
    person = registering(chat, login_of("noa"), "Age")
    person.say("")
    person.hears("Gender")
    person.say("")
    person.hears("lobby")
    shown = chat.admin.get(f"/v1/accounts/{person.login}").ok()
    assert (shown.get("age"), shown["gender"]) == (None, "")
    gone = registering(chat, login_of("leo"), "Last names")
    gone.say("#exit")
    gone.rest()
    chat.admin.get(f"/v1/accounts/{gone.login}").problem(404)


def test_three_wrong_passwords_end_the_connection(chat):
    login = chat.account()
    person = chat.wire()
    for _ in range(3):
        person.say(login)
        person.say("wrong password")
    assert "Too many" in " ".join(person.rest())


def test_accounts_outlive_a_restart(chaski_with):
    server = chaski_with()
    chat = Chat(server)
    person = registering(chat, "ana", "Gender")
    person.say("f")
    person.hears("lobby")
    person.speak("before")
    server.restart()
    assert [line for line in person.rest() if "stopping" in line]
    again = chat.enter("ana", PASSWORD)
    assert [line for line in again.listing("#history") if "ana: before" in line]
    chat.close()


def test_section_5_word_for_word(chat):
    ana, bob, eva = chat.people("ana", "bob", "eva")
    cafe = f"café-{ana.login}"
    # One default room; what is no command goes to everyone there, the sender's name in front.
    ana.speak("hola")
    assert bob.hears(": hola") == eva.hears(": hola") == f"{ana.login}: hola"
    # #cR creates and enters; others enter by #gR.
    ana.makes(cafe)
    ana.speak("solo yo")
    bob.never_hears("solo yo")
    bob.goes(cafe)
    ana.hears(bob.login, "came in")
    bob.speak("buenas")
    ana.hears(f"{bob.login}: buenas")
    eva.never_hears("buenas")
    # #lR: rooms with their number of members.
    rooms = eva.listing("#lR")
    assert [line for line in rooms if re.search(rf"{cafe} +2\b", line)], rooms
    assert [line for line in rooms if re.search(r"\* lobby +\d", line)], rooms
    # #eR leaves to the default room, and has no effect there.
    bob.ask("#eR", "You are in", "lobby")
    ana.hears(bob.login, "left")
    bob.say("#eR")
    assert not [line for line in bob.fence() if "You are in lobby" in line]
    bob.speak("de vuelta")
    eva.hears(f"{bob.login}: de vuelta")
    ana.never_hears("de vuelta")
    # #show users: everyone in the system, also who is not there.
    absent = chat.account("absent")
    users = bob.listing("#show users")
    for login, word in [(ana.login, "online"), (bob.login, "online"), (eva.login, "online"), (absent, "offline"), ("guest", "offline")]:
        assert [line for line in users if re.search(rf"^--  *{login} +{word}", line)], (login, users)
    # #\private<user>, wherever the user is.
    eva.ask(f"#\\private<{ana.login}> hola", "hola")
    assert "private" in ana.hears(f"{eva.login}: hola")
    eva.ask(f"#\\private {ana.login} otra vez", "otra vez")
    assert "private" in ana.hears(f"{eva.login}: otra vez")
    bob.never_hears("otra vez")
    # #dR: only who created it.
    bob.goes(cafe)
    eva.ask(f"#dR {cafe}", "Only the creator")
    bob.ask(f"#dR {cafe}", "Only the creator")
    ana.say(f"#dR {cafe}")
    for member in (bob, ana):
        member.hears(ana.login, "deleted", cafe)
        member.hears("You are in", "lobby")
    assert not [line for line in eva.listing("#lR") if cafe in line]
    eva.ask(f"#gR {cafe}", "There is no room")
    ana.ask("#dR lobby", "default room")
    # #exit disconnects.
    bob.say("#exit")
    assert bob.rest()
    ana.hears(bob.login, "left")


def test_nobody_is_told_of_their_own_coming(chat):
    ana, bob = chat.people("ana", "bob")
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    ana.hears(bob.login, "came in")
    eva = chat.people("eva")[0]
    eva.goes(room)
    assert eva.login in bob.hears(eva.login, "came in")
    for person in (ana, bob, eva):
        person.fence()
        told = [line for line in bytes(person.all).decode().splitlines() if "came in" in line and person.login in line]
        assert not told, told


def test_what_was_said_before_exit_is_said_and_its_answers_come(chat):
    """A whole script in one piece, as `nc` sends it."""
    login, eva = chat.account(), chat.people("eva")[0]
    script = chat.wire()
    script.send(f"token {chat.token(login)}\nthe first\n#lR\nthe last\n#exit\n".encode())
    heard = script.rest()
    eva.hears(f"{login}: the first")
    eva.hears(f"{login}: the last")
    assert [line for line in heard if line == f"{login}: the first"], heard
    assert [line for line in heard if line == f"{login}: the last"], heard
    assert heard.index(f"{login}: the first") < heard.index(f"{login}: the last") < len(heard) - 1, heard


def test_answers_of_a_program_that_says_goodbye_come_before_the_bye(chat):
    program = chat.program(chat.account())
    program.send(b'{"type":"say","room":"lobby","text":"one","ref":"a"}\n{"type":"rooms","ref":"b"}\n#exit\n')
    words = [json_of.loads(line) for line in program.rest()]
    assert words[-1]["type"] == "bye" and words[-1]["cause"] == "asked", words
    assert {"a", "b"} <= {word.get("ref") for word in words}, words


def test_a_client_that_ends_its_input_gets_its_answers(chat):
    login = chat.account()
    script = chat.wire()
    script.send(f"token {chat.token(login)}\nby a pipe\n".encode())
    script._socket.shutdown(socket.SHUT_WR)
    assert f"{login}: by a pipe" in script.rest()


def test_a_creator_who_says_goodbye_takes_the_room_along_at_once(chat):
    ana, bob = chat.people("ana", "bob")
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    watch = Stopwatch()
    ana.say("#exit")
    ana.rest()
    bob.hears(room, "gone", ana.login)
    bob.hears("You are in", "lobby")
    assert watch.seconds < GRACE_MS / 1_000
    assert not [line for line in bob.listing("#lR") if room in line]
    # The name is free again.
    bob.makes(room)


def test_a_creator_whose_connection_was_lost_takes_the_room_along_after_the_grace(chat):
    ana, bob = chat.people("ana", "bob")
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    watch = Stopwatch()
    ana.reset()
    bob.hears(room, "gone", ana.login)
    assert GRACE_MS / 1_000 - 0.1 < watch.seconds < GRACE_MS / 1_000 + 2
    bob.hears("You are in", "lobby")


def test_a_creator_who_comes_back_within_the_grace_keeps_the_room(chat):
    ana, bob = chat.people("ana", "bob")
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    watch = Stopwatch()
    ana.reset()
    bob.misses(ana.login)
    again = chat.enter(ana.login)
    again.goes(room)
    assert watch.seconds < GRACE_MS / 1_000, "too slow for this test"
    # Nothing is to come: asked until it would have.
    eventually(lambda: watch.seconds > GRACE_MS / 1_000 + 0.3)
    bob.never_hears("gone")
    again.speak("still here")
    bob.hears("still here")


def test_a_room_stays_as_long_as_any_session_of_its_creator(chat):
    ana, bob = chat.people("ana", "bob")
    second = chat.enter(ana.login)
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    ana.say("#exit")
    ana.rest()
    bob.never_hears("gone")
    assert [line for line in second.listing("#lR") if room in line]
    second.say("#exit")
    bob.hears(room, "gone")


def test_passwords_are_hidden_from_telnet_and_only_from_telnet(chat):
    login = chat.account()
    plain = chat.wire()
    plain.say(login)
    plain.say(PASSWORD)
    plain.hears("lobby")
    assert IAC not in plain.all and PASSWORD.encode() not in plain.all
    telnet = chat.wire()
    telnet.line()
    assert IAC not in telnet.all
    # As telnet begins: it offers and asks for options; all but echo are refused.
    telnet.send(bytes([IAC, DO, 3, IAC, WILL, 24]) + login.encode() + b"\r\n")
    telnet.send(PASSWORD.encode() + b"\r\0")
    said = telnet.gets(b"lobby")
    hidden, shown = said.index(bytes([IAC, WILL, ECHO])), said.index(bytes([IAC, WONT, ECHO]))
    assert hidden < shown < said.index(b"lobby"), said
    assert bytes([IAC, WONT, 3]) in said and bytes([IAC, 254, 24]) in said, said
    # Whoever knows that the client is telnet may also say so.
    typed = chat.wire()
    typed.say("#telnet")
    typed.say(login)
    typed.gets(bytes([IAC, WILL, ECHO]))


def test_a_password_is_written_down_nowhere(chat, server):
    login = chat.account(password="unforgettable word")
    for password in ("unforgettable word", "unforgettable wrong"):
        person = chat.wire()
        person.say(login)
        person.say(password)
        person.until("lobby" if password.endswith("word") else "Wrong")
    log = (server.directory / "output.log").read_bytes()
    assert b"unforgettable" not in log
    for path in (server.directory / "data").rglob("*"):
        if path.is_file():
            assert b"unforgettable" not in path.read_bytes(), path


def test_tls_on_its_own_port(chat, server):
    login = chat.account()
    person = chat.enter(login, PASSWORD, tls=True)
    person.speak("in private")
    plain = chat.enter(login)
    plain.speak("to both")
    person.hears("to both")
    # Plain text there is no handshake.
    with socket.create_connection((server.host, server.line_tls_port), timeout=10) as wrong:
        wrong.sendall(b"new\n")
        assert b"Login" not in wrong.recv(1_000)


def test_a_token_logs_in_and_a_wrong_one_does_not(chat):
    login = chat.account()
    person = chat.enter(login)
    person.speak("by token")
    stranger = chat.wire()
    for token in ("x", chat.token(login)[:-1], chat.token(login) + "0"):
        stranger.say(f"token {token}")
        stranger.hears("token is unknown")
    stranger.rest()
    again = chat.enter(login)
    again.speak("still good")


class Access:
    """A login at the line protocol, and how it is taken away."""

    def __init__(self, chat, kind):
        self.chat = chat
        self.login = chat.account("reader")
        self.owner = chat.rest(self.login)
        opened = self.owner.post("/v1/sessions", {}).ok(201)
        self.session, chat._tokens[self.login] = opened["session"]["id"], opened["token"]
        by_password = kind in ("password_changed", "account_deleted")
        self.reader = chat.enter(self.login, PASSWORD if by_password else None)

    def session_ended(self):
        listed = self.owner.get("/v1/sessions").ok()["items"]
        assert self.session in [each["id"] for each in listed], listed
        self.owner.delete(f"/v1/sessions/{self.session}").ok(204)

    def session_ended_by_an_administrator(self):
        self.chat.admin.delete(f"/v1/sessions/{self.session}").ok(204)

    def password_changed(self):
        wish = {"present": PASSWORD, "new": "another one"}
        self.owner.put(f"/v1/accounts/{self.login}/password", wish).ok(204)

    def password_changed_by_an_administrator(self):
        self.chat.admin.put(f"/v1/accounts/{self.login}/password", {"new": "another one"}).ok(204)

    def account_deleted(self):
        self.chat.admin.delete(f"/v1/accounts/{self.login}").ok(204)


@pytest.mark.parametrize("way", [each for each in vars(Access) if not each.startswith("_")])
def test_b24_whoever_lost_its_login_is_told_and_hears_nothing_any_more(chat, way):
    access, ana = Access(chat, way), chat.people("ana")[0]
    ana.speak("before")
    access.reader.hears("before")
    watch = Stopwatch()
    getattr(access, way)()
    last = access.reader.rest(within=3)
    assert watch.seconds < 1, f"{watch.seconds} s"
    assert [line for line in last if "no longer valid" in line], last
    ana.speak(f"for {access.login} no more")
    assert f"for {access.login}".encode() not in access.reader.all
    members = [line for line in ana.listing("#who") if access.login in line]
    assert not members, members


def test_a_program_that_lost_its_login_is_told_why(chat):
    login = chat.account()
    program = chat.program(login)
    chat.admin.delete(f"/v1/accounts/{login}").ok(204)
    bye = program.hears("bye")
    assert bye["cause"] == "revoked" and bye["text"]
    program.rest()


def test_an_account_that_is_made_again_inherits_nothing(chat):
    ana, bob = chat.people("ana", "bob")
    ana.ask(f"#pm {bob.login} for the old bob", "for the old bob")
    bob.hears("for the old bob")
    bob.say("#exit")
    chat.admin.delete(f"/v1/accounts/{bob.login}").ok(204)
    ana.ask(f"#pm {bob.login} to nobody", "There is no account")
    chat.admin.post("/v1/accounts", {"login": bob.login, "password": PASSWORD}).ok(201)
    again = chat.enter(bob.login, PASSWORD)
    again.never_hears("old bob")
    for command in (f"#history @{ana.login}", "#search old bob", "#unread"):
        assert not [line for line in again.listing(command) if "the old bob" in line], command


def test_the_language_is_the_accounts_and_stays(chat):
    login = chat.account()
    person = chat.enter(login)
    person.ask("#lang es", "español")
    assert [line for line in person.listing("#lR") if "sala" in line]
    person.ask("#gR nowhere", "No hay ninguna sala")
    person.ask("#lang fr", "#lang")
    person.say("#exit")
    person.rest()
    again = chat.enter(login)
    assert [line for line in again.listing("#lR") if "sala" in line]
    again.ask("#lang en", "English")
    stranger = chat.wire()
    stranger.ask("#lang es", "español")
    stranger.hears("Usuario", "nuevo")
    stranger.say("nuevo")
    stranger.hears("Nombres")


def test_machine_mode_and_back(chat):
    login = chat.account()
    program = chat.enter(login, kind=Program)
    hello = program.machine()
    assert hello["default_room"] == "lobby" and hello["lang"] == "en" and hello["idle_ms"] > 0
    assert abs(hello["time_ms"] / 1_000 - time.time()) < 5
    sent = program.does("say", room="lobby", text="from a program", sent_id="a-1")
    assert sent["type"] == "sent" and sent["sent_id"] == "a-1"
    heard = program.hears("message", seq=sent["seq"])
    assert (heard["from"], heard["text"], heard["room"], heard["id"]) == (login, "from a program", "lobby", sent["id"])
    for wrong in ("hello", "{", "[]", '{"type":"dance","ref":7}', '{"type":"say"}', '{"type":"read","room":"lobby","seq":-1}'):
        program.say(wrong)
        refused = program.hears("error")
        assert refused["text"] and refused.get("ref") == (7 if "dance" in wrong else None), refused
    program.say("#mode text")
    Person.until(program, "shown text")
    Person.ask(program, "and now text", f"{login}: and now text")


def test_one_may_choose_not_to_be_sent_ones_own_messages(chat):
    ana, bob = chat.people("ana", "bob")
    ana.ask("#echo off", "not shown")
    ana.say("unheard by me")
    bob.hears("unheard by me")
    ana.never_hears("unheard")
    ana.ask("#echo on", "shown")
    ana.speak("heard")


def test_what_begins_like_a_command_and_is_none_is_sent_to_nobody(chat):
    ana, bob = chat.people("ana", "bob")
    ana.ask("#gr lobby", "You are in")
    assert "#exit" in ana.ask("#exti", "Unknown command #exti")
    assert "#cR" in ana.ask("#cRroom", "Unknown command #cRroom")
    assert ana.ask("# hola", "Unknown command")
    assert "#\\private" in ana.ask("#\\private", "Usage")
    assert "#cR" in ana.ask("#cR", "Usage")
    ana.ask("##hash", f"{ana.login}: #hash")
    heard = bob.hears(f"{ana.login}: ")
    assert heard == f"{ana.login}: #hash"
    helped = ana.listing("#help")
    for command in ("#cR", "#gR", "#eR", "#exit", "#lR", "#dR", "#show users", "#\\private", "#pm", "#history", "#search", "#who",
                    "#topic", "#time", "#me", "#edit", "#del", "#kick", "#ban", "#mute", "#block", "#lang"):
        assert [line for line in helped if re.search(rf"^-- +{re.escape(command)}\b", line)], (command, helped)


def test_the_rest_of_the_commands(chat):
    ana, bob = chat.people("ana", "bob")
    room = f"{ana.login}s"
    ana.makes(room)
    bob.goes(room)
    ana.ask("#me waves", f"* {ana.login} waves")
    bob.hears(f"* {ana.login} waves")
    ana.ask("#topic tea and cake", "tea and cake")
    bob.hears(ana.login, "tea and cake")
    assert "tea and cake" in bob.ask("#topic", room)
    bob.ask("#topic coffee", "Only the creator")
    for number in range(5):
        bob.speak(f"word{number} cake")
    assert [line.split(": ")[1] for line in ana.listing("#history 3") if "word" in line] == ["word2 cake", "word3 cake", "word4 cake"]
    found = ana.listing("#search word3 cak")
    assert len([line for line in found if f"{bob.login}: word3 cake" in line and room in line]) == 1, found
    assert [line for line in ana.listing(f"#who {room}") if bob.login in line and "online" in line]
    bob.ask("#away lunch", "Done")
    assert [line for line in ana.listing(f"#who {room}") if bob.login in line and "away" in line]
    assert [line for line in ana.listing("#show users") if bob.login in line and "away" in line and "lunch" in line]
    bob.ask("#back", "Done")
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", bob.ask("#time", "UTC"))
    assert [line for line in bob.listing("#blocked") if "nobody" in line]


def test_the_connections_of_the_line_protocol_are_listed(chat, server):
    login = chat.account()
    chat.enter(login, PASSWORD, tls=True)
    listed = subprocess.run([server.binary, "connection", "list", "--json", "--data", str(server.directory / "data")],
                            capture_output=True, text=True, check=True)
    mine = [each for each in json_of.loads(listed.stdout) if each["login"] == login]
    assert [each["listener"] for each in mine] == ["line-tls"], listed.stdout


def test_a_restart_says_goodbye_to_everybody(chaski_with):
    server = chaski_with()
    chat = Chat(server)
    ana, program = chat.enter("guest", "guest"), chat.program(chat.account())
    watch = Stopwatch()
    server.shut_down()
    # Nobody has to be waited for who stays on the line.
    assert watch.seconds < 3, watch.seconds
    server.start()
    assert [line for line in ana.rest() if "stopping" in line]
    assert program.hears("bye")["cause"] == "shutdown"
    with pytest.raises(Over):
        program.line()
    chat.close()
    assert Rest(server).get("/v1/rooms").ok()["rooms"][0]["room"] == "lobby"
