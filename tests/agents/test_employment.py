"""The rules of employment as plain functions: terms, breaches, evidence, and probation in the decision."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.decision import ApprovalFacts, Verdict, decide
from agents.decision.employment import (
    RECORD,
    Evidence,
    Terms,
    breaches,
    digest_of_certificate,
    evidence_from,
    evidence_words,
    is_due,
    is_overdue,
    looser_terms,
    text_of_certificate,
)
from tests.agents.facts import NOW, post_invoice, request, robo, rule, snapshot
from tests.agents.test_decide_properties import ORDER, requests, snapshots

numbers = st.integers(0, 400)
terms = st.builds(
    Terms,
    **{field.name: numbers for field in fields(Terms) if field.name != "breach_then"},
    breach_then=st.sampled_from(["probation", "read_only"]),
)
counts = st.dictionaries(st.sampled_from([*RECORD, "unknown"]), numbers)


class TestProbationInTheDecision:
    @pytest.mark.parametrize("autonomy", ["by_contract", "hold_writes"])
    def test_every_write_is_held_whatever_the_autonomy(self, autonomy: str) -> None:
        decision = decide(request(1, agent=robo(on_probation=True, autonomy=autonomy)), snapshot())
        assert (decision.verdict, decision.code) == (Verdict.HOLD, "probation_hold")
        assert "Robo is on probation, so a person approves every write" in decision.sentence

    def test_reads_are_not_and_who_may_only_read_still_does(self) -> None:
        reads = post_invoice(effect="read")
        assert decide(request(1, agent=robo(on_probation=True), operation=reads), snapshot()).verdict == "allow"
        only = robo(on_probation=True, autonomy="read_only")
        assert decide(request(1, agent=only), snapshot()).code == "autonomy_read_only"

    def test_a_rule_is_told_first_and_the_probation_as_well(self) -> None:
        decision = decide(request(agent=robo(on_probation=True)), snapshot(rule()))
        assert decision.code == "held_by_rule"
        assert "on probation" in decision.sentence

    def test_an_approval_counts_on_probation_and_does_not_outlive_it_unseen(self) -> None:
        asked = request(1, agent=robo(on_probation=True))
        held = decide(asked, snapshot())
        approved = replace(asked, approved=ApprovalFacts("a", held.binding, ("bob",)))
        assert decide(approved, snapshot()).code == "approved"
        elsewhere = replace(approved, agent=robo(on_probation=True, autonomy="hold_writes"))
        assert decide(elsewhere, snapshot()).code == "approved"
        assert decide(replace(approved, agent=robo(autonomy="hold_writes")), snapshot()).verdict == Verdict.HOLD

    @given(requests, snapshots)
    def test_it_never_lets_an_agent_do_more(self, asked, authority) -> None:
        free = decide(asked, authority)
        watched = decide(replace(asked, agent=replace(asked.agent, on_probation=True)), authority)
        assert ORDER[watched.verdict] >= ORDER[free.verdict]
        if asked.operation is not None and asked.operation.effect != "read":
            assert watched.verdict != Verdict.ALLOW


class TestNobodyAnswers:
    @pytest.mark.parametrize(
        "agent", [robo(sponsor_active=False), robo(attest_by=NOW.date() - timedelta(days=1))]
    )
    def test_it_may_only_read(self, agent) -> None:
        assert decide(request(1, agent=agent), snapshot()).verdict == Verdict.DENY
        reads = request(1, agent=agent, operation=post_invoice(effect="read"))
        assert decide(reads, snapshot()).verdict == Verdict.ALLOW

    @pytest.mark.parametrize(("grace", "denied"), [({}, True), ({"": 5}, False), ({"": 5, "role-1": 0}, True)])
    def test_the_grace_of_its_role_counts_before_that_of_the_company(self, grace, denied: bool) -> None:
        late = robo(attest_by=NOW.date() - timedelta(days=5))
        decision = decide(request(1, agent=late), replace(snapshot(), grace_days=grace))
        assert (decision.code == "attestation_overdue") is denied


class TestTerms:
    @given(terms)
    def test_no_terms_are_looser_than_themselves(self, one: Terms) -> None:
        assert looser_terms(one, one) == []

    def test_never_to_be_confirmed_is_looser_than_every_so_often(self) -> None:
        assert looser_terms(Terms(), Terms(attest_every_days=0)) == ["attest_every_days"]
        assert looser_terms(Terms(attest_every_days=0), Terms(attest_every_days=3660)) == []

    @given(terms, terms)
    def test_what_is_looser_one_way_is_stricter_the_other_way(self, one: Terms, other: Terms) -> None:
        there, back = set(looser_terms(one, other)), set(looser_terms(other, one))
        assert not there & back
        different = {
            field.name for field in fields(Terms) if getattr(one, field.name) != getattr(other, field.name)
        }
        assert there | back == different - {"attest_notice_days"}

    @given(terms, terms, counts)
    def test_without_a_looser_term_nothing_is_got_away_with(self, old: Terms, new: Terms, found) -> None:
        if not looser_terms(old, new) and breaches(found, old):
            assert breaches(found, new)

    @given(counts)
    def test_switched_off_nothing_is_a_breach(self, found) -> None:
        assert breaches(found, Terms()) == []
        assert not Terms().watches

    def test_a_breach_says_what_was_counted_and_what_the_most_was(self) -> None:
        found = breaches({"denials": 3, "limits": 9}, Terms(denials=3))
        assert found == ["3 calls that an enforced rule refused within 7 days; the most is 2"]

    @given(st.dates(), st.integers(0, 400), st.integers(-500, 500))
    def test_it_is_overdue_only_after_the_grace(self, by: date, grace: int, late: int) -> None:
        try:
            today = by + timedelta(days=late)
            by + timedelta(days=grace)
        except OverflowError:
            return
        assert is_overdue(by, grace, today) is (late > grace)

    def test_without_a_day_nothing_is_due(self) -> None:
        assert not is_overdue(None, 0, date(2026, 1, 1))
        assert not is_due(None, 0, date(2026, 1, 1))
        assert is_due(date(2026, 1, 15), 14, date(2026, 1, 1))
        assert not is_due(date(2026, 1, 16), 14, date(2026, 1, 1))


class TestEvidence:
    FOUND = Evidence(since="2026-11-01T09:00:00+00:00", days=1, asked=1200, held=2, median_seconds=5400)

    def test_it_is_said_in_words(self) -> None:
        said = evidence_words(self.FOUND)
        assert said[0] == "Over 1 day, since 1 November 2026."
        assert said[1] == "Asked for: 1,200. Allowed: 0. Held for a person: 2."
        assert said[-1] == "Half of what was held was decided within 2 hours."
        assert "nothing is known" in evidence_words(Evidence())[-1]

    def test_it_comes_back_from_a_proposal_as_it_was_frozen(self) -> None:
        again = evidence_from({**self.FOUND.as_data(), "more": 1})
        assert again == self.FOUND
        assert again.digest == self.FOUND.digest != replace(self.FOUND, asked=1).digest


def test_a_certificate_is_plain_text_under_a_digest_of_its_content() -> None:
    content = {"title": "Promotion of Robo", "lines": ["It has ended.", "Decided by Bob."]}
    assert text_of_certificate(content) == "Promotion of Robo\n\n- It has ended.\n- Decided by Bob.\n"
    assert digest_of_certificate(content) != digest_of_certificate({**content, "lines": []})
