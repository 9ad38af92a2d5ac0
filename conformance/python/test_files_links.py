"""`chaski link`: what is shared by link alone is fetched by whoever was given one, as long as it holds."""

import json
import os
import subprocess

import pytest

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import Peer, found, get, same, wait_until

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]


@pytest.fixture
def shared(server, account, tmp_path):
    """Anna shares a folder by link alone; gives her environment, the folder, and Ben's environment."""
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    folder = tmp_path / "Plans"
    folder.mkdir()
    (folder / "plan.txt").write_bytes(os.urandom(300_000))
    (folder / "other.txt").write_bytes(b"another one")
    peer = Peer(server, at_anna, [folder], ("--to", "link"))
    wait_until(lambda: found(server, at_anna, "Plans"), "the folder as a whole")
    yield at_anna, folder, at_ben
    peer.stop()


class Teller(Peer):
    """A peer that shares by link, for people: what it tells goes to a file."""

    def __init__(self, server, environment, folder, out):
        command = [server.binary, "peer", "--share", str(folder), "--to", "link", "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.PIPE, text=True)
        self._is_killed = False


def make(server, environment, *words):
    """Makes a link; gives what is printed of it, and what is told."""
    made = run(server, environment, "link", "make", *words)
    assert made.returncode == 0, made
    return made.stdout.rstrip("\n"), made.stderr


def test_whoever_has_a_link_fetches_one_content_by_it(server, shared, tmp_path):
    at_anna, folder, at_ben = shared
    here = tmp_path / "here"
    here.mkdir()
    assert found(server, at_ben, "plan.txt") == []
    link, told = make(server, at_anna, "plan.txt")
    root = found(server, at_anna, "plan.txt")[0]["root"]
    assert link.startswith(f"chaski:{root}?key="), link
    assert "until it is deleted" in told and "chaski link delete" in told, told

    bare = get(server, at_ben, here, f"chaski:{root}")
    assert bare.returncode == 5, bare
    ended = get(server, at_ben, here, link)
    assert ended.returncode == 0, ended
    assert (here / "plan.txt").read_bytes() == (folder / "plan.txt").read_bytes()
    other = link.replace(root, found(server, at_anna, "other.txt")[0]["root"])
    assert get(server, at_ben, here, other).returncode == 5, "it opens one content"

    whole, _ = make(server, at_anna, "Plans", "--expires", "2h")
    assert get(server, at_ben, here, whole).returncode == 0
    same(folder, here / "Plans")


def test_links_are_listed_without_what_is_secret_and_deleted(server, shared, tmp_path):
    at_anna, _, at_ben = shared
    link, _ = make(server, at_anna, "plan.txt")
    made = json.loads(run(server, at_anna, "link", "make", found(server, at_anna, "other.txt")[0]["root"], "--expires", "7d", "--json").stdout)
    assert made["link"].startswith("chaski:") and made["expires_ms"] - made["created_ms"] == pytest.approx(7 * 86_400_000, abs=60_000)
    listed = json.loads(run(server, at_anna, "link", "list", "--json").stdout)
    assert sorted(each["name"] for each in listed) == ["other.txt", "plan.txt"], listed
    table = run(server, at_anna, "link", "list").stdout
    assert "plan.txt" in table and "never" in table and "in 7 days" in table, table
    assert link.partition("?key=")[2] not in str(listed) + table
    assert run(server, at_ben, "link", "list", "--json").stdout == "[]\n"

    ids = [each["id"] for each in listed]
    assert run(server, at_ben, "link", "delete", ids[0]).returncode == 5, "only its maker ends it"
    assert run(server, at_anna, "link", "delete", *ids).returncode == 0
    assert json.loads(run(server, at_anna, "link", "list", "--json").stdout) == []
    assert get(server, at_ben, tmp_path, link).returncode == 5
    again = run(server, at_anna, "link", "delete", ids[0])
    assert again.returncode == 5 and "chaski link list" in again.stderr, again


def test_what_is_no_link_and_what_is_not_shared_is_told(server, shared, tmp_path):
    at_anna, _, at_ben = shared
    link, _ = make(server, at_anna, "plan.txt")
    for damaged in (link[:60], f"{link}…", link.replace("?key=", "?k="), "chaski:plan.txt"):
        told = get(server, at_ben, tmp_path, damaged)
        assert told.returncode == 2 and "is no link" in told.stderr, told
    for what in ("plan.txt", link.removeprefix("chaski:").partition("?")[0]):
        told = run(server, at_ben, "link", "make", what)
        assert told.returncode == 5 and "chaski peer --share" in told.stderr, told
    for words in (["make", "plan.txt", "--expires", "soon"], ["make"], ["delete"], []):
        assert run(server, at_anna, "link", *words).returncode == 2, words


def test_a_peer_that_shares_by_link_says_how_one_is_made(server, account, tmp_path):
    _, at_anna = account("anna")
    folder = tmp_path / "drafts"
    folder.mkdir()
    (folder / "draft.txt").write_text("a draft")
    told = tmp_path / "told"
    with open(told, "w") as out:
        peer = Teller(server, at_anna, folder, out)
        try:
            wait_until(lambda: "chaski link make NAME" in (text := told.read_text()) and "as a whole" in text, "it says so")
        finally:
            peer.stop()
    whole = next(line for line in told.read_text().splitlines() if "as a whole" in line)
    assert "`chaski link make " in whole and "chaski:" not in whole, whole
