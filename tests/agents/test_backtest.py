"""A draft against calls that were made before."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.decision import Verdict, decide
from agents.decision.backtest import MOST_NAMED, Past, Tally, trial
from tests.agents.facts import NOW, by_hand, measure, request, robo, rule, snapshot
from tests.agents.test_decide_properties import requests, rules, snapshots

LARGE = rule(condition="amount > 1000000")
LOWER = rule(condition="amount > 500000")


def tally(pasts, against):
    found = Tally()
    found.look_at(pasts, against)
    return found


def past(minor, came_to="confirmed", **changes):
    return Past(f"action-{minor}", request(minor, **changes), came_to)


def test_what_would_have_been_held_is_counted_by_what_came_of_it():
    pasts = [past(400_000), past(600_000), past(700_000, "failed"), past(2_000_000, "rejected")]
    found = tally(pasts, trial(snapshot(LARGE), LOWER)).as_json()
    assert (found["looked_at"], found["changed"]) == (4, 2)
    (change,) = found["changes"]
    assert (change["before"], change["after"]) == ("allow", "hold")
    assert change["came_to"] == {"confirmed": 1, "failed": 1}
    assert [one["action"] for one in change["named"]] == ["action-600000", "action-700000"]
    assert found["holds"] == [{"day": NOW.date().isoformat(), "group": "", "count": 2}]


def test_what_would_have_passed_is_counted_with_what_people_said():
    pasts = [past(600_000), past(1_500_000, "rejected"), past(1_600_000, "confirmed")]
    (change,) = tally(pasts, trial(snapshot(LARGE), rule(condition="amount > 2000000"))).as_json()["changes"]
    assert (change["before"], change["after"], change["count"]) == ("hold", "allow", 2)
    assert change["came_to"] == {"confirmed": 1, "rejected": 1}


def test_a_draft_counts_as_enforced_and_what_it_replaces_as_it_is():
    draft = replace(LARGE, mode="draft", rule_id="rule-new")
    assert tally([past(2_000_000)], trial(snapshot(), draft)).changes == {("allow", "hold"): 1}
    # In the snapshot it is a draft as well: it decides nothing there.
    assert tally([past(2_000_000)], trial(snapshot(draft), draft)).changes == {("allow", "hold"): 1}
    assert tally([past(2_000_000)], trial(snapshot(LARGE), LARGE)).changes == {}


def test_other_people_or_more_of_them_are_a_change_too():
    more = replace(LARGE, quorum=2, approver_group="Directors")
    found = tally([past(2_000_000)], trial(snapshot(LARGE), more))
    assert found.changes == {("hold", "hold"): 1}
    assert found.holds == {}


def test_what_the_agent_is_now_says_nothing_about_the_rule():
    gone = robo(lifecycle="retired", brake="paused", sponsor_active=False)
    limits = {"measures": (measure(ceiling=0),)}
    against = trial(snapshot(LARGE, **limits), LOWER)
    assert tally([past(600_000, agent=gone)], against).changes == {("allow", "hold"): 1}


def test_a_draft_that_cannot_be_checked_denies_and_is_told_apart():
    draft = by_hand("args.iban == 'X'", rule_id="rule-new")
    found = tally([past(1)], trial(snapshot(), draft))
    assert (found.changes, found.unjudged) == ({("allow", "deny"): 1}, 1)


def test_holds_are_counted_by_day_and_group():
    both = replace(LOWER, approver_group="Directors")
    pasts = [past(600_000), past(700_000), past(800_000, now=NOW + timedelta(days=1))]
    first, second = NOW.date().isoformat(), (NOW + timedelta(days=1)).date().isoformat()
    assert tally(pasts, trial(snapshot(), both)).holds == {(first, "Directors"): 2, (second, "Directors"): 1}


def test_parts_add_up_and_only_some_are_named():
    pasts = [past(600_000 + n) for n in range(MOST_NAMED + 50)]
    against = trial(snapshot(LARGE), LOWER)
    parts = Tally()
    for part in (pasts[:30], pasts[30:]):
        parts.add(tally(part, against))
    assert parts == tally(pasts, against)
    assert (parts.changes.total(), len(parts.named["allow", "hold"])) == (MOST_NAMED + 50, MOST_NAMED)


@settings(max_examples=300)
@given(requests, snapshots, rules)
def test_only_what_is_decided_otherwise_is_told(asked, loaded, draft):
    """What is skipped because the draft does not concern it would not have been decided otherwise."""
    against = trial(loaded, draft)
    asked = replace(asked, agent=replace(asked.agent, lifecycle="active", brake="none"))
    found = against.of(asked)
    before, after = decide(asked, against.before), decide(asked, against.after)
    is_same = (before.verdict, before.obligations) == (after.verdict, after.obligations)
    assert (found is None) or not is_same or found[0].obligations != found[1].obligations
    if found is None:
        assert before.verdict == after.verdict
        assert before.obligations.quorum == after.obligations.quorum
        assert before.obligations.approver_groups == after.obligations.approver_groups


@given(st.integers(0, 3_000_000))
def test_a_draft_that_only_tightens_never_lets_anything_pass(minor):
    found = trial(snapshot(LARGE), LOWER).of(request(minor))
    assert found is None or (found[0].verdict, found[1].verdict) == (Verdict.ALLOW, Verdict.HOLD)
