"""What the operator of a broker does, by the broker's own tools.

This file alone knows how: `ChaskiCtl` by the command line of the binary, `RabbitCtl` by RabbitMQ's management API and
`rabbitmqctl`.
"""

import base64
import http.client
import json
import subprocess
from urllib.parse import quote


class ChaskiCtl:
    """`chaski SUBCOMMAND ... --data DIR`, which reaches the running server through its admin socket."""

    def __init__(self, binary, data):
        self._binary, self._data = str(binary), str(data)

    def _run(self, *words, stdin=None):
        command = [self._binary, *words, "--data", self._data]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=20)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def user_add(self, name, password, tags=()):
        flags = [word for tag in tags for word in ("--tag", tag)]
        self._run("user", "add", name, "--password-stdin", *flags, stdin=password + "\n")

    def user_password(self, name, password):
        self._run("user", "password", name, "--password-stdin", stdin=password + "\n")

    def user_delete(self, name):
        self._run("user", "delete", name)

    def vhost_add(self, name):
        self._run("vhost", "add", name)

    def vhost_delete(self, name):
        self._run("vhost", "delete", name)

    def permission_set(self, user, vhost="/", configure=".*", write=".*", read=".*"):
        self._run(
            "permission", "set", user, "--vhost", vhost,
            f"--configure={configure}", f"--write={write}", f"--read={read}",
        )

    def permission_clear(self, user, vhost="/"):
        self._run("permission", "clear", user, "--vhost", vhost)

    def topic_permission_set(self, user, exchange, write, read, vhost="/"):
        self._run(
            "permission", "set-topic", user, "--vhost", vhost, "--exchange", exchange,
            f"--write={write}", f"--read={read}",
        )

    def policy_set(self, name, pattern, definition, apply_to="all", vhost="/", priority=0):
        self._run(
            "policy", "set", name, "--vhost", vhost, f"--pattern={pattern}", "--apply-to", apply_to,
            "--priority", str(priority), "--definition", json.dumps(definition),
        )

    def policy_clear(self, name, vhost="/"):
        self._run("policy", "clear", name, "--vhost", vhost)

    def connection_names(self):
        """Client-given names (client property `connection_name`) of the open connections."""
        listed = json.loads(self._run("connection", "list", "--json"))
        return [connection.get("name") for connection in listed]

    def connection_close(self, name, reason):
        """Closes every connection whose client calls itself `name`."""
        for connection in json.loads(self._run("connection", "list", "--json")):
            if connection.get("name") == name:
                self._run("connection", "close", str(connection["id"]), "--reason", reason)

    def alarm_set(self):
        self._run("alarm", "set", "memory")

    def alarm_clear(self):
        self._run("alarm", "clear", "memory")


class RabbitCtl:
    """RabbitMQ's management API; `rabbitmqctl` where the API has nothing."""

    def __init__(self, management_port, rabbitmqctl):
        self._port, self._rabbitmqctl = management_port, rabbitmqctl

    def _call(self, method, path, body=None, headers=()):
        link = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        token = base64.b64encode(b"guest:guest").decode()
        sent = {"Authorization": f"Basic {token}", "Content-Type": "application/json", **dict(headers)}
        try:
            link.request(method, "/api/" + path, None if body is None else json.dumps(body), sent)
            answer = link.getresponse()
            text = answer.read()
        finally:
            link.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:300]!r}")
        return json.loads(text) if text else None

    def ready(self):
        """Whether the management API answers."""
        try:
            return self._call("GET", "overview") is not None
        except (OSError, RuntimeError, http.client.HTTPException):
            return False

    def user_add(self, name, password, tags=()):
        self._call("PUT", f"users/{quote(name, '')}", {"password": password, "tags": ",".join(tags)})

    def user_password(self, name, password):
        self.user_add(name, password)

    def user_delete(self, name):
        self._call("DELETE", f"users/{quote(name, '')}")

    def vhost_add(self, name):
        self._call("PUT", f"vhosts/{quote(name, '')}", {})

    def vhost_delete(self, name):
        self._call("DELETE", f"vhosts/{quote(name, '')}")

    def permission_set(self, user, vhost="/", configure=".*", write=".*", read=".*"):
        body = {"configure": configure, "write": write, "read": read}
        self._call("PUT", f"permissions/{quote(vhost, '')}/{quote(user, '')}", body)

    def permission_clear(self, user, vhost="/"):
        self._call("DELETE", f"permissions/{quote(vhost, '')}/{quote(user, '')}")

    def topic_permission_set(self, user, exchange, write, read, vhost="/"):
        body = {"exchange": exchange, "write": write, "read": read}
        self._call("PUT", f"topic-permissions/{quote(vhost, '')}/{quote(user, '')}", body)

    def policy_set(self, name, pattern, definition, apply_to="all", vhost="/", priority=0):
        body = {"pattern": pattern, "definition": definition, "apply-to": apply_to, "priority": priority}
        self._call("PUT", f"policies/{quote(vhost, '')}/{quote(name, '')}", body)

    def policy_clear(self, name, vhost="/"):
        self._call("DELETE", f"policies/{quote(vhost, '')}/{quote(name, '')}")

    def connection_names(self):
        return [connection.get("client_properties", {}).get("connection_name")
                for connection in self._call("GET", "connections")]

    def connection_close(self, name, reason):
        for connection in self._call("GET", "connections"):
            if connection.get("client_properties", {}).get("connection_name") == name:
                path = "connections/" + quote(connection["name"], "")
                self._call("DELETE", path, headers={"X-Reason": reason})

    def alarm_set(self):
        self._rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1")

    def alarm_clear(self):
        self._rabbitmqctl("set_vm_memory_high_watermark", "0.6")
