"""ABUSE.md C.36, D.39 and D.42 over REST: guessed passwords, cookies, other sites' pages, tokens, and where secrets must not be."""

import secrets
import ssl
import threading

import pytest

from harness.brokers import Chaski
from harness.waiting import Stopwatch
from rest import PASSWORD, REST_ONLY, Rest, queue_path

pytestmark = REST_ONLY


@pytest.fixture
def alone():
    """A server of the test's own: failed logins close doors of a whole address."""
    server = Chaski()
    server.start()
    yield server
    server.stop()


def log_in(broker, login, password=PASSWORD, **wish):
    return Rest(broker, authorization="").post("/v1/sessions", {"login": login, "password": password, **wish})


def register(broker, login):
    Rest(broker, authorization="").post("/v1/accounts", {"login": login, "password": PASSWORD}).ok(201)
    return Rest(broker, login, PASSWORD)


def test_c36_guessing_is_locked_out_for_the_account_and_told_how_long(alone):
    victim, other = register(alone, "victim"), register(alone, "other")
    statuses = []
    while 429 not in statuses:
        assert len(statuses) < 30, statuses
        answer = log_in(alone, "victim", secrets.token_hex(8))
        statuses.append(answer.status)
    assert set(statuses[:-1]) == {401} and len(statuses) > 5
    answer.problem(429)
    assert int(answer.headers["Retry-After"]) >= 1
    # Not even the right password is heard now, by any way in; but only of this account.
    assert Rest(alone, "victim", PASSWORD).get("/v1/me").status == 429
    assert other.get("/v1/me").status == 200
    assert victim.login == "victim"


def test_c36_a_session_that_is_open_is_not_locked_out_with_its_account(alone):
    register(alone, "victim")
    token = log_in(alone, "victim").ok(201)["token"]
    while log_in(alone, "victim", "wrong wrong").status != 429:
        pass
    assert Rest(alone, authorization=f"Bearer {token}").get("/v1/me").status == 200


def test_c36_an_account_that_is_missing_is_answered_as_one_with_another_password(alone):
    register(alone, "there")
    there, missing = (log_in(alone, login, "wrong wrong") for login in ("there", "missing"))
    assert (there.status, there.text) == (missing.status, missing.text) and there.status == 401
    watch = Stopwatch()
    for _ in range(3):
        log_in(alone, "there", secrets.token_hex(8))
    took_there = watch.seconds
    watch = Stopwatch()
    for _ in range(3):
        log_in(alone, "missing", secrets.token_hex(8))
    assert watch.seconds > took_there / 4, "the time tells"


def test_c36_a_flood_of_wrong_logins_leaves_those_who_are_known_alone(alone):
    good = register(alone, "good")
    assert good.get("/v1/me").status == 200
    over = threading.Event()

    def flood():
        while not over.is_set():
            log_in(alone, secrets.token_hex(4), "wrong wrong")

    threads = [threading.Thread(target=flood) for _ in range(8)]
    for each in threads:
        each.start()
    took = []
    for _ in range(40):
        watch = Stopwatch()
        assert good.get("/v1/me").status == 200
        took.append(watch.seconds)
    over.set()
    for each in threads:
        each.join(10)
    assert sorted(took)[-2] < 0.5, sorted(took)[-5:]


def cookie_session(broker, login):
    """(the cookie's value, its attributes, the CSRF token, the body) of a browser's login."""
    answer = log_in(broker, login, cookie=True)
    opened = answer.ok(201)
    name_value, *attributes = answer.headers["Set-Cookie"].split("; ")
    return name_value, attributes, opened["csrf"], answer


def test_d39_a_cookie_is_out_of_reach_of_scripts_and_of_other_sites(broker, member):
    account = member()
    cookie, attributes, csrf, answer = cookie_session(broker, account.login)
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(attributes)
    value = cookie.split("=", 1)[1]
    assert "token" not in answer.json and value.encode() not in answer.body
    assert PASSWORD not in cookie and account.login not in value and csrf not in cookie


def test_d39_over_tls_everything_works_and_a_cookie_never_goes_back_in_the_clear(broker, member, name):
    account, queue = member(), name()
    # The certificate is the server's own, made at its first start.
    unverified = ssl._create_unverified_context()
    tls = Rest(broker, account.login, PASSWORD, tls=unverified)
    tls.make(queue)
    tls.publish(queue, "over TLS")
    assert tls.take(queue)["body"] == "over TLS"
    login = {"login": account.login, "password": PASSWORD, "cookie": True}
    answer = Rest(broker, authorization="", tls=unverified).post("/v1/sessions", login)
    answer.ok(201)
    attributes = set(answer.headers["Set-Cookie"].split("; ")[1:])
    assert {"Secure", "HttpOnly", "SameSite=Strict"} <= attributes
    with pytest.raises(ssl.SSLError):
        Rest(broker, tls=ssl.create_default_context()).get("/v1/me")


def test_d39_a_cookie_alone_reads_and_changes_nothing(broker, member, name):
    account = member()
    cookie, _, csrf, _ = cookie_session(broker, account.login)
    browser, path = Rest(broker, authorization=""), queue_path(name())
    other = cookie_session(broker, account.login)[2]
    assert browser.get("/v1/me", headers={"Cookie": cookie}).ok()["login"] == account.login
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": other}, {"X-CSRF-Token": csrf[:-1]}):
        for method, where in (("PUT", path), ("DELETE", path), ("PATCH", "/v1/me"), ("POST", "/v1/leases"),
                              ("POST", path + "/pull"), ("DELETE", "/v1/sessions/present")):
            browser.call(method, where, {}, headers={"Cookie": cookie, **headers}).problem(403)
    browser.put(path, {}, headers={"Cookie": cookie, "X-CSRF-Token": csrf}).ok(201)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_d39_a_form_of_another_site_logs_nobody_in(broker, member, kind):
    account = member()
    body = f'{{"login":"{account.login}","password":"{PASSWORD}","cookie":true}}'.encode()
    answer = Rest(broker, authorization="").post("/v1/sessions", body=body, headers={"Content-Type": kind})
    answer.problem(415)
    assert answer.headers["Set-Cookie"] is None


@pytest.mark.parametrize("query", ["token={}", "access_token={}", "authorization=Bearer%20{}", "key={}", "chaski_session={}"])
def test_d39_a_secret_in_a_url_opens_nothing(broker, member, query):
    token = log_in(broker, member().login).ok(201)["token"]
    Rest(broker, authorization="").get("/v1/me?" + query.format(token)).problem(401)


def test_d42_tokens_are_long_random_and_shown_once(broker, member, name):
    account = member()
    queue = name()
    path = account.make(queue)
    tokens = [log_in(broker, account.login).ok(201)["token"] for _ in range(8)]
    tokens += [account.post(path + "/keys", {"read": True}).ok(201)["secret"] for _ in range(8)]
    for token in tokens:
        assert len(token) >= 26 and len(set(token)) > 8
    assert len({token[-16:] for token in tokens}) == len(tokens)
    seen = b"".join(account.get(where).body for where in (path + "/keys", "/v1/sessions", "/v1/audit", "/v1/me", path))
    for token in tokens:
        assert token.encode() not in seen


def test_d39_no_secret_reaches_the_log_or_the_disk(alone):
    password = "a-password-" + secrets.token_hex(8)
    stranger = Rest(alone, authorization="")
    stranger.post("/v1/accounts", {"login": "careful", "password": password}).ok(201)
    token = log_in(alone, "careful", password).ok(201)["token"]
    account = Rest(alone, "careful", password)
    key = account.post(account.make("q") + "/keys", {"read": True}).ok(201)["secret"]
    wrong = "not-the-password-" + secrets.token_hex(8)
    log_in(alone, "careful", wrong)
    Rest(alone, authorization=f"Bearer {token}x").get("/v1/me").problem(401)
    alone.restart()
    for secret in (password, token, key, wrong):
        for file in alone.directory.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file.name


@pytest.mark.parametrize("bearer", ["", "x", "chs_", "guest", "null", "a" * 10_000, "../../etc", "%00", "chq_" + "A" * 43])
def test_d42_a_token_that_is_none_opens_nothing(broker, bearer):
    answer = Rest(broker, authorization=f"Bearer {bearer}").get("/v1/me")
    assert answer.status in (400, 401), answer
    answer.problem(answer.status)
