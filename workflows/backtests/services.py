"""Ask what a rule would have decided about recorded actions, and count it a slice at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from agents import policies
from agents.decision import NextLevel, RuleFacts
from agents.decision.backtest import Tally, trial
from agents.decision.lines import lines_on_record
from agents.models import Rule, User
from agents.selectors import authority_snapshot, visible_rules
from agents.services.policies import rule_as_edited
from audit.services import record_event
from audit.vocabulary import Actor, Refusal, RefusalKind
from workflows.backtests import dispatch, selectors
from workflows.backtests.choices import State
from workflows.backtests.models import Backtest
from workflows.tasks.selectors import database_now

# What one turn of a worker is about: a second or so.
SLICE = 4000
MOST_UNDER_WAY = 3

logger = logging.getLogger(__name__)


@transaction.atomic
def ask_backtest(
    *,
    actor: Actor,
    rule: Rule,
    since: datetime,
    until: datetime,
    edits: Mapping[str, Any] | None = None,
) -> Backtest:
    """Begin to count what a rule, with ``edits`` as in ``propose_rule_change``, would have decided.

    Nothing is decided or changed. Raises Refusal: ``permission_missing``, ``not_found`` (of a rule one may
    not see), ``period_invalid``, ``rule_refused``, ``too_many_backtests``.
    """
    policies.require(policies.may(actor, "backtests.add_backtest", "try a rule on recorded actions"))
    person = User.objects.get(pk=actor.id)
    if not visible_rules(person).filter(pk=rule.pk).exists():
        raise Refusal("not_found", "There is no such rule for you.", kind=RefusalKind.NOT_FOUND)
    until = min(until, database_now())
    if since >= until:
        raise Refusal(
            "period_invalid",
            "Nothing was counted: the period ends before it begins.",
            kind=RefusalKind.INVALID,
            next_step="Choose a first day that is past.",
        )
    if Backtest.objects.filter(asked_by=person, state=State.RUNNING).count() >= MOST_UNDER_WAY:
        raise Refusal(
            "too_many_backtests",
            f"Nothing was counted: {MOST_UNDER_WAY} back-tests of yours are still counting.",
            kind=RefusalKind.LIMITED,
            next_step="Wait until one of them is done.",
        )
    draft = rule_as_edited(rule, edits or {})
    backtest = Backtest.objects.create(
        rule=rule,
        rule_name=draft.name,
        draft=asdict(draft),
        sentence=(draft.sentence or draft.name)[:500],
        since=since,
        until=until,
        policy_version=str(authority_snapshot().version),
        asked_by=person,
        total=selectors.recorded(_codes(draft), since, until).count(),
    )
    _record(
        actor, "backtests.backtest_asked", backtest, f"{actor.label} asked what {draft.name} would have done"
    )
    transaction.on_commit(partial(dispatch.hint_come_on, backtest.pk))
    return backtest


def come_on(*, backtest_id: UUID | str, most: int = SLICE) -> None:
    """Count one slice more. Safe to call twice: whoever comes while it is being counted does nothing."""
    try:
        with transaction.atomic():
            _count_some(backtest_id, most)
    except Exception:
        logger.exception("The back-test %s could not be counted.", backtest_id)
        _give_up(backtest_id)


def sweep() -> None:
    """Let those come on that nobody has counted for a while."""
    silent = timedelta(seconds=dispatch.SILENT_SECONDS)
    for key in Backtest.objects.filter(state=State.RUNNING, moved_at__lt=database_now() - silent).values_list(
        "pk", flat=True
    ):
        dispatch.hint_come_on(key)


def _count_some(backtest_id: UUID | str, most: int) -> None:
    backtest = Backtest.objects.select_for_update(skip_locked=True).filter(pk=backtest_id).first()
    if backtest is None or backtest.state != State.RUNNING:
        return
    draft = _draft(backtest)
    operations = _codes(draft)
    actions = selectors.recorded(operations, backtest.since, backtest.until)
    if backtest.reached:
        actions = actions.filter(pk__gt=backtest.reached)
    snapshot = authority_snapshot()
    pasts = selectors.pasts(actions[:most], operations, {})
    tally = Tally.of_json(backtest.result)
    tally.look_at(pasts, trial(snapshot, draft))
    backtest.result = tally.as_json()
    backtest.reached = UUID(pasts[-1].action_id) if pasts else backtest.reached
    backtest.moved_at = database_now()
    if str(snapshot.version) != backtest.policy_version:
        backtest.problem = "Somebody changed a rule, a grant or a stop while this was counted."
    if len(pasts) < most:
        _finish(backtest, tally)
    backtest.save(update_fields=["result", "reached", "moved_at", "problem", "state", "finished_at"])
    if backtest.state == State.RUNNING:
        transaction.on_commit(partial(dispatch.hint_come_on, backtest.pk))


def _finish(backtest: Backtest, tally: Tally) -> None:
    backtest.state, backtest.finished_at = State.DONE, backtest.moved_at
    sentence = (
        f"{backtest.rule_name} would have changed {tally.changes.total()} of {tally.looked_at} recorded actions"
    )
    _record(Actor.system("backtests"), "backtests.backtest_finished", backtest, sentence)


def _give_up(backtest_id: UUID | str) -> None:
    now = database_now()
    Backtest.objects.filter(pk=backtest_id, state=State.RUNNING).update(
        state=State.FAILED,
        finished_at=now,
        problem="It could not be counted to the end. Ask again; if it stops again, tell who runs the portal.",
    )


def _draft(backtest: Backtest) -> RuleFacts:
    told = backtest.draft
    later = tuple(NextLevel(**one) for one in told.get("levels", ()))
    lists = {**{name: tuple(told[name]) for name in ("effects", "redact")}, "levels": later}
    known = {one.name for one in fields(RuleFacts)}  # one that was kept before may hold what is no more
    told = {name: value for name, value in told.items() if name in known}
    return RuleFacts(**{**told, **lists, "also": lines_on_record(told.get("also", ()))})


def _codes(draft: RuleFacts) -> dict[str, Any]:
    """Return the operations the draft or the rule it replaces speaks of."""
    own = next((rule for rule in authority_snapshot().rules if rule.rule_id == draft.rule_id), None)
    found = selectors.concerned(draft.operations)
    return {**found, **selectors.concerned(own.operations)} if own else found


def _record(actor: Actor, verb: str, backtest: Backtest, sentence: str) -> None:
    record_event(actor=actor, verb=verb, subject=backtest.as_ref(), sentence=f"{sentence}.")
