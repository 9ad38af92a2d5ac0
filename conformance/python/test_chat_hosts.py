"""The chat on hosts of their own, joined by a switch: people at `nc`, and one host whose cable is pulled out."""

import itertools
import json
import os
import re
import select
import subprocess
import threading
import time

import pika
import pytest

from chat import Over, Person, Program, Socket
from harness.brokers import Chaski
from harness.hosts import Hosts, why_not
from harness.terminal import TerminalProgram
from harness.waiting import Stopwatch, eventually, pause
from rest import PASSWORD, REST_ONLY, Rest

reason = why_not()
pytestmark = [*REST_ONLY, pytest.mark.skipif(reason is not None, reason=str(reason))]

GRACE_MS = 400


class Netcat(Person):
    """Somebody who runs `nc` on a host."""

    def __init__(self, server, host):
        self._process = subprocess.Popen(
            host.command("nc", server.host, str(server.line_port)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        self._pending, self.all = bytearray(), bytearray()

    def send(self, data):
        self._process.stdin.write(data)

    def _fill(self, deadline):
        if not select.select([self._process.stdout], [], [], max(0.001, deadline - time.monotonic()))[0]:
            raise AssertionError(f"nothing came; before that {bytes(self.all[-600:])!r}")
        data = os.read(self._process.stdout.fileno(), 65_536)
        if not data:
            raise Over(f"after {bytes(self.all[-600:])!r}")
        self.all += data
        self._pending += data

    def registers(self, login):
        """Makes an account by the dialogue."""
        self.login = login
        self.say("new")
        for question, answer in (("First names", "A"), ("Last names", "B"), ("Login", login), ("Password", PASSWORD), ("Age", "30"),
                                 ("Gender", "")):
            self.until(question)
            self.say(answer)
        self.until("You are in", "lobby")
        return self

    def ends(self):
        """Types no more; `nc` ends by itself, as the server has closed."""
        self._process.stdin.close()
        return self._process.wait(5)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def hosts():
    made = Hosts(4)
    yield made.all
    made.close()


@pytest.fixture
def server(hosts):
    started = Chaski(settings={"chat.grace_ms": GRACE_MS, "chat.messages_per_second": 0, "accounts.guest": "true"}, host=hosts[0])
    started.start()
    yield started
    started.stop()


@pytest.fixture
def people(server, hosts):
    """Ana, Bob and Eva, each at `nc` on a host of their own."""
    made = [Netcat(server, host) for host in hosts[1:]]
    for person, login in zip(made, ("ana", "bob", "eva"), strict=True):
        person.registers(login)
    yield made
    for person in made:
        person.close()


def rest_of(server, host, login):
    """REST from a host; it may be used in threads."""

    class There(Rest):
        def call(self, *words, **options):
            with host.inside():
                return super().call(*words, **options)

    return There(server, login, PASSWORD)


def program_of(server, host, rest):
    """A program on a host, in machine mode."""
    token = rest.post("/v1/sessions", {}).ok(201)["token"]

    def opener():
        with host.inside():
            program = Program(server)
        program.login = rest.login
        program.say(f"token {token}")
        program.machine()
        return program

    return opener


def test_section_5_by_netcat_from_three_hosts(people, server, hosts):
    ana, bob, eva = people
    ana.speak("hola")
    assert bob.hears(": hola") == eva.hears(": hola") == "ana: hola"
    ana.makes("cine")
    bob.goes("cine")
    bob.speak("¿qué vemos?")
    ana.hears("bob: ¿qué vemos?")
    eva.never_hears("vemos")
    rooms = eva.listing("#lR")
    assert [line for line in rooms if re.search(r"cine +2\b", line)] and [line for line in rooms if re.search(r"lobby +1\b", line)], rooms
    users = eva.listing("#show users")
    assert all([line for line in users if re.search(rf"\b{login} +online", line)] for login in ("ana", "bob", "eva")), users
    eva.ask("#\\private<ana> en secreto", "en secreto")
    assert "private" in ana.hears("eva: en secreto")
    bob.never_hears("en secreto")
    eva.ask("#dR cine", "Only the creator")
    bob.ask("#eR", "You are in", "lobby")
    bob.goes("cine")
    ana.say("#exit")
    ana.hears("Goodbye")
    assert ana.ends() == 0
    bob.hears("cine", "gone", "ana")
    bob.hears("You are in", "lobby")
    assert not [line for line in eva.listing("#lR") if "cine" in line]
    # Later: login and password, from another host.
    again = Netcat(server, hosts[3])
    again.say("ana")
    again.hears("Password")
    again.say(PASSWORD)
    again.hears("You are in", "lobby")
    again.close()


def test_a_script_through_a_pipe_is_a_client(people, server, hosts):
    eva = people[2]
    script = f"ana\n{PASSWORD}\nfrom a script\n#\\private<eva> and in private\n#exit\n"
    netcat = hosts[1].command("nc", server.host, str(server.line_port))
    done = subprocess.run(netcat, input=script.encode(), capture_output=True, timeout=20)
    assert b"ana: from a script" in done.stdout, done.stdout
    eva.hears("ana: from a script")
    eva.hears("ana: and in private")


def test_everybody_on_every_host_sees_the_same_order(people, server, hosts):
    watcher = program_of(server, hosts[1], rest_of(server, hosts[1], "ana"))()
    watcher.does("join", room="lobby")
    writer = rest_of(server, hosts[2], "bob")
    threads = [threading.Thread(target=person.send, args=("".join(f"{person.login} {n}\n" for n in range(30)).encode(),))
               for person in people]
    threads.append(threading.Thread(target=lambda: [
        writer.post("/v1/rooms/lobby/messages", {"text": f"rest {n}"}).ok(201) for n in range(15)]))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    head = writer.post("/v1/rooms/lobby/messages", {"text": "the end"}).ok(201)["seq"]
    stored = writer.get("/v1/rooms/lobby/messages", after=0, limit=200).ok()["messages"]
    expected = [f"{each['from']}: {each['text']}" for each in stored]
    assert len(expected) == head == 106
    for person in people:
        lines = [line for line in person.until("bob: the end") if not line.startswith("-- ")]
        assert lines == expected, person.login
    words = [watcher.hears("message", room="lobby") for _ in range(106)]
    assert [each["seq"] for each in words] == list(range(1, 107))


def test_every_kind_of_member_on_three_hosts_sees_the_same_order(people, server, hosts):
    """`nc` on each host, the terminal client on one, AMQP on another, a WebSocket on the third."""
    ana, bob, _ = people
    rest = rest_of(server, hosts[1], "ana")
    token = rest.post("/v1/sessions", {}).ok(201)["token"]
    command = hosts[1].command(server.binary, "chat", "--server", server.http_url, "--token", token)
    terminal = TerminalProgram(command, columns=100, rows=40)
    with hosts[2].inside():
        parameters = pika.ConnectionParameters(server.host, server.port, credentials=pika.PlainCredentials("bob", PASSWORD))
        channel = pika.BlockingConnection(parameters).channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "chat", "room.lobby")
    with hosts[3].inside():
        socket = Socket(rest_of(server, hosts[3], "eva"))
    terminal.wait_for("lobby")
    terminal.type("by the terminal\r")
    terminal.wait_for(lambda text: text.count("by the terminal") == 1 and "ana" in text)
    channel.basic_publish("chat", "room.lobby", "by AMQP")
    terminal.wait_for("by AMQP")
    socket.does("say", room="lobby", text="by WebSocket")
    bob.speak("by nc")
    expected = ["ana: by the terminal", "bob: by AMQP", "eva: by WebSocket", "bob: by nc"]
    lines = [line for line in ana.until("bob: by nc") if not line.startswith("-- ")]
    assert lines == expected
    assert [f"{each['from']}: {each['text']}" for each in (socket.hears("message", room="lobby") for _ in expected)] == expected
    heard = [json.loads(body) for _, _, body in itertools.islice(channel.consume(queue, auto_ack=True, inactivity_timeout=10), 4)]
    assert [f"{each['from']}: {each['text']}" for each in heard] == expected
    text = terminal.wait_for("by nc")
    places = [text.index(line.split(": ")[1]) for line in expected]
    assert places == sorted(places), text
    channel.connection.close()
    socket.close()
    terminal.type("#exit\r")
    assert terminal.wait_end() == 0
    terminal.close()


def test_a_host_that_was_cut_off_comes_back_and_goes_on_where_it_was(people, server, hosts):
    ana, bob, eva = people
    opener = program_of(server, hosts[3], rest_of(server, hosts[3], "eva"))
    program = opener()
    ana.makes("cut")
    program.does("join", room="cut")
    ana.speak("0")
    seen = [program.hears("message", room="cut")["seq"]]
    under_way = program.post("say", room="cut", text="before the cut", sent_id="eva/1")
    program.answer(under_way)
    hosts[3].pull_out()
    # What it says now reaches nobody; that it was said is not known, so it is said again.
    program.post("say", room="cut", text="into the cut", sent_id="eva/2")
    watch, number = Stopwatch(), 0
    while watch.seconds < 2.0:
        number += 1
        ana.speak(f"while away {number}")
        # Of more than 500 the oldest would have to be asked for.
        pause(0.005)
    # Nobody else was delayed.
    bob.speak("lobby goes on")
    assert number > 40, number
    program.close()
    hosts[3].plug_in()
    back = opener()
    back.post("say", room="cut", text="into the cut", sent_id="eva/2")
    joined = back.does("join", room="cut", after=seen[-1])
    while back.heard and seen[-1] < joined["head"]:
        seen.append(back.hears("message", room="cut")["seq"])
    ana.speak("all here")
    while seen[-1] < joined["head"] or not back.does("history", room="cut")["head"] == seen[-1]:
        seen.append(back.hears("message", room="cut")["seq"])
    assert seen == list(range(1, seen[-1] + 1))
    texts = []
    while len(texts) < seen[-1]:
        texts += [each["text"] for each in back.does("history", room="cut", after=len(texts), limit=200)["messages"]]
    assert texts.count("into the cut") == 1 and texts.count("before the cut") == 1
    assert [text for text in texts if text.startswith("while away")] == [f"while away {each}" for each in range(1, number + 1)]
    # `nc` on the same host, which never noticed, has it all, too.
    eva.hears("bob: lobby goes on")
    # Of the lost connection nothing is left: the account is there once, and gone when it goes.
    back.say("#exit")
    back.rest()
    eventually(lambda: not [line for line in ana.listing("#who cut") if " eva " in line], within=15)
    back.close()


def test_a_creator_whose_host_is_gone_for_a_moment_keeps_the_room(people, hosts):
    ana, bob, _ = people
    ana.makes("mine")
    bob.goes("mine")
    hosts[1].pull_out()
    watch = Stopwatch()
    eventually(lambda: watch.seconds > 2 * GRACE_MS / 1_000)
    hosts[1].plug_in()
    bob.speak("are you there?")
    ana.hears("bob: are you there?")
    ana.speak("yes")
    bob.never_hears("gone")


def test_a_host_that_never_comes_back_is_noticed(people, server, hosts):
    """Whether it will be takes a minute and a half; that the system asks, and how often, is seen at once."""
    ana, _, _ = people
    ana.say("#time 1")
    ana.until("t1=1 ")

    def timers():
        shown = hosts[0].run("ss", "-tnoH", "state", "established", f"( sport = :{server.line_port} )").splitlines()
        assert len(shown) == 3, shown
        return [re.search(r"timer:\(keepalive,(\d+)", line) for line in shown]

    found = eventually(lambda: (every := timers()) and all(every) and every)
    assert all(int(each[1]) <= 60 for each in found)
