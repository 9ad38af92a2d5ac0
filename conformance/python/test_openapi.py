"""The served description holds: whatever it allows, and much that it does not, is answered as it says and never by a crash."""

import itertools

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS

from harness.brokers import Chaski
from rest import PASSWORD, REST_ONLY, Rest, basic, queue_path, topic_path, unique

pytestmark = [*REST_ONLY, pytest.mark.timeout(180)]

# Streams without end have tests of their own.
ENDLESS = r"/(events|ws|chat)$"
NAMES = ["status_code_conformance", "content_type_conformance", "response_schema_conformance", "response_headers_conformance",
         "unsupported_method", "allow_header_conformance", "missing_required_header"]
AS_ADMINISTRATOR = {"Authorization": basic("guest", "guest")}
EXAMPLES = 12
WAIT_MS_MAX = 20
# Only now and then does a random name lead to something, so these are put in for every second one.
KNOWN = {"queue": unique("queue"), "topic": unique("topic"), "login": unique("member").replace(".", "-")[:40],
         "room": "lobby"}


@pytest.fixture(scope="module")
def server():
    """A server on which nothing else relies."""
    started = Chaski()
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="module")
def api(server):
    return schemathesis.openapi.from_url(server.http_url + "/openapi.json").exclude(path_regex=ENDLESS)


def prepare(server):
    """What `KNOWN` names is there, whatever the cases before did to it."""
    rest = Rest(server)
    for answer in (rest.put(queue_path(KNOWN["queue"]), {}), rest.put(topic_path(KNOWN["topic"]), {}),
                   rest.post("/v1/accounts", {"login": KNOWN["login"], "password": PASSWORD})):
        assert answer.status in (200, 201, 409), answer


def no_crash(_context, response, _case):
    """The server may be unable to (503, 504, 507), but it never fails."""
    assert response.status_code not in (500, 501, 502), response.status_code


def aim(case, number):
    """Leads every second case to something that is there, and lets none wait for long."""
    for name in case.path_parameters or {}:
        if number % 2 and name in KNOWN:
            case.path_parameters[name] = KNOWN[name]
    for part in (case.query, case.body):
        if isinstance(part, dict) and isinstance(part.get("wait_ms"), int):
            part["wait_ms"] = min(part["wait_ms"], WAIT_MS_MAX)
        if isinstance(part, dict) and isinstance(part.get("wait_s"), int):
            part["wait_s"] = min(part["wait_s"], 0)
    if case.method == "POST" and case.path == "/v1/requests/{queue}":
        case.query = {**(case.query or {}), "wait_ms": WAIT_MS_MAX}


def failures_of(server, operation, mode):
    """What the checks say of an operation under many cases, None when all is well."""
    number = itertools.count()
    checks = [no_crash, *CHECKS.get_by_names(NAMES)]

    @settings(max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.explicit, Phase.generate],
              suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        aim(case, next(number))
        case.call_and_validate(checks=checks, headers=AS_ADMINISTRATOR, timeout=20)

    prepare(server)
    try:
        run()
    except Unsatisfiable:
        # There is nothing that could be wrong with a request without parameters and body.
        assert mode is GenerationMode.NEGATIVE
    except BaseExceptionGroup as failures:
        return f"{operation.label}: " + "\n".join(str(each) for each in failures.exceptions)
    return None


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["right", "wrong"])
def test_every_operation_answers_as_the_description_says(server, api, mode):
    operations = [found.ok() for found in api.get_all_operations()]
    assert len(operations) > 20
    failed = [failure for operation in operations if (failure := failures_of(server, operation, mode))]
    assert not failed, f"{len(failed)} of {len(operations)} operations:\n\n" + "\n\n".join(failed)


def test_every_reference_of_the_description_leads_somewhere(server):
    document = Rest(server).get("/openapi.json").ok()

    def references(part):
        inner = part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        own = [part["$ref"]] if isinstance(part, dict) and isinstance(part.get("$ref"), str) else []
        return own + [found for each in inner for found in references(each)]

    found = set(references(document))
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert found and not found - known, found - known


def test_every_operation_is_described_in_words_and_says_what_a_refusal_looks_like(server):
    document = Rest(server).get("/openapi.json").ok()
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            label = f"{method.upper()} {path}"
            assert operation.get("summary") and operation.get("operationId") and operation["tags"], label
            if not path.startswith("/v1/"):
                continue
            refusal = operation["responses"]["4XX"]["content"]
            assert set(refusal) == {"application/problem+json"}, label
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids)), sorted(each for each in ids if ids.count(each) > 1)
