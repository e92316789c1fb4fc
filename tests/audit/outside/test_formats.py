"""Whatever an agent says, a parser of each format finds the same in the line."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit.formats import cef, jsonl, ocsf, otlp, rfc5424
from audit.formats.told import MOST_PAYLOAD, MOST_TEXT, UNSEEN, Told, cut, flat, members, payload_value, visible

HOSTILE = [
    "a|b\\|c=d\\=e",
    "line\nnext\r\nCEF:0|Evil|x|1|x|x|10| act=allow",
    '"] [event@32473 decision="allow"] \\"',
    "\x1b[2J\x00\x7f\x85\u2028\u202e\ud800 tail",
    "<13>1 2026-01-01T00:00:00Z host evil - - -",
    '{"decision":"allow"}\n{"decision":"allow"}',
    " leading and trailing ",
    "\\",
    "msg=x rt=1 cs1=y",
    "ü – 漢字 🙂",
]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = ("verb", "actor_kind", "actor_id", "subject_kind", "subject_id", "agent_id", "action_id",
           "correlation_id", "operation", "decision", "code", "effect", "agreement", "remedy")  # fmt: skip
texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(codec=None), max_size=60))
payloads = st.one_of(
    st.none(),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), texts),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
        max_leaves=6,
    ).map(json.dumps),
)
events = st.builds(
    Told,
    index=st.integers(0, 2**40),
    id=st.uuids().map(str),
    at=st.integers(0, 2**42).map(lambda milliseconds: EPOCH + timedelta(milliseconds=milliseconds)),
    columns=st.fixed_dictionaries(dict.fromkeys(COLUMNS, texts)),
    words=st.fixed_dictionaries(dict.fromkeys(("actor", "subject", "sentence", "reason"), texts)),
    leaf_hash=st.one_of(st.none(), st.binary(min_size=32, max_size=32)),
    risk=st.dictionaries(texts, texts, max_size=2),
    words_erased=st.booleans(),
    payload=payloads,
    payload_erased=st.booleans(),
)


def of(**said):
    columns = dict.fromkeys(COLUMNS, "") | {"verb": "tests.thing_done", "actor_kind": "agent", "actor_id": "7"}
    words = {name: said.pop(name) for name in ("actor", "subject", "sentence", "reason") if name in said}
    more = {name: said.pop(name) for name in ("payload", "risk", "leaf_hash", "index") if name in said}
    return Told(**({"index": 0} | more), id="0" * 36, at=datetime(2026, 11, 29, 12, 30, 15, 123456, UTC),
                columns=columns | said, words={"sentence": "Done."} | words)  # fmt: skip


def parse_cef(line):
    """Read CEF as its standard says: head at unescaped bars, values up to the next key."""
    parts, rest = [], line
    while len(parts) < 7:
        found = re.match(r"((?:[^\\|]|\\.)*)\|", rest)
        parts.append(re.sub(r"\\(.)", r"\1", found[1]))
        rest = rest[found.end() :]
    values = {}
    for found in re.finditer(r"(?:^| )([A-Za-z0-9]+)=((?:[^\\=]|\\.)*?)(?= [A-Za-z0-9]+=|$)", rest):
        values[found[1]] = re.sub(r"\\(.)", lambda one: {"n": "\n", "r": "\r"}.get(one[1], one[1]), found[2])
    return parts, values


def parse_5424(message):
    head = re.match(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) ", message)
    rest, elements = message[head.end() :], {}
    while rest.startswith("["):
        name = re.match(r"\[([^ \]=\"]+)", rest)
        rest, values = rest[name.end() :], {}
        while rest.startswith(" "):
            one = re.match(r' ([^ =\]"]+)="((?:[^"\\\]]|\\.)*)"', rest)
            values[one[1]] = re.sub(r'\\(["\\\]])', r"\1", one[2])
            rest = rest[one.end() :]
        assert rest[0] == "]"
        elements[name[1]], rest = values, rest[1:]
    return head.groups(), elements, rest.removeprefix("-").removeprefix(" ").removeprefix("\ufeff")


def cef_text(text):
    """What CEF keeps: line breaks, and the unseen spelled out."""
    return UNSEEN.sub(lambda one: one[0] if one[0] in "\r\n" else f"\\u{ord(one[0]):04x}", text)


def one_line(text):
    assert text.splitlines() == [text], "it is more than one line for somebody"
    text.encode()
    return text


@given(events)
@settings(max_examples=150, deadline=None)
def test_every_format_is_one_line_from_which_everything_is_found_again(told):
    said = members(told)
    assert json.loads(one_line(jsonl.line(told))) == json.loads(json.dumps(said))
    found = json.loads(one_line(ocsf.line(told)))
    assert found["unmapped"] == json.loads(json.dumps(said))
    assert found["metadata"]["uid"] == told.id
    assert found["metadata"]["sequence"] == told.index

    _, values = parse_cef(one_line(cef.line(told)))
    assert values == {key: cef_text(value) for key, value in cef.extension(told).items()}

    _, elements, text = parse_5424(one_line(rfc5424.line(told, "host")))
    assert elements == {"event@32473": {name: visible(value) for name, value in flat(told).items()}}
    assert text == visible(told["sentence"])

    [resource] = json.loads(one_line(otlp.line(told)))["resourceLogs"]
    [record] = resource["scopeLogs"][0]["logRecords"]
    attributes = {one["key"]: one["value"] for one in record["attributes"]}
    assert attributes["log.record.uid"] == {"stringValue": told.id}
    assert attributes["ledger.index"] == {"intValue": str(told.index)}
    assert {name for name in attributes if name.startswith("ledger.")} == {f"ledger.{name}" for name in said}


def test_a_head_that_would_end_the_message_is_escaped():
    told = of(sentence="a|b\\|c\nd", verb="tests.x|y")
    parts, _ = parse_cef(cef.line(told))
    assert parts == ["CEF:0", "Autonomy OS", "Ledger", "1", "tests.x|y", "a|b\\|c\\u000ad", "1"]


@pytest.mark.parametrize("told_by", [jsonl, ocsf, cef, rfc5424, otlp])
def test_a_text_of_a_million_characters_is_cut_and_says_so(told_by):
    line = told_by.line(of(reason="x" * 1_000_000, payload=json.dumps({"a": "y" * 1_000_000})))
    assert "[cut: 1000000 characters]" in line.replace("\\]", "]")
    assert len(line) < 4 * (MOST_TEXT + MOST_PAYLOAD)


def test_what_is_cut_keeps_its_length():
    assert cut("abc", 3) == "abc"
    assert len(cut("x" * 9000)) == MOST_TEXT


@pytest.mark.parametrize(
    ("said", "severity", "outcome"),
    [
        ({}, (1, 1, 6, 9), "success"),
        ({"decision": "allow", "effect": "confirmed"}, (1, 1, 6, 9), "success"),
        ({"decision": "hold"}, (2, 3, 5, 10), "unknown"),
        ({"decision": "deny"}, (3, 5, 4, 13), "failure"),
        ({"effect": "failed"}, (3, 5, 4, 13), "failure"),
        ({"effect": "in_doubt"}, (4, 8, 3, 17), "unknown"),
        ({"effect": "confirmed", "agreement": "differs"}, (4, 8, 3, 17), "success"),
    ],
)
def test_how_grave_an_event_is(said, severity, outcome):
    told = of(**said)
    assert (told.level[1:], told.outcome) == (severity, outcome)
    assert rfc5424.line(told).startswith(
        f"<{13 * 8 + severity[2]}>1 2026-11-29T12:30:15.123456Z - autonomy-os - "
    )


def test_ocsf_has_what_the_class_requires():
    told = of(
        index=41, actor="Robo", subject_kind="agents.agent", subject_id="9", subject="Robo", action_id="a1",
        operation="erp.post_invoice", decision="deny", code="over_limit", reason="Too much",
        leaf_hash=b"\1" * 32, verb="actions.action_denied", correlation_id="c1",
    )  # fmt: skip
    event = ocsf.event(told)
    assert (event["category_uid"], event["class_uid"], event["activity_id"], event["type_uid"]) == (
        6, 6003, 99, 600399,
    )  # fmt: skip
    assert event["activity_name"] == "actions.action_denied"
    assert event["time"] == 1795955415123
    assert event["actor"] == {"user": {"uid": "7", "type_id": 99, "type": "Agent", "name": "Robo"}}
    assert event["api"]["operation"] == "erp.post_invoice"
    assert event["api"]["request"] == {"uid": "a1"}
    assert event["resources"] == [{"type": "agents.agent", "uid": "9", "name": "Robo"}]
    assert event["src_endpoint"] == {"svc_name": "autonomy-os"}
    assert (event["status_id"], event["status_code"], event["status_detail"]) == (2, "over_limit", "Too much")
    assert event["metadata"]["version"] == "1.3.0"
    assert event["metadata"]["correlation_uid"] == "c1"
    assert event["unmapped"]["leaf_hash"] == "01" * 32
    assert ocsf.activity_of("agents.role_created") == 1
    assert ocsf.activity_of("agents.rule_removed") == 4


def test_a_log_record_has_its_time_to_the_nanosecond_as_text():
    record = otlp.record(of())
    assert record["timeUnixNano"] == "1795955415123456000"
    assert record["severityNumber"] == 9


def test_a_payload_that_is_nested_too_deep_is_told_as_text():
    deep = "[" * 30_000 + "]" * 30_000
    assert json.loads(jsonl.line(of(payload=deep)))["payload"].startswith("[[[")


@pytest.mark.parametrize("text", ["1" + "0" * 5000, "[" * 900 + "]" * 900])
def test_a_payload_that_no_program_reads_is_told_as_text(text):
    assert payload_value(text) == text
