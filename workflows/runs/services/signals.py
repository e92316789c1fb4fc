"""Tell a run something: once per name and key, to the step that waits for it, now or later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from audit.services import record_refusal
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from connectors.policies.digests import digest_of
from connectors.policies.schemas import argument_errors
from workflows.runs import engine
from workflows.runs.models import Run, Signal, Step, Subscription
from workflows.runs.services.carrying import carry_on
from workflows.runs.services.definitions import definition_of
from workflows.runs.services.look import Look
from workflows.runs.services.moving import lock_run, note, require_open
from workflows.runs.services.steering.verb import require_may_steer
from workflows.runs.services.waiting import take

MOST_WAITING = 1000  # signals of one run that no step has taken
MOST_BYTES = 64 * 1024
MOST_AT_ONCE = 200
KEY_CHARACTERS = 255
_PAYLOAD = {"type": "object"}


@dataclass(frozen=True)
class Sent:
    """The signal, and whether it came now or had come already."""

    signal: Signal
    is_new: bool


def send_signal(
    *, actor: Actor, run: Run, name: str, payload: Mapping[str, Any], key: str, reason: str = ""
) -> Sent:
    """Send a signal as a person who may steer the run; its oldest step that waits for it goes on at once.

    If none waits, it is kept for the step that will. The same key again is the signal that is there, whatever
    became of the run. Raises Refusal: use_the_operation (agents), not_permitted, signal_key_invalid,
    signal_key_reused, signal_unknown, signal_invalid, run_over, too_many_signals. Refusals are in the ledger.
    """
    if actor.kind is ActorKind.AGENT:
        raise Refusal(
            "use_the_operation",
            f"{actor.label} sent nothing: an agent sends a signal by the operation portal.run.signal.",
            next_step="Ask for portal.run.signal at /api/v1/actions; it must be granted to you.",
        )
    return _recorded(actor, run, name, payload, key, reason)


def send_signal_within(*, actor: Actor, run: Run, name: str, payload: Mapping[str, Any], key: str) -> Sent:
    """Send a signal for a part of the portal inside its own transaction: both stand or neither.

    Refuses as ``send_signal`` does, but leaves it to the caller to put a refusal on record.
    """
    if actor.kind is not ActorKind.SYSTEM:
        raise RuntimeError("Only a part of the portal sends a signal inside a transaction of its own.")
    with transaction.atomic():
        return _send(actor, run, name, payload, key)


def send_signal_for_agent(*, actor: Actor, run: Run, name: str, payload: Mapping[str, Any], key: str) -> Sent:
    """Send what an agent asked for by the granted operation ``portal.run.signal``; only that calls it."""
    return _recorded(actor, run, name, payload, key)


def run_named(workflow_code: str, key: str) -> Run:
    """Return the run of a workflow with a key; raise Refusal ``run_unknown``."""
    found = (
        Run.objects.select_related("workflow", "version").filter(workflow__code=workflow_code, key=key).first()
    )
    if found is None:
        raise Refusal(
            "run_unknown",
            f"Nobody was told anything: there is no run of {workflow_code[:60]} with the key {key[:80]!r}.",
            kind=RefusalKind.NOT_FOUND,
            next_step="Send what names the run, or start one with that key first.",
        )
    return found


def _recorded(
    actor: Actor, run: Run, name: str, payload: Mapping[str, Any], key: str, reason: str = ""
) -> Sent:
    try:
        with transaction.atomic():
            return _send(actor, run, name, payload, key, reason)
    except Refusal as refusal:
        if not refusal.recorded:
            record_refusal(
                actor=actor,
                verb="runs.signal_refused",
                subject=run.as_ref(),
                refusal=refusal,
                **run.event_refs(),
            )
        raise


def _send(actor: Actor, run: Run, name: str, payload: Mapping[str, Any], key: str, reason: str = "") -> Sent:
    run = lock_run(run.pk)
    if actor.kind is ActorKind.PERSON:
        require_may_steer(actor, run)
    _require_key(run, key)
    _require_name(run, name)
    _require_payload(run, payload)
    digest = digest_of(dict(payload))
    if known := _known(run, name, key, digest):
        return Sent(known, is_new=False)
    require_open(run)
    _require_room(run)
    signal = Signal.objects.create(
        run=run,
        name=name,
        key=key,
        payload=dict(payload),
        digest=digest,
        sent_by_kind=str(actor.kind),
        sent_by_id=actor.id,
        sent_by=actor.label[:300],
    )
    told = {"signal": name, "key": key, "digest": digest}
    sentence = f"{actor.label} sent {run.label} the signal {name}"
    note(actor=actor, run=run, verb="runs.signal_sent", sentence=sentence, reason=reason, payload=told)
    _deliver(run, signal)
    signal.refresh_from_db()
    return Sent(signal, is_new=True)


def _deliver(run: Run, signal: Signal) -> None:
    """Let the oldest step that waits for it go on; those it is not meant for need not look at it again."""
    waiting = Subscription.objects.filter(run=run, name=signal.name, step__is_parked=False).order_by("pk")
    steps = [str(key) for key in waiting.values_list("pk", flat=True)]
    for first in range(0, len(steps), MOST_AT_ONCE):
        if _deliver_to_one(run, signal, steps[first : first + MOST_AT_ONCE]):
            return


def _deliver_to_one(run: Run, signal: Signal, steps: Sequence[str]) -> bool:
    look = Look([run], steps)
    picture = look.runs[str(run.pk)].picture
    for step_id in steps:
        if engine.accepts(picture.view(step_id), signal.payload):
            step = Step.objects.get(pk=step_id)
            look.tell(str(run.pk), step_id, take(signal, step, picture))
            carry_on(look)
            return True
    Subscription.objects.filter(pk__in=[UUID(key) for key in steps]).update(seen=signal.pk)
    return False


def _known(run: Run, name: str, key: str, digest: str) -> Signal | None:
    known = Signal.objects.filter(run=run, name=name, key=key).first()
    if known is not None and known.digest != digest:
        raise Refusal(
            "signal_key_reused",
            f"{run.label} was told nothing: {key[:80]!r} stands for a {name} that said otherwise.",
            kind=RefusalKind.CONFLICT,
            next_step="Use a new key for what is new.",
        )
    return known


def _require_key(run: Run, key: str) -> None:
    if not key or len(key) > KEY_CHARACTERS or not key.isprintable():
        raise Refusal(
            "signal_key_invalid",
            f"{run.label} was told nothing: its key has 1 to {KEY_CHARACTERS} printable characters.",
            kind=RefusalKind.INVALID,
            next_step="Send what names the occasion, and the same one again when you send it again.",
        )


def _require_name(run: Run, name: str) -> None:
    names = signals_of(definition_of(run.version))
    if name not in names:
        there = f"Its steps wait for: {', '.join(sorted(names))}." if names else "It waits for no signal."
        raise Refusal(
            "signal_unknown",
            f"{run.label} was told nothing: no step of it ever waits for a signal {name[:60]!r}.",
            kind=RefusalKind.INVALID,
            detail={"signals": sorted(names)},
            next_step=there,
        )


def signals_of_run(run: Run) -> set[str]:
    """Return the names of the signals that steps of a run wait for, now, earlier or later."""
    return signals_of(definition_of(run.version))


def signals_of(definition: engine.Definition) -> set[str]:
    """Return the names of the signals that steps of a workflow wait for."""
    return {node.facts["signal"] for node in definition.nodes.values() if "signal" in node.facts}


def _require_payload(run: Run, payload: Mapping[str, Any]) -> None:
    errors = argument_errors(_PAYLOAD, payload)
    if not errors and len(engine.canonical(payload)) > MOST_BYTES:
        errors = [{"pointer": "", "message": f"It is larger than {MOST_BYTES} bytes."}]
    if errors:
        first = errors[0]
        raise Refusal(
            "signal_invalid",
            f"{run.label} was told nothing: {first['pointer'] or 'what it says'}: {first['message']}",
            detail={"errors": errors},
            kind=RefusalKind.INVALID,
            next_step="Send a JSON object that can be held.",
        )


def _require_room(run: Run) -> None:
    if Signal.objects.filter(run=run, taken_by=None).count() >= MOST_WAITING:
        raise Refusal(
            "too_many_signals",
            f"{run.label} was told nothing: {MOST_WAITING} signals wait already that no step has taken.",
            kind=RefusalKind.LIMITED,
            next_step="Wait until its steps have taken some.",
        )
