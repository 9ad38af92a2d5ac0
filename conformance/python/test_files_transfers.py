"""`chaski transfers`: looking at downloads from another terminal, holding them, going on, giving up; rates, slots, and giving on what is here."""

import json
import os
import signal
import subprocess
import time

import pytest

from clients import differs_on_rabbitmq
from command_line import account_at, run
from files_peer import Peer, get, wait_until

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no files")]

MIB = 1 << 20


@pytest.fixture
def place(server, tmp_path):
    return Place(server, tmp_path)


@pytest.fixture
def slow(place):
    """Anna shares 24 MiB, of which 4 MiB a second can be had."""
    content = os.urandom(24 * MIB)
    place.share("anna", {"big.bin": content}, "--limit-rate", "4MiB")
    yield content
    place.stop()


class Place:
    """Accounts, their peers and their downloads."""

    def __init__(self, server, path):
        self.server, self._path = server, path
        self._accounts, self.peers, self._downloads = {}, {}, []
        self.here = path / "here"
        self.here.mkdir()

    def account(self, label):
        if label not in self._accounts:
            self._accounts[label] = account_at(self.server, self._path, label)
        return self._accounts[label][1]

    def share(self, label, files, *options):
        folder = self._path / f"of {label}"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        self.peers[label] = Peer(self.server, self.account(label), [folder], options)
        for name in files:
            self.find("ben", name, 1)
        return folder

    def find(self, label, name, holders):
        """Waits until so many peers are known to have a file, or a part of it; gives them."""
        def there():
            files = json.loads(run(self.server, self.account(label), "find", "--glob", name, "--json").stdout or "[]")
            return files[0]["holders"] if files and len(files[0]["holders"]) >= holders else None

        return wait_until(there, f"{holders} peers with {name}")

    def begin(self, label, *words, cwd=None):
        """Begins a download; gives it when its first bytes are there."""
        process = subprocess.Popen([self.server.binary, "get", *words, "--json"], cwd=cwd or self.here, env=self.account(label),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._downloads.append(process)
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "progress" and event["bytes"] > 0:
                return process
        raise AssertionError(process.communicate())

    def transfers(self, label, *words):
        return run(self.server, self.account(label), "transfers", *words)

    def listed(self, label):
        return json.loads(self.transfers(label, "--json").stdout)

    def stage(self, label, number=1):
        return next(each["stage"] for each in self.listed(label) if each["id"] == number)

    def stop(self):
        for process in self._downloads:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for peer in self.peers.values():
            peer.stop()


def ended(process):
    """The last event of a download that went well."""
    told, wrong = process.communicate(timeout=60)
    assert process.returncode == 0, wrong
    return json.loads(told.splitlines()[-1])


def test_a_download_is_held_and_gone_on_with_from_elsewhere(place, slow):
    download = place.begin("ben", "big.bin")
    running = wait_until(lambda: [each for each in place.listed("ben") if each["bytes"] > 0], "progress")
    assert [(each["id"], each["name"], each["stage"], each["size"]) for each in running] == [(1, "big.bin", "running", 24 * MIB)]
    assert place.transfers("ben", "pause", "1").returncode == 0
    wait_until(lambda: place.stage("ben") == "paused", "it is held")
    part = next(place.here.glob(".big.bin.*.chaski-part"))
    kept = part.stat().st_blocks
    assert download.poll() is None
    assert part.stat().st_blocks == kept, "nothing comes while it is held"
    assert place.transfers("ben", "resume", "1").returncode == 0
    done = ended(download)
    assert done["event"] == "done" and done["recovered"] > 0, done
    assert (place.here / "big.bin").read_bytes() == slow
    assert place.stage("ben") == "done"
    shown = place.transfers("ben").stdout
    assert "done" in shown and "big.bin" in shown, shown
    assert place.transfers("ben", "pause", "1").returncode == 4, "what is done cannot be held"
    assert place.transfers("ben", "clear").returncode == 0
    assert place.listed("ben") == []


def test_a_download_that_is_given_up_leaves_nothing(place, slow):
    download = place.begin("ben", "big.bin")
    assert place.transfers("ben", "cancel", "1").returncode == 0
    _, wrong = download.communicate(timeout=30)
    assert download.returncode == 1 and "given up" in wrong, wrong
    assert list(place.here.iterdir()) == []
    assert place.listed("ben") == []


def test_what_was_killed_is_gone_on_with_or_given_up(place, slow):
    download = place.begin("ben", "big.bin")
    download.kill()
    download.communicate()
    assert place.stage("ben") == "interrupted"
    wrong = place.transfers("ben", "pause", "1")
    assert wrong.returncode == 4 and "interrupted" in wrong.stderr, wrong
    second = place.begin("ben", "big.bin", "--output", "another")
    second.kill()
    second.communicate()
    assert place.transfers("ben", "cancel", "2").returncode == 0
    assert len(list(place.here.glob(".another.*"))) == 0
    resumed = place.transfers("ben", "resume", "1", "--json")
    assert resumed.returncode == 0, resumed
    assert json.loads(resumed.stdout.splitlines()[-1])["recovered"] > 0
    assert (place.here / "big.bin").read_bytes() == slow
    assert place.transfers("ben", "resume", "7").returncode == 5


def test_the_same_is_not_fetched_twice_to_one_place(place, slow):
    place.begin("ben", "big.bin")
    again = get(place.server, place.account("ben"), place.here, "big.bin")
    assert again.returncode == 1 and "another download writes" in again.stderr and "transfer 1" in again.stderr, again


def test_downloads_that_begin_together_are_transfers_of_their_own(place):
    names = [f"{number}.bin" for number in range(6)]
    place.share("anna", {name: os.urandom(100_000) for name in names})
    started = [subprocess.Popen([place.server.binary, "get", name, "--json"], cwd=place.here, env=place.account("ben"),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for name in names]
    numbers = [ended(each)["transfer"] for each in started]
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
    assert sorted((each["id"], each["stage"]) for each in place.listed("ben")) == [(number, "done") for number in range(1, 7)]
    place.stop()


def test_each_transfer_is_resumed_at_its_own_server(place, slow):
    for name in ("one", "two"):
        download = place.begin("ben", "big.bin", "--output", name)
        download.kill()
        download.communicate()
    # The second was begun at a server that is not there any more.
    note = next(place.here.parent.rglob("transfers/2.json"))
    elsewhere = "http://127.0.0.1:1"
    note.write_text(json.dumps({**json.loads(note.read_text()), "server": elsewhere}))
    resumed = place.transfers("ben", "resume", "1", "2")
    assert resumed.returncode == 3 and elsewhere in resumed.stderr, resumed
    assert (place.here / "one").read_bytes() == slow and not (place.here / "two").exists()
    assert [place.stage("ben", number) for number in (1, 2)] == ["done", "interrupted"]


def test_rates_of_both_ends_are_kept(place):
    place.share("anna", {"a.bin": os.urandom(4 * MIB)})
    began = time.monotonic()
    assert get(place.server, place.account("ben"), place.here, "a.bin", "--limit-rate", "2MiB").returncode == 0
    # Two seconds, less what may go at once, and the last groups.
    assert time.monotonic() - began > 1
    place.stop()
    wrong = get(place.server, place.account("ben"), place.here, "a.bin", "--limit-rate", "fast")
    assert wrong.returncode == 2 and "no unit of size" in wrong.stderr, wrong


def test_an_account_has_no_more_downloads_of_a_peer_than_it_gives(place):
    place.share("anna", {"one.bin": os.urandom(24 * MIB), "two.bin": os.urandom(MIB)}, "--limit-rate", "4MiB", "--slots-per-account", "1")
    first = place.begin("ben", "one.bin")
    second = subprocess.Popen([place.server.binary, "get", "two.bin", "--json"], cwd=place.here, env=place.account("ben"),
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    told = second.stderr.readline()
    assert "are served already" in told, told
    # Another account has a place of its own.
    other = get(place.server, place.account("cleo"), place.here, "two.bin", "--output", "of cleo")
    assert other.returncode == 0, other
    first.send_signal(signal.SIGINT)
    first.communicate()
    # It comes again by itself.
    assert ended(second)["event"] == "done"
    place.stop()


def test_what_is_being_fetched_is_given_to_others_meanwhile(place, slow):
    shared = place.share("ben", {"note.txt": b"a note"})
    place.begin("ben", "big.bin", cwd=shared)
    holders = place.find("cleo", "big.bin", 2)
    parts = sorted(holder["part"] for holder in holders)
    assert 0 < parts[0] < 1 == parts[1], holders
    # Anna goes: what cleo gets, ben gives.
    place.peers["anna"].stop()
    place.find("cleo", "big.bin", 1)
    download = place.begin("cleo", "big.bin")
    # Anna comes back: ben goes on by himself, and cleo with both.
    place.share("anna", {"big.bin": slow})
    assert ended(download)["event"] == "done"
    assert (place.here / "big.bin").read_bytes() == slow
    wait_until(lambda: (shared / "big.bin").is_file(), "ben's download")
