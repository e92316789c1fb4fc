"""The next levels of a rule as texts: read and written in one spelling, or refused with what is wrong."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import levels
from agents.decision.facts import NextLevel
from agents.decision.levels import (
    as_data,
    from_the_old_form,
    later_of,
    level_words,
    levels_on_record,
    read_levels,
)
from tests.agents.facts import rule

made = st.builds(
    NextLevel,
    st.integers(1, levels.MOST_MINUTES),
    st.sampled_from(["sponsor", "manager", "head"]),
) | st.builds(NextLevel, st.integers(1, levels.MOST_MINUTES), st.just("group"), st.sampled_from(["A", "B b"]))


def minutes(level: NextLevel) -> int:
    return level.minutes


in_order = st.lists(made, max_size=5, unique_by=minutes).map(lambda some: sorted(some, key=minutes))


@given(in_order)
def test_what_is_written_is_read_again(some):
    assert read_levels(as_data(some)) == tuple(some)
    assert levels_on_record(as_data(some)) == tuple(some)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"minutes": "0", "to": "head"}], "needs its minutes"),
        ([{"minutes": "soon", "to": "head"}], "needs its minutes"),
        ([{"minutes": "9" * 5000, "to": "head"}], "needs its minutes"),
        ([{"minutes": "٣", "to": "head"}], "needs its minutes"),
        ([{"minutes": "5"}], "needs whom to ask"),
        ([{"minutes": "5", "to": "everybody"}], "needs whom to ask"),
        ([{"minutes": "5", "to": "group"}], "name a group"),
        ([{"minutes": "5", "to": "head", "group": "A"}], "name a group"),
        ([{"minutes": "5", "group": "\x00"}], "names no group"),
        ([{"minutes": "5", "to": "head", "then": "approve"}], "has no then"),
        ([{"minutes": "5", "to": "head"}, {"minutes": "5", "to": "sponsor"}], "must come later"),
        ([{"minutes": "5", "to": "refuse"}, {"minutes": "6", "to": "head"}], "nothing comes after"),
        ([{"minutes": str(n), "to": "head"} for n in range(1, 7)], "at most 5"),
    ],
)
def test_what_is_no_level_is_refused_and_lets_nobody_in(rows, words):
    with pytest.raises(ValueError, match=words):
        read_levels(rows)
    assert levels_on_record(rows) == ()


@pytest.mark.parametrize("junk", [None, "x", [1], {"a": 1}, [[]], 5])
def test_what_is_on_record_and_unreadable_lets_nobody_in(junk):
    assert levels_on_record(junk) == ()


def test_one_level_of_the_old_form_is_the_first_and_signed_contracts_stay_signed():
    old = levels_on_record(from_the_old_form(90, "Chiefs"))
    assert old == (NextLevel(90, "group", "Chiefs"),)
    assert from_the_old_form(None, "Chiefs") == []
    assert later_of(rule(levels=old)) == {"later": ["Chiefs", 90]}
    assert later_of(rule()) == {}
    assert later_of(rule(levels=old, clock="working")) != later_of(rule(levels=old))


def test_a_level_is_said_in_words():
    assert level_words(NextLevel(120, "manager"), "working") == (
        "Undecided after 2 working hours, the sponsor's manager may decide it, too"
    )
    assert level_words(NextLevel(90, "refuse"), "wall") == "Undecided after 90 minutes, it is refused"


def test_the_migration_makes_the_one_level_the_first_of_several_and_back():
    """The columns are gone by now, so rows stand in for them."""
    migration = import_module("agents.migrations.0012_calendars_and_levels")
    old = Row(pk=1, escalate_minutes=90, escalate_to_id=7, levels=[])
    gone = Row(pk=2, escalate_minutes=90, escalate_to_id=8, levels=[])
    apps = Apps(Rows([Row(pk=7, name="Chiefs")]), Rows([old, gone]))
    migration.to_levels(apps, None)
    assert levels_on_record(old.levels) == (NextLevel(90, "group", "Chiefs"),)
    assert gone.levels == []
    old.escalate_minutes = old.escalate_to = None
    migration.from_levels(apps, None)
    assert (old.escalate_minutes, old.escalate_to) == (90, 7)


class Row(SimpleNamespace):
    pass


class Rows:
    """As much of a manager as the migration asks."""

    def __init__(self, rows):
        self.rows = rows

    def values_list(self, *names):
        return [tuple(getattr(row, name) for name in names) for row in self.rows]

    def filter(self, pk=None, **wanted):
        return Rows([row for row in self.rows if pk in (None, row.pk)])

    def exclude(self, levels):
        return Rows([row for row in self.rows if row.levels != levels])

    def iterator(self):
        return iter(self.rows)

    def update(self, **values):
        for row in self.rows:
            vars(row).update(values)


class Apps:
    def __init__(self, groups, rules):
        self.known = {"Group": groups, "Rule": rules, "HistoricalRule": Rows([])}

    def get_model(self, _app, name):
        return SimpleNamespace(objects=self.known[name])
