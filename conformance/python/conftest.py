"""Fixtures: one broker per run, one connection per test, names that no other test uses."""

import contextlib
import secrets
import sys
from pathlib import Path

import pika
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from harness.brokers import Chaski, open_broker  # noqa: E402
from chat import Chat  # noqa: E402
from command_line import account_at  # noqa: E402
from harness.raw import RawConnection  # noqa: E402
from rest import PASSWORD, Rest  # noqa: E402


def pytest_addoption(parser):
    group = parser.getgroup("broker under test")
    group.addoption("--broker", choices=["chaski", "rabbitmq"], default="chaski", help="which broker to start")
    group.addoption("--url", help="test a broker that runs already, e.g. amqp://guest:guest@127.0.0.1:5672/%%2F")
    group.addoption("--long", action="store_true", help="the long forms, where a test has one")


def pytest_configure(config):
    config.addinivalue_line("markers", "differs_on_rabbitmq(reason): RabbitMQ 3.10 does otherwise; skipped there")
    config.addinivalue_line("markers", "operated: needs the operator's tools, so a broker that this run started")


def pytest_collection_modifyitems(config, items):
    operated = not config.getoption("url")
    on_rabbitmq = operated and config.getoption("broker") == "rabbitmq"
    for item in items:
        differs = item.get_closest_marker("differs_on_rabbitmq")
        if differs and on_rabbitmq:
            item.add_marker(pytest.mark.skip(reason=f"RabbitMQ 3.10: {differs.args[0]}"))
        if item.get_closest_marker("operated") and not operated:
            item.add_marker(pytest.mark.skip(reason="needs a broker that this run started"))


@pytest.fixture(scope="session")
def broker(request):
    """The broker under test, listening."""
    started = open_broker(request.config.getoption("broker"), request.config.getoption("url"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def is_long(request):
    """Whether this is the run of the long forms."""
    return request.config.getoption("long")


@pytest.fixture(scope="module")
def server():
    """A Chaski of the module's own; modules that need settings of their own define it themselves."""
    started = Chaski()
    started.start()
    yield started
    started.stop()


@pytest.fixture
def account(server, tmp_path):
    """Makes accounts by a label; gives the login, and the environment of somebody who is logged in."""
    return lambda label: account_at(server, tmp_path, label)


@pytest.fixture
def chaski_with():
    """Starts a Chaski of the test's own, with settings of its own. For tests that carry `differs_on_rabbitmq`."""
    opened = []

    def opener(**limits):
        opened.append(Chaski(settings={f"limits.{key}": value for key, value in limits.items()}))
        opened[-1].start()
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


@pytest.fixture
def ctl(broker):
    """The operator of the broker. Tests that use it carry the mark `operated`."""
    return broker.ctl


@pytest.fixture
def connect(broker):
    """Opens pika connections that are closed at the end of the test."""
    opened = []

    def opener(username=None, password=None, vhost=None, **options):
        options.setdefault("blocked_connection_timeout", 30)
        credentials = pika.PlainCredentials(username or broker.username, password or broker.password)
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            broker.host, broker.port, broker.vhost if vhost is None else vhost, credentials, **options))
        opened.append(connection)
        return connection

    yield opener
    for connection in opened:
        try:
            connection.close()
        except pika.exceptions.AMQPError:
            pass


@pytest.fixture
def connection(connect):
    return connect()


@pytest.fixture
def channel(connection):
    return connection.channel()


@pytest.fixture
def rest(broker):
    """The REST interface as the administrator `guest` uses it."""
    return Rest(broker)


@pytest.fixture
def member(rest):
    """Makes accounts that own what they make, each as the REST interface it uses; removed at the end of the test."""
    made = []

    def maker(label="member", **wish):
        login = f"{label}-{secrets.token_hex(4)}"
        rest.post("/v1/accounts", {"login": login, "password": PASSWORD, **wish}).ok(201)
        made.append(login)
        return Rest(rest.broker, login, PASSWORD)

    yield maker
    for login in made:
        rest.delete(f"/v1/accounts/{login}")


@pytest.fixture
def chat(server):
    """The chat of the module's own `server`, with accounts and connections that are closed at the end of the test."""
    opened = Chat(server)
    yield opened
    opened.close()


@pytest.fixture
def raw(broker):
    """Opens raw sockets to the broker that are closed at the end of the test."""
    opened = []

    def opener(**options):
        link = RawConnection(broker, **options)
        opened.append(link)
        return link

    yield opener
    for link in opened:
        link.close()


@pytest.fixture
def name(request, broker):
    """Makes names of queues and exchanges that no other test uses, and deletes them at the end."""
    made = []

    def maker(label=""):
        made.append(f"conformance.{secrets.token_hex(4)}.{label}")
        return made[-1]

    yield maker
    if not made or request.config.getoption("url") is None:
        return
    with RawConnection(broker) as link:
        link.open()
        for each in made:
            link.call(1, "queue.delete", queue=each)
            link.call(1, "exchange.delete", exchange=each)


@pytest.fixture
def user(ctl):
    """Makes accounts with a password of `secret`, removed at the end of the test."""
    made = []

    def maker(configure=None, write=None, read=None, tags=(), vhost="/"):
        account = f"user-{secrets.token_hex(4)}"
        ctl.user_add(account, "secret", tags)
        made.append(account)
        if configure is not None:
            ctl.permission_set(account, vhost, configure, write, read)
        return account

    yield maker
    for account in made:
        # A test may have deleted it.
        with contextlib.suppress(RuntimeError):
            ctl.user_delete(account)
