"""Tools that others wrote for RabbitMQ's management interface, unmodified."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from amqpstorm.management import ManagementApi

pytestmark = pytest.mark.operated


@pytest.fixture
def admin(broker, tmp_path):
    """Runs `rabbitmqadmin`, which RabbitMQ brings along."""
    beside = str(Path(sys.executable).parent)
    script = shutil.which("rabbitmqadmin") or shutil.which("rabbitmqadmin", path=beside)
    if script is None:
        pytest.skip("rabbitmqadmin is not installed")
    port = urlsplit(broker.management_url).port

    def run(*words, stdin=None, username="guest", password="guest"):
        command = [sys.executable, script, "--host", "127.0.0.1", "--port", str(port), "--username", username,
                   "--password", password, "--format", "raw_json", *words]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    run.json = lambda *words, **options: json.loads(run(*words, **options))
    return run


def test_rabbitmqadmin_declares_uses_and_deletes(admin, name):
    queue, exchange = name("queue"), name("exchange")
    admin("declare", "queue", f"name={queue}", "durable=true", 'arguments={"x-max-length": 10}')
    admin("declare", "exchange", f"name={exchange}", "type=topic")
    admin("declare", "binding", f"source={exchange}", f"destination={queue}", "routing_key=a.*")
    assert queue in [row["name"] for row in admin.json("list", "queues", "name", "messages")]
    assert exchange in [row["name"] for row in admin.json("list", "exchanges")]
    assert "a.*" in [row["routing_key"] for row in admin.json("list", "bindings") if row["destination"] == queue]
    admin("publish", f"exchange={exchange}", "routing_key=a.b", "payload=hello")
    admin("publish", f"routing_key={queue}", stdin="from a pipe")
    messages = admin.json("get", f"queue={queue}", "count=5", "ackmode=ack_requeue_true")
    assert [message["payload"] for message in messages] == ["hello", "from a pipe"]
    admin("purge", "queue", f"name={queue}")
    assert admin.json("get", f"queue={queue}") == []
    admin("delete", "binding", f"source={exchange}", "destination_type=queue", f"destination={queue}",
          "properties_key=a.%2A")
    admin("delete", "queue", f"name={queue}")
    admin("delete", "exchange", f"name={exchange}")
    assert queue not in [row["name"] for row in admin.json("list", "queues")]


def test_rabbitmqadmin_looks_after_accounts(admin, name):
    user, vhost = name("user"), name("vhost")
    admin("declare", "vhost", f"name={vhost}")
    admin("declare", "user", f"name={user}", "password=secret", "tags=management")
    admin("declare", "permission", f"vhost={vhost}", f"user={user}", "configure=.*", "write=.*", "read=.*")
    admin("-V", vhost, "declare", "policy", "name=p", "pattern=^x", 'definition={"max-length":5}', "apply-to=queues",
          "priority=2")
    assert user in [row["name"] for row in admin.json("list", "users")]
    assert vhost in [row["name"] for row in admin.json("list", "vhosts")]
    assert vhost in [row["vhost"] for row in admin.json("list", "permissions") if row["user"] == user]
    assert [row["priority"] for row in admin.json("list", "policies") if row["vhost"] == vhost] == [2]
    admin("-V", vhost, "declare", "queue", "name=theirs", username=user, password="secret")
    for kind in ["nodes", "connections", "channels", "consumers", "operator_policies", "parameters", "vhost_limits"]:
        assert isinstance(admin.json("list", kind), list), kind
    assert admin.json("show", "overview")
    admin("-V", vhost, "delete", "policy", "name=p")
    admin("delete", "permission", f"vhost={vhost}", f"user={user}")
    admin("delete", "user", f"name={user}")
    admin("delete", "vhost", f"name={vhost}")


def test_rabbitmqadmin_closes_connections(admin, connect):
    connection = connect(client_properties={"connection_name": "rabbitmqadmin's"})
    connection.channel()

    from harness.waiting import eventually

    def mine():
        rows = admin.json("list", "connections")
        return [row["name"] for row in rows if row.get("user_provided_name") == "rabbitmqadmin's"]

    eventually(mine, within=20, what="the connection is listed")
    admin("close", "connection", f"name={mine()[0]}")
    with pytest.raises(Exception, match="CONNECTION_FORCED"):
        connection.process_data_events(10)
        connection.process_data_events(10)


def test_rabbitmqadmin_exports_and_imports(admin, name, tmp_path):
    queue, file = name("exported"), tmp_path / "definitions.json"
    admin("declare", "queue", f"name={queue}")
    admin("export", str(file))
    assert queue in [row["name"] for row in json.loads(file.read_text())["queues"]]
    admin("delete", "queue", f"name={queue}")
    admin("import", str(file))
    assert queue in [row["name"] for row in admin.json("list", "queues")]


def test_amqpstorm_manages(broker, name):
    api = ManagementApi(broker.management_url, "guest", "guest")
    queue = name("amqpstorm")
    assert api.aliveness_test("/") == {"status": "ok"}
    api.queue.declare(queue, durable=True)
    api.queue.bind(queue=queue, exchange="amq.direct", routing_key="key")
    api.basic.publish("hello", routing_key="key", exchange="amq.direct")
    assert [message.body for message in api.basic.get(queue)] == ["hello"]
    assert api.queue.get(queue)["name"] == queue
    assert len(api.queue.bindings(queue)) == 2
    api.queue.unbind(queue=queue, exchange="amq.direct", routing_key="key")
    api.queue.purge(queue)
    assert api.overview()["object_totals"]["queues"] >= 1
    assert api.whoami()["name"] == "guest"
    api.queue.delete(queue)
