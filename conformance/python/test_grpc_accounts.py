"""gRPC: accounts, sessions, grants, keys of queues and the audit log."""

import secrets

import grpc
import pytest
from grpc_client import Client, basic, bodies, failure, v1
from harness.brokers import Chaski
from harness.waiting import eventually
from rest import Rest

pytestmark = [pytest.mark.differs_on_rabbitmq("it has no gRPC"), pytest.mark.operated]

CODE = grpc.StatusCode


@pytest.fixture
def channel(broker):
    with grpc.insecure_channel(broker.http_url.removeprefix("http://")) as opened:
        yield opened


@pytest.fixture
def client(channel):
    return Client(channel)


def log_in(channel, login, password="secret", **fields):
    stub = v1.SessionServiceStub(channel)
    return stub.CreateSession(v1.CreateSessionRequest(login=login, password=password, **fields), timeout=30)


def test_a_session_opens_what_the_password_opens_until_it_is_revoked(channel, client, user, name):
    queue, login = name(), user(".*", ".*", ".*")
    client.make_queue(queue)
    made = log_in(channel, login, client="a test", ttl_ms=60_000)
    assert (made.session.login, made.session.door, made.session.client) == (login, "grpc", "a test")
    session = Client(channel, bearer=made.token)
    [found] = [each for each in session.ListSessions(v1.ListSessionsRequest()).sessions if each.is_current]
    assert found.id == made.session.id
    consumer = session.consumer(queue)
    client.publish(queue, b"1")
    consumer.take(1)
    session.RevokeSession(v1.RevokeSessionRequest(id=made.session.id))
    ended = failure(lambda: consumer.call)
    assert ended.code == CODE.UNAUTHENTICATED
    assert failure(lambda: session.ListSessions(v1.ListSessionsRequest())).reason == "TOKEN_WRONG"
    assert bodies(client.pull(queue, wait_ms=10_000)) == [b"1"]


def test_a_wrong_password_opens_no_session(channel, user):
    login = user()
    for call in [lambda: log_in(channel, login, "wrong"), lambda: log_in(channel, "nobody", "secret")]:
        found = failure(call)
        assert (found.code, found.reason) == (CODE.UNAUTHENTICATED, "CREDENTIALS_WRONG")


def test_sessions_of_others_are_for_administrators(channel, client, user):
    login, other = user(".*", ".*", ".*"), user(".*", ".*", ".*")
    ids = {log_in(channel, login).session.id for _ in range(3)}
    listed, token = [], ""
    while True:
        page = client.ListSessions(v1.ListSessionsRequest(login=login, page_size=2, page_token=token))
        listed += [each.id for each in page.sessions if each.id in ids]
        token = page.next_page_token
        if not token:
            break
    assert sorted(listed) == sorted(ids)
    stranger = Client(channel, other, "secret")
    for request in [v1.ListSessionsRequest(login=login), v1.ListSessionsRequest(all_accounts=True)]:
        assert failure(lambda request=request: stranger.ListSessions(request)).code == CODE.PERMISSION_DENIED
    found = failure(lambda: stranger.RevokeSession(v1.RevokeSessionRequest(id=listed[0])))
    assert found.code == CODE.NOT_FOUND
    client.RevokeSession(v1.RevokeSessionRequest(id=listed[0]))


def test_an_account_is_seen_changed_and_deleted(channel, client, user):
    login = user(".*", ".*", ".*")
    own = Client(channel, login, "secret")
    assert own.GetMe(v1.GetMeRequest()).account.login == login
    changed = own.UpdateMe(v1.UpdateMeRequest(first_names="Ada", age=36)).account
    assert (changed.first_names, changed.age, changed.last_names) == ("Ada", 36, "")
    assert client.GetAccount(v1.GetAccountRequest(login=login)).account == changed
    for call in [lambda: own.GetAccount(v1.GetAccountRequest(login="guest")),
                 lambda: client.GetAccount(v1.GetAccountRequest(login="nobody"))]:
        assert failure(call).code == CODE.NOT_FOUND
    assert failure(lambda: own.ListAccounts(v1.ListAccountsRequest())).code == CODE.PERMISSION_DENIED
    accounts = client.ListAccounts(v1.ListAccountsRequest(login_contains=login)).accounts
    assert [account.login for account in accounts] == [login]
    assert failure(lambda: own.SetRole(v1.SetRoleRequest(login=login, role=v1.ROLE_ADMINISTRATOR))).code == (
        CODE.PERMISSION_DENIED)
    risen = client.SetRole(v1.SetRoleRequest(login=login, role=v1.ROLE_ADMINISTRATOR)).account
    assert risen.role == v1.ROLE_ADMINISTRATOR
    own.DeleteAccount(v1.DeleteAccountRequest(login=login))
    assert failure(lambda: client.GetAccount(v1.GetAccountRequest(login=login))).code == CODE.NOT_FOUND


def test_a_new_password_ends_the_other_sessions(channel, user):
    login = user(".*", ".*", ".*")
    token = log_in(channel, login).token
    own = Client(channel, login, "secret")
    wrong = failure(lambda: own.ChangePassword(
        v1.ChangePasswordRequest(current_password="wrong", new_password="long enough")))
    assert wrong.code == CODE.PERMISSION_DENIED
    short = failure(lambda: own.ChangePassword(v1.ChangePasswordRequest(current_password="secret", new_password="short")))
    assert short.detail("BadRequest").field_violations[0].field == "new_password"
    changed = own.ChangePassword(v1.ChangePasswordRequest(current_password="secret", new_password="long enough"))
    assert changed.sessions_revoked >= 1
    assert failure(lambda: Client(channel, bearer=token).GetMe(v1.GetMeRequest())).code == CODE.UNAUTHENTICATED
    assert failure(lambda: own.GetMe(v1.GetMeRequest())).code == CODE.UNAUTHENTICATED
    assert Client(channel, login, "long enough").GetMe(v1.GetMeRequest()).account.login == login


def test_a_grant_opens_one_queue(channel, client, user, name):
    queue, login = name(), user("^$", "^$", "^$")
    client.make_queue(queue)
    other = Client(channel, login, "secret")
    assert failure(lambda: other.counts(queue)).code == CODE.NOT_FOUND
    request = v1.SetGrantRequest(queue=queue, login=login, rights=[v1.RIGHT_READ])
    assert list(client.SetGrant(request).grant.rights) == [v1.RIGHT_READ]
    client.publish(queue, b"1")
    assert bodies(other.pull(queue)) == [b"1"]
    assert failure(lambda: other.ListGrants(v1.ListGrantsRequest(queue=queue))).code == CODE.PERMISSION_DENIED
    grants = client.ListGrants(v1.ListGrantsRequest(queue=queue)).grants
    assert [(grant.login, list(grant.rights)) for grant in grants] == [(login, [v1.RIGHT_READ])]
    client.DeleteGrant(v1.DeleteGrantRequest(queue=queue, login=login))
    assert failure(lambda: other.counts(queue)).code == CODE.NOT_FOUND
    empty = failure(lambda: client.SetGrant(v1.SetGrantRequest(queue=queue, login=login)))
    assert empty.detail("BadRequest").field_violations[0].field == "rights"


def test_a_key_opens_one_queue(channel, client, name):
    queue = name()
    client.make_queue(queue)
    made = client.CreateQueueKey(v1.CreateQueueKeyRequest(queue=queue, label="for a test", rights=[v1.RIGHT_WRITE]))
    holder = Client(channel, bearer=made.secret)
    assert holder.publish(queue, b"1")[0].status == v1.PUBLISH_STATUS_CONFIRMED
    assert failure(lambda: holder.pull(queue)).code == CODE.PERMISSION_DENIED
    keys = client.ListQueueKeys(v1.ListQueueKeysRequest(queue=queue)).keys
    assert list(keys) == [made.key] and made.key.label == "for a test"
    client.DeleteQueueKey(v1.DeleteQueueKeyRequest(queue=queue, id=made.key.id))
    assert failure(lambda: holder.publish(queue, b"1")).code == CODE.UNAUTHENTICATED
    gone = failure(lambda: client.DeleteQueueKey(v1.DeleteQueueKeyRequest(queue=queue, id=made.key.id)))
    assert gone.code == CODE.NOT_FOUND


def test_the_audit_log_is_read_and_followed(client, user, channel):
    newest = client.ListAudit(v1.ListAuditRequest(page_size=1)).entries
    after = newest[0].number if newest else 0
    tail = client.TailAudit(v1.TailAuditRequest(filter=v1.AuditFilter(action_prefix="login"), after_number=after))
    name = f"nobody-{secrets.token_hex(4)}"

    failure(lambda: log_in(channel, name, "wrong"))
    # What others did before is written down a moment later.
    entry = next(each.entry for each in tail if each.entry.login == name)
    assert (entry.login, entry.action, entry.outcome, entry.door) == (
        name, "login", v1.AUDIT_OUTCOME_REFUSED, "grpc")
    tail.cancel()
    wanted = v1.AuditFilter(login=name, outcome=v1.AUDIT_OUTCOME_REFUSED)
    listed = eventually(lambda: client.ListAudit(v1.ListAuditRequest(filter=wanted)).entries)
    assert [each.number for each in listed] == [entry.number]
    stranger = Client(channel, user(".*", ".*", ".*"), "secret")
    others = failure(lambda: stranger.ListAudit(v1.ListAuditRequest(filter=v1.AuditFilter(login="guest"))))
    assert others.code == CODE.PERMISSION_DENIED


def register(channel, login, password="long enough", metadata=(), **fields):
    stub = v1.AccountServiceStub(channel)
    return stub.CreateAccount(v1.CreateAccountRequest(login=login, password=password, **fields), timeout=30, metadata=metadata)


def test_a_stranger_makes_an_account_where_registration_is_open(channel, client, ctl):
    login = f"new-{secrets.token_hex(4)}"
    made = register(channel, login, first_names="Ada", age=36).account
    assert (made.login, made.first_names, made.age, made.role) == (login, "Ada", 36, v1.ROLE_USER)
    own = Client(channel, login, "long enough")
    assert own.GetMe(v1.GetMeRequest()).account == made
    refusals = {
        CODE.ALREADY_EXISTS: {"login": login.upper()},
        CODE.INVALID_ARGUMENT: {"login": "a" * 65},
        CODE.PERMISSION_DENIED: {"login": login + "x", "invitation": "chi_nobody-made-this"},
    }
    for code, fields in refusals.items():
        assert failure(lambda fields=fields: register(channel, **fields)).code == code
    for fields, field in [({"login": "a b"}, "login"), ({"login": "ab", "password": "short"}, "password"),
                          ({"login": "ab", "age": 256}, "age")]:
        found = failure(lambda fields=fields: register(channel, **fields))
        [violation] = found.detail("BadRequest").field_violations
        assert (found.code, violation.field) == (CODE.INVALID_ARGUMENT, field)
    listed = eventually(lambda: client.ListAudit(v1.ListAuditRequest(filter=v1.AuditFilter(login=login))).entries)
    assert "grpc" in {each.door for each in listed}
    client.DeleteAccount(v1.DeleteAccountRequest(login=login))


@pytest.mark.parametrize("registration", ["invitation", "closed"])
def test_where_it_is_not_open_an_administrator_or_an_invitation_is_needed(registration):
    own = Chaski(settings={"accounts.registration": registration})
    own.start()
    try:
        with grpc.insecure_channel(own.http_url.removeprefix("http://")) as channel:
            found = failure(lambda: register(channel, "stranger"))
            assert (found.code, found.reason) == (CODE.PERMISSION_DENIED, "ACCESS_REFUSED")
            code = Rest(own).post("/v1/invitations", {}).ok(201)["code"]
            if registration == "invitation":
                assert register(channel, "invited", invitation=code).account.login == "invited"
                found = failure(lambda: register(channel, "another", invitation=code))
            else:
                found = failure(lambda: register(channel, "invited", invitation=code))
            assert found.code == CODE.PERMISSION_DENIED
            made = register(channel, "by-guest", metadata=basic("guest", "guest")).account
            assert made.login == "by-guest"
    finally:
        own.stop()
