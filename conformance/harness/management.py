"""Speaks RabbitMQ's management interface over plain HTTP, as its tools do."""

import base64
import json
import urllib.error
import urllib.request
from urllib.parse import quote


def path(*names):
    """A path of names that may hold anything."""
    return "/".join(quote(name, safe="") for name in names)


class Management:
    """One account at one server's `/api`."""

    def __init__(self, url, username="guest", password="guest"):
        self._url = f"{url}/api/"
        self._token = base64.b64encode(f"{username}:{password}".encode()).decode()

    def call(self, method, where, body=None, headers=None):
        """The status and the answer: parsed JSON, or None when there is none."""
        raw = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._url + where, data=raw, method=method)
        if self._token:
            request.add_header("Authorization", f"Basic {self._token}")
        request.add_header("Content-Type", "application/json")
        for name, value in (headers or {}).items():
            request.add_header(name, value)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, self._parsed(response.read())
        except urllib.error.HTTPError as error:
            return error.code, self._parsed(error.read())

    @staticmethod
    def _parsed(text):
        return json.loads(text) if text else None

    def get(self, where):
        status, answer = self.call("GET", where)
        assert status == 200, (where, status, answer)
        return answer

    def status(self, method, where, body=None, **options):
        return self.call(method, where, body, **options)[0]
