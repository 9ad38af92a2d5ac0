"""The chat's rules as people at a bare socket meet them: privacy, what was missed, messages changed, order kept in rooms, names."""

import json as json_of
import re

import pika
import pytest

from chat import Chat
from harness.brokers import Chaski
from harness.waiting import Stopwatch, eventually
from rest import PASSWORD, REST_ONLY

pytestmark = REST_ONLY


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"chat.grace_ms": 300, "chat.messages_per_second": 0})
    started.start()
    yield started
    started.stop()


def amqp(server):
    """A channel of the administrator's."""
    return pika.BlockingConnection(pika.ConnectionParameters(server.host, server.port)).channel()


def in_room(chat, *labels):
    """People in a room of the first one's."""
    people = chat.people(*labels)
    room = f"{people[0].login}s"
    people[0].makes(room)
    for person in people[1:]:
        person.goes(room)
    return room, *people


def newest(person):
    """The number of the newest message of the room where somebody is."""
    return int(re.search(r"^\[(\d+) ", person.listing("#history 1")[0])[1])


def test_private_messages_are_seen_by_nobody_else_the_administrator_included(chat):
    ana, bob, eva = chat.people("ana", "bob", "eva")
    guest, admin, channel = chat.enter("guest"), chat.socket("guest"), amqp(chat.server)
    everything = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(everything, "chat", "#")
    second = chat.enter(bob.login)
    bob.makes(f"{bob.login}s")
    secret = f"secret-{ana.login}"
    ana.ask(f"#\\private<{bob.login}> {secret} one", secret)
    # All sessions of the receiver, wherever they are, and all of the sender's.
    for session in (bob, second):
        assert "private" in session.hears(f"{ana.login}: {secret} one")
    ana.ask(f"#pm {bob.login} {secret} @{eva.login} two", secret)
    for other in (eva, guest):
        other.never_hears(secret)
        for command in (f"#search {secret}", f"#history @{bob.login}", f"#history @{ana.login}", "#unread", "#history 50"):
            assert not [line for line in other.listing(command) if secret in line], command
    assert not [word for word in admin.fence() if secret in str(word)]
    ana.speak("to everybody")
    heard = eventually(lambda: channel.basic_get(everything, auto_ack=True)[2])
    assert json_of.loads(heard)["text"] == "to everybody", heard
    channel.connection.close()
    for path in (f"/v1/conversations/{ana.login}/messages", f"/v1/conversations/{bob.login}/messages", "/v1/conversations",
                 f"/v1/search?words={secret}", "/v1/rooms", "/v1/rooms/lobby/messages", f"/v1/rooms/@{bob.login}/messages"):
        assert secret not in chat.admin.get(path).text, path
    # Nobody changes what is not theirs to read.
    for word in ("edit", "delete", "react", "read"):
        more = {"edit": {"text": "x"}, "react": {"emoji": "👍"}}.get(word, {})
        assert admin.call(word, room=f"@{bob.login}", seq=1, **more)["type"] == "error", word
    assert len([line for line in bob.listing(f"#history @{ana.login}") if secret in line]) == 2
    assert len([line for line in ana.listing(f"#search {secret}") if secret in line]) == 2


def test_private_messages_wait_for_whoever_is_away_and_come_exactly_once(chat):
    ana, absent = chat.people("ana")[0], chat.account("absent")
    for text in ("first", "second"):
        ana.ask(f"#pm {absent} {text} for you", text)

    def came(*texts):
        """Comes back and hears those texts; returns all lines that are for them."""
        back = chat.enter(absent)
        for text in texts:
            back.hears(f"{ana.login}: ", text)
        # The history is asked in order: what else there were would have come by now.
        back.listing("#history 1")
        back.close()
        return back, [line for line in bytes(back.all).decode().splitlines() if "for you" in line]

    _, lines = came("first", "second")
    assert len(lines) == 2 and all("private" in line for line in lines), lines
    ana.ask(f"#pm {absent} third for you", "third")
    _, lines = came("third")
    assert len(lines) == 1 and "third" in lines[0], lines
    assert came()[1] == []
    last = chat.enter(absent)
    assert [line for line in last.listing("#unread") if ana.login in line and re.search(r"\b0\b", line)]


def test_unread_private_messages_are_counted_for_a_program_until_it_reads_them(chat):
    ana, bob = chat.socket(chat.account("ana"), enter=False), chat.account("bob")
    for number in range(3):
        ana.does("say", room=f"@{bob}", text=str(number))
    reader = chat.socket(bob, enter=False)

    def talk():
        return [each for each in reader.does("conversations")["conversations"] if each["room"] == f"@{ana.login}"][0]

    assert (talk()["head"], talk()["unread"], talk()["presence"]) == (3, 3, "online")
    page = reader.does("history", room=f"@{ana.login}")
    assert [each["text"] for each in page["messages"]] == ["0", "1", "2"]
    assert talk()["unread"] == 3
    reader.does("read", room=f"@{ana.login}", seq=2)
    assert talk()["unread"] == 1


def test_what_was_said_in_a_room_meanwhile_is_shown_on_coming_back_exactly_once(chat):
    room = "kept-" + chat.account("x")
    chat.admin.post("/v1/rooms", {"room": room, "keep": True}).ok(201)
    ana, bob = chat.people("ana", "bob")
    for person in (ana, bob):
        person.goes(room)
    bob.speak("heard at once")
    ana.hears("heard at once")
    ana.reset()
    bob.misses(ana.login)
    bob.speak("missed one")
    bob.speak("missed two")

    def lines(person):
        person.fence()
        return [line for line in bytes(person.all).decode().splitlines() if re.search(r"(heard|missed|new) (at|one|two)", line)]

    back = chat.enter(ana.login)
    back.goes(room)
    shown = lines(back)
    assert len(shown) == 2 and "missed one" in shown[0] and "missed two" in shown[1], shown
    bob.speak("new one")
    back.hears("new one")
    back.say("#exit")
    back.rest()
    again = chat.enter(ana.login)
    again.goes(room)
    assert lines(again) == []
    # In the room itself nothing is missed by going to another and back.
    again.ask("#eR", "You are in", "lobby")
    bob.speak("new two")
    again.goes(room)
    assert len(lines(again)) == 1


def test_messages_are_edited_and_deleted_by_their_authors(chat):
    room, ana, bob = in_room(chat, "ana", "bob")
    bob.speak("wrnog")
    seq = newest(bob)
    bob.say("#edit wrong")
    for person in (bob, ana):
        person.hears(bob.login, f"{seq}", "changed")
        person.hears("wrong")
    assert [line for line in ana.listing("#history 1") if "wrong" in line and "edited" in line]
    bob.speak("second")
    bob.ask(f"#edit {seq} right", "changed")
    ana.hears("right")
    ana.ask(f"#edit {seq} mine now", "somebody else's")
    bob.say("#del")
    ana.hears(str(seq + 1), "deleted")
    assert not [line for line in ana.listing("#history 5") if "second" in line]
    assert not [line for line in ana.listing("#search second") if "second" in line]
    bob.ask(f"#del {seq + 99}", "no message")
    # The creator of the room may delete what others said, but change nothing.
    ana.say(f"#del {seq}")
    bob.hears(str(seq), "deleted")
    assert not [line for line in ana.listing("#history 5") if "right" in line]
    nobody = chat.people("eva")[0]
    nobody.goes(room)
    nobody.ask("#edit new", "said nothing")


def test_replies_reactions_and_mentions(chat):
    room, ana, bob = in_room(chat, "ana", "bob")
    eva = chat.people("eva")[0]
    ana.speak("question?")
    seq = newest(ana)
    bob.ask(f"#reply {seq} answer!", "answer!")
    assert f"> {seq}" in ana.hears(f"{bob.login}: ", "answer!")
    bob.ask(f"#react {seq} 👍", "👍", bob.login)
    ana.hears("👍", bob.login)
    ana.ask(f"#react {seq} 🎉", "🎉")
    shown = [line for line in bob.listing("#history 2") if "question?" in line][0]
    assert "👍" in shown and "🎉" in shown
    bob.say(f"#react {seq} 👍 off")
    ana.until("🎉")
    bob.fence()
    assert "👍" not in [line for line in bob.listing("#history 2") if "question?" in line][0]
    bob.ask(f"#react {seq} notanemoji", "--")
    ana.speak(f"hello @{eva.login}, come")
    heard = eva.hears(ana.login, "mentioned", room)
    assert room in heard
    bob.speak(f"mail x@{eva.login}.org")
    eva.never_hears(bob.login)


def test_a_kick_sends_to_the_default_room_and_says_why(chat):
    room, ana, bob, eva = in_room(chat, "ana", "bob", "eva")
    bob.ask(f"#kick {eva.login}", "Only the creator")
    ana.say(f"#kick {bob.login} too loud")
    bob.hears(ana.login, room, "too loud")
    bob.hears("You are in", "lobby")
    eva.misses(bob.login)
    bob.goes(room)
    ana.ask(f"#kick {ana.login}", "yourself")
    ana.ask("#kick nobody-at-all", "no account")
    ana.ask("#kick guest", "administrator")
    # An administrator runs every room.
    guest = chat.enter("guest")
    guest.goes(room)
    guest.say(f"#kick {ana.login}")
    ana.hears("guest", room)
    ana.hears("You are in", "lobby")


def test_a_ban_keeps_out_until_it_ends(chat):
    room, ana, bob = in_room(chat, "ana", "bob")
    ana.speak("before the ban")
    ana.say(f"#ban {bob.login} 10 a reason")
    bob.hears(room, "a reason")
    bob.hears("You are in", "lobby")
    bob.ask(f"#gR {room}", "banned", "a reason")
    for command in (f"#history {room}", f"#who {room}"):
        assert not [line for line in bob.listing(command) if "before the ban" in line], command
    assert not [line for line in bob.listing("#search before the ban") if "before the ban" in line]
    program = chat.program(bob.login)
    program.refused("say", "banned", room=room, text="x")
    program.refused("history", "banned", room=room)
    chat.rest(bob.login).post(f"/v1/rooms/{room}/messages", {"text": "x"}).problem(403)
    ana.ask(f"#unban {bob.login}", "Done")
    ana.ask(f"#unban {bob.login}", "--")
    bob.goes(room)


def test_a_mute_takes_the_word_and_slow_mode_paces_it(chat):
    room, ana, bob, eva = in_room(chat, "ana", "bob", "eva")
    ana.say(f"#mute {bob.login}")
    bob.hears(ana.login, "muted", bob.login)
    bob.ask("may I?", "You are muted")
    bob.ask("#me waves", "You are muted")
    eva.never_hears("may I", "waves")
    ana.say(f"#unmute {bob.login}")
    bob.hears("talk again")
    bob.speak("thanks")
    ana.say("#slow 2")
    bob.hears(ana.login, "slow")
    watch = Stopwatch()
    bob.speak("one")
    bob.ask("two", "slow", "Try again in")
    eva.speak("mine")
    for number in range(3):
        ana.speak(f"the creator is not slowed {number}")
    eventually(lambda: watch.seconds > 2.1)
    bob.speak("three")
    eva.never_hears("two")
    bob.ask("#slow 0", "Only the creator")


def test_whom_one_blocks_one_does_not_hear(chat):
    room, ana, bob, eva = in_room(chat, "ana", "bob", "eva")
    bob.ask(f"#block {ana.login}", "Done")
    ana.speak("unheard by bob")
    eva.hears("unheard by bob")
    bob.never_hears("unheard")
    ana.ask(f"#pm {bob.login} psst", "takes no messages")
    ana.say(f"@{bob.login} hey")
    bob.never_hears("hey", "psst")
    assert [line for line in bob.listing("#blocked") if ana.login in line]
    assert not [line for line in bob.listing("#history 10") if "unheard" in line]
    bob.ask(f"#unblock {ana.login}", "Done")
    ana.speak("heard again")
    bob.hears("heard again")
    bob.ask(f"#block {bob.login}", "yourself")


@pytest.mark.parametrize("policy, member, administrator", [
    ("anyone", True, True), ("administrators", False, True), ("nobody", False, False)])
def test_who_may_make_rooms_that_stay_is_a_setting(policy, member, administrator):
    server = Chaski(settings={"chat.keep_rooms": policy, "chat.grace_ms": 100})
    server.start()
    chat = Chat(server)
    try:
        for login, may in ((chat.account("member"), member), ("guest", administrator)):
            person = chat.enter(login)
            room = f"{login}s"
            if may:
                person.ask(f"#cR {room} keep", "You are in", room)
            else:
                person.ask(f"#cR {room} keep", "cannot make rooms that stay")
                person.makes(room)
                person.ask("#keep on", "cannot make rooms that stay")
            person.speak("kept?")
            person.say("#exit")
            person.rest()
            watcher = chat.socket(chat.account("watcher"))
            eventually(lambda: (room in [each["room"] for each in watcher.does("rooms")["rooms"]]) == may)
            if may:
                server.restart()
                page = chat.rest(login).get(f"/v1/rooms/{room}/messages").ok()
                assert [each["text"] for each in page["messages"]] == ["kept?"]
                # It may be let go again.
                chat.rest(login).patch(f"/v1/rooms/{room}", {"keep": False}).ok()
    finally:
        chat.close()
        server.stop()


GOOD_NAMES = ["a", "A-b_C9", "café", "Ñandú", "комната", "部屋", "غرفة", "x" * 64, "é" * 64, "हिन्दी", "__-"]
BAD_NAMES = ["x" * 65, "é" * 65, "a.b", "a/b", "..", "a%2fb", "a%00b", "amq.topic", "$SYS", "a#b", "a*b", "@ana", "a,b", "раypal", "gоod",
             "a\u200bb", "\u202eabc", "a\u00adb", "👍", "\u0301a", "a\ufe0fb", "<b>", "a;b", "a\x1b[2Jb",
             "a\0b", "a\nb", "", " ", "x" * 256, "ж" * 64 + "x"]


@pytest.mark.parametrize("name", GOOD_NAMES, ids=ascii)
def test_names_of_rooms_may_be_of_any_writing(chat, name):
    ana, bob = chat.people("ana", "bob")
    assert name in ana.makes(name)
    # Case is kept, but tells no two apart.
    bob.ask(f"#gR {name.upper() if len(name.upper()) == len(name) else name}", "You are in", name)
    bob.ask("#eR", "lobby")
    if name.upper() != name:
        bob.ask(f"#cR {name.upper()}", "already")
    rest = chat.bearer(bob.login)
    assert [each["room"] for each in rest.get("/v1/rooms").ok()["rooms"] if each["room"] == name] == [name]
    ana.say(f"#dR {name}")
    ana.hears("You are in", "lobby")


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_b20_names_that_are_no_rooms_are_refused_by_every_door(chat, name):
    ana = chat.people("ana")[0]
    program, rest = chat.program(ana.login), chat.bearer(ana.login)
    # A line cannot hold the others: control characters are not part of it, and blanks are not part of a name.
    if not name.startswith("@") and name.strip() and not any(each < " " for each in name):
        ana.ask(f"#cR {name}", "A room's name")
    program.refused("create", "room_name", room=name)
    rest.post("/v1/rooms", {"room": name}).problem(422)
    assert program.call("join", room=name)["type"] == "error"


# Written with other letters, they look the same: 1 and l, 0 and O, rn and m, Cyrillic and Latin, composed and not.
LOOKALIKES = [("pool1", "pooll"), ("r00m", "rOOm"), ("paypal", "paypaI"), ("corner", "comer"),
              ("соре", "cope"), ("ехо", "exo"), ("modern", "modem")]


@pytest.mark.parametrize("name, like", LOOKALIKES, ids=ascii)
def test_b20_a_room_that_looks_like_another_is_refused(chat, name, like):
    ana, mallory = chat.people("ana", "mallory")
    ana.makes(name)
    mallory.ask(f"#cR {like}", "looks like")
    chat.program(mallory.login).refused("create", "room_confusable", room=like)
    ana.say("#exit")
    ana.rest()


def test_one_name_composed_in_two_ways_is_one_room(chat):
    ana, bob = chat.people("ana", "bob")
    ana.makes("caf\u00e9")
    assert "caf\u00e9" in bob.ask("#gR cafe\u0301", "You are in")
    bob.ask("#cR cafe\u0301", "already")
    ana.say("#exit")
    ana.rest()


def test_two_who_create_the_same_room_at_once_get_one(chat):
    people = [chat.program(chat.account("racer")) for _ in range(8)]
    asked = [(person, person.post("create", room=("Race" if number % 2 else "rACE"))) for number, person in enumerate(people)]
    answers = [person.answer(ref) for person, ref in asked]
    assert sorted(each["type"] for each in answers) == ["error"] * 7 + ["joined"], answers
    assert {each["code"] for each in answers if each["type"] == "error"} == {"room_taken"}


# What somebody may not do in another's room.
VERBS = [("set", {"topic": "mine"}), ("set", {"slow_s": 9}), ("set", {"keep": False}), ("delete_room", {}), ("kick", {"login": "guest"}),
         ("ban", {"login": "guest"}), ("mute", {"login": "guest"}), ("unban", {"login": "guest"}), ("unmute", {"login": "guest"})]


def test_b18_what_is_anothers_is_not_ones_own(chat):
    owner, mallory = chat.program(chat.account("owner")), chat.program(chat.account("mallory"))
    room = f"{owner.login}s"
    owner.does("create", room=room)
    seq = owner.does("say", room=room, text="mine")["seq"]
    mallory.does("join", room=room)
    before = owner.does("rooms")["rooms"]
    for type_, fields in VERBS:
        mallory.refused(type_, "not_owner", room=room, **fields)
        mallory.refused(type_, "no_room", room="no-such-room", **fields)
    mallory.refused("edit", "not_author", room=room, seq=seq, text="x")
    mallory.refused("delete", "not_author", room=room, seq=seq)
    rest = chat.bearer(mallory.login)
    rest.delete(f"/v1/rooms/{room}").problem(403)
    rest.patch(f"/v1/rooms/{room}", {"topic": "x"}).problem(403)
    rest.put(f"/v1/rooms/{room}/messages/{seq}", {"text": "x"}).problem(403)
    rest.delete(f"/v1/rooms/{room}/messages/{seq}").problem(403)
    # Nobody's conversation but one's own: there is none with oneself, and others' cannot be named.
    mallory.refused("say", "yourself", room=f"@{mallory.login}", text="x")
    mallory.refused("say", "no_user", room="@no-such-user", text="x")
    for name in (f"@{owner.login}", f"{owner.login}"):
        mallory.call("history", room=name)
    assert owner.does("history", room=room)["messages"][0]["text"] == "mine"
    assert owner.does("rooms")["rooms"] == before


def test_the_password_of_a_token_is_never_asked(chat):
    """A login that needs the password of somebody else's name gets the same answer whether there is such an account or not."""
    login = chat.account()
    said = []
    for name in (login, "nobody-of-that-name"):
        person = chat.wire()
        person.say(name)
        person.hears("Password")
        person.say("wrong " + PASSWORD)
        said.append(person.hears("Wrong"))
    assert said[0] == said[1]
