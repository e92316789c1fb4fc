"""What people find: by the beginnings of words and of ids, only what is theirs to see, by an index."""

from __future__ import annotations

from importlib import import_module

import pytest
from django.db import connection

from tests.workflows.conftest import ask, hold_above
from workflows.approvals.models import Approval
from workflows.search.lookups import SPLIT, begins, typed_words
from workflows.search.selectors import MOST_OF_A_KIND, found_for, ids_between

MIGRATION = import_module("workflows.search.migrations.0001_indexes")


def kinds(user, text):
    return {one.kind: [str(row) for row in one.rows] for one in found_for(user, text)}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("INV-6330", ["inv", "6330"]),
        ("  erp.supplier_invoice.post ", ["erp", "supplier", "invoice", "post"]),
        ("o'Neill' | !x:*", ["o", "neill", "x"]),
        ("Größe", ["größe"]),
        ("--", []),
    ],
)
def test_what_is_typed_becomes_words(text, words):
    assert typed_words(text) == words


@pytest.mark.parametrize("text", ["", "0193", "invoice", "0193abcg", "0" * 40, "' OR 1=1"])
def test_what_is_no_beginning_of_an_id_is_none(text):
    assert ids_between(text) is None


def test_the_beginning_of_an_id_is_a_span_of_ids():
    first, last = ids_between("01937F00-12")
    assert str(first) == "01937f00-1200-0000-0000-000000000000"
    assert str(last) == "01937f00-12ff-ffff-ffff-ffffffffffff"


def test_agents_systems_operations_and_people_are_found_by_any_of_their_words(alice, clerk, book):
    assert kinds(alice, "rob") == {"agent": ["Robo"]}
    assert "fake" in kinds(alice, "fake").get("system", [""])[0].lower() or kinds(alice, "fake")["system"]
    assert kinds(alice, "invoice pos")["operation"]
    assert kinds(alice, "Bob")["person"] == ["Bob"]


def test_requests_are_found_by_their_number_and_by_their_id(bob, clerk):
    hold_above(10_000)
    action = ask(clerk, minor=20_000, number="RE-4711")
    approval = Approval.objects.get(pk=action.approval_id)
    assert kinds(bob, "4711")["approval"] == [approval.subject_label]
    assert kinds(bob, str(approval.pk))["approval"] == [approval.subject_label]
    assert approval.subject_label in kinds(bob, str(approval.pk)[:18])["approval"]


def test_nobody_finds_what_they_may_not_see(mallory, clerk, book):
    hold_above(10_000)
    action = ask(clerk, minor=20_000, number="RE-4711")
    for text in ("rob", "4711", "invoice", "fake", "bob", str(action.pk), str(action.approval_id)):
        assert found_for(mallory, text) == []


def test_one_letter_finds_nothing_and_many_are_cut(alice, clerk):
    assert found_for(alice, "r") == []
    hold_above(10_000)
    for number in range(MOST_OF_A_KIND + 1):
        ask(clerk, minor=20_000, number=f"RE-{number}")
    found = {one.kind: one for one in found_for(alice, "re")}["approval"]
    assert len(found.rows) == MOST_OF_A_KIND
    assert found.more


def test_the_index_is_of_exactly_what_is_asked(db):
    assert MIGRATION.SPLIT == SPLIT
    sql, given = Approval.objects.filter(begins(("subject_label",), ["inv"])).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN " + sql, given)
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "search_approval_words" in plan


def test_a_search_asks_a_fixed_number_of_questions(alice, clerk, django_assert_max_num_queries):
    hold_above(10_000)
    for number in range(4):
        ask(clerk, minor=20_000, number=f"RE-{number}")
    with django_assert_max_num_queries(40):
        found_for(alice, "re")
