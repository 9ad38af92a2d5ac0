"""The chat over gRPC: one stream to join, talk and listen, calls for the rest, with the rules and rights of every other door."""

import contextlib
import queue
import secrets
import threading
import time

import grpc
import pytest

from grpc_client import Client, failure, v1
from harness.brokers import Chaski
from harness.waiting import eventually
from rest import REST_ONLY

pytestmark = REST_ONLY

CODE = grpc.StatusCode
# Far more than anything here takes.
WITHIN = 20


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"chat.messages_per_second": 0, "chat.keep_rooms": "anyone"})
    started.start()
    yield started
    started.stop()


def channel_to(server):
    return grpc.insecure_channel(server.http_url.removeprefix("http://"))


class Talk:
    """A conversation over one stream. What comes while something else is waited for is kept, in order."""

    def __init__(self, channel, metadata):
        self._requests, self._told = queue.SimpleQueue(), queue.SimpleQueue()
        self._ref, self.heard = 0, []
        stub = v1.ChatServiceStub(channel)
        self.call = stub.Converse(iter(self._requests.get, None), metadata=metadata)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.hello = self._next().hello

    def _read(self):
        with contextlib.suppress(grpc.RpcError):
            for response in self.call:
                self._told.put(response)
        self._told.put(None)

    def _next(self, within=WITHIN):
        told = self._told.get(timeout=within)
        assert told is not None, f"the stream ended: {self.call.code()} {self.call.details()}"
        return told

    def post(self, **word):
        """Says something and does not wait; returns its number."""
        self._ref += 1
        self._requests.put(v1.ConverseRequest(ref=self._ref, **word))
        return self._ref

    def hears(self, kind, is_it=lambda told: True):
        """The next event of that kind, whatever came before it is kept."""
        def matches(response):
            return response.WhichOneof("event") == kind and is_it(getattr(response, kind))

        for response in self.heard:
            if matches(response):
                self.heard.remove(response)
                return getattr(response, kind)
        while True:
            response = self._next()
            if matches(response):
                return getattr(response, kind)
            self.heard.append(response)

    def answer(self, ref):
        return self.hears("answered", lambda answered: answered.ref == ref)

    def does(self, **word):
        """Says something that is not refused; what came of it."""
        answered = self.answer(self.post(**word))
        kind = answered.WhichOneof("result")
        assert kind != "error", answered
        return getattr(answered, kind)

    def refused(self, **word):
        """Says something that is refused; the error."""
        answered = self.answer(self.post(**word))
        assert answered.WhichOneof("result") == "error", answered
        assert answered.error.text
        return answered.error

    def join(self, room, **fields):
        return self.does(join=v1.ChatJoin(room=room, **fields))

    def say(self, room, text, **fields):
        return self.does(say=v1.ChatSay(room=room, text=text, **fields))

    def messages(self):
        """All messages up to now."""
        # What had happened when the chat answered the first is told before the second is heard.
        self.does(back=v1.ChatBack())
        self.does(time=v1.ChatClock(t1_us=1))
        return [each.message for each in self.heard if each.WhichOneof("event") == "message"]

    def end(self):
        """Waits for the end of the stream; its status, and the bye before it if there was one."""
        last = None
        while (told := self._told.get(timeout=WITHIN)) is not None:
            last = told
        return self.call.code(), last.bye.cause if last and last.WhichOneof("event") == "bye" else None

    def close(self):
        """Sends nothing more."""
        self._requests.put(None)

    def cut(self):
        """Loses the connection: no goodbye."""
        self.call.cancel()
        self.close()


class One:
    """Somebody who calls and talks over gRPC."""

    def __init__(self, channel, chat, label):
        self.chat, self.login, self.channel = chat, chat.account(label), channel
        self.client = Client(channel, bearer=chat.token(self.login))

    def talk(self):
        return self.chat.keep(Talk(self.channel, self.client.metadata))

    def say(self, room, text, **fields):
        request = v1.SayRequest(say=v1.ChatSay(room=room, text=text, **fields))
        return self.client.Say(request).posted

    def read(self, room, **fields):
        return self.client.ListMessages(v1.ListMessagesRequest(room=room, **fields))

    def members(self, room):
        """The logins of those in a room."""
        return [each.login for each in self.client.ListMembers(v1.ListMembersRequest(room=room)).members]

    def make(self):
        """A room of one's own that stays; its name."""
        name = f"room-{secrets.token_hex(4)}"
        made = self.client.CreateRoom(v1.CreateRoomRequest(room=name, keep=True)).room
        assert (made.room, made.owner, made.keep) == (name, self.login, True)
        return name


@pytest.fixture
def channel(server):
    with channel_to(server) as opened:
        yield opened


@pytest.fixture
def one(channel, chat):
    return lambda label="ana": One(channel, chat, label)


def refusal(call, code, reason):
    found = failure(call)
    assert (found.code, found.reason) == (code, reason), found.message
    assert found.message
    return found


# The stream


def test_all_doors_hear_one_order(one, chat):
    ana, bob, eva = one("ana"), one("bob"), one("eva")
    room, count = ana.make(), 20
    listener = bob.talk()
    assert listener.hello.login == bob.login and listener.hello.default_room == "lobby"
    joined = listener.join(room)
    assert (joined.room, joined.head, joined.why.cause) == (room, 0, v1.CHAT_CAUSE_ASKED)
    program = chat.program(eva.login)
    program.does("join", room=room)
    poster = chat.bearer(ana.login)

    def post():
        for number in range(count):
            poster.post(f"/v1/rooms/{room}/messages", {"text": f"rest {number}"}).ok(201)

    rest = threading.Thread(target=post, daemon=True)
    rest.start()
    refs = [listener.post(say=v1.ChatSay(room=room, text=f"grpc {number}")) for number in range(count)]
    lines = [program.post("say", room=room, text=f"line {number}") for number in range(count)]
    rest.join(WITHIN)
    posted = [listener.answer(ref).posted.seq for ref in refs]
    assert posted == sorted(posted)
    for ref in lines:
        assert program.answer(ref)["type"] == "sent"
    over_grpc = [listener.hears("message") for _ in range(3 * count)]
    over_line = [program.hears("message", room=room) for _ in range(3 * count)]
    assert [message.seq for message in over_grpc] == list(range(1, 3 * count + 1))
    heard = [(message.seq, message.sender, message.text) for message in over_grpc]
    assert heard == [(each["seq"], each["from"], each["text"]) for each in over_line]
    page = ana.read(room, after=0, page_size=200)
    assert [(each.seq, each.sender, each.text) for each in page.messages] == heard
    assert (page.head, page.more) == (3 * count, False)


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(one):
    ana, bob = one("ana"), one("bob")
    room = ana.make()
    first = bob.talk()
    first.join(room)
    for number in range(3):
        ana.say(room, f"m{number}")
    assert [first.hears("message").seq for _ in range(3)] == [1, 2, 3]
    first.cut()
    for number in range(3, 6):
        ana.say(room, f"m{number}")
    again = bob.talk()
    joined = again.join(room, after=3)
    assert (joined.head, joined.skipped) == (6, 0)
    missed = [again.hears("message") for _ in range(3)]
    assert [(message.text, message.history) for message in missed] == [("m3", True), ("m4", True), ("m5", True)]
    ana.say(room, "m6")
    message = again.hears("message")
    assert (message.seq, message.text, message.history) == (7, "m6", False)
    assert again.messages() == []


def test_what_is_sent_again_is_one_message(one):
    ana = one()
    room, talk = ana.make(), ana.talk()
    said = talk.say(room, "once", sent_id="s1")
    again = talk.say(room, "once", sent_id="s1")
    assert (again.seq, again.id, said.duplicate, again.duplicate) == (said.seq, said.id, False, True)
    assert ana.say(room, "once", sent_id="s1").duplicate
    assert [message.sent_id for message in ana.read(room).messages] == ["s1"]


def test_requests_are_answered_in_their_order(one):
    ana = one()
    room, talk = ana.make(), ana.talk()
    refs = [talk.post(join=v1.ChatJoin(room=room))]
    refs += [talk.post(say=v1.ChatSay(room=room, text=f"m{number}")) for number in range(100)]
    refs += [talk.post(read=v1.ChatMarkRead(room=room, seq=100)), talk.post(),
             talk.post(leave=v1.ChatLeave(room=room)), talk.post(say=v1.ChatSay(room=room, text=""))]
    talk.close()
    answers = [talk.hears("answered") for _ in refs]
    assert [answered.ref for answered in answers] == refs
    kinds = [answered.WhichOneof("result") for answered in answers]
    assert kinds == ["joined"] + ["posted"] * 100 + ["done", "error", "done", "error"]
    assert [answers[-3].error.code, answers[-1].error.code] == ["INVALID", "EMPTY_TEXT"]
    assert talk.end() == (CODE.OK, v1.CHAT_BYE_CAUSE_ASKED)


def test_people_are_seen_to_come_type_read_and_go(one):
    ana, bob = one("ana"), one("bob")
    room = ana.make()
    watcher, other = ana.talk(), bob.talk()
    watcher.join(room)
    other.join(room)
    assert watcher.hears("presence", lambda change: bob.login in change.joined).room == room
    other.does(typing=v1.ChatTyping(room=room))
    assert watcher.hears("typing", lambda typist: typist.login == bob.login).room == room
    other.does(away=v1.ChatAway(note="lunch"))

    def is_away(change):
        return any(each.login == bob.login and each.presence == v1.CHAT_PRESENCE_AWAY for each in change.changed)

    watcher.hears("presence", is_away)
    [user] = [each for each in ana.client.ListUsers(v1.ListUsersRequest()).users if each.login == bob.login]
    assert (user.presence, user.note) == (v1.CHAT_PRESENCE_AWAY, "lunch") and room in user.rooms
    other.does(back=v1.ChatBack())
    assert ana.members(room) == sorted([ana.login, bob.login])
    seq = watcher.say(room, f"hello @{bob.login}").seq
    bob.client.MarkRead(v1.MarkReadRequest(room=room, seq=seq))
    position = other.hears("read", lambda read: read.read == seq)
    assert (position.room, position.unread) == (room, 0)
    other.does(leave=v1.ChatLeave(room=room))
    watcher.hears("presence", lambda change: bob.login in change.left)


def test_a_room_made_in_the_stream_goes_with_its_creator(one):
    ana, bob = one("ana"), one("bob")
    room = f"brief-{secrets.token_hex(4)}"
    creator, guest = ana.talk(), bob.talk()
    assert creator.does(create=v1.ChatCreate(room=room)).owner == ana.login
    guest.join(room)
    # Whoever says goodbye does not come back in a moment.
    creator.close()
    assert creator.end()[0] == CODE.OK
    moved = guest.hears("joined")
    assert (moved.is_default, moved.why.cause, moved.why.by) == (True, v1.CHAT_CAUSE_CREATOR_GONE, ana.login)
    assert moved.why.text
    refusal(lambda: bob.client.GetRoom(v1.GetRoomRequest(room=room)), CODE.NOT_FOUND, "NO_ROOM")


def test_the_clock_is_compared_by_both_ways(one, channel):
    talk = one().talk()
    before = time.time_ns() // 1_000
    stranger = v1.ChatServiceStub(channel)
    for told in [talk.does(time=v1.ChatClock(t1_us=7)), stranger.GetTime(v1.GetTimeRequest(t1_us=7), timeout=WITHIN).time]:
        after = time.time_ns() // 1_000
        assert told.t1_us == 7
        assert before <= told.t2_us <= told.t3_us <= after


# Private messages


def test_what_is_private_reaches_those_two_and_waits(one):
    ana, bob, eva = one("ana"), one("bob"), one("eva")
    here = ana.talk()
    posted = here.say(f"@{bob.login}", "for you")
    assert posted.room == f"@{bob.login}"
    # Bob was not there; the spy and the administrator never see it.
    [talk] = bob.client.ListConversations(v1.ListConversationsRequest()).conversations
    assert (talk.room, talk.unread, talk.head) == (f"@{ana.login}", 1, 1)
    assert [each.text for each in bob.read(f"@{ana.login}").messages] == ["for you"]
    there, spy = bob.talk(), eva.talk()
    here.say(f"@{bob.login}", "are you there?")
    message = there.hears("message")
    assert (message.room, message.text, message.seq) == (f"@{ana.login}", "are you there?", 2)
    assert here.hears("message", lambda told: told.seq == 2).room == f"@{bob.login}"
    there.say(f"@{ana.login}", "yes")
    assert here.hears("message", lambda told: told.seq == 3).text == "yes"
    assert spy.messages() == []
    admin = Client(ana.channel)
    for other in [eva.client, admin]:
        assert not other.Search(v1.SearchRequest(words="you")).messages
        nothing = other.ListMessages(v1.ListMessagesRequest(room=f"@{bob.login}"))
        assert (list(nothing.messages), nothing.head) == ([], 0)


def test_who_is_blocked_is_not_heard(one):
    ana, bob = one("ana"), one("bob")
    ana.client.Block(v1.BlockRequest(login=bob.login))
    assert list(ana.client.ListBlocked(v1.ListBlockedRequest()).logins) == [bob.login]
    refusal(lambda: bob.say(f"@{ana.login}", "hi"), CODE.PERMISSION_DENIED, "BLOCKED")
    ana.client.Unblock(v1.UnblockRequest(login=bob.login))
    assert bob.say(f"@{ana.login}", "hi").seq == 1


# Rooms and messages by calls


def test_a_room_is_listed_changed_and_deleted(one):
    ana, bob = one("ana"), one("bob")
    room, talk = ana.make(), bob.talk()
    talk.join(room)
    changed = ana.client.UpdateRoom(v1.UpdateRoomRequest(room=room, topic="news", slow_s=0)).room
    assert (changed.topic, changed.keep) == ("news", True)
    change = talk.hears("changed_room", lambda told: told.WhichOneof("change") == "topic")
    assert (change.topic, change.by) == ("news", ana.login)
    rooms = bob.client.ListRooms(v1.ListRoomsRequest()).rooms
    assert rooms[0].is_default and changed.room in [each.room for each in rooms]
    bob.client.SetNotify(v1.SetNotifyRequest(room=room, level=v1.CHAT_NOTIFY_MENTIONS))
    assert bob.client.GetRoom(v1.GetRoomRequest(room=room.upper())).room.notify == v1.CHAT_NOTIFY_MENTIONS
    ana.client.DeleteRoom(v1.DeleteRoomRequest(room=room))
    moved = talk.hears("joined")
    assert (moved.room, moved.why.cause) == ("lobby", v1.CHAT_CAUSE_DELETED)


def test_messages_are_edited_answered_found_paged_and_taken_back(one):
    ana, bob = one("ana"), one("bob")
    room, talk = ana.make(), bob.talk()
    talk.join(room)
    word = f"quokka{secrets.token_hex(4)}"
    for number in range(5):
        ana.say(room, f"{word} {number}")
    edited = ana.client.EditMessage(v1.EditMessageRequest(room=room, seq=2, text="better")).message
    assert edited.text == "better" and edited.HasField("edited_at_ms")
    assert talk.hears("changed").text == "better"
    reacted = bob.client.React(v1.ReactRequest(room=room, seq=1, emoji="👍")).message
    assert [(each.emoji, list(each.logins)) for each in reacted.reactions] == [("👍", [bob.login])]
    assert not bob.client.React(v1.ReactRequest(room=room, seq=1, emoji="👍", off=True)).message.reactions
    gone = ana.client.DeleteMessage(v1.DeleteMessageRequest(room=room, seq=3)).message
    assert gone.text == "" and gone.HasField("deleted_at_ms")
    assert bob.say(room, "an answer", reply_to=1).seq == 6
    found = bob.client.Search(v1.SearchRequest(words=word, room=room, page_size=2))
    assert ([each.seq for each in found.messages], found.more) == ([5, 4], True)
    older = bob.client.Search(v1.SearchRequest(words=word, room=room, before=found.messages[-1].id))
    assert ([each.seq for each in older.messages], older.more) == ([1], False)
    page = bob.read(room, before=5, page_size=2)
    assert ([each.seq for each in page.messages], page.more, page.head) == ([3, 4], True, 6)
    page = bob.read(room, after=4)
    assert ([each.seq for each in page.messages], page.more, page.messages[1].reply_to) == ([5, 6], False, 1)


def test_a_word_chooses_the_language_and_the_account_keeps_it(one):
    ana = one("ana")
    talk = ana.talk()
    assert talk.hello.lang == "en"
    assert talk.refused(lang=v1.ChatLang(code="tlh")).code == "INVALID"
    nowhere = v1.ChatJoin(room="nowhere")
    assert talk.refused(join=nowhere).text == "There is no room nowhere."
    talk.does(lang=v1.ChatLang(code="es"))
    assert talk.refused(join=nowhere).text == "No hay ninguna sala nowhere."
    assert ana.talk().hello.lang == "es"


# Moderation and rights


def test_moderators_send_out_keep_out_and_keep_silent(one):
    ana, bob = one("ana"), one("bob")
    room, talk = ana.make(), bob.talk()
    talk.join(room)
    ana.client.Kick(v1.KickRequest(room=room, login=bob.login, reason="noise"))
    left = talk.hears("left")
    assert (left.room, left.why.cause, left.why.by, left.why.reason) == (room, v1.CHAT_CAUSE_KICKED, ana.login, "noise")
    talk.join(room)
    ana.client.Mute(v1.MuteRequest(room=room, login=bob.login, minutes=5))
    refusal(lambda: bob.say(room, "hm"), CODE.PERMISSION_DENIED, "MUTED")
    assert talk.refused(say=v1.ChatSay(room=room, text="hm")).code == "MUTED"
    ana.client.Unmute(v1.UnmuteRequest(room=room, login=bob.login))
    talk.say(room, "ah")
    ana.client.Ban(v1.BanRequest(room=room, login=bob.login, reason="no more"))
    banned = talk.hears("left")
    assert (banned.why.cause, banned.why.HasField("until_ms")) == (v1.CHAT_CAUSE_BANNED, False)
    assert talk.refused(join=v1.ChatJoin(room=room)).code == "BANNED"
    for call in [lambda: bob.say(room, "hm"), lambda: bob.read(room)]:
        refusal(call, CODE.PERMISSION_DENIED, "BANNED")
    ana.client.Unban(v1.UnbanRequest(room=room, login=bob.login))
    talk.join(room)
    refusal(lambda: ana.client.Unban(v1.UnbanRequest(room=room, login=bob.login)), CODE.NOT_FOUND, "NOT_SANCTIONED")


def test_those_kept_out_or_silent_are_listed_by_pages(one):
    ana, others = one("ana"), sorted((one("bob").login, one("eva").login))
    room, client = ana.make(), ana.client
    for put, ask, kind in [(lambda **who: client.Ban(v1.BanRequest(**who)), v1.ListBansRequest, "bans"),
                           (lambda **who: client.Mute(v1.MuteRequest(**who)), v1.ListMutesRequest, "mutes")]:
        call = client.ListBans if kind == "bans" else client.ListMutes
        put(room=room, login=others[0], minutes=5, reason="noise")
        put(room=room, login=others[1])
        listed = getattr(call(ask(room=room)), kind)
        assert [(each.login, each.by, each.reason, each.HasField("until_ms")) for each in listed] == [
            (others[0], ana.login, "noise", True), (others[1], ana.login, "", False)]
        first = call(ask(room=room, page_size=1))
        second = call(ask(room=room, page_size=1, page_token=first.next_page_token))
        assert [each.login for page in (first, second) for each in getattr(page, kind)] == others
        assert not second.next_page_token


def test_a_stranger_in_a_room_of_others_changes_nothing(one):
    ana, bob = one("ana"), one("bob")
    room = ana.make()
    ana.say(room, "mine")
    client = bob.client
    for call, reason in [
        (lambda: client.UpdateRoom(v1.UpdateRoomRequest(room=room, topic="x")), "NOT_OWNER"),
        (lambda: client.DeleteRoom(v1.DeleteRoomRequest(room=room)), "NOT_OWNER"),
        (lambda: client.Kick(v1.KickRequest(room=room, login=ana.login)), "NOT_OWNER"),
        (lambda: client.Ban(v1.BanRequest(room=room, login=ana.login)), "NOT_OWNER"),
        (lambda: client.ListBans(v1.ListBansRequest(room=room)), "NOT_OWNER"),
        (lambda: client.ListMutes(v1.ListMutesRequest(room=room)), "NOT_OWNER"),
        (lambda: client.EditMessage(v1.EditMessageRequest(room=room, seq=1, text="x")), "NOT_AUTHOR"),
        (lambda: client.DeleteMessage(v1.DeleteMessageRequest(room=room, seq=1)), "NOT_AUTHOR"),
    ]:
        refusal(call, CODE.PERMISSION_DENIED, reason)


def test_nobody_and_a_queues_key_may_not_chat(one, channel):
    admin, queue_name = Client(channel), f"conformance.{secrets.token_hex(4)}"
    admin.make_queue(queue_name)
    key = admin.CreateQueueKey(v1.CreateQueueKeyRequest(queue=queue_name, label="a key", rights=[v1.RIGHT_WRITE])).secret
    for client, code, reason in [(Client(channel, bearer=key), CODE.PERMISSION_DENIED, "ACCESS_REFUSED"),
                                 (Client(channel, bearer="nothing"), CODE.UNAUTHENTICATED, "TOKEN_WRONG")]:
        refusal(lambda client=client: client.ListRooms(v1.ListRoomsRequest()), code, reason)
        refusal(lambda client=client: client.Converse(iter([])), code, reason)
    stub = v1.ChatServiceStub(channel)
    refusal(lambda: stub.ListRooms(v1.ListRoomsRequest(), timeout=WITHIN), CODE.UNAUTHENTICATED, "CREDENTIALS_MISSING")


def test_wrong_input_has_its_status(one):
    ana = one()
    room, client = ana.make(), ana.client
    for call, code, reason in [
        (lambda: ana.say(room, ""), CODE.INVALID_ARGUMENT, "EMPTY_TEXT"),
        (lambda: ana.say(room, "x" * 8193), CODE.INVALID_ARGUMENT, "LONG_TEXT"),
        (lambda: ana.say("no-such-room", "x"), CODE.NOT_FOUND, "NO_ROOM"),
        (lambda: ana.say("@nobody-of-that-name", "x"), CODE.NOT_FOUND, "NO_USER"),
        (lambda: client.Say(v1.SayRequest()), CODE.INVALID_ARGUMENT, "INVALID"),
        (lambda: client.CreateRoom(v1.CreateRoomRequest(room=room.upper())), CODE.ALREADY_EXISTS, "ROOM_TAKEN"),
        (lambda: client.CreateRoom(v1.CreateRoomRequest(room="a b")), CODE.INVALID_ARGUMENT, "ROOM_NAME"),
        (lambda: client.EditMessage(v1.EditMessageRequest(room=room, seq=9, text="x")), CODE.NOT_FOUND, "NO_MESSAGE"),
        (lambda: client.SetNotify(v1.SetNotifyRequest(room=room)), CODE.INVALID_ARGUMENT, "INVALID"),
    ]:
        refusal(call, code, reason)
    found = refusal(lambda: ana.read(room, page_size=201), CODE.INVALID_ARGUMENT, "INVALID")
    assert found.detail("BadRequest").field_violations[0].field == "page_size"


# The end


def test_a_flood_is_told_when_to_go_on():
    server = Chaski(settings={"chat.messages_per_second": 1, "chat.messages_burst": 2})
    server.start()
    try:
        with channel_to(server) as channel:
            client = Client(channel)
            request = v1.SayRequest(say=v1.ChatSay(room="lobby", text="x"))

            def flood():
                for _ in range(20):
                    client.Say(request)

            found = refusal(flood, CODE.RESOURCE_EXHAUSTED, "FLOOD")
            delay = found.detail("RetryInfo").retry_delay
            assert 0 < delay.seconds * 10**9 + delay.nanos <= 2 * 10**9
    finally:
        server.stop()


def test_a_stopping_server_ends_streams_and_history_stays():
    server = Chaski(settings={"chat.messages_per_second": 0})
    server.start()
    try:
        with channel_to(server) as channel:
            client = Client(channel)
            talk = Talk(channel, client.metadata)
            talk.join("lobby")
            talk.say("lobby", "before")
            server.shut_down()
            assert talk.end() == (CODE.UNAVAILABLE, v1.CHAT_BYE_CAUSE_SHUTDOWN)
        server.start()
        with channel_to(server) as channel:
            client = Client(channel)
            again = Talk(channel, client.metadata)
            assert again.join("lobby", after=0).head == 1
            assert again.hears("message").text == "before"
            again.cut()
    finally:
        server.stop()


def test_a_revoked_session_hears_nothing_more(one):
    ana, bob = one("ana"), one("bob")
    room, talk = ana.make(), bob.talk()
    talk.join(room)
    [session] = [each for each in bob.client.ListSessions(v1.ListSessionsRequest()).sessions if each.is_current]
    began = time.monotonic()
    bob.client.RevokeSession(v1.RevokeSessionRequest(id=session.id))
    assert talk.end() == (CODE.UNAUTHENTICATED, v1.CHAT_BYE_CAUSE_REVOKED)
    assert time.monotonic() - began < 1
    eventually(lambda: bob.login not in ana.members(room), WITHIN, what="the revoked session is out of the room")


def test_a_reader_that_does_not_read_is_sent_away_and_delays_nobody(one, server):
    ana, bob, stuck = one("ana"), one("bob"), one("eva")
    room, talk = ana.make(), bob.talk()
    talk.join(room)
    requests = queue.SimpleQueue()
    with channel_to(server) as other:
        # Of a call whose answers nobody takes, the client's library takes what its windows hold and no more.
        call = v1.ChatServiceStub(other).Converse(iter(requests.get, None), metadata=stuck.client.metadata)
        requests.put(v1.ConverseRequest(ref=1, join=v1.ChatJoin(room=room)))
        assert next(call).HasField("hello")
        assert next(call).HasField("answered")
        text = "x" * 8_000
        for _ in range(5):
            for ref in [talk.post(say=v1.ChatSay(room=room, text=text)) for _ in range(500)]:
                assert talk.answer(ref).HasField("posted")
            talk.heard.clear()

        eventually(lambda: stuck.login not in ana.members(room), WITHIN, what="the stuck reader is out of the room")
        ended = failure(lambda: call)
        assert (ended.code, ended.reason) == (CODE.RESOURCE_EXHAUSTED, "SLOW_READER")
        requests.put(None)
