"""The page and what it needs to begin: how its files are served, what strangers are told, links of the first start, sessions after a reload."""

import json
import os
import pty
import re
import subprocess
from urllib.parse import urlsplit

import pytest

from harness.brokers import Chaski
from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest, basic

pytestmark = REST_ONLY

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; "
          "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
PROFILE = {"first_names": "Ana María", "last_names": "Quispe", "age": 30, "gender": "female"}


def start(request, **settings):
    """A server of the test's own with these settings."""
    server = Chaski(settings=settings)
    request.addfinalizer(server.stop)
    server.start()
    return server


def stranger(server):
    return Rest(server, authorization="")


def code_of(link, place):
    address, _, code = link.partition(f"/#/{place}/")
    assert code.startswith("chi_"), link
    return address, code


def test_the_page_is_confined_and_kept(broker):
    rest = stranger(broker)
    page = rest.get("/")
    assert page.status == 200 and page.headers.get_content_type() == "text/html"
    for name, value in {"Content-Security-Policy": POLICY, "Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff",
                        "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin"}.items():
        assert page.headers[name] == value, name
    assert page.headers["Permissions-Policy"]
    again = rest.get("/", headers={"If-None-Match": page.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    head = rest.call("HEAD", "/")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == str(len(page.body))
    # Whatever it loads is there, and stays where its name changes with it.
    for path in set(re.findall(rb'(?:src|href)="(/[^"]+)"', page.body)):
        asset = rest.get(path.decode())
        assert asset.status == 200, path
        if path.startswith(b"/assets/"):
            assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable", path
            small = rest.get(path.decode(), headers={"Accept-Encoding": "gzip"})
            if small.headers["Content-Encoding"]:
                assert small.headers["Content-Encoding"] == "gzip" and len(small.body) < len(asset.body)


@pytest.mark.parametrize("path", ["/assets/none.js", "/index.html", "/nothing", "/assets/../openapi.json"])
def test_no_other_path_leads_to_the_page(broker, path):
    stranger(broker).get(path).problem(404)


def test_strangers_are_told_what_the_server_asks_for(request, broker):
    told = stranger(broker).get("/v1/welcome").ok()
    assert told == {"version": told["version"], "default_room": "lobby", "registration": "open", "profile": "later",
                    "languages": ["en", "es"]}
    other = start(request, **{"accounts.registration": "invitation", "accounts.profile": "at_once", "chat.language": "es",
                              "chat.default_room": "plaza"})
    told = stranger(other).get("/v1/welcome").ok()
    assert told == {"version": told["version"], "default_room": "plaza", "registration": "invitation", "profile": "at_once",
                    "languages": ["es", "en"]}


def test_the_whole_profile_is_asked_of_strangers_where_the_operator_wants_it(request):
    server = start(request, **{"accounts.profile": "at_once"})
    for field in PROFILE:
        wish = {"login": "ana", "password": PASSWORD, **PROFILE}
        del wish[field]
        stranger(server).post("/v1/accounts", wish).problem(422, field)
    stranger(server).post("/v1/accounts", {"login": "ana", "password": PASSWORD, **PROFILE}).ok(201)
    Rest(server).post("/v1/accounts", {"login": "worker", "password": PASSWORD, "role": "service"}).ok(201)


@pytest.mark.parametrize("registration", ["open", "invitation", "closed"])
def test_the_first_start_invites_an_administrator_once(request, registration):
    server = start(request, **{"accounts.registration": registration})
    page, code = code_of(server.ready["admin-link"], "admin")
    assert page + "/" == server.ready["page"] == server.http_url + "/"
    wish = {"login": "first", "password": PASSWORD, "invitation": code}
    assert stranger(server).post("/v1/accounts", wish).ok(201)["role"] == "administrator"
    again = stranger(server).post("/v1/accounts", {**wish, "login": "second"})
    assert again.status == 403, again
    assert Rest(server, "first", PASSWORD).get("/v1/sessions", login="*").ok()


@pytest.mark.parametrize(("registration", "pattern"), [("open", r"/#/join$"), ("invitation", r"/#/join/chi_\S+$"), ("closed", None)])
def test_the_first_start_tells_how_others_join(request, registration, pattern):
    server = start(request, **{"accounts.registration": registration})
    link = server.ready.get("join-link")
    if pattern is None:
        assert link is None
        return
    assert re.search(pattern, link), link
    code = urlsplit(link).fragment.removeprefix("/join").strip("/") or None
    for login in ("ana", "ben"):
        wish = {"login": login, "password": PASSWORD, **({"invitation": code} if code else {})}
        assert stranger(server).post("/v1/accounts", wish).ok(201)["role"] == "member"


def test_later_starts_invite_nobody(request):
    server = start(request)
    assert "admin-link" in server.ready
    server.shut_down()
    server.start()
    assert set(server.ready) & {"page", "admin-link", "join-link"} == {"page"}


def invite(server, *words, **options):
    command = [server.binary, "invite", "--data", str(server.directory / "data"), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, env={"NO_COLOR": "1"}, **options)


def test_the_command_line_invites(request):
    server = start(request, **{"accounts.registration": "closed"})
    made = json.loads(invite(server, "--administrator", "--ttl", "2h", "--json").stdout)
    _, code = code_of(made["link"], "admin")
    assert code == made["code"] and made["uses"] == 1
    wish = {"login": "late", "password": PASSWORD, "invitation": code}
    assert stranger(server).post("/v1/accounts", wish).ok(201)["role"] == "administrator"
    # Who is closed to members takes none, invited or not.
    _, code = code_of(invite(server, "--uses", "3").stdout.strip(), "join")
    stranger(server).post("/v1/accounts", {"login": "member", "password": PASSWORD, "invitation": code}).problem(403, "administrator")
    refused = invite(server, "--ttl", "soon")
    assert refused.returncode == 2 and "as in 24h" in refused.stderr
    refused = invite(server, "--uses", "20000")
    assert refused.returncode != 0 and "1 to 10000" in refused.stderr


def test_links_are_drawn_for_telephones_at_a_terminal(request):
    server = start(request)
    main, end = pty.openpty()
    command = [server.binary, "invite", "--data", str(server.directory / "data")]
    try:
        subprocess.run(command, stdout=end, timeout=30, check=True, env={"TERM": "xterm"})
        os.set_blocking(main, False)
        shown = os.read(main, 65536).decode()
    finally:
        os.close(main)
        os.close(end)
    assert "/#/join/chi_" in shown and shown.count("\x1b[30;107m") > 15
    assert "█" in shown and "▀" in shown


def test_the_description_is_printed_without_a_server(broker):
    printed = subprocess.run([broker.binary, "openapi"], capture_output=True, timeout=30, check=True)
    assert json.loads(printed.stdout) == stranger(broker).get("/openapi.json").ok()


class Browser:
    """Somebody who logged in with a cookie."""

    def __init__(self, server, login="guest", password="guest"):
        self.rest = stranger(server)
        opened = self.rest.post("/v1/sessions", {"login": login, "password": password, "cookie": True})
        self.csrf = opened.ok(201)["csrf"]
        self.id = opened.json["session"]["id"]
        self.cookie = opened.headers["Set-Cookie"].partition(";")[0]

    def present(self, **headers):
        return self.rest.get("/v1/sessions/present", headers={"Cookie": self.cookie, **headers})


def test_a_page_that_is_loaded_again_learns_who_it_is(broker):
    browser = Browser(broker)
    answer = browser.present(**{"Sec-Fetch-Site": "same-origin"})
    told = answer.ok()
    assert told["csrf"] == browser.csrf
    assert told["account"]["login"] == "guest" and told["account"]["role"] == "administrator"
    assert told["session"]["id"] == browser.id and told["session"]["present"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    # What it learned is of use.
    headers = {"Cookie": browser.cookie, "X-CSRF-Token": told["csrf"]}
    browser.rest.delete("/v1/sessions/present", headers=headers).ok(204)
    browser.present().problem(401)


def test_pages_of_others_are_not_told(broker):
    browser = Browser(broker)
    for name, value in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Sec-Fetch-Site", "none"),
                        ("Origin", "http://evil.example"), ("Origin", "null")]:
        refused = browser.present(**{name: value}).problem(403, "page of this server")
        assert browser.csrf not in str(refused)
    own = urlsplit(broker.http_url).netloc
    assert browser.present(Origin=f"http://{own}").ok()["csrf"] == browser.csrf


def test_programs_are_told_of_their_session_without_a_secret(broker):
    opened = Rest(broker).post("/v1/sessions").ok(201)
    program = Rest(broker, authorization="Bearer " + opened["token"])
    told = program.get("/v1/sessions/present").ok()
    assert told["session"]["id"] == opened["session"]["id"] and "csrf" not in told
    # Whoever shows a password each time has no session to look at.
    Rest(broker, authorization=basic("guest", "guest")).get("/v1/sessions/present").problem(404)


def test_sessions_of_others_are_looked_at_by_administrators_alone(broker):
    browser = Browser(broker)
    stranger(broker).post("/v1/accounts", {"login": "looker", "password": PASSWORD})
    path = "/v1/sessions/" + browser.id
    Rest(broker, "looker", PASSWORD).get(path).problem(404)
    told = Rest(broker).get(path).ok()
    assert told["session"]["login"] == "guest" and "csrf" not in told


def test_a_cookie_that_counts_for_nothing_is_in_nobodys_way(broker):
    """A browser shows it whether it likes to or not, and the page cannot take it away."""
    browser = Browser(broker)
    path, login = "/v1/sessions", {"login": "guest", "password": "guest", "cookie": True}
    without_csrf = {"Cookie": browser.cookie}
    browser.rest.post(path, login, headers=without_csrf).ok(201)
    browser.rest.post(path, headers=without_csrf).problem(422, "login and password")
    headers = {**without_csrf, "X-CSRF-Token": browser.csrf}
    gone = browser.rest.delete("/v1/sessions/present", headers=headers)
    assert gone.headers["Set-Cookie"] == "chaski_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0"
    for wrong in (browser.cookie, "chaski_session=nonsense"):
        browser.rest.post(path, login, headers={"Cookie": wrong}).ok(201)
        browser.rest.get("/v1/me", headers={"Cookie": wrong}).problem(401)
    wish = {"login": "comes.anew", "password": PASSWORD}
    browser.rest.post("/v1/accounts", wish, headers={"Cookie": browser.cookie}).ok(201)


def test_a_cookie_without_its_secret_makes_no_administrators(broker):
    browser = Browser(broker)
    wish = {"login": "sneaked.in", "password": PASSWORD, "role": "administrator"}
    browser.rest.post("/v1/accounts", wish, headers={"Cookie": browser.cookie}).problem(403, "administrator")
    browser.rest.post("/v1/accounts", wish, headers={"Cookie": browser.cookie, "X-CSRF-Token": browser.csrf}).ok(201)


def test_a_browser_keeps_the_cookie_as_long_as_it_is_asked_to(broker):
    login = {"login": "guest", "password": "guest", "cookie": True}
    for wish, expected in [({}, None), ({"ttl_ms": 7_200_000}, "Max-Age=7200")]:
        cookie = stranger(broker).post("/v1/sessions", {**login, **wish}).headers["Set-Cookie"]
        assert ("Max-Age" in cookie) == bool(expected) and (expected or "HttpOnly") in cookie, cookie


def test_whoever_was_invited_learns_whether_the_link_holds(request):
    server = start(request)
    _, code = code_of(server.ready["admin-link"], "admin")

    def ask(code):
        return stranger(server).get("/v1/welcome", headers={"X-Invitation": code}).ok()["invited"]

    assert ask(code) == {"role": "administrator", "by": "admin"}
    assert ask("chi_nonsense") is None
    stranger(server).post("/v1/accounts", {"login": "first", "password": PASSWORD, "invitation": code}).ok(201)
    assert ask(code) is None


def test_problems_of_a_registration_name_their_field(request):
    server = start(request, **{"accounts.registration": "invitation", "accounts.profile": "at_once"})
    _, code = code_of(server.ready["admin-link"], "admin")
    right = {"login": "ana", "password": PASSWORD, "invitation": code, **PROFILE}
    for change, status in [({"login": "a b"}, 422), ({"password": "short"}, 422), ({"gender": " "}, 422), ({"age": None}, 422),
                           ({"invitation": "chi_nonsense"}, 403), ({"invitation": None}, 403), ({"login": "guest"}, 409)]:
        refused = stranger(server).post("/v1/accounts", {**right, **change}).problem(status)
        assert refused["field"] == next(iter(change)), refused


def test_the_page_s_session_survives_a_restart(request):
    server = start(request)
    browser = Browser(server)
    server.shut_down()
    server.start()
    browser.rest = stranger(server)
    eventually(lambda: browser.present().status == 200, within=10, what="the session is known again")
    assert browser.present().ok()["csrf"] == browser.csrf
