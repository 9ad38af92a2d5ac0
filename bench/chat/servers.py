"""The chats that are compared: Chaski by its line protocol and its WebSocket, Debian's ngircd and Debian's ejabberd."""

import shutil
import socket

from compare.servers import Chaski, NotInstalled, Server, free_port, without

# Daemons are not in everybody's PATH.
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
# What a Debian system has beside the packages of Erlang.
EJABBERD_LIBRARIES = "/usr/lib/x86_64-linux-gnu"

NGIRCD = """\
[Global]
Name = irc.bench.local
Info = bench
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = bench
PidFile =
[Limits]
MaxConnections = 0
MaxConnectionsIP = 0
MaxJoins = 0
MaxNickLength = 31
MaxPenaltyTime = 0
PingTimeout = 3600
PongTimeout = 600
[Options]
DNS = no
Ident = no
PAM = no
"""

EJABBERD = """\
loglevel: error
hosts: [localhost]
auth_method: anonymous
anonymous_protocol: both
allow_multiple_connections: true
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    backlog: 4096
    shaper: none
    starttls: false
modules:
  mod_muc:
    access: all
    access_create: all
    max_users: 5000
    history_size: 0
    default_room_options: {{max_users: 5000}}
"""


class ChatChaski(Chaski):
    """Chaski with its line protocol and its HTTP port open, without limits on how fast somebody talks."""

    name, title = "chaski", "Chaski"

    def command(self):
        command = super().command()
        for door in ("--http", "--line"):
            command[command.index(door) + 1] = "127.0.0.1:0"
        return command

    def environment(self):
        return super().environment() | {"CHASKI_CHAT_MESSAGES_PER_SECOND": "0"}

    def target(self, protocol):
        http = self.ready["http"]
        address = self.ready["line"] if protocol == "line" else http
        return ["chat", "--protocol", protocol, "--address", address, "--admin", f"http://guest:guest@{http}"]


class Peer(Server):
    """A server of another protocol, without limits on how fast somebody talks."""

    # What must be installed; the first is started.
    programs = ()

    def __init__(self, workdir, _options):
        super().__init__(workdir)
        found = [shutil.which(program, path=PROGRAMS) for program in self.programs]
        if None in found:
            raise NotInstalled(f"apt-get install {self.name}")
        self.binary = found[0]
        self.port = None

    def start(self):
        # A port of a process that was just killed is not free at once.
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        return super().start()

    def target(self, protocol):
        return ["chat", "--protocol", protocol, "--address", self.address]

    def is_ready(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return True
        except OSError:
            return False


class Ngircd(Peer):
    name, title, programs = "ngircd", "ngircd", ("ngircd",)

    def command(self):
        configuration = self.workdir / "ngircd.conf"
        configuration.write_text(NGIRCD.format(port=self.port))
        return [self.binary, "--nodaemon", "--config", str(configuration)]


class Ejabberd(Peer):
    """The node without its control script, which wants a system user, and without distribution, which wants a name server."""

    name, title, programs = "ejabberd", "ejabberd", ("erl", "ejabberdctl")

    def command(self):
        self.data().mkdir(exist_ok=True)
        (self.workdir / "ejabberd.yml").write_text(EJABBERD.format(port=self.port))
        return [self.binary, "+K", "true", "+P", "250000", "+Q", "65536", "-mnesia", "dir", f'"{self.data()}"',
                "-s", "ejabberd", "-noinput"]

    def environment(self):
        return without("EJABBERD_") | {
            "HOME": str(self.workdir),
            "ERL_LIBS": EJABBERD_LIBRARIES,
            "ERL_CRASH_DUMP_BYTES": "0",
            "EJABBERD_CONFIG_PATH": str(self.workdir / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(self.workdir / "ejabberd" / "ejabberd.log"),
        }


class Door:
    """A server as one protocol reaches it; this is what a column of the table is."""

    def __init__(self, name, title, server, protocol):
        self.name, self.title = name, title
        self.server = server
        self.protocol = protocol

    @property
    def process(self):
        return self.server.process

    def target(self):
        return self.server.target(self.protocol)


def doors(server):
    """The columns that a server has."""
    if isinstance(server, ChatChaski):
        return [Door("line", "Chaski, line protocol", server, "line"), Door("websocket", "Chaski, WebSocket", server, "websocket")]
    protocol = "irc" if isinstance(server, Ngircd) else "xmpp"
    return [Door(server.name, server.title, server, protocol)]


SERVERS = (ChatChaski, Ngircd, Ejabberd)
PEERS = [each.name for each in SERVERS[1:]]
