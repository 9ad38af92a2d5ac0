"""Who may do what with a queue: one table, and every door gives the same answer."""

import contextlib

import grpc
import pika
import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker, ProbableAuthenticationError

from grpc_client import Client, v1
from raw_http import RawHttp
from rest import PASSWORD, REST_ONLY, Rest, lease_path, queue_path, topic_path, unique

pytestmark = REST_ONLY

# Who there is: "owner" made the queue, "reader", "writer" and "keeper" were granted one right each, "both" can read and write,
# "stranger" is an account without a right, the keys are the queue's, "nobody" does not log in.
WHO = ["owner", "administrator", "reader", "writer", "keeper", "both", "stranger", "reading key", "writing key", "nobody"]
ALL = {"owner", "administrator"}
READ = ALL | {"reader", "both", "reading key"}
WRITE = ALL | {"writer", "both", "writing key"}
CONFIGURE = ALL | {"keeper"}
ANY = READ | WRITE | CONFIGURE

# What there is to do, and who may.
TABLE = {
    "look": ANY,
    "publish": WRITE,
    "take": READ,
    "consume": READ,
    "purge": READ,
    "declare again": CONFIGURE,
    "delete": CONFIGURE,
    "bind to a topic of one's own": WRITE,
    "rename": CONFIGURE,
    "share": CONFIGURE,
    "make a key": CONFIGURE,
    "look at grants": CONFIGURE,
    "look at dead letters": READ,
    "discard dead letters": READ,
    "ask a worker": WRITE,
}
WITHOUT_ACCOUNT = {"reading key", "writing key", "nobody"}


RIGHTS = {"reader": {"read": True}, "writer": {"write": True}, "keeper": {"configure": True},
          "both": {"read": True, "write": True}}


@pytest.fixture(scope="module")
def accounts(broker):
    """The accounts of this file; what they may do is each test's own."""
    made = {}
    for who in ("owner", "stranger", *RIGHTS):
        made[who] = Rest(broker, unique(who), PASSWORD)
        Rest(broker).post("/v1/accounts", {"login": made[who].login, "password": PASSWORD}).ok(201)
    yield made
    for each in made.values():
        Rest(broker).delete(f"/v1/accounts/{each.login}")


class World:
    """A queue with a message, and everybody."""

    def __init__(self, rest, accounts, **wish):
        self.broker, self.queue = rest.broker, unique("rights")
        self.path = queue_path(self.queue)
        owner = accounts["owner"]
        owner.make(self.queue, **wish)
        owner.publish(self.queue, "there")
        for who, granted in RIGHTS.items():
            owner.put(f"{self.path}/grants/{accounts[who].login}", granted).ok(204)
        self.rest = {**accounts, "administrator": rest, "nobody": Rest(rest.broker, authorization="")}
        self.credentials = {who: (each.login, each.password) for who, each in accounts.items()}
        # Another name each time: nobody is to be locked out for having tried before.
        self.credentials |= {"administrator": ("guest", "guest"), "nobody": (unique("nobody"), "nothing")}
        for who, right in (("reading key", "read"), ("writing key", "write")):
            secret = owner.post(self.path + "/keys", {right: True}).ok(201)["secret"]
            self.rest[who] = Rest(rest.broker, authorization=f"Bearer {secret}")
            self.credentials[who] = (":key", secret)


@pytest.fixture
def world(rest, accounts):
    made = World(rest, accounts)
    yield made
    rest.delete(made.path)


def events_status(world, who):
    authorization = world.rest[who].authorization
    with RawHttp(world.broker) as link:
        link.request(f"GET {world.path}/events", [f"Authorization: {authorization}"] if authorization else [])
        return int(link.socket.recv(12).split()[1])


def bind_over_rest(world, who):
    topic = topic_path(unique("own"))
    made = world.rest[who].put(topic, {})
    if made.status != 201:
        return made.status
    return world.rest[who].post(topic + "/bindings", {"queue": world.queue, "pattern": "#"}).status


def ask_over_rest(world, who):
    answer = world.rest[who].post("/v1/requests/" + world.queue, body=b"x", wait_ms=300)
    # Nobody answers, but the worker was asked.
    return 200 if answer.status == 504 else answer.status


OVER_REST = {
    "look": lambda world, who: world.rest[who].get(world.path).status,
    "publish": lambda world, who: world.rest[who].post(world.path + "/messages", body=b"x").status,
    "take": lambda world, who: world.rest[who].post(world.path + "/pull", {}).status,
    "consume": events_status,
    "purge": lambda world, who: world.rest[who].post(world.path + "/purge").status,
    "declare again": lambda world, who: world.rest[who].put(world.path, {}).status,
    "delete": lambda world, who: world.rest[who].delete(world.path).status,
    "bind to a topic of one's own": bind_over_rest,
    "rename": lambda world, who: world.rest[who].patch(world.path, {"name": unique("renamed")}).status,
    "share": lambda world, who: world.rest[who].put(f"{world.path}/grants/guest", {"read": True}).status,
    "make a key": lambda world, who: world.rest[who].post(world.path + "/keys", {"read": True}).status,
    "look at grants": lambda world, who: world.rest[who].get(world.path + "/grants").status,
    "look at dead letters": lambda world, who: world.rest[who].get(world.path + "/deadletters").status,
    "discard dead letters": lambda world, who: world.rest[who].post(world.path + "/deadletters/discard", {"all": True}).status,
    "ask a worker": ask_over_rest,
}


def publish_over_amqp(channel, queue):
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"x", mandatory=True)


def bind_over_amqp(channel, queue):
    topic = unique("own")
    channel.exchange_declare(topic, "topic", auto_delete=True)
    channel.queue_bind(queue, topic, "#")


OVER_AMQP = {
    "look": lambda channel, queue: channel.queue_declare(queue, passive=True),
    "publish": publish_over_amqp,
    "take": lambda channel, queue: channel.basic_get(queue),
    "consume": lambda channel, queue: channel.basic_consume(queue, print),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "declare again": lambda channel, queue: channel.queue_declare(queue, durable=True),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind to a topic of one's own": bind_over_amqp,
}


def may_over_rest(world, verb, who, verbs=OVER_REST):
    status = verbs[verb](world, who)
    assert status < 300 or status in (401, 403, 404), status
    if who == "nobody":
        assert status == 401
    return status < 300


def may_over_amqp(world, verb, who):
    credentials = pika.PlainCredentials(*world.credentials[who])
    try:
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            world.broker.host, world.broker.port, credentials=credentials))
    except ProbableAuthenticationError:
        assert who == "nobody"
        return False
    try:
        OVER_AMQP[verb](connection.channel(), world.queue)
    except ChannelClosedByBroker as error:
        assert error.reply_code == 403, error
        return False
    finally:
        with contextlib.suppress(AMQPError):
            connection.close()
    return True


def publish_over_grpc(client, queue):
    return client.publish(queue, b"x")[0].status != v1.PUBLISH_STATUS_REFUSED


def bind_over_grpc(client, queue):
    topic = unique("own")
    client.CreateTopic(v1.CreateTopicRequest(name=topic))
    client.Bind(v1.BindRequest(binding=v1.Binding(topic=topic, to_queue=queue, routing_key="#")))


def ask_over_grpc(client, queue):
    try:
        client.RequestReply(v1.RequestReplyRequest(queue=queue, message=v1.Message(body=b"x"), wait_ms=300))
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
            raise


OVER_GRPC = {
    "look": lambda client, queue: client.counts(queue),
    "publish": publish_over_grpc,
    "take": lambda client, queue: client.pull(queue),
    "consume": lambda client, queue: client.consumer(queue).cancel(),
    "purge": lambda client, queue: client.PurgeQueue(v1.PurgeQueueRequest(name=queue)),
    "declare again": lambda client, queue: client.make_queue(queue),
    "delete": lambda client, queue: client.DeleteQueue(v1.DeleteQueueRequest(name=queue)),
    "bind to a topic of one's own": bind_over_grpc,
    "rename": lambda client, queue: client.UpdateQueue(v1.UpdateQueueRequest(name=queue, new_name=unique("renamed"))),
    "share": lambda client, queue: client.SetGrant(v1.SetGrantRequest(queue=queue, login="guest", rights=[v1.RIGHT_READ])),
    "make a key": lambda client, queue: client.CreateQueueKey(v1.CreateQueueKeyRequest(queue=queue, rights=[v1.RIGHT_READ])),
    "look at grants": lambda client, queue: client.ListGrants(v1.ListGrantsRequest(queue=queue)),
    "look at dead letters": lambda client, queue: client.ListDeadLetters(v1.ListDeadLettersRequest(queue=queue)),
    "discard dead letters": lambda client, queue: client.DiscardDeadLetters(v1.DiscardDeadLettersRequest(
        queue=queue, selection=v1.DeadLetterSelection(all=True))),
    "ask a worker": ask_over_grpc,
}
NO_OVER_GRPC = {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAUTHENTICATED}


def may_over_grpc(world, verb, who, verbs=OVER_GRPC):
    login, password = world.credentials[who]
    with grpc.insecure_channel(world.broker.http_url.removeprefix("http://")) as channel:
        client = Client(channel, bearer=password) if login == ":key" else Client(channel, login, password)
        try:
            return verbs[verb](client, world.queue) is not False
        except grpc.RpcError as error:
            assert error.code() in NO_OVER_GRPC, error
            assert (error.code() is grpc.StatusCode.UNAUTHENTICATED) == (who == "nobody"), error
            return False


DOORS = {"rest": (may_over_rest, OVER_REST), "amqp": (may_over_amqp, OVER_AMQP), "grpc": (may_over_grpc, OVER_GRPC)}


# What there is to do with a partitioned queue and with a stream that is read by groups, beside or in place of the above.
SPLIT = ["look", "publish", "take", "consume", "purge", "delete", "bind to a topic of one's own", "rename", "share", "make a key"]
SPLIT_OVER_REST = {
    **{verb: OVER_REST[verb] for verb in SPLIT},
    "split further": lambda world, who: world.rest[who].patch(world.path, {"partitions": 3}).status,
}
SPLIT_OVER_GRPC = {
    **{verb: OVER_GRPC[verb] for verb in SPLIT},
    "split further": lambda client, queue: client.UpdateQueue(v1.UpdateQueueRequest(name=queue, partitions=3)),
}
GROUPS_OVER_REST = {
    "take": lambda world, who: world.rest[who].post(world.path + "/pull", {"group": "g"}).status,
    "look at groups": lambda world, who: world.rest[who].get(world.path + "/groups").status,
    "set a group": lambda world, who: world.rest[who].put(world.path + "/groups/g", {"offset": "first"}).status,
    "forget a group": lambda world, who: world.rest[who].delete(world.path + "/groups/kept").status,
}
GROUPS_OVER_GRPC = {
    "take": lambda client, queue: client.pull(queue, group="g"),
    "consume": lambda client, queue: client.consumer(queue, group="g").cancel(),
}
TABLE |= {"split further": CONFIGURE, "look at groups": READ, "set a group": READ, "forget a group": READ}
SPLIT_DOORS = [(door, may, {"kind": "partitioned", "partitions": 2}, verbs) for door, may, verbs in (
    ("rest", may_over_rest, SPLIT_OVER_REST), ("grpc", may_over_grpc, SPLIT_OVER_GRPC))]
GROUP_DOORS = [(door, may, {"kind": "stream"}, verbs) for door, may, verbs in (
    ("rest", may_over_rest, GROUPS_OVER_REST), ("grpc", may_over_grpc, GROUPS_OVER_GRPC))]


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("door, may, wish, verbs, verb", [
    pytest.param(door, may, wish, verbs, verb, id=f"{wish['kind']}-{door}-{verb}")
    for door, may, wish, verbs in SPLIT_DOORS + GROUP_DOORS for verb in verbs])
def test_the_table_holds_for_partitioned_queues_and_groups(rest, accounts, door, may, wish, verbs, verb, who):
    world = World(rest, accounts, **wish)
    try:
        if wish["kind"] == "stream":
            accounts["owner"].put(world.path + "/groups/kept", {"offset": "first"}).ok()
        expected = who in TABLE[verb] and not (verb.startswith("bind") and who in WITHOUT_ACCOUNT)
        assert may(world, verb, who, verbs) == expected
    finally:
        rest.delete(world.path)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("door, verb", [(door, verb) for door, (_, verbs) in DOORS.items() for verb in verbs])
def test_the_table_of_rights_holds_at_every_door(world, door, verb, who):
    expected = who in TABLE[verb]
    if verb.startswith("bind") and who in WITHOUT_ACCOUNT:
        # A key opens its queue and nothing else, so it has no topic of its own.
        expected = False
    assert DOORS[door][0](world, verb, who) == expected


def test_every_verb_of_the_table_has_a_way_in():
    assert set(OVER_REST) == set(OVER_GRPC) and set(OVER_AMQP) <= set(TABLE)
    assert set(OVER_REST) | set(SPLIT_OVER_REST) | set(GROUPS_OVER_REST) == set(TABLE)
    assert set(SPLIT_OVER_REST) == set(SPLIT_OVER_GRPC)


@pytest.mark.parametrize("who", ["reader", "writer", "both", "stranger", "reading key", "writing key"])
def test_what_was_taken_is_settled_by_who_took_it_alone(world, who):
    held = world.rest["owner"].take(world.queue)
    assert world.rest[who].delete(lease_path(held)).status in (401, 403, 404)
    world.rest["owner"].delete(lease_path(held)).ok(204)


def test_a_key_opens_its_queue_and_nothing_else(world, rest, name):
    other, key = name("other"), world.rest["reading key"]
    rest.make(other)
    for answer in (key.get(queue_path(other)), key.post(queue_path(other) + "/pull", {}), key.put(queue_path(name()), {}),
                   key.get("/v1/accounts"), key.patch("/v1/me", {}), key.get("/v1/invitations")):
        assert answer.status in (401, 403, 404), answer
    key.post("/v1/sessions", {}).problem(422, "key")
    assert [each["name"] for each in key.get("/v1/queues").ok()["items"]] == [world.queue]


def test_a_grant_of_nothing_and_to_nobody(world):
    owner = world.rest["owner"]
    owner.put(f"{world.path}/grants/nobody-at-all", {"read": True}).problem(404)
    owner.put(f"{world.path}/grants/guest", {"fly": True}).problem(422)
    owner.post(world.path + "/keys", {}).problem(422)
    owner.post(world.path + "/keys", {"read": True, "expires_ms": -1}).problem(422)


def test_a_key_that_has_expired_opens_nothing(world):
    key = world.rest["owner"].post(world.path + "/keys", {"read": True, "expires_ms": 1}).json
    if "secret" in key:
        Rest(world.broker, authorization=f"Bearer {key['secret']}").post(world.path + "/pull", {}).problem(401)


def test_a_new_name_takes_grants_and_keys_along_and_leaves_none_behind(world, rest):
    renamed = unique("renamed")
    world.rest["owner"].patch(world.path, {"name": renamed}).ok()
    world.rest["stranger"].make(world.queue)
    left = [who for who in ("reader", "writer", "keeper", "reading key", "writing key") if world.rest[who].get(world.path).status == 200]
    came = [who for who in ("reader", "reading key") if world.rest[who].post(queue_path(renamed) + "/pull", {}).status == 200]
    rest.delete(queue_path(renamed)).ok()
    assert (left, came) == ([], ["reader", "reading key"])


def test_grants_and_keys_outlive_a_kill_and_a_new_name(world, broker):
    renamed = unique("renamed")
    world.rest["owner"].patch(world.path, {"name": renamed}).ok()
    broker.kill()
    broker.start()
    for who in ("reader", "reading key", "owner"):
        assert world.rest[who].post(queue_path(renamed) + "/pull", {}).status == 200, who
    assert world.rest["writer"].post(queue_path(renamed) + "/messages", body=b"x").status == 201
    assert world.rest["stranger"].get(queue_path(renamed)).status == 404


def test_who_is_granted_sees_the_queue_in_its_list_until_the_grant_goes(world):
    reader, owner = world.rest["reader"], world.rest["owner"]
    assert world.queue in [each["name"] for each in reader.get("/v1/queues").ok()["items"]]
    seen = {each["login"]: each for each in owner.get(world.path + "/grants").ok()["items"]}
    assert seen[reader.login] == {"login": reader.login, "configure": False, "write": False, "read": True}
    owner.delete(f"{world.path}/grants/{reader.login}").ok(204)
    assert world.queue not in [each["name"] for each in reader.get("/v1/queues").ok()["items"]]
