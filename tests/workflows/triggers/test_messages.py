"""Signatures, CloudEvents and JSON from outside, without a database."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflows.triggers.policies.messages import STRUCTURED, Message, NotRead, read_message
from workflows.triggers.policies.signatures import NotSigned, key_of, require_signed, signature, text_of

KEY, OTHER = b"k" * 32, b"o" * 32
NOW = 1_700_000_000
EVENT = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "order.paid", "data": {"total": 12.50}}


def test_signatures_are_those_of_the_published_libraries() -> None:
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_read_as_it_is_written() -> None:
    assert key_of(text_of(KEY)) == KEY
    with pytest.raises(ValueError, match="no secret"):
        key_of("whsec_%%%")


def proved(*, keys: Any = (KEY,), body: bytes = b"{}", **changes: Any) -> int:
    given = {"message_id": "msg_1", "timestamp": str(NOW), "now": NOW, **changes}
    given.setdefault("signatures", signature(KEY, "msg_1", str(NOW), b"{}"))
    return require_signed(keys, body=body, **given)


def test_any_valid_key_and_any_of_several_signatures_will_do() -> None:
    assert proved() == 0
    assert proved(keys=(OTHER, KEY)) == 1
    assert proved(signatures="v1a,zzzz v1,AAAA " + signature(KEY, "msg_1", str(NOW), b"{}")) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"keys": ()}, "signature_wrong"),
        ({"keys": (OTHER,)}, "signature_wrong"),
        ({"body": b"{ }"}, "signature_wrong"),
        ({"message_id": "msg_2"}, "signature_wrong"),
        ({"timestamp": str(NOW + 1)}, "signature_wrong"),
        ({"signatures": "v1,"}, "signature_wrong"),
        ({"signatures": "v1,\xff"}, "signature_wrong"),
        ({"signatures": signature(KEY, "msg_1", str(NOW), b"{}").replace("v1,", "v2,")}, "signature_wrong"),
        (
            {"signatures": "v1,x " * 20 + signature(KEY, "msg_1", str(NOW), b"{}")},
            "signature_wrong",
        ),
        ({"signatures": ""}, "not_signed"),
        ({"message_id": ""}, "not_signed"),
        ({"message_id": "a.b"}, "not_signed"),
        ({"message_id": "a b"}, "not_signed"),
        ({"message_id": "x" * 256}, "not_signed"),
        ({"timestamp": ""}, "not_signed"),
        ({"timestamp": "-1"}, "not_signed"),
        ({"timestamp": "\u0661"}, "not_signed"),
        ({"timestamp": "1e9"}, "not_signed"),
        ({"now": NOW + 301}, "too_old"),
        ({"now": NOW - 301}, "too_old"),
    ],
)
def test_what_is_not_signed_just_now_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(NotSigned) as caught:
        proved(**changes)
    assert caught.value.code == code


def test_five_minutes_either_way_are_let_pass() -> None:
    assert proved(now=NOW + 300) == proved(now=NOW - 300) == 0


def read(body: Any, content_type: str = "application/json", **headers: str) -> Message:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    found = {name.replace("_", "-"): value for name, value in headers.items()}
    binary = found.pop("allow", "") == "binary"
    return read_message(
        content_type=content_type, headers=found, body=content, message_id="msg_1", allow_binary=binary
    )


def test_a_structured_cloudevent_is_its_attributes_and_data() -> None:
    message = read(EVENT, f"{STRUCTURED}; charset=utf-8")
    assert message.event == {"id": "1", "source": "/shop", "type": "order.paid", "subject": "", "time": ""}
    assert message.is_cloudevent


def test_a_binary_cloudevent_is_taken_only_where_that_is_allowed() -> None:
    attributes = {"ce_specversion": "1.0", "ce_id": "1", "ce_source": "/caf%C3%A9", "ce_type": "paid"}
    with pytest.raises(NotRead) as caught:
        read({"a": 1}, **attributes)
    assert caught.value.code == "attributes_not_signed"
    message = read({"a": 1}, allow="binary", **attributes)
    assert (message.event["source"], message.data) == ("/caf\u00e9", {"a": 1})


def test_plain_json_is_all_data_with_what_it_says_of_itself() -> None:
    message = read({"type": "paid", "timestamp": "2026-01-01T00:00:00Z", "data": {"a": 1}})
    assert (message.event["id"], message.event["type"], message.data["data"]) == ("msg_1", "paid", {"a": 1})
    assert not message.is_cloudevent
    assert read([1, 2]).data == [1, 2]
    assert read({"type": 7}).event["type"] == ""


def test_numbers_that_would_be_rounded_become_text() -> None:
    body = b'{"a": 0.1, "b": 12.50, "c": 9007199254740991, "d": 9007199254740992, "e": -9999999999999999999}'
    assert read(body).data == {
        "a": "0.1",
        "b": "12.50",
        "c": 9007199254740991,
        "d": "9007199254740992",
        "e": "-9999999999999999999",
    }


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b"", "application/json", "not_json"),
        (b"{", "application/json", "not_json"),
        (b'{"a": 1, "a": 2}', "application/json", "not_json"),
        (b'{"a": NaN}', "application/json", "not_json"),
        (b'{"a": "\\u0000"}', "application/json", "not_json"),
        (b'{"a": "\\ud800"}', "application/json", "not_json"),
        (b'{"\\u0000": 1}', "application/json", "not_json"),
        (b'{"a": "\xff"}', "application/json", "not_json"),
        (b"[" * 100_000 + b"]" * 100_000, "application/json", "not_json"),
        (b"[" * 40 + b"]" * 40, "application/json", "not_json"),
        (b"1" * 5000, "application/json", "not_json"),
        (b"{}", "text/plain", "media_type"),
        (b"{}", "", "media_type"),
        (b"[]", "application/cloudevents-batch+json", "media_type"),
        (b"[]", STRUCTURED, "not_a_cloudevent"),
        (b"{}", STRUCTURED, "not_a_cloudevent"),
        (json.dumps({**EVENT, "specversion": "0.3"}).encode(), STRUCTURED, "not_a_cloudevent"),
        (json.dumps({**EVENT, "id": ""}).encode(), STRUCTURED, "not_a_cloudevent"),
        (json.dumps({**EVENT, "source": None}).encode(), STRUCTURED, "not_a_cloudevent"),
        (json.dumps({**EVENT, "type": 7}).encode(), STRUCTURED, "not_a_cloudevent"),
        (json.dumps({**EVENT, "subject": "x" * 1001}).encode(), STRUCTURED, "not_a_cloudevent"),
    ],
)
def test_what_cannot_be_read_is_refused(body: bytes, content_type: str, code: str) -> None:
    with pytest.raises(NotRead) as caught:
        read(body, content_type)
    assert caught.value.code == code


def test_an_attribute_in_a_header_hides_nothing() -> None:
    attributes = {"ce_specversion": "1.0", "ce_id": "1%00", "ce_source": "/", "ce_type": "paid"}
    with pytest.raises(NotRead):
        read({}, allow="binary", **attributes)
