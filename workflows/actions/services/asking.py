"""An agent asks: one key, one decision, one row, in one transaction with its ledger event."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from agents.decision.gates import first_shut
from agents.models import Agent, User
from agents.selectors import PresentAuthority, authority_now
from audit.services import record_event, record_refusal
from audit.vocabulary import Actor, ActorKind, Ref, Refusal, RefusalKind
from connectors.models import Operation
from connectors.policies.digests import canonical_digest, digest_of
from connectors.policies.schemas import argument_errors
from workflows.actions.choices import IN_FLIGHT
from workflows.actions.models import Action, IdempotencyKey
from workflows.actions.policies import business_words, money_words
from workflows.actions.services.deciding import carry_out
from workflows.actions.services.judging import Judgement, as_foreseen, judge
from workflows.tasks.models import Task

KEY_CHARACTERS = 255
_TAKE = """
INSERT INTO actions_idempotencykey (agent_id, key, fingerprint, action_id)
VALUES {rows}
ON CONFLICT (agent_id, key) DO NOTHING
RETURNING action_id
"""
NOT_CLEANED = ["requested_at", "arguments", "agent", "operation", "revision", "on_behalf_of"]


@dataclasses.dataclass(frozen=True, slots=True)
class Ask:
    """What an agent asks for. Only operation, arguments and provenance labels reach a rule.

    ``reason``, ``evidence`` and ``confidence`` are the agent's own words: kept, shown as untrusted, never read.
    ``on_behalf_of`` is a User's id; ``task_id`` with ``task_epoch`` names the work it belongs to;
    ``references`` are the run, step and workflow of an operation that a workflow itself asks for.
    """

    operation: str
    arguments: Mapping[str, Any]
    reason: str = ""
    evidence: tuple[Any, ...] = ()
    confidence: str = ""
    on_behalf_of: str = ""
    provenance: Mapping[str, str] = dataclasses.field(default_factory=dict)
    task_id: str = ""
    task_epoch: int | None = None
    correlation_id: str = ""
    references: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the RFC 8785 request; the operation's revision is not part of it."""
        body = {one.name: getattr(self, one.name) for one in dataclasses.fields(self)}
        body["evidence"] = list(self.evidence)
        body["arguments"], body["provenance"] = dict(self.arguments), dict(self.provenance)
        del body["correlation_id"], body["references"]  # they name the attempt, not the wish
        del body["task_epoch"]  # whoever takes the task up again asks for the same
        return digest_of(body)


def request_action(*, actor: Actor, agent: Agent, key: str, ask: Ask) -> Action:
    """Decide on what an agent asks, once per idempotency key, and record it; execute nothing yet.

    The same key again returns the same action. Raises Refusal: idempotency_key_reused (other body),
    action_in_flight (with retry_after seconds), invalid_arguments, not_found, task_stale, people_do_not_ask.
    Refusals that leave no action are in the ledger as well. A denial is an action in state denied, no error.
    """
    try:
        with transaction.atomic():
            return _ask(actor, agent, checked_key(key), ask)
    except Refusal as refusal:
        record_refusal(
            actor=actor,
            verb="actions.request_refused",
            subject=Ref("connectors.operation", "", ask.operation[:120]),
            refusal=refusal,
            agent_id=str(agent.pk),
            department_id=str(agent.department_id),
            correlation_id=ask.correlation_id,
            operation=ask.operation[:120],
        )
        raise


def request_within(*, actor: Actor, agent: Agent, key: str, ask: Ask) -> Action | Refusal:
    """Decide like ``request_action``, in the caller's transaction, and return a refusal instead of raising it.

    It is recorded in that transaction, which goes on: it stands with what the caller makes of it.
    """
    try:
        with transaction.atomic():
            return _ask(actor, agent, checked_key(key), ask)
    except Refusal as refused:
        refusal = refused
    record_event(
        actor=actor,
        verb="actions.request_refused",
        subject=Ref("connectors.operation", "", ask.operation[:120]),
        sentence=refusal.message[:500],
        decision="deny",
        code=refusal.code,
        agent_id=str(agent.pk),
        department_id=str(agent.department_id),
        correlation_id=ask.correlation_id,
        run_id=str(ask.references.get("run_id", "")),
        operation=ask.operation[:120],
    )
    return refusal


def preview_decision(*, actor: Actor, agent: Agent, ask: Ask) -> Judgement:
    """Say what would be decided now; records nothing and reserves nothing. Same checks as a real request.

    An agent may ask for itself only; a person needs ``actions.preview_decision``.
    """
    if actor.kind is ActorKind.AGENT and actor.id != str(agent.user_id):
        raise Refusal("not_found", f"There is no agent {agent.code} for you.", kind=RefusalKind.NOT_FOUND)
    if actor.kind is ActorKind.PERSON and not User.objects.get(pk=actor.id).has_perm(
        "actions.preview_decision"
    ):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not preview decisions.",
            next_step="Ask a manager for the permission to preview decisions.",
        )
    return as_foreseen(_judged(agent, ask, authority_now()))


def _ask(actor: Actor, agent: Agent, key: str, ask: Ask) -> Action:
    if actor.kind is not ActorKind.AGENT or actor.id != str(agent.user_id):
        raise Refusal(
            "people_do_not_ask",
            f"{actor.label} may not ask as {agent.name}: an agent asks for itself.",
            next_step="Sign in as the agent, with its own credential.",
        )
    action = Action(agent=agent)
    if answered := _asked_before(agent, key, ask) or _claim_key(agent, key, ask.fingerprint(), action):
        return answered
    task = _task(agent, ask)
    authority = authority_now()
    judgement = _judged(agent, ask, authority, task)
    fill(action, ask, judgement, task, operation_named(ask.operation, authority))
    return carry_out(actor=actor, action=action, judgement=judgement)


def checked_key(key: str) -> str:
    """Return a key that can be one; raise Refusal otherwise."""
    if not key or len(key) > KEY_CHARACTERS or not key.isprintable() or not key.isascii():
        raise Refusal(
            "idempotency_key_missing" if not key else "idempotency_key_invalid",
            "The request was refused: it needs an Idempotency-Key of 1 to 255 printable ASCII characters.",
            kind=RefusalKind.INVALID,
            next_step="Send a fresh UUID as Idempotency-Key, and the same one when you repeat the request.",
        )
    return key


def _claim_key(agent: Agent, key: str, fingerprint: str, action: Action) -> Action | None:
    """Take the key for this action, or return the action that already answers it.

    A twin that is being decided right now blocks this insert until its transaction ends.
    """
    if take_keys([(str(agent.pk), key, fingerprint, str(action.pk))]):
        return None
    holder = IdempotencyKey.objects.get(agent=agent, key=key)
    if holder.fingerprint != fingerprint:
        raise _reused(key, holder)
    return _not_in_flight(holder.action_id)


def take_keys(rows: Sequence[tuple[str, str, str, str]]) -> set[UUID]:
    """Take idempotency keys, each (agent, key, fingerprint, action); return the actions that have theirs.

    Others have the rest. In one order everywhere, so that no two wait for each other in a circle.
    """
    with connection.cursor() as cursor:
        places = ", ".join(["(%s, %s, %s, %s)"] * len(rows))
        cursor.execute(_TAKE.format(rows=places), [value for row in sorted(rows) for value in row])
        return {row[0] for row in cursor.fetchall()}


def _asked_before(agent: Agent, key: str, ask: Ask) -> Action | None:
    """Return what another agent asked for with this key while it had this task: nothing is done twice because
    somebody else goes on with it. Keys outside the task are nobody else's business."""
    if not ask.task_id or IdempotencyKey.objects.filter(agent=agent, key=key).exists():
        return None
    known = (
        IdempotencyKey.objects.filter(key=key, action__task=_task(agent, ask))
        .exclude(agent=agent)
        .order_by("action")
        .first()
    )
    if known is None:
        return None
    if known.fingerprint != ask.fingerprint():
        raise _reused(key, known)
    return _not_in_flight(known.action_id)


def _not_in_flight(action_id: Any) -> Action:
    answered = Action.objects.select_related("agent__user", "operation__system").get(pk=action_id)
    if answered.state in IN_FLIGHT:
        raise Refusal(
            "action_in_flight",
            f"The request is being done already: {answered.label}.",
            detail={"action": str(answered.pk), "retry_after": 1},
            kind=RefusalKind.CONFLICT,
            next_step="Wait a second and send the same request again, or read the action.",
        )
    return answered


def _reused(key: str, holder: IdempotencyKey) -> Refusal:
    return Refusal(
        "idempotency_key_reused",
        f"The request was refused: the key {key!r} already stands for another request.",
        detail={"action": str(holder.action_id)},
        kind=RefusalKind.INVALID,
        next_step="Use a new Idempotency-Key for a new request.",
    )


def _judged(agent: Agent, ask: Ask, authority: PresentAuthority, task: Task | None = None) -> Judgement:
    """Decide on arguments that passed the operation's schema; without a grant nobody learns of the schema."""
    operation = authority.operation(ask.operation)
    wrong = argument_errors(operation.input_schema or {}, ask.arguments) if operation else []
    references = _references(ask, task)
    judgement = judge(
        agent=agent,
        operation_code=ask.operation,
        arguments={} if wrong else ask.arguments,
        on_behalf_of=ask.on_behalf_of,
        provenance=ask.provenance,
        workflow_id=references.get("workflow_id", ""),
        run_id=references.get("run_id", ""),
        authority=authority,
    )
    if wrong and _may_know(judgement):
        raise _invalid(ask.operation, wrong)
    return judgement


def _may_know(judgement: Judgement) -> bool:
    """Say whether nothing but the arguments stands in the way, so that their errors may be told."""
    shut = first_shut(judgement.request, judgement.snapshot)
    return shut is None or shut[0] == "amount_missing"


def _invalid(code: str, wrong: list[dict[str, str]]) -> Refusal:
    first = wrong[0]
    return Refusal(
        "invalid_arguments",
        f"The arguments of {code} were refused at {first['pointer'] or '/'}: {first['message']}",
        detail={"errors": wrong},
        kind=RefusalKind.INVALID,
        next_step=f"Read GET /api/v1/operations/{code} and send arguments that fit its schema.",
    )


def operation_named(code: str, authority: PresentAuthority) -> Operation | None:
    """Return an operation with what an action keeps of it; it is for reading, and others read it, too."""
    found = Operation.objects.select_related("system", "current_revision").filter(code=code)
    return authority.kept(("row of operation", code), found.first)


def fill(
    action: Action, ask: Ask, judgement: Judgement, task: Task | None, operation: Operation | None
) -> None:
    """Write down what was asked for, and check it."""
    facts, money = judgement.request.operation, judgement.request.money
    action.operation_code = ask.operation
    action.operation = operation if facts else None
    action.revision = operation.current_revision if operation and facts else None
    action.arguments = dict(ask.arguments)
    action.arguments_digest = canonical_digest(ask.operation, facts.revision if facts else 0, ask.arguments)
    action.currency = money.currency if money else ""
    action.amount_minor = money.minor if money else None
    action.amount_company_minor = money.company_minor if money else None
    action.label = business_words(
        template=operation.label_template if operation and facts else "",
        name=operation.name if operation and facts else ask.operation,
        arguments=ask.arguments,
        money=money_words(action.amount_minor, action.currency),
        redact=judgement.decision.obligations.redact,
    )
    action.reason = ask.reason
    action.evidence = list(ask.evidence)
    action.confidence = ask.confidence
    action.provenance = dict(ask.provenance)
    action.on_behalf_of = _person(ask.on_behalf_of)
    action.task = task
    action.requested_at = judgement.request.now
    action.references = _references(ask, task)
    action.correlation_id = (
        ask.correlation_id or str(action.references.get("correlation_id", "")) or str(action.pk)
    )
    # The database checks its constraints with the insert; to ask it for each before costs a statement each.
    action.full_clean(exclude=NOT_CLEANED, validate_unique=False, validate_constraints=False)


def _references(ask: Ask, task: Task | None) -> dict[str, str]:
    return dict(ask.references) or _run_of(task)


def _run_of(task: Task | None) -> dict[str, str]:
    known = task.references if task else {}
    return {
        name: str(known[name])
        for name in ("run_id", "step_id", "workflow_id", "correlation_id")
        if name in known
    }


def _person(user_id: str) -> User | None:
    if not user_id:
        return None
    try:
        return User.objects.get(pk=user_id, is_active=True, kind=User.Kind.PERSON)
    except (User.DoesNotExist, ValueError) as error:
        raise Refusal(
            "not_found",
            "The request was refused: on_behalf_of names nobody who works here.",
            kind=RefusalKind.INVALID,
            next_step="Name the id of an active person, or leave on_behalf_of out.",
        ) from error


def _task(agent: Agent, ask: Ask) -> Task | None:
    """Return the work the action belongs to; only who holds it now, at this epoch, acts in its name."""
    if not ask.task_id:
        return None
    # Locked, so that whoever takes the task back, or closes it, finds what was asked for in its name.
    task = (
        Task.objects.select_for_update(of=("self",))
        .filter(pk=ask.task_id, claimed_by_id=agent.user_id, state=Task.State.CLAIMED)
        .first()
    )
    if task is None or task.epoch != ask.task_epoch:
        raise Refusal(
            "task_stale",
            "The request was refused: you do not hold that task at that epoch.",
            kind=RefusalKind.CONFLICT,
            next_step="Claim the task again and use its present epoch.",
        )
    return task
