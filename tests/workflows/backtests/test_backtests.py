"""A rule is tried on actions that are on record."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from agents.services import stops
from audit.models import Event
from audit.vocabulary import Refusal
from tests.workflows.conftest import ask, hold_above, limit
from workflows.approvals.services import cast_vote
from workflows.backtests import services
from workflows.backtests.models import Backtest
from workflows.backtests.selectors import visible_to

NOW = timezone.now
A_DAY = timedelta(days=1)


@pytest.fixture
def asked(clerk):
    """Four invoices: 100, 600, 1,100 and 2,000 EUR; a rule holds what is above 1,000."""
    rule = hold_above(100_000)
    for number, minor in enumerate((10_000, 60_000, 110_000, 200_000)):
        ask(clerk, number=f"RE-{number}", minor=minor)
    return rule


def begin(actor, rule, **more):
    period = {"since": NOW() - A_DAY, "until": NOW() + A_DAY}
    return services.ask_backtest(actor=actor.as_actor(), rule=rule, **{**period, **more})


def counted(backtest, most=services.SLICE):
    for _ in range(20):
        services.come_on(backtest_id=backtest.pk, most=most)
        backtest.refresh_from_db()
        if backtest.state != Backtest.State.RUNNING:
            break
    return backtest


def changes(backtest):
    return {(one["before"], one["after"]): one["count"] for one in backtest.result["changes"]}


def test_a_lower_threshold_is_tried_before_it_is_published(alice, asked):
    backtest = counted(begin(alice, asked, edits={"condition": "amount > 50000"}))
    assert (backtest.state, backtest.total, backtest.looked_at, backtest.percent) == ("done", 4, 4, 100)
    assert changes(backtest) == {("allow", "hold"): 1}
    assert sum(hold["count"] for hold in backtest.result["holds"]) == 1
    asked.refresh_from_db()
    assert asked.condition == "amount > 100000"
    verbs = Event.objects.filter(subject_kind="backtests.backtest").values_list("verb", flat=True)
    assert sorted(verbs) == ["backtests.backtest_asked", "backtests.backtest_finished"]


def test_a_higher_threshold_shows_what_people_would_not_be_asked_any_more(alice, asked):
    backtest = counted(begin(alice, asked, edits={"condition": "amount > 150000"}))
    (change,) = backtest.result["changes"]
    assert (change["before"], change["after"], change["came_to"]) == ("hold", "allow", {"held": 1})


def test_slices_add_up(alice, asked):
    at_once = counted(begin(alice, asked, edits={"condition": "amount > 50000"}))
    in_slices = counted(begin(alice, asked, edits={"condition": "amount > 50000"}), most=1)
    assert at_once.result == in_slices.result


def test_a_rule_as_it_is_changes_nothing_of_what_it_decided(alice, asked):
    assert changes(counted(begin(alice, asked))) == {}


def test_stops_and_limits_are_about_a_moment_and_left_out(alice, dave, asked):
    limit("tests_per_day", 0)
    stops.raise_stop(actor=dave.as_actor(), scope_kind="everything", reason="Something is wrong")
    backtest = counted(begin(alice, asked, edits={"condition": "amount > 50000"}))
    assert changes(backtest) == {("allow", "hold"): 1}


def test_authority_that_changed_meanwhile_is_said(alice, asked):
    backtest = begin(alice, asked, edits={"condition": "amount > 50000"})
    services.come_on(backtest_id=backtest.pk, most=2)
    hold_above(1)
    assert "while this was counted" in counted(backtest).problem


def test_only_the_period_is_looked_at(alice, asked):
    assert begin(alice, asked, since=NOW() - 3 * A_DAY, until=NOW() - 2 * A_DAY).total == 0


def test_what_breaks_while_counting_ends_it_and_says_what_to_do(alice, asked, monkeypatch):
    backtest = begin(alice, asked)
    monkeypatch.setattr(services.selectors, "pasts", lambda *_: 1 / 0)
    assert counted(backtest).state == Backtest.State.FAILED
    assert "Ask again" in backtest.problem


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"since": NOW() + A_DAY}, "period_invalid"),
        ({"edits": {"condition": "amount >"}}, "rule_refused"),
    ],
)
def test_what_makes_no_sense_is_refused(alice, asked, change, code):
    with pytest.raises(Refusal) as refused:
        begin(alice, asked, **change)
    assert refused.value.code == code
    assert not Backtest.objects.exists()


def test_it_is_for_managers_and_read_by_auditors(alice, bob, carol, asked, clerk):
    with pytest.raises(Refusal) as refused:
        begin(bob, asked)
    assert refused.value.code == "permission_missing"
    backtest = begin(alice, asked)
    assert list(visible_to(alice)) == list(visible_to(carol)) == [backtest]
    assert not visible_to(bob).exists()
    assert not visible_to(clerk.user).exists()


def test_nobody_counts_a_great_many_at_once(alice, asked):
    for _ in range(services.MOST_UNDER_WAY):
        begin(alice, asked)
    with pytest.raises(Refusal) as refused:
        begin(alice, asked)
    assert refused.value.code == "too_many_backtests"


def test_one_that_nobody_counts_for_a_while_is_hinted_at_again(alice, asked, monkeypatch):
    backtest = begin(alice, asked)
    hinted = []
    monkeypatch.setattr(services.dispatch, "hint_come_on", hinted.append)
    services.sweep()
    assert hinted == []
    Backtest.objects.update(moved_at=NOW() - timedelta(minutes=1))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {services.dispatch.SWEEP_WHEN}")
        assert cursor.fetchone()[0]
    services.sweep()
    assert hinted == [backtest.pk]


def begin_limit(actor, measure, **more):
    period = {"since": NOW() - A_DAY, "until": NOW() + A_DAY}
    return services.ask_limit_backtest(actor=actor.as_actor(), limit=measure, **{**period, **more})


@pytest.mark.parametrize("most", [1, 3, services.SLICE])
def test_a_limit_is_tried_with_another_ceiling(clerk, alice, most):
    """Seven invoices, of which the limit of five refused two; what was let go and is not done stays counted."""
    per_day = limit("per_day", 5)
    answers = [ask(clerk, number=f"RE-{number}", minor=10_000).state for number in range(7)]
    assert answers == ["authorized"] * 5 + ["denied"] * 2
    looser = counted(begin_limit(alice, per_day, edits={"ceiling": 6}), most)
    assert (looser.state, looser.looked_at, looser.total) == ("done", 7, 7)
    assert changes(looser) == {("deny", "allow"): 1}
    tighter = counted(begin_limit(alice, per_day, edits={"ceiling": 2, "on_exceed": "hold"}), most)
    assert changes(tighter) == {("allow", "hold"): 3, ("deny", "hold"): 2}
    apart = counted(begin_limit(alice, per_day, edits={"ceiling": 1, "key": "args.number"}), most)
    assert changes(apart) == {("deny", "allow"): 2}
    per_day.refresh_from_db()
    assert per_day.ceiling == 5
    assert "at most 6 a day" in looser.sentence


def test_what_a_limit_cannot_say_is_refused(clerk, alice, mallory):
    per_day = limit("per_day", 5)
    tokens = limit("tokens", 5, unit="tokens", operations="*")
    for measure, edits, code in (
        (per_day, {"ceiling": None}, "limit_not_tried"),
        (tokens, {}, "limit_not_tried"),
    ):
        with pytest.raises(Refusal) as refused:
            begin_limit(alice, measure, edits=edits)
        assert refused.value.code == code
    with pytest.raises(Refusal) as refused:
        begin_limit(mallory, per_day)
    assert refused.value.code == "permission_missing"


def test_what_people_rejected_later_is_counted_among_what_would_change(clerk, alice, bob, asked):
    held = clerk.actions.get(state="held", amount_minor=200_000)
    cast_vote(
        actor=bob.as_actor(),
        approval_id=held.approval_id,
        verdict="reject",
        reason="Not ours at all",
        digest=held.approval.digest,
    )
    backtest = counted(begin(alice, asked, edits={"condition": "amount > 500000"}))
    (change,) = backtest.result["changes"]
    assert (change["before"], change["after"], change["count"]) == ("hold", "allow", 2)
    assert change["reversed"] == {"rejected": 1}
