"""What people approved in advance answers the hold it was agreed for, and rules still only tighten. Pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import ApprovalFacts, DecisionRequest, Obligations, Verdict, decide
from agents.decision.standing import StandingFacts, why_never, why_not_covered
from tests.agents.facts import NOW, by_hand, invoice, measure, post_invoice, reading, request, robo, snapshot
from tests.agents.test_decide_properties import ORDER, measures, requests, rules, snapshots

HELD = snapshot(by_hand("amount > 1000000"))
BINDING = decide(request(), HELD).binding
PEOPLE = ("bob", "carol")


def standing(**changes: Any) -> StandingFacts:
    facts = StandingFacts(
        standing_id="standing-1",
        agent_id="agent-1",
        role_id="",
        operation="erp.supplier_invoice.post",
        revision=1,
        binding=BINDING,
        condition='fold(args.supplier) == "acme"',
        most_minor=1_500_000,
        people=PEOPLE,
        starts_at=NOW - timedelta(days=1),
        until=NOW + timedelta(days=1),
    )
    return replace(facts, **changes)


def why_not(asked: DecisionRequest, **changes: Any) -> str:
    return why_not_covered(standing(**changes), asked, binding=BINDING, duties=Obligations())


def in_advance(asked: DecisionRequest, loaded: Any, **changes: Any) -> DecisionRequest:
    told = {"binding": decide(asked, loaded).binding, "approvers": PEOPLE, "standing": "Bob approved the like"}
    return replace(asked, approved=ApprovalFacts("standing-1", **{**told, **changes}))


def test_it_answers_the_hold_it_was_agreed_for_and_says_so() -> None:
    assert why_not(request()) == ""
    decision = decide(in_advance(request(), HELD), HELD)
    assert (decision.verdict, decision.code) == (Verdict.ALLOW, "approved_in_advance")
    assert decision.sentence == "Allowed: Bob approved the like."


@pytest.mark.parametrize(
    ("changes", "asked", "word"),
    [
        ({"operation": "erp.party.create"}, request(), "another operation"),
        ({"revision": 2}, request(), "another revision"),
        ({"agent_id": "agent-2"}, request(), "another agent"),
        ({"agent_id": ""}, request(agent=robo(role_id="")), "another agent"),
        ({"binding": "0" * 64}, request(), "not those it was agreed for"),
        ({"until": NOW}, request(), "is over"),
        ({"starts_at": NOW + timedelta(seconds=1)}, request(), "not begun"),
        ({"revoked": True}, request(), "was ended"),
        ({}, request(on_behalf_of="carol"), "for one of those who agreed"),
        ({}, request(1_500_001), "larger"),
        ({}, request(-1), "larger"),
        ({}, request(rate=None), "not known"),
        ({"most_minor": None}, request(), "no largest amount"),
        ({}, request(arguments=invoice(supplier="OTHER")), "others than"),
        ({"condition": "args.iban == 'X'"}, request(), "could not be checked"),
        ({"condition": "1 +"}, request(), "could not be checked"),
        ({"people": ()}, request(), "0 of them agreed"),
        ({}, request(operation=None), "another operation"),
    ],
)
def test_whatever_is_otherwise_is_not_covered(changes: Any, asked: DecisionRequest, word: str) -> None:
    assert word in why_not(asked, **changes)


def test_a_role_covers_its_agents() -> None:
    assert why_not(request(agent=robo(agent_id="agent-9")), agent_id="", role_id="role-1") == ""


@pytest.mark.parametrize(
    ("asked", "duties", "people", "word"),
    [
        (request(operation=post_invoice(effect="destructive")), Obligations(), 2, "destroys"),
        (request(operation=post_invoice(effect="strange")), Obligations(), 2, "destroys"),
        (request(agent=robo(risk_tier="high")), Obligations(), 2, "high risk"),
        (request(), Obligations(quorum=3), 2, "3 people"),
        (request(), Obligations(), 0, "0 of them"),
    ],
)
def test_some_things_are_looked_at_each_time(
    asked: DecisionRequest, duties: Obligations, people: int, word: str
) -> None:
    assert word in why_never(asked, duties, people)


def test_what_a_gate_or_a_limit_holds_is_never_answered_in_advance() -> None:
    writes = request(agent=robo(autonomy="hold_writes"))
    assert decide(in_advance(writes, HELD), HELD).verdict == Verdict.HOLD
    full = request(measures={"invoices_per_day": reading(settled=20)})
    limited = snapshot(by_hand("amount > 1000000"), measures=(measure(on_exceed="hold"),))
    assert decide(in_advance(full, limited), limited).verdict == Verdict.HOLD


def test_as_many_as_the_rules_ask_must_have_agreed() -> None:
    loaded = snapshot(by_hand("amount > 1000000", quorum=2))
    assert decide(in_advance(request(), loaded), loaded).verdict == Verdict.ALLOW
    for few in (("bob",), ("bob", "bob"), ()):
        assert decide(in_advance(request(), loaded, approvers=few), loaded).verdict == Verdict.HOLD


@given(requests, snapshots, rules)
def test_adding_a_rule_never_allows_more_with_an_approval_in_advance(asked, loaded, added) -> None:
    asked = in_advance(asked, loaded)
    after = decide(asked, replace(loaded, rules=(*loaded.rules, added)))
    assert ORDER[after.verdict] >= ORDER[decide(asked, loaded).verdict]


@given(requests, snapshots, measures)
def test_adding_a_limit_never_allows_more_with_an_approval_in_advance(asked, loaded, added) -> None:
    asked = in_advance(asked, loaded)
    after = decide(asked, replace(loaded, measures=(*loaded.measures, added)))
    assert ORDER[after.verdict] >= ORDER[decide(asked, loaded).verdict]


@given(requests, snapshots, st.text(max_size=20), st.tuples(st.text(max_size=3)) | st.just(()))
def test_in_advance_is_never_more_than_having_looked(asked, loaded, words, people) -> None:
    binding = decide(asked, loaded).binding
    looked = decide(replace(asked, approved=ApprovalFacts("a", binding, people)), loaded)
    ahead = decide(replace(asked, approved=ApprovalFacts("a", binding, people, words)), loaded)
    assert ORDER[ahead.verdict] >= ORDER[looked.verdict]


@given(requests, snapshots, st.text(max_size=30))
def test_it_answers_whatever_it_is_given(asked, loaded, condition) -> None:
    decision = decide(asked, loaded)
    told = why_not_covered(
        standing(condition=condition), asked, binding=decision.binding, duties=decision.obligations
    )
    assert isinstance(told, str)
