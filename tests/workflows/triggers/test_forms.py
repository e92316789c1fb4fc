"""What a run is told is written in lines; JSON is taken, too."""

from __future__ import annotations

from typing import Any

import pytest
from django.forms import ValidationError

from workflows.triggers.forms import GiveField

FIELD = GiveField(required=False)


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ("", {}),
        ('month = local.month\n\n topic= "Month end" ', {"month": "local.month", "topic": '"Month end"'}),
        ('late = local.hour == 18 ? "yes" : "no"', {"late": 'local.hour == 18 ? "yes" : "no"'}),
        ('{"month": "local.month"}', {"month": "local.month"}),
    ],
)
def test_a_line_is_a_member(text: str, given: dict[str, Any]) -> None:
    assert FIELD.clean(text) == given
    assert FIELD.clean(FIELD.prepare_value(given)) == given
    assert not FIELD.has_changed(given, text)


@pytest.mark.parametrize("text", ["month", "month =", "month == 3", "the month = 3", '{"month": ', "[1]"])
def test_what_is_no_line_is_named(text: str) -> None:
    with pytest.raises(ValidationError):
        FIELD.clean(text)


def test_what_no_line_holds_stays_json() -> None:
    given = {"topic": '"a" +\n"b"'}
    shown = FIELD.prepare_value(given)
    assert shown.startswith("{")
    assert FIELD.clean(shown) == given
