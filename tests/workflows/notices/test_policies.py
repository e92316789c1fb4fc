"""What is sent, in which words and when, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.vocabulary import why_not_address
from workflows.notices.policies import Item, due_at, message_of, one_line, wait_before
from workflows.notices.policies.letters import inert
from workflows.notices.services.posting import signed
from workflows.triggers.policies.signatures import key_of, require_signed

BERLIN = ZoneInfo("Europe/Berlin")


def item(what: str = "Post invoice RE-1", **more: object) -> Item:
    return Item("Approval", what, "https://portal.example/inbox/1/", **more)


@given(st.text())
def test_no_label_begins_a_line_or_a_header_of_its_own(text):
    line = one_line(text)
    assert len(f"x{line}x".splitlines()) == 1
    assert len(line) <= 200


@given(st.text(alphabet="<>@[]()`:/.wh\u202e\n"))
@example("www.")
def test_no_label_becomes_a_link_a_mention_or_markup(text):
    found = inert(text)
    assert not set("<>@`\u202e") & set(found)
    assert "://" not in found
    assert "](" not in found
    assert "www." not in found


def test_a_message_to_a_chat_carries_a_text_that_it_shows_and_facts_for_programs():
    body = message_of(item("Pay <!channel> now"), message_id="1", at="2026-11-29T10:00:00+00:00")
    assert body["text"] == "Approval: Pay ‹!channel› now\nhttps://portal.example/inbox/1/"
    assert (body["type"], body["id"], body["kind"]) == ("task.waiting", "1", "Approval")
    assert body["link"] == "https://portal.example/inbox/1/"


def test_a_chat_has_many_readers_and_is_told_times_by_the_clock_of_the_installation():
    until = datetime(2026, 12, 3, 13, 0, tzinfo=UTC)
    with timezone.override(BERLIN):
        body = message_of(item(until=until), message_id="1", at="2026-11-29T10:00:00+00:00")
    assert "Until: 3 Dec 2026, 13:00:00 (UTC)" in body["text"]


@pytest.mark.parametrize(
    ("now", "due"),
    [
        (datetime(2026, 11, 29, 5, 0, tzinfo=UTC), datetime(2026, 11, 29, 7, 0, tzinfo=UTC)),
        (datetime(2026, 11, 29, 7, 0, tzinfo=UTC), datetime(2026, 11, 30, 7, 0, tzinfo=UTC)),
        # The clocks go forward in between: eight is still eight.
        (datetime(2026, 3, 28, 12, 0, tzinfo=UTC), datetime(2026, 3, 29, 6, 0, tzinfo=UTC)),
    ],
)
def test_once_a_day_is_at_eight_by_the_clock_of_the_company(now, due):
    assert due_at("daily", now, BERLIN) == due


def test_at_once_is_now_and_never_is_never():
    now = datetime(2026, 11, 29, tzinfo=UTC)
    assert due_at("at_once", now, BERLIN) == now
    assert due_at("never", now, BERLIN) is None


def test_pauses_grow_and_end_after_a_day_and_a_half():
    waits = [wait_before(attempts) for attempts in range(1, 8)]
    assert waits == sorted(waits)
    assert waits[0] == timedelta(minutes=1)
    assert timedelta(days=1) < sum(waits, timedelta()) < timedelta(days=2)
    assert wait_before(8) is None


def test_the_signature_is_that_of_the_published_example():
    key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signed(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_what_the_portal_signs_it_would_believe_itself():
    headers = signed(b"k" * 32, "m1", 1_000, b"{}")
    found = require_signed(
        [b"k" * 32],
        message_id=headers["webhook-id"],
        timestamp=headers["webhook-timestamp"],
        signatures=headers["webhook-signature"],
        body=b"{}",
        now=1_010,
    )
    assert found == 0


@pytest.mark.parametrize(
    ("address", "networks", "field"),
    [
        ("http://chat.example/hook", [], "address"),
        ("https://user:pw@chat.example/hook", [], "address"),
        ("file:///etc/passwd", [], "address"),
        ("https://2130706433/hook", [], "address"),
        ("https://chat.example/hook\r\nX: y", [], "address"),
        ("https://chat.example/hook", ["10.0.0.1/8"], "private_networks"),
        ("https://chat.example/hook", "10.0.0.0/8", "private_networks"),
        ("https://chat.example/hook", 7, "private_networks"),
    ],
)
def test_an_address_that_may_not_be_called_is_refused_with_its_field(address, networks, field):
    assert [where for where, _ in why_not_address(address, networks)] == [field]


@pytest.mark.parametrize("address", ["https://chat.example/hooks/T0/B0?api=1&sig=x", "http://127.0.0.1:9/hook"])
def test_an_address_of_a_chat_is_accepted(address):
    assert list(why_not_address(address, ["10.0.0.0/8"])) == []
