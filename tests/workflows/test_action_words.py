"""Which record came of a call, in words that people use."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.actions.policies.words import record_words

KEY = "purchase.purchase,26"


@pytest.mark.parametrize(
    ("output", "remote_ref", "said"),
    [
        ({"entry": "2026-0017", "number": "RE-1"}, "account.invoice,17", " as 2026-0017"),
        ({"entry": None, "number": "RE-1"}, "account.invoice,17", " as RE-1"),
        ({"id": 26}, KEY, f", recorded there as {KEY}"),
        ({}, "", ""),
        ({"items": [{"number": "PO-7", "supplier": "SUP-001"}]}, KEY, ": found PO-7"),
        ({"items": [{"id": 1}]}, KEY, ": found 1"),
        ({"items": [{"number": "PO-7"}, {"number": "PO-8"}]}, KEY, ": found 2"),
        ({"items": []}, "", ": nothing found"),
    ],
)
def test_a_record_is_called_what_people_call_it(output: Any, remote_ref: str, said: str) -> None:
    assert record_words(output, remote_ref) == said
