"""Which record came of a call, in words that people use."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workflows.actions.policies.words import record_words
from workflows.pages.words import is_echo


@pytest.mark.parametrize(
    ("verb", "action", "is_left_out"),
    [
        ("approvals.vote_cast", "", True),  # on a change, which says it itself
        ("approvals.vote_cast", "0190", False),
        ("runs.version_approved", "", True),
        ("approvals.approval_withdrawn", "0190", True),
        ("approvals.approval_requested", "0190", True),
        ("actions.action_held", "0190", False),
    ],
)
def test_nothing_is_told_twice(verb: str, action: str, *, is_left_out: bool) -> None:
    assert is_echo(SimpleNamespace(verb=verb, action_id=action)) is is_left_out


KEY = "purchase.purchase,26"


@pytest.mark.parametrize(
    ("output", "remote_ref", "said"),
    [
        ({"entry": "2026-0017", "number": "RE-1"}, "account.invoice,17", " as 2026-0017"),
        ({"entry": None, "number": "RE-1"}, "account.invoice,17", " as RE-1"),
        ({"id": 26}, KEY, f", recorded there as {KEY}"),
        ({}, "", ""),
        ({"items": [{"number": "PO-7", "supplier": "SUP-001"}]}, KEY, ", found PO-7"),
        ({"items": [{"id": 1}]}, KEY, ", found 1"),
        ({"items": [{"number": "PO-7"}, {"number": "PO-8"}]}, KEY, ", found 2"),
        ({"items": []}, "", ", nothing found"),
    ],
)
def test_a_record_is_called_what_people_call_it(output: Any, remote_ref: str, said: str) -> None:
    assert record_words(output, remote_ref) == said
