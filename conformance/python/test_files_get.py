"""`chaski peer --share` and `chaski get`: files and folders from peer to peer, over lost peers and killed downloads."""

import json
import os
import signal
import subprocess

import pytest

from clients import differs_on_rabbitmq
from command_line import run
from files_peer import Getter, Peer, found, get, same, wait_for_file, wait_until

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
    nothing = run(server, at_ben, "find", "nowhere", "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)) == (5, []), nothing
    peers = json.loads(run(server, at_ben, "peers", "--json").stdout)
    assert anna in [each["account"] for each in peers]


def test_files_are_searched_by_hash_and_age_and_a_list_that_is_cut_says_so(server, account, peer, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared = folder("many")
    for number in range(4):
        (shared / f"page {number}.txt").write_bytes(os.urandom(100))
    peer(at_anna, shared)
    of_anna = ("find", "--owner", anna, "page", "--json")
    wait_until(lambda: len(json.loads(run(server, at_ben, *of_anna).stdout)) == 4, "all files")
    root = found(server, at_ben, "page 2.txt")[0]["root"]
    by_hash = run(server, at_ben, "find", "--hash", root.upper(), "--json")
    assert [file["name"] for file in json.loads(by_hash.stdout)] == ["page 2.txt"], by_hash
    assert run(server, at_ben, "find", "--hash", root[1:]).returncode == 2

    assert len(json.loads(run(server, at_ben, *of_anna, "--newer-than", "1h").stdout)) == 4
    assert run(server, at_ben, *of_anna, "--older-than", "1h").returncode == 5
    whole = run(server, at_ben, *of_anna, "--older-than", "0s", "-n", "4")
    assert (whole.returncode, whole.stderr) == (0, ""), whole
    for form in ((), ("--json",)):
        cut = run(server, at_ben, "find", "--owner", anna, "page", "-n", "3", *form)
        assert cut.returncode == 0 and "There are more than these 3 files" in cut.stderr and "-n N" in cut.stderr, cut


def test_a_folder_that_is_there_is_never_replaced(server, account, peer, folder):
    (_, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("photos"), folder("here")
    (shared / "one.jpg").write_bytes(os.urandom(1_000))
    peer(at_anna, shared)
    wait_until(lambda: get(server, at_ben, here, "photos").returncode == 0, "the folder")
    (here / "photos" / "mine.jpg").write_bytes(b"mine")
    for words in ((), ("--overwrite",)):
        again = get(server, at_ben, here, "photos", *words)
        assert again.returncode == 6 and "a folder replaces nothing" in again.stderr and "--overwrite" not in again.stderr, again
    assert sorted(os.listdir(here / "photos")) == ["mine.jpg", "one.jpg"]


def test_how_far_a_folder_is_is_told_with_sources_rate_and_time(server, account, peer, folder):
    (anna, at_anna), (_, at_ben) = account("anna"), account("ben")
    shared, here = folder("album"), folder("here")
    for number in range(60):
        (shared / f"{number}.bin").write_bytes(os.urandom(50_000))
    for name in ("large.bin", "larger.bin"):
        (shared / name).write_bytes(os.urandom(2 * MIB))
    peer(at_anna, shared, options=("--limit-rate", "3MiB"))
    wait_until(lambda: found(server, at_ben, "album"), "the folder as a whole")
    getter = Getter(server, at_ben, here, "album")
    try:
        done = getter.done()
    finally:
        getter.close()
    total = 60 * 50_000 + 4 * MIB
    assert done["bytes"] == total and done["recovered"] == 0, done
    told = [event for event in getter.events if event["event"] == "progress"]
    small = [event for event in told if 0 < event["bytes"] < 60 * 50_000]
    large = [event for event in told if 60 * 50_000 < event["bytes"] < total]
    for phase in (small, large):
        assert any(event["rate"] and event["remaining_ms"] and event["total"] == total for event in phase), phase[-3:]
        senders = [source for event in phase for source in event["sources"]]
        assert senders and all(source["name"].startswith(f"{anna}/") for source in senders), phase[-3:]
        assert any(source["rate"] > 0 for source in senders), phase[-3:]
    assert max(event["rate"] for event in told) < 40 * MIB, "no rate is told of what nobody could send"


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
