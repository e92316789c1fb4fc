"""Whatever is sent to the API, it answers with a 4xx problem that says what is wrong, never with a 5xx."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from django.test import Client

from tests.surface import Route, routes
from tests.test_permission_matrix import address, body
from tests.workflows.conftest import ask, book, clerk, fake, hold_above, robo
from tests.world import World, undone

__all__ = ["book", "clerk", "fake", "robo"]

T = TypeVar("T")
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
PROBLEM = "application/problem+json"
# Who gets furthest: the agent where only agents may ask, else somebody who may do everything.
AGENTS_ONLY = re.compile(r"api/v1/(actions$|actions/.*/withdraw$|tasks/)")

BODIES: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", JSON),
    "not JSON": (b"reason=please", JSON),
    "cut off": (b'{"reason": "the test', JSON),
    "deep lists": (b"[" * 100_000 + b"]" * 100_000, JSON),
    "deep objects": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, JSON),
    "deep inside a field": (b'{"reason":' + b"[" * 5_000 + b"]" * 5_000 + b"}", JSON),
    "a key twice": (b'{"reason": "the test asks", "reason": "and asks again"}', JSON),
    "a key twice, deep inside": (b'{"reason": "the test asks", "x": [{"a": 1, "a": 2}]}', JSON),
    "NUL escaped": (b'{"reason": "the \\u0000 test asks"}', JSON),
    "NUL in a key": (b'{"rea\\u0000son": "the test asks"}', JSON),
    "NUL raw": (b'{"reason": "the \x00 test asks"}', JSON),
    "half a surrogate": (b'{"reason": "the \\ud800 test asks"}', JSON),
    "not UTF-8": (b'{"reason": "the \xff\xfe test asks"}', JSON),
    "UTF-16": ('{"reason": "the test asks"}'.encode("utf-16"), JSON),
    "UTF-16, declared": ('{"reason": "the test asks"}'.encode("utf-16"), f"{JSON}; charset=utf-16"),
    "a huge whole number": (b'{"reason": ' + b"9" * 100_000 + b"}", JSON),
    "a huge exponent": (b'{"reason": 1e999999999}', JSON),
    "a fraction": (b'{"reason": 0.1}', JSON),
    "NaN": (b'{"reason": NaN}', JSON),
    "Infinity": (b'{"reason": -Infinity}', JSON),
    "10 MB": (b'{"reason": "' + b"x" * 10_000_000 + b'"}', JSON),
    "10 MB of spaces": (b" " * 10_000_000 + b"{}", JSON),
    "a list": (b"[]", JSON),
    "a text": (b'"reason"', JSON),
    "a number": (b"7", JSON),
    "true": (b"true", JSON),
    "null": (b"null", JSON),
    "a reason of another type": (b'{"reason": {"text": ["the test asks"]}}', JSON),
    "an empty reason": (b'{"reason": "   "}', JSON),
    "a form": (b"reason=the+test+asks", FORM),
    "a form with parts": (b"--x\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    "a form with parts and no boundary": (b"reason", "multipart/form-data"),
    "plain text": (b'{"reason": "the test asks"}', "text/plain"),
    "XML": (b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>", "application/xml"),
    "no type": (b'{"reason": "the test asks"}', ""),
    "a type that is none": (b'{"reason": "the test asks"}', ";;;/\xff"),
}
JUNK: list[Any] = [
    *(None, True, -1, 0, 2**31, 2**63, 10**29, "", " ", "x", "x" * 5_000, "\u202e", "🂡", "'; DROP TABLE x; --"),
    *([], [[]], [None], {}, {"a": {"b": []}}, {"": ""}, "00000000-0000-0000-0000-000000000000", "2026-02-30"),
]
KEYS = [
    *(
        "x",
        "0",
        "-1",
        "%00",
        "%ff",
        "..%2f..%2fetc",
        "%F0%9F%82%A1",
        "'",
        "0" * 36,
        "null",
        "undefined",
        "a" * 3000,
    ),
    *("00000000-0000-0000-0000-00000000000", "00000000-0000-0000-0000-0000000000000"),
    *("00000000-0000-0000-0000-000000000000", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF", "{}", "*", "a b", "a\\b"),
]
QUERIES = [
    *(
        "cursor=",
        "cursor=x",
        "cursor=%00",
        "cursor=%ff",
        "cursor=cD0x",
        "cursor=" + "A" * 3_000,
        "cursor=bz05OTk5OTk5OTk=",
    ),
    *("cursor=cD0lMDA%3D", "cursor=cD1ub3QtYS11dWlk", "cursor=bz0tMSZwPXg%3D"),
    *(
        "page_size=x",
        "page_size=-1",
        "page_size=0",
        "page_size=99999999999999999999",
        "page_size=%00",
        "page=9",
    ),
    *(
        "after=x",
        "after=-1",
        "after=9223372036854775808",
        "after=%D9%A3",
        "limit=x",
        "limit=0",
        "limit=1e9",
        "after=%00",
    ),
    *("wait=x", "wait=-1", "wait=1e9", "wait=%00", "wait=%D9%A3", "wait=99999999999999999999"),
    *("state=x", "state=%00", "state=%ff", "state=" + "x" * 3_000, "state[]=x", "state=held&state=x"),
    *("operation=x", "operation=%00", "operation=%ff", "operation=" + "x" * 3_000, "operation='"),
    *(
        "kind=x",
        "kind=%00",
        "workflow=%00",
        "key=%00",
        "key=" + "x" * 3_000,
        "sha256=x",
        "sha256=%00",
        "name=%00",
        "name=%ff",
        "name=" + "x" * 3_000,
    ),
    *("since=x", "since=%00", "until=9999-12-31T23:59:59Z", "since=0001-01-01T00:00:00Z", "since=10000-01-01"),
    *("agent=%00", "agent=%ff", "agent=" + "x" * 3_000, "verb='", "decision=x", "effect=%00", "subject=1"),
    *("format=xml", "format=%00", "version=9", "lang=xx", "?", "&&&=", "%", "%00=1", "a" * 4_000, "x[y]=z;w"),
]
HEADERS: list[dict[str, str]] = [
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "x" * 256},
    {"Idempotency-Key": "schlüssel"},
    {"Idempotency-Key": "a\tb"},
    {"Prefer": "wait=x"},
    {"Prefer": "wait=-1, respond-async"},
    {"Prefer": "wait=" + "9" * 400},
    {"Prefer": ";;==,,"},
    {"Accept": "text/html"},
    {"Accept": ";;;"},
    {"Accept": "application/xml;q=x"},
    {"Accept-Language": "\xff" * 100},
    {"Content-Encoding": "gzip"},
    {"X-HTTP-Method-Override": "DELETE"},
    {"Host": "evil.example"},
]
TOKENS = [
    *("", "Bearer", "Bearer ", "Bearer x", "Bearer " + "x" * 5_000, "Bearer a b", "bearer \xff", "Bearer \x00"),
    *("Basic", "Basic eDp5", "Basic %%%", "Digest x", "Bearer aos_at_", "Bearer aos_at_" + "A" * 43, "Token x"),
]


def api() -> list[Route]:
    return [route for route in routes() if route.is_api]


def writes() -> list[tuple[Route, str]]:
    return [(route, method) for route in api() for method in route.methods if method != "GET"]


def reads() -> list[Route]:
    # The description of the API takes seconds and reads nothing of the request.
    return [route for route in api() if "GET" in route.methods and not route.pattern.endswith("schema")]


def furthest(world: World, route: Route) -> tuple[str, Client]:
    caller = "robo" if AGENTS_ONLY.match(route.pattern) else "root"
    return caller, world.clients[caller]


def send(client: Client, method: str, url: str, data: bytes = b"", kind: str = JSON, **headers: str) -> Any:
    """Send one request and undo what it did; an unhandled error is an answer 500 here."""
    client.raise_request_exception = False
    standard = {"Idempotency-Key": "hostile-1", "Prefer": "wait=0"}
    with undone():
        return client.generic(method, url, data, content_type=kind, headers={**standard, **headers})


def complaint(answer: Any, least: int = 400) -> str:
    """Return what is wrong with an answer, or nothing."""
    if not least <= answer.status_code < 500:
        return f"answered {answer.status_code}: {answer.content[:200]!r}"
    if answer.status_code < 400:
        return ""
    if answer["Content-Type"].split(";")[0] not in (PROBLEM, JSON):
        return f"{answer.status_code} as {answer['Content-Type']}"
    told = json.loads(answer.content)
    if answer["Content-Type"] == JSON:
        # RFC 6749 section 5.2 has its own words for errors of the token endpoint.
        return "" if told.get("error") and told.get("error_description") else f"a bare {told}"
    return "" if told["status"] == answer.status_code and told["code"] and told["detail"] else f"a bare {told}"


# The quick run sends every seventh to each address, another seventh to the next one.
EVERY = pytest.mark.parametrize(
    "every", [pytest.param(7, id="some"), pytest.param(1, id="all", marks=pytest.mark.full)]
)


def share(found: Iterable[T], every: int, first: int) -> list[T]:
    """Return every so many of what there is, beginning at another one for each ``first``."""
    return list(found)[first % every :: every]


def assert_none(complaints: dict[str, str]) -> None:
    wrong = [f"{what}: {text}" for what, text in complaints.items() if text]
    assert not wrong, "\n".join(["", *wrong])


def makes_sense(route: Route, data: bytes) -> bool:
    """A document is whatever bytes somebody brings, never read by us; a claim has nothing to say but itself."""
    return route.pattern == "api/v1/documents" or (route.pattern.endswith("/claim") and not data)


@EVERY
def test_every_body_that_makes_no_sense_is_refused(world, every):
    complaints = {}
    for number, (route, method) in enumerate(writes()):
        url, _ = address(world, route.pattern, "own")
        _, client = furthest(world, route)
        for name, (data, kind) in share(BODIES.items(), every, number):
            if route.pattern == "oauth/token" and kind == FORM:
                continue
            least = 200 if makes_sense(route, data) else 400
            answer = send(client, method, url, data, kind)
            complaints[f"{method} {route.pattern}, {name}"] = complaint(answer, least)
    assert_none(complaints)


@pytest.mark.full
def test_a_field_that_holds_something_else_is_never_an_error_of_ours(world):
    complaints = {}
    for route, method in writes():
        url, found = address(world, route.pattern, "own")
        caller, client = furthest(world, route)
        sensible = body(world, route.pattern, caller, found)
        for field in [*sensible, "unknown"]:
            for junk in JUNK:
                data = json.dumps({**sensible, field: junk}).encode()
                complaints[f"{method} {route.pattern}, {field} = {junk!r:.60}"] = complaint(
                    send(client, method, url, data), least=200
                )
    assert_none(complaints)


@EVERY
def test_an_address_with_a_key_that_is_none_is_not_found(world, every):
    complaints = {}
    for number, route in enumerate(api()):
        if "<" not in route.pattern:
            continue
        _, client = furthest(world, route)
        for key in share(KEYS, every, number):
            url = "/" + re.sub(r"<[^>]+>", lambda _: key, route.pattern)  # noqa: B023
            answer = send(client, route.methods[0], url, b'{"reason": "the test asks"}')
            complaints[f"{route.pattern} {key:.40}"] = complaint(answer)
    assert_none(complaints)


@pytest.mark.full
def test_a_question_with_strange_parameters_is_never_an_error_of_ours(world):
    complaints = {}
    for route in reads():
        url, _ = address(world, route.pattern, "own")
        for caller in ("robo", "root"):
            for query in QUERIES:
                answer = send(world.clients[caller], "GET", f"{url}?{query}")
                complaints[f"{caller} {route.pattern}?{query:.50}"] = complaint(answer, least=200)
    assert_none(complaints)


@EVERY
@pytest.mark.full
def test_strange_headers_are_never_an_error_of_ours(world, every):
    complaints = {}
    for number, route in enumerate(api()):
        if route.pattern.endswith("schema"):
            continue
        url, found = address(world, route.pattern, "own")
        caller, client = furthest(world, route)
        data = json.dumps(body(world, route.pattern, caller, found)).encode()
        for headers in share(HEADERS, every, number):
            answer = send(client, route.methods[0], url, data, **headers)
            complaints[f"{route.pattern} {headers!s:.60}"] = complaint(answer, least=200)
    assert_none(complaints)


@EVERY
def test_a_token_that_is_none_is_refused_at_every_door(world, every):
    complaints = {}
    for number, route in enumerate(api()):
        if route.pattern == "oauth/token":
            continue
        url, _ = address(world, route.pattern, "own")
        for token in share(TOKENS, every, number):
            answer = send(Client(), route.methods[0], url, b"{}", Authorization=token)
            wrong = complaint(answer) or ("" if answer.status_code == 401 else f"answered {answer.status_code}")
            complaints[f"{route.pattern} {token[:30]!r}"] = wrong
    assert_none(complaints)


@pytest.mark.full
def test_a_method_that_nobody_offers_is_refused(world):
    complaints = {}
    for route in api():
        url, _ = address(world, route.pattern, "own")
        for method in ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "X"):
            answer = send(world.clients["root"], method, url, b"{}")
            complaints[f"{method} {route.pattern}"] = complaint(answer)
    assert_none(complaints)


def test_an_address_that_nobody_serves_is_a_problem_too(world):
    complaints = {}
    for path in ("", "nothing", "actions/", "agents//", "../admin/", "%00", "%ff", ".env", "v2/actions"):
        for client in (world.clients["robo"], Client()):
            complaints[path] = complaint(send(client, "POST", f"/api/v1/{path}", b"{}"))
            complaints[path] = complaint(send(client, "GET", f"/api/v1/{path}"))
    assert_none(complaints)


# What an agent may write into any of its fields: markup, htmx, what turns text round, a terminal's, much.
WORDS = {
    "markup": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "htmx": '<div hx-get="/live/" hx-trigger="load" hx-on:click="x()">x</div>',
    "out of an attribute": '" onmouseover="alert(1)" x=\'',
    "a template": "{{ request.user.password }}{% debug %}{{ constructor.constructor('x')() }}",
    "turned round": "invoice \u202egnp.exe\u2066 \u2069 \u200b\u00ad end",
    "a terminal's": "\x1b[2J\x1b[31mred\x1b[0m \x9b31m \x07",
    "much": "x" * 1_000_000,
}
INBOX = (
    "",
    "?show=decided",
    "?show=%00",
    "?after=%00_%00",
    "?after=9999-12-31T23:59:59.999999%2B00:00_x",
    "?q=%00%ff",
)


@pytest.mark.full
def test_words_of_an_agent_are_text_on_every_page_of_the_inbox(clerk, bob):
    hold_above(1_000_000)
    client = Client()
    client.force_login(bob)
    for name, words in WORDS.items():
        said = {
            "reason": words[:4000],
            "evidence": [words, {"name": words}],
            "provenance": {"total": words[:200]},
        }
        action = ask(clerk, number=f"RE-{len(name)}", minor=2_000_000, **said)
        for url in ("/inbox/", f"/inbox/{action.approval_id}/", f"/inbox/{action.approval_id}/detail/"):
            page = client.get(url).content.decode()
            wrong = [
                it for it in ("<script>alert", "<img src=x", '<div hx-get="/live/', "x() }}") if it in page
            ]
            odd = set("\u202e\u2066\u2069\u200b\u00ad\x1b\x9b\x07") & set(page)
            assert (wrong, odd) == ([], set()), f"{name} on {url}"
            assert len(page) < 500_000, name


@pytest.mark.full
def test_strange_questions_and_forms_are_never_an_error_of_the_inbox(world):
    held = world.own["approvals"].pk
    complaints = {}
    for query in (*INBOX, *(f"?{one}" for one in QUERIES[::3])):
        answer = send(world.clients["bob"], "GET", f"/inbox/{query}")
        expected = 400 if "%00" in query else 200  # NUL is refused before anything looks at it
        complaints[f"/inbox/{query[:50]}"] = "" if answer.status_code == expected else f"{answer.status_code}"
    forms = {"until": "9999-99-99T99:99", "hours": "\u0663", "to": "x", "name": "\x00", "page": "\x00"}
    for url in (f"/inbox/{held}/say/", f"/inbox/{held}/vote/", "/views/", "/settings/", "/inbox/together/"):
        for deed in ("snooze", "hand", "take_over", "give_back", "\x00", "ask"):
            data = urlencode(
                {**forms, "deed": deed, "verdict": "approve", "pick": ":", "code": "\x00"}
            ).encode()
            answer = send(world.clients["bob"], "POST", url, data, FORM)
            complaints[f"{url} {deed!r}"] = "" if answer.status_code < 500 else f"{answer.status_code}"
    assert_none(complaints)
