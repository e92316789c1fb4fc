"""Limits of every unit: what each adds, when it counts, when it is given back."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from agents.decision import Verdict, decide, wording
from agents.decision.lint import lint_measure
from agents.models import MeasureCounter, Reservation
from agents.selectors import authority_snapshot
from agents.services import measures, streaks
from audit.models import Event
from audit.vocabulary import Refusal
from tests.agents.authority import asked
from tests.agents.facts import measure, post_invoice, reading
from tests.agents.test_measures import _in_threads, counter, limit, reserve

LINES = [{"price": "1"}, {"price": "2"}, {"price": "3"}]


class TestRecords:
    pytestmark = pytest.mark.django_db

    def test_a_list_counts_as_many_records_as_it_has(self, working):
        limit(unit="records", amount="size(args.lines)", ceiling=5)
        reserve(working, "a1", lines=LINES)
        with pytest.raises(Refusal, match="at most 5 records per day; 3 records used and this adds 3 records"):
            reserve(working, "a2", lines=LINES)
        reserve(working, "a3", lines=LINES[:2])
        assert counter() == (5, 0)

    def test_what_the_system_says_it_touched_is_what_counts(self, working):
        limit(unit="records", amount="size(args.lines)", ceiling=5)
        limit(code="calls", ceiling=5)
        reserve(working, "a1", lines=LINES)
        measures.settle(action_id="a1", records=40)
        standing = {row.measure.code: (row.reserved, row.settled) for row in MeasureCounter.objects.all()}
        assert standing == {"per_day": (0, 40), "calls": (0, 1)}
        assert Reservation.objects.get(measure__code="per_day").amount == 40
        with pytest.raises(Refusal, match="40 records used"):
            reserve(working, "a3", lines=LINES[:1])

    def test_each_call_by_itself_is_held_to_its_size_and_nothing_is_kept(self, working):
        limit(unit="records", amount="size(args.lines)", ceiling=2, window="call")
        for number in range(4):
            assert reserve(working, f"a{number}", lines=LINES[:2]) == []
        with pytest.raises(Refusal, match="at most 2 records per call; this one has 3 records"):
            reserve(working, "b", lines=LINES)
        assert not MeasureCounter.objects.exists()
        read = measures.with_readings(asked(working, lines=LINES), authority_snapshot())
        assert read.measures["per_day"].exceeded


class TestFailures:
    pytestmark = pytest.mark.django_db

    def test_so_many_in_a_row_and_no_more(self, working):
        limit(unit="failures", window="ever", ceiling=2, key="agent.code")
        for action in ("a1", "a2"):
            reserve(working, action)
            measures.fail(action_id=action)
        assert counter() == (0, 2)
        with pytest.raises(Refusal, match="at most 2 failures in a row; 2 have failed") as refused:
            reserve(working, "a3")
        assert refused.value.code == "limit_reached"

    def test_a_success_ends_the_row(self, working):
        limit(unit="failures", window="ever", ceiling=2)
        reserve(working, "a1")
        measures.fail(action_id="a1")
        reserve(working, "a2")
        measures.settle(action_id="a2")
        assert counter() == (0, 0)
        assert set(Reservation.objects.values_list("state", flat=True)) == {"released"}
        for action in ("a3", "a4"):
            reserve(working, action)
            measures.fail(action_id=action)
        with pytest.raises(Refusal):
            reserve(working, "a5")

    def test_what_never_began_is_no_failure_and_no_success(self, working):
        limit(unit="failures", window="ever", ceiling=2)
        reserve(working, "a1")
        measures.fail(action_id="a1")
        reserve(working, "a2")
        measures.release(action_id="a2")
        assert counter() == (0, 1)

    def test_what_is_under_way_or_in_doubt_may_fail_and_counts(self, working):
        limit(unit="failures", window="ever", ceiling=2)
        reserve(working, "a1")
        reserve(working, "a2")
        with pytest.raises(Refusal, match="0 have failed, 2 more under way could"):
            reserve(working, "a3")

    def test_a_person_lets_it_count_from_zero_with_a_reason(self, working, alice, mallory):
        found = limit(unit="failures", window="ever", ceiling=1, key="agent.code")
        reserve(working, "a1")
        measures.fail(action_id="a1")
        with pytest.raises(Refusal) as refused:
            streaks.forgive_failures(actor=mallory.as_actor(), measure=found, reason="Because I say so")
        assert refused.value.code == "permission_missing"
        with pytest.raises(Refusal) as refused:
            streaks.forgive_failures(actor=working.user.as_actor(), measure=found, reason="Let me go on")
        assert refused.value.code == "agents_refused"
        assert streaks.forgive_failures(actor=alice.as_actor(), measure=found, reason="The ERP is mended") == 1
        assert Event.objects.filter(verb="agents.failures_forgiven").count() == 1
        reserve(working, "a2")
        with pytest.raises(Refusal) as refused:
            streaks.forgive_failures(actor=alice.as_actor(), measure=found, reason="Once more, please")
        assert refused.value.code == "no_failures"
        other = limit(code="calls")
        with pytest.raises(Refusal) as refused:
            streaks.forgive_failures(actor=alice.as_actor(), measure=other, reason="The wrong one")
        assert refused.value.code == "not_failures"

    def test_other_limits_give_back_what_failed(self, working):
        limit(ceiling=2)
        reserve(working, "a1")
        measures.fail(action_id="a1")
        assert counter() == (0, 0)


class TestUnderWay:
    pytestmark = pytest.mark.django_db

    def test_it_counts_until_the_call_ends_however_it_ends(self, working):
        limit(unit="running", window="ever", ceiling=1)
        for action, end in (("a1", measures.settle), ("a2", measures.fail), ("a3", measures.release)):
            reserve(working, action)
            with pytest.raises(Refusal, match="at most 1 at the same time; 1 are under way"):
                reserve(working, "another")
            end(action_id=action)
            assert counter() == (0, 0)


UNITS = [
    pytest.param({"unit": "count"}, 37, id="calls"),
    pytest.param({"unit": "money", "amount": "amount", "ceiling": 37 * 1_250_000 + 9}, 37, id="money"),
    pytest.param({"unit": "records", "amount": "size(args.lines)", "ceiling": 37 * 3 + 2}, 37, id="records"),
    pytest.param({"unit": "failures", "window": "ever"}, 37, id="failures"),
    pytest.param({"unit": "running", "window": "ever"}, 37, id="under way"),
    pytest.param({"unit": "other", "amount": "args.days", "ceiling": 37 * 2 + 1}, 37, id="another number"),
]


@pytest.mark.full
@pytest.mark.parametrize(("given", "passes"), UNITS)
def test_of_500_at_once_exactly_as_many_pass_in_every_unit(live_db, working, given, passes):
    limit(**{"ceiling": 37, **given})
    request, snapshot = asked(working, minor=1_250_000, lines=LINES, days=2), authority_snapshot()

    def one(number: int) -> str:
        with transaction.atomic():
            measures.reserve(action_id=f"a{number}", request=request, snapshot=snapshot)
        return "passed"

    results = Counter(_in_threads(one, list(range(500))))
    assert results == {"passed": passes, "limit_reached": 500 - passes}


def test_failures_and_successes_at_once_add_up(live_db, working):
    """Whatever comes first: what counts is what failed after the last success, and nothing stays reserved."""
    limit(unit="failures", window="ever", ceiling=100)
    for number in range(36):
        reserve(working, f"a{number}")
    ends = [(measures.settle if number % 3 == 0 else measures.fail, f"a{number}") for number in range(36)]
    assert Counter(_in_threads(lambda job: job[0](action_id=job[1]), ends)) == {1: 36}
    row = MeasureCounter.objects.get()
    assert row.reserved == 0
    assert row.settled == Reservation.objects.filter(state="settled").count() <= 24


class TestWithoutADatabase:
    def test_what_cannot_be_counted_is_not_published(self):
        def wrong(**changes: Any) -> list[str]:
            return [one.field for one in lint_measure(measure(**changes), [post_invoice()])]

        assert wrong(unit="running", window="day") == ["window"]
        assert wrong(unit="failures", window="rolling", window_seconds=60) == ["window"]
        assert wrong(unit="failures", window="call") == ["window"]
        assert wrong(unit="failures", window="ever", amount="2") == ["amount"]
        assert wrong(unit="failures", window="ever", key="agent.code") == []
        assert wrong(unit="running", window="ever", key="system.code") == []
        assert wrong(unit="records", amount="size(args.lines)") == []

    @pytest.mark.parametrize("unit", ["failures", "running"])
    def test_one_for_ever_is_no_duplicate_in_these_units(self, unit):
        given = measure(unit=unit, window="ever", key="agent.code", ceiling=1)
        assert not wording.is_no_duplicate(given)
        found = replace(reading(settled=1), unit=unit, ceiling=1)
        assert wording.measure_words(given, found, "EUR").startswith(f"{given.name}: at most ")

    def test_above_it_it_refuses_holds_or_pauses(self):
        from tests.agents.facts import request, snapshot

        for on_exceed, verdict in (("deny", Verdict.DENY), ("hold", Verdict.HOLD), ("pause", Verdict.DENY)):
            given = measure(unit="failures", window="ever", ceiling=3, on_exceed=on_exceed)
            found = {given.code: replace(reading(settled=3), ceiling=3, unit="failures", amount=1)}
            assert decide(request(measures=found), snapshot(measures=(given,))).verdict == verdict

    def test_contract_and_differences_say_it_in_words(self):
        from agents.decision.limits_compared import limit_words
        from tests.agents.test_contract import says, written

        limits = (
            measure(unit="failures", window="ever", key="agent.code", ceiling=3, on_exceed="pause"),
            measure("measure-2", unit="running", window="ever", ceiling=5),
            measure("measure-3", unit="records", amount="size(args.lines)", window="call", ceiling=100),
            measure("measure-4", window="minute", ceiling=10),
        )
        said = " ".join(says(written(measures=limits), "limits"))
        for words in (
            "at most 3 failures in a row. Counted apart for each agent code.",
            "What is more is refused, and the agent is paused.",
            "at most 5 at the same time.",
            "at most 100 records per call, where each call adds its lines.",
            "at most 10 per minute.",
        ):
            assert words in said
        assert [limit_words(one, "EUR").partition(";")[0] for one in limits] == [
            "Invoices posted, at most 3 failures in a row",
            "Invoices posted, at most 5 at the same time",
            "Invoices posted, at most 100 records a call",
            "Invoices posted, at most 10 a minute",
        ]


class TestHuge:
    pytestmark = pytest.mark.django_db

    @pytest.mark.parametrize("more", [{"mode": "shadow", "ceiling": 5}, {"ceiling": None}])
    def test_one_huge_number_shuts_nobody_out(self, working, more):
        limit(unit="records", amount="args.many", **more)
        for number in range(2):
            reserve(working, f"a{number}", many=2**63 - 1)
        reserve(working, "b", many=1)
