from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from agents.decision import ApprovalFacts, Verdict, decide
from agents.models import Measure, MeasureCounter, Reservation
from agents.selectors import authority_snapshot
from agents.services import measures
from audit.vocabulary import Refusal, RefusalKind
from tests.agents.authority import asked, catalogue
from tests.agents.facts import GRANT, by_hand, create_party


def limit(**changes: Any) -> Measure:
    given = {
        "code": "per_day",
        "name": "Invoices posted",
        "operations": "erp.supplier_invoice.post",
        "ceiling": 3,
        "mode": "enforced",
        **changes,
    }
    return Measure.objects.create(**given)


def reserve(agent: Any, action_id: str, **arguments: Any) -> list[Reservation]:
    with transaction.atomic():
        return measures.reserve(
            action_id=action_id, request=asked(agent, **arguments), snapshot=authority_snapshot()
        )


def counter() -> tuple[int, int]:
    found = MeasureCounter.objects.get()
    return found.reserved, found.settled


class TestOneAtATime:
    pytestmark = pytest.mark.django_db

    def test_the_ceiling_is_inclusive_and_the_next_is_refused(self, working):
        limit(ceiling=2)
        reserve(working, "a1")
        reserve(working, "a2")
        with pytest.raises(Refusal) as refused:
            reserve(working, "a3")
        assert (refused.value.code, refused.value.kind) == ("limit_reached", RefusalKind.LIMITED)
        assert "at most 2 per day; 2 used and this adds 1" in refused.value.message
        assert counter() == (2, 0)

    def test_an_invoice_is_posted_only_after_its_supplier_was_created_and_confirmed(self, working):
        """A sequence: the counter of the one is read, and not counted, for the other, under its own key."""
        limit(
            code="supplier_created",
            operations="erp.party.create",
            key="args.name",
            window="ever",
            ceiling=None,
            read_for="erp.supplier_invoice.post",
            read_key="args.supplier",
        )
        only_after = by_hand("measures.supplier_created.settled == 0", verdict="deny", rule_id="after")
        grants = frozenset({GRANT_OF(working)})
        after = replace(authority_snapshot(), rules=(only_after,), grants=grants, policies=1)
        created = replace(
            asked(working),
            operation_code="erp.party.create",
            operation=create_party(),
            arguments={"name": "ACME"},
            money=None,
        )

        def verdict(supplier: str) -> str:
            return decide(measures.with_readings(asked(working, supplier=supplier), after), after).code

        assert verdict("ACME") == "denied_by_rule"
        with transaction.atomic():
            measures.reserve(action_id="a1", request=created, snapshot=after)
        assert verdict("ACME") == "denied_by_rule"
        measures.settle(action_id="a1")
        assert verdict("ACME") != "denied_by_rule"
        assert verdict("Other") == "denied_by_rule"
        assert reserve(working, "a2") == []
        assert counter() == (0, 1)

    def test_settling_and_releasing_happen_once(self, working):
        limit()
        reserve(working, "a1")
        reserve(working, "a2")
        assert measures.settle(action_id="a1") == 1
        assert measures.settle(action_id="a1") == 0
        assert measures.release(action_id="a1") == 0
        assert measures.release(action_id="a2") == 1
        assert measures.release(action_id="a2") == 0
        assert measures.settle(action_id="a2") == 0
        assert counter() == (0, 1)

    def test_reserving_twice_for_one_action_changes_nothing(self, working):
        limit(ceiling=1)
        first = reserve(working, "a1")
        assert [row.pk for row in reserve(working, "a1")] == [row.pk for row in first]
        assert counter() == (1, 0)

    def test_a_released_action_may_reserve_again(self, working):
        limit(ceiling=1)
        reserve(working, "a1")
        measures.release(action_id="a1")
        reserve(working, "a1")
        assert counter() == (1, 0)
        assert Reservation.objects.get().state == "reserved"

    def test_never_twice_until_it_is_released_and_never_again_once_settled(self, working):
        limit(key='fold(args.supplier) + "/" + fold(args.number)', window="ever", ceiling=1)
        reserve(working, "a1")
        with pytest.raises(Refusal) as refused:
            reserve(working, "a2", supplier=" acme ", number="inv-7")
        assert (refused.value.code, refused.value.kind) == ("duplicate", RefusalKind.CONFLICT)
        measures.release(action_id="a1")
        reserve(working, "a2")
        measures.settle(action_id="a2")
        measures.release(action_id="a2")
        with pytest.raises(Refusal, match="already done or is under way"):
            reserve(working, "a3")
        reserve(working, "a4", number="INV-8")

    def test_money_is_summed_in_company_currency(self, working):
        limit(unit="money", amount="amount", ceiling=100_000)
        reserve(working, "a1", minor=60_000)
        with pytest.raises(
            Refusal, match=r"at most 1,000.00 EUR per day; 600.00 EUR used and this adds 400.01 EUR"
        ):
            reserve(working, "a2", minor=40_001)
        reserve(working, "a3", minor=40_000)

    def test_a_refused_reservation_leaves_nothing_behind(self, working):
        limit(code="a_first", ceiling=10)
        limit(code="b_second", ceiling=0)
        with transaction.atomic():
            with pytest.raises(Refusal):
                measures.reserve(action_id="a1", request=asked(working), snapshot=authority_snapshot())
            assert not Reservation.objects.exists()
            assert sum(row.reserved for row in MeasureCounter.objects.all()) == 0

    def test_a_rolling_window_forgets_what_is_older(self, working):
        limit(window="rolling", window_seconds=60, ceiling=1)
        reserve(working, "a1")
        with pytest.raises(Refusal, match="in 60 seconds"):
            reserve(working, "a2")
        Reservation.objects.update(created_at=Reservation.objects.get().created_at - timedelta(seconds=61))
        reserve(working, "a2")

    def test_a_limit_that_holds_lets_pass_what_people_approved_and_nothing_else(self, working):
        limit(ceiling=1, on_exceed="hold")
        with catalogue(GRANT_OF(working)):
            limit(code="other", ceiling=9)
            snapshot = authority_snapshot()
            reserve(working, "a1")
            with pytest.raises(Refusal) as refused:
                reserve(working, "a2")
            assert refused.value.code == "limit_hold"
            request = measures.with_readings(asked(working), snapshot)
            request = replace(request, agent=replace(request.agent, autonomy="by_contract"))
            held = decide(request, snapshot)
            assert (held.verdict, held.code) == (Verdict.HOLD, "limit_hold")
            approved = replace(request, approved=ApprovalFacts("p1", held.binding))
            with transaction.atomic():
                assert len(measures.reserve(action_id="a2", request=approved, snapshot=snapshot)) == 2
            elsewhere = replace(request, approved=ApprovalFacts("p2", "0" * 64))
            with pytest.raises(Refusal), transaction.atomic():
                measures.reserve(action_id="a3", request=elsewhere, snapshot=snapshot)

    def test_a_shadow_counts_and_never_refuses_and_a_draft_does_not_count(self, working):
        limit(ceiling=0, mode="shadow")
        limit(code="drafted", ceiling=0, mode="draft")
        assert len(reserve(working, "a1")) == 1
        assert counter() == (1, 0)

    def test_only_what_binds_is_counted(self, working):
        limit(code="elsewhere", operations="crm.*", ceiling=0)
        limit(code="others", scope_kind="agent", scope_id="another", ceiling=0)
        limit(code="ours", scope_kind="department", scope_id=str(working.department_id))
        assert [row.measure.code for row in reserve(working, "a1")] == ["ours"]

    @pytest.mark.parametrize(
        "field", [{"key": "args.iban"}, {"amount": "args.iban"}, {"amount": "-1"}, {"key": "true"}]
    )
    def test_what_cannot_be_counted_is_refused(self, working, field):
        limit(**field)
        with pytest.raises(Refusal) as refused:
            reserve(working, "a1")
        assert refused.value.code == "rule_error"
        request = measures.with_readings(asked(working), authority_snapshot())
        assert request.measures["per_day"].error

    def test_readings_show_the_headroom_and_leave_out_the_action_itself(self, working):
        limit()
        limit(code="rolls", window="rolling", window_seconds=60, ceiling=5)
        reserve(working, "a1")
        reserve(working, "a2")
        measures.settle(action_id="a2")
        snapshot = authority_snapshot()
        found = measures.readings(asked(working), snapshot)
        assert (found["per_day"].reserved, found["per_day"].settled, found["per_day"].headroom) == (1, 1, 1)
        assert (found["rolls"].reserved, found["rolls"].settled, found["rolls"].headroom) == (1, 1, 3)
        own = measures.readings(asked(working), snapshot, action_id="a1")
        assert (own["per_day"].headroom, own["rolls"].headroom) == (2, 4)

    def test_long_and_hostile_keys_are_kept_apart(self, working):
        limit(key="args.number", window="ever", ceiling=1)
        reserve(working, "a1", number="x" * 1000)
        reserve(working, "a2", number="x" * 1001)
        with pytest.raises(Refusal):
            reserve(working, "a3", number="x" * 1000)


def GRANT_OF(agent: Any) -> Any:
    return replace(GRANT, holder_id=str(agent.role.group_id))


def _in_threads(work: Any, items: list[Any], threads: int = 12) -> list[Any]:
    def run(item: Any) -> Any:
        try:
            return work(item)
        except Refusal as refusal:
            return refusal.code

    def close() -> None:
        connection.close()

    barrier = threading.Barrier(threads)
    with ThreadPoolExecutor(threads) as pool:
        results = list(pool.map(run, items))
        list(pool.map(lambda _: (barrier.wait(10), close()), range(threads)))
    return results


@pytest.mark.parametrize(
    "window",
    [
        pytest.param({"window": "day"}, id="day", marks=pytest.mark.full),
        pytest.param({"window": "rolling", "window_seconds": 3600}, id="rolling"),
    ],
)
def test_of_500_at_once_exactly_as_many_pass_as_the_ceiling_allows(live_db, working, window):
    limit(ceiling=37, **window)
    request, snapshot = asked(working), authority_snapshot()

    def one(number: int) -> str:
        with transaction.atomic():
            measures.reserve(action_id=f"a{number}", request=request, snapshot=snapshot)
        return "passed"

    results = Counter(_in_threads(one, list(range(500))))
    assert results == {"passed": 37, "limit_reached": 463}
    assert Reservation.objects.count() == 37
    assert MeasureCounter.objects.get().reserved == 37


def test_many_limits_taken_by_many_actions_end_without_a_deadlock_and_add_up(live_db, working):
    for number in range(4):
        limit(code=f"m{number}", ceiling=10_000, key="args.number")
    outcome = {}

    def one(number: int) -> str:
        action = f"a{number}"
        reserve(working, action, number=str(number % 3))
        outcome[action] = measures.settle if number % 2 else measures.release
        return str(outcome[action](action_id=action))

    assert Counter(_in_threads(one, list(range(120)))) == {"4": 120}
    assert sum(row.settled for row in MeasureCounter.objects.all()) == 4 * 60
    assert sum(row.reserved for row in MeasureCounter.objects.all()) == 0


def test_settle_and_release_at_once_end_in_one_of_the_two(live_db, working):
    limit(ceiling=1000)
    for number in range(30):
        reserve(working, f"a{number}")
    jobs = [(verb, f"a{number}") for number in range(30) for verb in (measures.settle, measures.release)]
    results = _in_threads(lambda job: job[0](action_id=job[1]), jobs)
    assert sum(results) == 30
    row = MeasureCounter.objects.get()
    assert row.reserved == 0
    assert row.settled == Reservation.objects.filter(state="settled").count()
