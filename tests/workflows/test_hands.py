"""What is typed before something grave is approved: the amount as its reader sees it, or the same by value."""

from __future__ import annotations

import pytest
from django.utils import translation

from workflows.actions.models import Action
from workflows.pages.hands import is_typed, to_type
from workflows.pages.risk import HIGH, Risk
from workflows.pages.words import Tag

GRAVE = Risk(HIGH, "a high-risk agent", Tag("High risk", "gpp_maybe", "bad"))


@pytest.mark.parametrize(
    ("language", "given", "fits"),
    [
        ("en", "20,000.01 EUR", True),
        ("en", " 20000.01 eur", False),
        ("en", "20000.01", True),
        ("en", "20.000,01 EUR", True),
        ("en", "20.000,02 EUR", False),
        ("en", "20.000", False),
        ("de", "20.000,01 EUR", True),
        ("de", "20.000,01  eur", True),
        ("de", "20000.01", True),
        ("de", "20.000,02 EUR", False),
        ("de", "", False),
    ],
)
def test_an_amount_is_typed_as_its_reader_sees_it_or_by_its_value(language, given, fits):
    action = Action(amount_minor=2_000_001, currency="EUR")
    with translation.override(language):
        assert is_typed(to_type(action, GRAVE), given, action) is fits
