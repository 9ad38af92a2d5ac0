"""The file index over gRPC: what REST does, with the same rights."""

import secrets

import grpc
import pytest
from grpc_client import Client, failure, v1

from harness.brokers import Chaski
from rest import PASSWORD, REST_ONLY, Rest

pytestmark = [*REST_ONLY, pytest.mark.timeout(60)]

KEY = "ab" * 32


@pytest.fixture(scope="module")
def server():
    started = Chaski(settings={"files.heartbeat_s": 20, "files.silence_s": 3_600})
    started.start()
    yield started
    started.stop()


@pytest.fixture
def member(server):
    """Makes accounts, each as gRPC uses it."""
    channel = grpc.insecure_channel(server.http_url.removeprefix("http://"))

    def maker(label):
        login = f"{label}-{secrets.token_hex(4)}"
        Rest(server).post("/v1/accounts", {"login": login, "password": PASSWORD}).ok(201)
        client = Client(channel, login, PASSWORD)
        client.login = login
        return client

    yield maker
    channel.close()


def announce(client, **fields):
    peer = secrets.token_hex(16)
    answer = client.AnnouncePeer(v1.AnnouncePeerRequest(peer=peer, name="laptop", addresses=["192.0.2.7:7070"], key=KEY, **fields))
    assert answer.created and (answer.heartbeat_s, answer.silence_s, answer.revision) == (20, 3_600, 0) and len(answer.ticket_keys) == 1
    return peer


def entry(name, root, **audience):
    return v1.FileEntry(file=name, name=name, path=name, size=1 << 20, root=root, media_type="text/plain", kind=v1.FILE_KIND_FILE,
                        since_ms=5, audience=v1.FileAudience(**audience or {"everyone": True}))


def publish(client, peer, begin, *put, remove=()):
    return client.PublishFiles(v1.PublishFilesRequest(**{"peer": peer, "from": begin, "to": begin + 1, "put": put, "remove": remove}))


def refused(code, call, reason=None):
    found = failure(call)
    assert found.code == code and reason in (None, found.reason), found


def names(client, **fields):
    return [each.name for each in client.SearchFiles(v1.SearchFilesRequest(**fields)).files]


def test_files_are_announced_found_and_fetched(member):
    ana, ben, mark, root, hidden = member("ana"), member("ben"), "w" + secrets.token_hex(6), secrets.token_hex(32), secrets.token_hex(32)
    peer = announce(ana)
    for_ana = v1.FileAudienceNames(names=[ana.login, "no-such-one"])
    partial = entry(f"{mark} hidden", hidden, accounts=for_ana)
    partial.have = bytes([0, 0, 1])
    assert list(publish(ana, peer, 0, entry(f"{mark} a", root), partial).ignored) == ["account no-such-one"]
    assert names(ana, words=mark) == [f"{mark} a", f"{mark} hidden"]
    assert names(ben, words=mark) == [f"{mark} a"]
    assert names(ana, glob=f"{mark}*", sort=v1.FILE_SORT_SINCE, descending=True) == [f"{mark} hidden", f"{mark} a"]
    first = ana.SearchFiles(v1.SearchFilesRequest(words=mark, page_size=1))
    assert names(ana, words=mark, page_token=first.next_page_token) == [f"{mark} hidden"]
    found = ben.GetFile(v1.GetFileRequest(root=root)).file
    assert [(each.peer, each.login, each.part) for each in found.holders] == [(peer, ana.login, 1.0)]
    tickets = ana.GetTickets(v1.GetTicketsRequest(root=hidden))
    source, = tickets.sources
    assert (source.have, source.key, tickets.size) == (bytes([0, 0, 1]), KEY, 1 << 20) and source.ticket and source.expires_at_ms
    assert list(tickets.sizes) == [1 << 20] and ana.GetTickets(v1.GetTicketsRequest(root=hidden, size=1 << 20)).sources
    refused(grpc.StatusCode.NOT_FOUND, lambda: ana.GetTickets(v1.GetTicketsRequest(root=hidden, size=5)))
    link = ana.CreateLink(v1.CreateLinkRequest(root=hidden)).link
    capability = link.link.partition("?key=")[2]
    assert len(ben.GetTickets(v1.GetTicketsRequest(root=hidden, link=capability)).sources) == 1
    assert [(each.id, each.link) for each in ana.ListLinks(v1.ListLinksRequest()).links] == [(link.id, "")]
    ana.DeleteLink(v1.DeleteLinkRequest(id=link.id))
    refused(grpc.StatusCode.NOT_FOUND, lambda: ben.GetTickets(v1.GetTicketsRequest(root=hidden, link=capability)))
    listed = {each.id: each for each in ana.ListPeers(v1.ListPeersRequest(page_size=1_000)).peers}[peer]
    assert (listed.own, listed.files, listed.revision, listed.live) == (True, 2, 1, True)
    assert ana.HeartbeatPeer(v1.HeartbeatPeerRequest(peer=peer)).revision == 1
    ana.LogOutPeer(v1.LogOutPeerRequest(peer=peer, forget=True))
    refused(grpc.StatusCode.NOT_FOUND, lambda: ana.HeartbeatPeer(v1.HeartbeatPeerRequest(peer=peer)))


def test_an_offer_names_receivers(member):
    ana, ben = member("ana"), member("ben")
    mine, theirs = announce(ana), announce(ben)
    wish = {"from": mine, "root": secrets.token_hex(32), "name": "a", "size": 1, "kind": v1.FILE_KIND_FILE}
    receiver, = ana.OfferFile(v1.OfferFileRequest(**wish, login=ben.login)).receivers
    assert receiver.peer == theirs and receiver.ticket
    refused(grpc.StatusCode.NOT_FOUND, lambda: ben.OfferFile(v1.OfferFileRequest(**wish, login=ben.login)))
    closed, open_one = announce(ben, takes=False), announce(ben, takes=True)
    for _ in range(2):
        receiver, = ana.OfferFile(v1.OfferFileRequest(**wish)).receivers
        assert receiver.peer == open_one
    receiver, = ana.OfferFile(v1.OfferFileRequest(**wish, **{"except": [open_one]})).receivers
    assert receiver.peer == theirs
    refused(grpc.StatusCode.NOT_FOUND, lambda: ana.OfferFile(v1.OfferFileRequest(**wish, **{"except": [open_one, theirs]})))
    assert ana.OfferFile(v1.OfferFileRequest(**wish, peer=closed)).receivers


def test_refusals_are_those_of_rest(member):
    ana, ben = member("ana"), member("ben")
    peer = announce(ana)
    publish(ana, peer, 0, entry("x", secrets.token_hex(32)))
    refused(grpc.StatusCode.FAILED_PRECONDITION, lambda: publish(ana, peer, 7), "WRONG_REVISION")
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: publish(ana, peer, 1, entry("x", "12")), "INVALID")
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: publish(ana, peer, 1, v1.FileEntry(file="x")), "INVALID")
    refused(grpc.StatusCode.NOT_FOUND, lambda: publish(ben, peer, 0), "NOT_FOUND")
    refused(grpc.StatusCode.NOT_FOUND, lambda: ben.LogOutPeer(v1.LogOutPeerRequest(peer=peer)))
    refused(grpc.StatusCode.ALREADY_EXISTS, lambda: ben.AnnouncePeer(v1.AnnouncePeerRequest(peer=peer, name="n", key=KEY)))
    refused(grpc.StatusCode.INVALID_ARGUMENT, lambda: ana.AnnouncePeer(v1.AnnouncePeerRequest(peer=peer, name="n", key=KEY, port=65_536)))
    stranger = Client(ana.channel, "nobody-" + secrets.token_hex(4), "x")
    for call, request in ((stranger.SearchFiles, v1.SearchFilesRequest()), (stranger.ListPeers, v1.ListPeersRequest())):
        refused(grpc.StatusCode.UNAUTHENTICATED, lambda: call(request))
