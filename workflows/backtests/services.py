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
from agents.decision import MeasureDefinition, NextLevel, RuleFacts, Snapshot
from agents.decision.backtest import Tally, trial
from agents.decision.budgets import is_budget
from agents.decision.limit_replay import Replay
from agents.decision.limits_compared import limit_words
from agents.decision.lines import lines_on_record
from agents.decision.windows import counted_since
from agents.models import Measure, Rule, User
from agents.selectors import (
    authority_snapshot,
    company_currency,
    measure_definition,
    visible_measures,
    visible_rules,
)
from agents.services.policies import limit_as_edited, rule_as_edited
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
    person, until = _asker(actor, since, until)
    if not visible_rules(person).filter(pk=rule.pk).exists():
        raise Refusal("not_found", "There is no such rule for you.", kind=RefusalKind.NOT_FOUND)
    draft = rule_as_edited(rule, edits or {})
    backtest = Backtest(
        rule=rule,
        rule_name=draft.name,
        draft=asdict(draft),
        sentence=(draft.sentence or draft.name)[:500],
        since=since,
        until=until,
        asked_by=person,
        total=selectors.recorded(_codes(draft), since, until).count(),
    )
    return _begin(actor, backtest)


@transaction.atomic
def ask_limit_backtest(
    *,
    actor: Actor,
    limit: Measure,
    since: datetime,
    until: datetime,
    edits: Mapping[str, Any] | None = None,
) -> Backtest:
    """Begin to count what a limit, with ``edits`` as in ``propose_measure_change``, would have refused or held.

    It is counted call by call as the services count, from the beginning of the window that was open at
    ``since``. Raises Refusal as ``ask_backtest``, and ``limit_not_tried`` of model use and of no ceiling.
    """
    person, until = _asker(actor, since, until)
    if not visible_measures(person).filter(pk=limit.pk).exists():
        raise Refusal("not_found", "There is no such limit for you.", kind=RefusalKind.NOT_FOUND)
    _, draft = limit_as_edited(limit, edits or {})
    if is_budget(draft) or draft.ceiling is None:
        why = "what models use is no action" if is_budget(draft) else "it has no ceiling to pass"
        raise Refusal(
            "limit_not_tried",
            f"{draft.name} was not tried: {why}.",
            kind=RefusalKind.INVALID,
            next_step="Try it with a ceiling, on calls." if draft.ceiling is None else "Look at its counters.",
        )
    before = measure_definition(limit)
    backtest = Backtest(
        limit=limit,
        rule_name=draft.name,
        draft=asdict(draft),
        sentence=limit_words(draft, company_currency())[:500],
        since=since,
        until=until,
        asked_by=person,
        carried={"before": asdict(before)},
        total=selectors.decided(_codes_of_limits(before, draft), _from(before, draft, since), until).count(),
    )
    return _begin(actor, backtest)


def _asker(actor: Actor, since: datetime, until: datetime) -> tuple[User, datetime]:
    """Return who asks and up to when is looked at; refuse who may not, now or for this period."""
    policies.require(policies.may(actor, "backtests.add_backtest", "try a rule on recorded actions"))
    person = User.objects.get(pk=actor.id)
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
    return person, until


def _begin(actor: Actor, backtest: Backtest) -> Backtest:
    backtest.policy_version = str(authority_snapshot().version)
    backtest.save(force_insert=True)
    asked = f"{actor.label} asked what {backtest.rule_name} would have done"
    _record(actor, "backtests.backtest_asked", backtest, asked)
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
    snapshot = authority_snapshot()
    count = _count_limit if backtest.is_of_limit else _count_rule
    tally = Tally.of_json(backtest.result)
    found = count(backtest, snapshot, tally, most)
    backtest.result = tally.as_json()
    backtest.moved_at = database_now()
    if str(snapshot.version) != backtest.policy_version:
        backtest.problem = "Somebody changed a rule, a grant or a stop while this was counted."
    if found < most:
        _finish(backtest, tally)
    backtest.save(update_fields=["result", "carried", "reached", "moved_at", "problem", "state", "finished_at"])
    if backtest.state == State.RUNNING:
        transaction.on_commit(partial(dispatch.hint_come_on, backtest.pk))


def _count_rule(backtest: Backtest, snapshot: Snapshot, tally: Tally, most: int) -> int:
    draft = _draft(backtest)
    operations = _codes(draft)
    actions = selectors.recorded(operations, backtest.since, backtest.until)
    if backtest.reached:
        actions = actions.filter(pk__gt=backtest.reached)
    pasts = selectors.pasts(actions[:most], operations, {})
    tally.look_at(pasts, trial(snapshot, draft))
    backtest.reached = UUID(pasts[-1].action_id) if pasts else backtest.reached
    return len(pasts)


def _count_limit(backtest: Backtest, snapshot: Snapshot, tally: Tally, most: int) -> int:
    """Go on from what stood against the limit and its draft at the end of the last slice."""
    before, after = MeasureDefinition(**backtest.carried["before"]), MeasureDefinition(**backtest.draft)
    operations = _codes_of_limits(before, after)
    last = backtest.carried.get("last")
    place = (datetime.fromisoformat(last), str(backtest.reached)) if last else None
    actions = selectors.decided(operations, _from(before, after, backtest.since), backtest.until, place)
    attempts = selectors.attempts(actions[:most], operations, {}, before.measure_id)
    replay = Replay(
        before,
        after,
        since=backtest.since,
        time_zone=snapshot.time_zone,
        currency=snapshot.company_currency,
    )
    replay.go_on(backtest.carried.get("stands", {}))
    replay.look_at(attempts, tally)
    if attempts:
        backtest.reached = UUID(attempts[-1].past.action_id)
        last = attempts[-1].at.isoformat()
    # Nobody goes on from where all is counted.
    stands = replay.as_json() if len(attempts) == most else {}
    backtest.carried = {"before": backtest.carried["before"], "last": last, "stands": stands}
    return len(attempts)


def _codes_of_limits(*limits: MeasureDefinition) -> dict[str, Any]:
    return {code: facts for one in limits for code, facts in selectors.concerned(one.operations).items()}


def _from(before: MeasureDefinition, after: MeasureDefinition, since: datetime) -> datetime:
    """Return when the earlier of both windows began that were open at ``since``."""
    zone = authority_snapshot().time_zone
    return min(counted_since(one.window, one.window_seconds, since, zone) for one in (before, after))


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
