"""`chaski peer --share` and `chaski get`: files and folders from peer to peer, over lost peers and killed downloads."""

import json
import os
import signal
import subprocess

import pytest

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import Peer, found, get, same, wait_for_file, wait_until

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]

MIB = 1 << 20


@pytest.fixture
def peer(server):
    """Starts peers that are stopped at the end."""
    opened = []

    def opener(environment, *folders, options=()):
        opened.append(Peer(server, environment, folders, options))
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


@pytest.fixture
def folder(tmp_path):
    def maker(name):
        made = tmp_path / name
        made.mkdir()
        return made

    return maker


def test_a_file_is_found_and_fetched_by_name_hash_and_never_overwrites(server, account, peer, folder, tmp_path):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("shared"), folder("here")
    content = os.urandom(3 * MIB + 17)
    (shared / "Informe final.bin").write_bytes(content)
    peer(at_anna, shared)
    file = wait_for_file(server, at_ben, "Informe final.bin")
    assert file["size"] == len(content) and file["holders"][0]["account"] == anna

    ended = get(server, at_ben, here, "Informe final.bin")
    assert ended.returncode == 0, ended
    assert (here / "Informe final.bin").read_bytes() == content
    again = get(server, at_ben, here, file["root"])
    assert again.returncode == 6 and "is there already" in again.stderr, again
    (here / "Informe final.bin").write_bytes(b"old")
    assert get(server, at_ben, here, file["root"], "--overwrite").returncode == 0
    assert (here / "Informe final.bin").read_bytes() == content
    other = tmp_path / "another name"
    assert get(server, at_ben, here, f"chaski:{file['root']}", "--output", str(other)).returncode == 0
    assert other.read_bytes() == content

    unknown = get(server, at_ben, here, "no such file")
    assert unknown.returncode == 5 and "nobody who is there has" in unknown.stderr, unknown
    assert run(server, at_ben, "find", "nowhere").returncode == 5
    peers = json.loads(run(server, at_ben, "peers", "--json").stdout)
    assert anna in [each["account"] for each in peers]


def test_a_folder_arrives_as_it_is(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("música"), folder("here")
    for number in range(300):
        place = shared / f"album {number % 7}" / f"canción {number} — ñandú.txt"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(os.urandom(number * 37))
    (shared / "large.bin").write_bytes(os.urandom(2 * MIB + 5))
    (shared / "empty").write_bytes(b"")
    (shared / "nothing in it").mkdir()
    script = shared / "run.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    peer(at_anna, shared)
    wait_for_file(server, at_ben, "run.sh")

    ended = wait_until(lambda: (done := get(server, at_ben, here, "música")).returncode == 0 and done, "the folder")
    assert "música" in ended.stdout, ended
    same(shared, here / "música")
    assert os.access(here / "música" / "run.sh", os.X_OK)
    assert not list(here.glob(".*")), "nothing else is left"


def test_a_peer_that_stands_still_does_not_hold_up_a_download(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    content = os.urandom(20 * MIB)
    peers = []
    for name in ("one", "two"):
        shared = folder(name)
        (shared / "twice.bin").write_bytes(content)
        peers.append(peer({**at_anna, "XDG_STATE_HOME": str(shared.parent / f"state {name}")}, shared))
    wait_for_file(server, at_ben, "twice.bin", holders=2)
    here = folder("here")
    os.kill(peers[0].pid, signal.SIGSTOP)
    try:
        ended = get(server, at_ben, here, "twice.bin")
    finally:
        os.kill(peers[0].pid, signal.SIGCONT)
    assert ended.returncode == 0, ended
    assert (here / "twice.bin").read_bytes() == content


def test_a_killed_download_goes_on_where_it_was(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("shared"), folder("here")
    content = os.urandom(192 * MIB)
    (shared / "big.bin").write_bytes(content)
    peer(at_anna, shared)
    wait_for_file(server, at_ben, "big.bin")
    first = subprocess.Popen([server.binary, "get", "big.bin", "--json"], cwd=here, env=at_ben,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    part = wait_until(lambda: next(here.glob(".big.bin.*.chaski-part"), None), "a download")
    wait_until(lambda: part.stat().st_blocks * 512 > 16 * MIB, "16 MiB", pause=0.001)
    first.kill()
    first.communicate()
    assert not (here / "big.bin").exists()
    kept = part.stat().st_blocks * 512

    ended = get(server, at_ben, here, "big.bin", "--json")
    assert ended.returncode == 0, ended
    done = json.loads(ended.stdout.splitlines()[-1])
    assert done["event"] == "done" and 8 * MIB < done["recovered"] <= kept, done
    assert (here / "big.bin").read_bytes() == content
    assert not part.exists()


def test_what_is_shared_with_one_account_is_nobody_elses(server, account, peer, folder):
    (_, at_anna), (ben, at_ben), (_, at_cleo) = account("anna"), account("ben"), account("cleo")
    shared, here = folder("shared"), folder("here")
    (shared / "letter.txt").write_text("for ben alone")
    peer(at_anna, shared, options=["--to", ben])
    file = wait_for_file(server, at_ben, "letter.txt")
    assert get(server, at_ben, here, "letter.txt").returncode == 0
    assert found(server, at_cleo, "letter.txt") == []
    for what in ("letter.txt", file["root"]):
        assert get(server, at_cleo, here, what, "--output", str(here / "stolen")).returncode == 5
    assert not (here / "stolen").exists()


def test_a_file_that_changes_is_shared_as_it_is_now(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("shared"), folder("here")
    notes = shared / "notes.txt"
    notes.write_text("first")
    peer(at_anna, shared)
    before = wait_for_file(server, at_ben, "notes.txt")
    notes.write_text("second, and longer")

    def changed():
        files = found(server, at_ben, "notes.txt")
        return files and files[0]["root"] != before["root"]

    wait_until(changed, "the new content")
    assert get(server, at_ben, here, "notes.txt").returncode == 0
    assert (here / "notes.txt").read_text() == "second, and longer"
    gone = get(server, at_ben, here, before["root"], "--output", str(here / "old"))
    assert gone.returncode == 5, gone
