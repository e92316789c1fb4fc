"""What the engine asks for in one look, decided together: as many statements as for one, or nearly.

Only the plain case is: no task, no person behind it, no limit that counts it, arguments that fit, and a
decision that allows it. Everything else is asked singly, by the same words; so nothing is decided here that
``asking`` would decide otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from agents.decision import DecisionRequest, Verdict, decide
from agents.models import Agent
from agents.selectors import PresentAuthority, authority_now, money_facts
from agents.services import measures
from audit.services import in_one_message
from audit.vocabulary import Refusal
from connectors.policies.schemas import argument_errors
from workflows.actions.models import Action
from workflows.actions.services.asking import (
    Ask,
    checked_key,
    fill,
    operation_named,
    request_within,
    take_keys,
)
from workflows.actions.services.deciding import allowed, mint_all
from workflows.actions.services.judging import Judgement
from workflows.actions.services.moving import move_together


@dataclass(frozen=True, slots=True)
class Wish:
    """What one agent is to ask for, under its idempotency key."""

    agent: Agent
    key: str
    ask: Ask


def request_together(*, wishes: Sequence[Wish]) -> list[Action | Refusal]:
    """Decide on each wish as ``request_within`` does, and return what came of it, in their order.

    Agents ask for themselves. A refusal is recorded in the caller's transaction and returned; RuntimeError
    outside of one.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("What is asked together belongs to the transaction of whoever asks.")
    authority = authority_now()
    made = _ask_plain(_plain(wishes, authority), authority) if wishes else {}
    return [
        made.get(place)
        or request_within(actor=wish.agent.user.as_actor(), agent=wish.agent, key=wish.key, ask=wish.ask)
        for place, wish in enumerate(wishes)
    ]


def _plain(wishes: Sequence[Wish], authority: PresentAuthority) -> dict[int, tuple[Wish, Judgement]]:
    """Return those that nothing stands in the way of, each with its decision.

    The authority is read first: what changes after it is found at dispatch.
    """
    found = {place: (wish, _judged(wish, authority)) for place, wish in enumerate(wishes)}
    return {place: (wish, judgement) for place, (wish, judgement) in found.items() if judgement is not None}


def _judged(wish: Wish, authority: PresentAuthority) -> Judgement | None:
    ask, operation = wish.ask, authority.operation(wish.ask.operation)
    is_simple = not ask.task_id and not ask.on_behalf_of and not ask.provenance
    if operation is None or not is_simple:
        return None
    if argument_errors(operation.input_schema or {}, ask.arguments):
        return None
    request = DecisionRequest(
        agent=authority.agent(wish.agent),
        operation_code=ask.operation,
        operation=operation,
        arguments=ask.arguments,
        now=authority.now,
        money=money_facts(operation, ask.arguments, authority.now.date(), authority),
        workflow_id=str(ask.references.get("workflow_id", "")),
        run_id=str(ask.references.get("run_id", "")),
    )
    if measures.is_bound(request, authority.snapshot):
        return None
    decision = decide(request, authority.snapshot)
    return Judgement(request, authority.snapshot, decision) if decision.verdict is Verdict.ALLOW else None


def _ask_plain(plain: Mapping[int, tuple[Wish, Judgement]], authority: PresentAuthority) -> dict[int, Action]:
    """Take the keys, and write action, authorization and event of those whose key nobody had."""
    actions = {place: Action(agent=wish.agent) for place, (wish, _) in plain.items()}
    mine = _claim_keys({place: (wish, actions[place]) for place, (wish, _) in plain.items()})
    codes = {plain[place][0].ask.operation for place in mine}
    operations = {code: operation_named(code, authority) for code in codes}
    for place in mine:
        wish, judgement = plain[place]
        fill(actions[place], wish.ask, judgement, None, operations[wish.ask.operation])
    made = [actions[place] for place in mine]
    with in_one_message():
        minted = dict(zip(mine, mint_all(made, authority.now), strict=True))
        move_together([
            allowed(
                actor=plain[place][0].agent.user.as_actor(),
                action=actions[place],
                judgement=plain[place][1],
                minted=minted[place],
            )
            for place in mine
        ])  # fmt: skip
    return {place: actions[place] for place in mine}


def _claim_keys(wanted: Mapping[int, tuple[Wish, Action]]) -> list[int]:
    """Take the keys that are free; a twin that is being decided right now is waited for."""
    if not wanted:
        return []
    rows = [
        (str(wish.agent.pk), checked_key(wish.key), wish.ask.fingerprint(), str(action.pk))
        for wish, action in wanted.values()
    ]
    mine = take_keys(rows)
    return [place for place, (_, action) in wanted.items() if action.pk in mine]
