"""Files between peers on hosts of their own: bad cables, lost and lying peers, full disks; everything ends with the right bytes or says why.

Whoever fetches is on the second host, and the tests run there.
"""

import os
import subprocess

import pytest

from files_peer import Getter, Peer, Stranger, found, get, same, wait_for_file, wait_until
from harness.brokers import Chaski
from harness.hosts import Hosts, why_not
from harness.small_disk import SmallDisk
from rest import REST_ONLY

reason = why_not()
pytestmark = [*REST_ONLY, pytest.mark.skipif(reason is not None, reason=str(reason))]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
GROUP_BYTES = 256 * KIB
# What a source may have under way at most, in groups: all that a lie can cost.
WINDOW_GROUPS_MAX = 128


@pytest.fixture(scope="module")
def hosts():
    made = Hosts(6)
    yield made.all
    made.close()


@pytest.fixture(scope="module")
def server(hosts):
    # Peers notice within a second that it was away, and those that are killed stay in its answers.
    started = Chaski(settings={"files.heartbeat_s": 1, "files.silence_s": 3_600}, host=hosts[0])
    started.start()
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def cables(hosts):
    """`cables(number, …)` gives a host a worse cable up to the end of the test, which runs on the second host."""
    worse = set()

    def changer(number, **what):
        worse.add(number)
        hosts[number].plug_in_worse(**what)

    with hosts[1].inside():
        yield changer
    for number in worse:
        hosts[number].plug_in_well()


@pytest.fixture
def ben(account):
    """Who fetches."""
    return account("ben")[1]


@pytest.fixture
def here(tmp_path):
    """Where it is fetched to."""
    made = tmp_path / "here"
    made.mkdir()
    return made


class Sharing:
    """A peer that can be killed and started again, its folder and its account."""

    def __init__(self, server, host, folder, login, environment):
        self.folder, self.login, self.name = folder, login, f"{login}/{login}"
        self._begin = lambda: Peer(server, environment, [folder], ["--name", login], address=host.address)
        self._host = host
        self.start()

    def start(self):
        with self._host.inside():
            self._peer = self._begin()

    def kill(self):
        self._peer.kill()

    def stop(self):
        self._peer.stop()


@pytest.fixture
def share(server, account, hosts, tmp_path):
    """Starts a peer on a host; `fill` puts into its folder what it shares."""
    opened = []

    def opener(number, fill, label="anna"):
        login, environment = account(label)
        folder = tmp_path / f"of {login}"
        folder.mkdir()
        fill(folder)
        opened.append(Sharing(server, hosts[number], folder, login, environment))
        return opened[-1]

    yield opener
    for each in opened:
        each.stop()


@pytest.fixture
def stranger(server, account, hosts):
    """Starts peers that are not Chaski's; they are found when they are waited for."""
    opened = []

    def opener(number, file, path, label, **what):
        login, _ = account(label)
        opened.append(Stranger(server, login, hosts[number], file, path, label, **what))
        opened[-1].name = f"{login}/{label}"
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


@pytest.fixture
def getter(server, ben, here):
    """Starts downloads, which are killed at the end if they still run."""
    opened = []

    def opener(*words, place=here, **options):
        opened.append(Getter(server, ben, place, *words, **options))
        return opened[-1]

    yield opener
    for each in opened:
        each.close()


def one_file(name, content):
    return lambda folder: (folder / name).write_bytes(content)


def received(host):
    """Bytes that have come over a host's cable."""
    return int(host.run("cat", "/sys/class/net/eth0/statistics/rx_bytes"))


def root_of(server, environment, name, **options):
    """The root of what one peer has by that name."""
    file, = wait_until(lambda: found(server, environment, name), name, **options)
    return file["root"]


def nothing_is_left(place, *names):
    """There is what was fetched, and nothing else."""
    assert sorted(each.name for each in place.iterdir()) == sorted(names)


def test_four_sources_one_slow_one_lost_one_lying_and_one_with_half(server, ben, here, hosts, cables, share, stranger, getter):
    content = os.urandom(24 * MIB + 17)
    cables(2, delay_s=0.01, bytes_per_s=3e6)
    cables(3, bytes_per_s=6e6)
    slow, lost = share(2, one_file("four.bin", content), "slow"), share(3, one_file("four.bin", content), "lost")
    file = wait_for_file(server, ben, "four.bin", holders=2)
    path = slow.folder / "four.bin"
    liar = stranger(4, file, path, "liar", lies="bytes", honest=6)
    half = stranger(5, file, path, "half", has=(0, 48))
    liar.wait()
    half.wait()
    assert {each["part"] for each in found(server, ben, "four.bin")[0]["holders"]} == {1.0, 48 / 97}

    download = getter("four.bin")
    senders = {slow.name, lost.name}
    download.until(lambda event: senders <= {source["name"] for source in event.get("sources", []) if source["rate"] > 0})
    lost.kill()
    done = download.done()
    assert (here / "four.bin").read_bytes() == content
    nothing_is_left(here, "four.bin")

    _, notes = download.ended()
    assert done["liars"] == 1 and f"{liar.name}: it sent what is not the content" in notes, (done, notes)
    assert f"{lost.name}: " in notes
    told = liar.ended()
    assert told["streams"] == 1 and 0 < told["wrong"] <= WINDOW_GROUPS_MAX, told
    told = half.ended()
    assert told["not_here"] == 0 < told["sent"], told


def test_liars_are_found_out_and_whoever_comes_later_is_believed(server, ben, here, share, stranger, getter):
    content = os.urandom(3 * MIB)
    honest = share(2, one_file("late.bin", content))
    file = wait_for_file(server, ben, "late.bin")
    why = {"list": "it sent what is not the content", "again": "it sent what it was not asked for"}
    liars = [stranger(3, file, honest.folder / "late.bin", lies, lies=lies) for lies in why]
    for liar in liars:
        liar.wait()
    honest.kill()
    download = getter("late.bin")
    notes = [f"{liar.name}: {text}" for liar, text in zip(liars, why.values(), strict=True)]
    wait_until(lambda: all(note in download.notes() for note in notes), "the names of the liars")
    assert not (here / "late.bin").exists()
    honest.start()
    assert download.done()["liars"] == len(liars)
    assert (here / "late.bin").read_bytes() == content
    for liar in liars:
        told = liar.ended()
        assert told["streams"] == 1 and 0 < told["wrong"] <= WINDOW_GROUPS_MAX, told


def test_over_cables_that_are_long_and_lose_packets(server, ben, here, cables, share, getter):
    content = os.urandom(3 * MIB)
    sources = [share(number, one_file("far.bin", content)) for number in (2, 3)]
    wait_for_file(server, ben, "far.bin", holders=len(sources))
    cables(1, delay_s=0.03, loss=0.02)
    getter("far.bin").done()
    assert (here / "far.bin").read_bytes() == content


def test_a_killed_download_fetches_nothing_again(server, ben, here, hosts, cables, share, getter):
    content = os.urandom(24 * MIB)
    share(2, one_file("killed.bin", content))
    wait_for_file(server, ben, "killed.bin")
    cables(1, bytes_per_s=12e6)
    first = getter("killed.bin")
    kept = first.has(8 * MIB)["bytes"]
    first.kill()
    assert not (here / "killed.bin").exists()
    before = received(hosts[1])
    done = getter("killed.bin").done()
    assert kept <= done["recovered"] < len(content), (kept, done)
    # Some of what the first one had asked for was still under way.
    assert received(hosts[1]) - before < 1.1 * (len(content) - done["recovered"]) + 3 * MIB
    assert (here / "killed.bin").read_bytes() == content
    nothing_is_left(here, "killed.bin")


def test_an_uploader_that_was_killed_and_comes_back_goes_on(server, ben, here, hosts, cables, share, stranger, getter):
    content = os.urandom(12 * MIB)
    source = share(2, one_file("back.bin", content))
    file = wait_for_file(server, ben, "back.bin")
    silent = stranger(3, file, source.folder / "back.bin", "silent", lies="silence").wait()
    cables(2, bytes_per_s=8e6)
    before = received(hosts[1])
    download = getter("back.bin")
    download.has(3 * MIB)
    source.kill()
    source.start()
    download.done()
    assert (here / "back.bin").read_bytes() == content
    assert received(hosts[1]) - before < 1.1 * len(content) + 2 * MIB
    assert f"{silent.name}: it does not answer" in download.notes()


@pytest.mark.parametrize("lies", ["silence", "chatter"])
def test_a_peer_that_sends_nothing_does_not_hold_up_a_folder(server, ben, here, share, stranger, getter, lies):
    source = share(2, folder_of_some)
    file, = wait_until(lambda: found(server, ben, source.folder.name), "the folder as a whole")
    silent = stranger(3, file, source.folder, "silent", lies=lies).wait()
    getter(file["root"]).done()
    same(source.folder, here / source.folder.name)
    assert silent.ended()["streams"] > 0


def test_a_server_that_was_killed_is_not_missed_and_finds_the_peers_again(server, ben, here, cables, share, getter):
    content = os.urandom(12 * MIB)
    share(2, one_file("alone.bin", content))
    wait_for_file(server, ben, "alone.bin")
    cables(1, bytes_per_s=6e6)
    download = getter("alone.bin")
    download.has(2 * MIB)
    server.kill()
    try:
        download.done()
        assert (here / "alone.bin").read_bytes() == content
    finally:
        server.start()
    wait_for_file(server, ben, "alone.bin")


def folder_of_some(folder):
    for number in range(40):
        (folder / f"small {number}").write_bytes(os.urandom(200 * KIB))
    (folder / "large").write_bytes(os.urandom(4 * MIB + 5))


# What is shared, to be fetched as a whole.
KINDS = {"file": one_file("large", os.urandom(12 * MIB)), "folder": folder_of_some}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_full_disk_is_told_and_the_same_command_goes_on_when_there_is_room(server, ben, tmp_path, share, getter, kind):
    source = share(2, KINDS[kind])
    whole = source.folder if kind == "folder" else source.folder / "large"
    root = root_of(server, ben, whole.name)
    place = tmp_path / "small disk"
    place.mkdir()
    disk = SmallDisk(place, "8m")
    try:
        def command():
            return getter(root, "--output", str(place / "arrives"), prefix=disk.prefix)

        code, notes = command().ended()
        assert code == 1 and "cannot write" in notes and "No space left on device" in notes, (code, notes)
        assert not (disk.outside / "arrives").exists()
        disk.grow("64m")
        done = command().done()
        assert 4 * MIB < done["recovered"] <= 8 * MIB, done
        same(whole, disk.outside / "arrives")
        nothing_is_left(disk.outside, "arrives")
    finally:
        disk.close()


def test_an_empty_file_arrives(server, ben, here, share, getter):
    share(2, one_file("empty", b""))
    wait_for_file(server, ben, "empty")
    assert getter("empty").done()["bytes"] == 0
    assert (here / "empty").stat().st_size == 0
    nothing_is_left(here, "empty")


@pytest.mark.timeout(600)
def test_a_file_with_holes_of_several_segments(server, ben, here, share, getter, is_long):
    size = 5 * GIB if is_long else GIB + 64 * MIB

    def fill(folder):
        with open(folder / "holes.bin", "wb") as file:
            for place in (0, 300 * MIB + 7, GIB - 3, size - 5):
                file.seek(place)
                file.write(b"there")

    source = share(2, fill)
    wait_for_file(server, ben, "holes.bin")
    assert (source.folder / "holes.bin").stat().st_blocks * 512 < MIB
    assert getter("holes.bin").done()["bytes"] == size
    subprocess.run(["cmp", source.folder / "holes.bin", here / "holes.bin"], check=True)
    nothing_is_left(here, "holes.bin")
    (here / "holes.bin").unlink()


@pytest.mark.timeout(600)
def test_a_folder_of_many_small_files_over_a_killed_download(server, ben, here, share, getter, is_long):
    count = 100_000 if is_long else 3_000

    def fill(folder):
        block = os.urandom(8 * KIB)
        for number in range(count):
            place = folder / f"{number % 100}"
            place.mkdir(exist_ok=True)
            (place / f"{number}.txt").write_bytes(b"%d" % number + block[:number % len(block)])

    source = share(2, fill)
    root = root_of(server, ben, source.folder.name, within=300)
    first = getter(root)
    first.has(MIB)
    first.kill()
    assert not (here / source.folder.name).exists()
    done = getter(root).done()
    assert done["files"] == count and done["recovered"] >= MIB, done
    same(source.folder, here / source.folder.name)
    nothing_is_left(here, source.folder.name)


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_two_downloads_at_once_into_two_folders_and_into_the_same(server, ben, here, tmp_path, cables, share, getter, kind):
    source = share(2, KINDS[kind])
    whole = source.folder if kind == "folder" else source.folder / "large"
    root = root_of(server, ben, whole.name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cables(1, bytes_per_s=10e6)
    first = getter(root)
    first.has(MIB)
    second = getter(root, place=elsewhere)
    again = get(server, ben, here, root)
    assert again.returncode == 1 and "another download writes" in again.stderr, again
    first.done()
    second.done()
    for place in (here, elsewhere):
        same(whole, place / whole.name)
        nothing_is_left(place, whole.name)
