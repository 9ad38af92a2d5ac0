"""The command line as accounts use it, each with a home of its own."""

import secrets
import subprocess

from rest import PASSWORD


def account_at(server, place, label):
    """Makes an account; gives its login, and the environment of somebody who is logged in."""
    login = f"{label}{secrets.token_hex(3)}"
    server.ctl.user_add(login, PASSWORD)
    home = place / login
    home.mkdir()
    environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "NO_COLOR": "1"}
    command = [server.binary, "login", server.http_url, "--login", login, "--password-stdin"]
    subprocess.run(command, input=f"{PASSWORD}\n", text=True, check=True, env=environment, capture_output=True)
    return login, environment


def run(server, environment, *words, **options):
    """Runs a command to its end."""
    options = {"capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run([server.binary, *words], env=environment, **options)
