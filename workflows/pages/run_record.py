"""Everything about one run as data, for whoever may see it: what its raw view and its evidence are made of.

Nothing is in it that the page does not show: what a rule hides in an action is hidden here; actions and entries
of the ledger are those its reader may see. What is longer than ``MOST`` says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q

from agents.models import User
from audit import reading
from workflows.actions.models import Action
from workflows.actions.selectors import shown_arguments
from workflows.actions.selectors import visible_to as visible_actions
from workflows.documents.models import Document
from workflows.documents.selectors import visible_to as visible_documents
from workflows.pages.lines import line_of
from workflows.pages.run_decisions import decisions_of
from workflows.pages.run_head import elapsed_of, policies_of, trigger_of
from workflows.pages.run_meter import latency_of, meter_of
from workflows.pages.step_words import full_name, shown_input, who_has
from workflows.runs.models import Run, Step

MOST = 1_000  # steps, actions and entries of the ledger each

Record = dict[str, Any]


def record_of(run: Run, user: User) -> Record:
    """Return a run as data that JSON can hold, in the order people ask: what, how, decided, done, found."""
    steps, actions = _steps(run), _actions(run, user)
    return {
        "run": _run(run, user),
        "steps": _listed(run.steps.count(), [_step(step) for step in steps]),
        "decisions": [_decision(one) for one in decisions_of(run, user)],
        "actions": [_action(action) for action in actions],
        "documents": [document_row(document) for document in documents_of(run)],
        "ledger": _ledger(run, user),
    }


def documents_of(run: Run) -> list[Document]:
    """Return the documents of a run in the order they came."""
    return list(Document.objects.filter(pk__in=run.run_documents.values("document")).order_by("pk")[:MOST])


def readable_of(documents: Sequence[Document], user: User) -> set[Any]:
    """Return which of these documents a person may read, by their ids."""
    found = visible_documents(user).filter(pk__in=[document.pk for document in documents])
    return set(found.values_list("pk", flat=True))


def document_row(document: Document) -> Record:
    """Return what is said of a document: enough to know it again."""
    return {
        "id": str(document.pk),
        "name": document.name,
        "media_type": document.media_type,
        "bytes": document.size,
        "sha256": document.sha256,
        "source": document.source,
        "came_at": moment(document.created_at),
    }


def moment(at: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at else None


def _listed(count: int, rows: list[Record]) -> Record:
    return {"count": count, "is_complete": count <= len(rows), "rows": rows}


def _run(run: Run, user: User) -> Record:
    meter, latency = meter_of(run, user), latency_of(run, user)
    return {
        "id": str(run.pk),
        "label": run.label,
        "key": run.key,
        "correlation_id": str(run.pk),
        "workflow": {
            "code": run.workflow.code,
            "name": run.workflow.name,
            "version": run.version.number,
            "sha256": run.version.sha256,
        },
        "policy_versions": policies_of(run),
        "trigger": trigger_of(run),
        "started_by": {"kind": run.started_by_kind, "label": run.started_by},
        "started_at": moment(run.started_at),
        "finished_at": moment(run.finished_at),
        "elapsed": elapsed_of(run),
        "state": run.state,
        "state_words": str(run.get_state_display()),
        "outcome": run.outcome,
        "problem": run.problem,
        "priority": run.priority,
        "department": str(run.department) if run.department else "",
        "input": run.input,
        "input_sha256": run.input_digest,
        "output": run.output,
        "erased_at": moment(run.erased_at),
        "models": {"reports": meter.uses, "tokens": meter.tokens, "cost": meter.cost_words},
        "calls": asdict(latency),
    }


def _steps(run: Run) -> list[Step]:
    found = Step.objects.filter(run=run).order_by("pk")
    found = found.select_related("agent", "task__claimed_by__agent", "task__role", "action")
    return list(found.prefetch_related("task__candidate_groups", "task__candidate_users")[:MOST])


def _step(step: Step) -> Record:
    error: Mapping[str, Any] = step.error
    return {
        "id": str(step.pk),
        "node": step.node,
        "name": full_name(step),
        "kind": step.kind,
        "attempt": step.generation,
        "state": step.state,
        "state_words": str(step.get_state_display()),
        "who": who_has(step),
        "chosen_because": step.chosen_because,
        "created_at": moment(step.created_at),
        "started_at": moment(step.started_at),
        "finished_at": moment(step.finished_at),
        "input": shown_input(step),
        "answer": step.answer,
        "error": {key: error[key] for key in ("code", "message") if key in error},
        "undone": step.undone,
    }


def _actions(run: Run, user: User) -> list[Action]:
    own = Q(correlation_id=str(run.pk))
    found = visible_actions(user).filter(own).select_related("revision", "replaces").order_by("requested_at")
    return list(found[:MOST])


def _action(action: Action) -> Record:
    return {
        "id": str(action.pk),
        "label": action.label,
        "agent": action.agent.name,
        "operation": action.operation_code,
        "operation_name": action.operation.name if action.operation else action.operation_code,
        "revision": action.revision_number,
        "step": str(action.references.get("step_id", "")),
        "arguments": shown_arguments(action),
        "verdict": action.verdict,
        "policy_version": action.policy_version,
        "state": action.state,
        "state_words": str(action.get_state_display()),
        "requested_at": moment(action.requested_at),
        "decided_at": moment(action.decided_at),
        "dispatched_at": moment(action.dispatched_at),
        "finished_at": moment(action.finished_at),
        "result": action.result,
        "record": action.remote_ref,
        "read_back": str(action.get_outcome_display()) if action.outcome else "",
    }


def _decision(one: Any) -> Record:
    return {
        "at": moment(one.at),
        "kind": one.kind,
        "decision": one.tag.text,
        "who": one.who,
        "about": one.about,
        "reason": one.reason,
        "more": one.more,
    }


def _ledger(run: Run, user: User) -> Record:
    """Return where in the ledger the run is told: entries this person may see, by their places."""
    found = reading.timeline("runs.run", str(run.pk), user, size=MOST)
    events: list[Any] = reading.in_order(found.events)
    events = [event for event in events if event.position]
    places = [event.position for event in events]
    return {
        "first": places[0] if places else None,
        "last": places[-1] if places else None,
        "is_complete": found.older is None,
        "entries": [
            {
                "position": event.position,
                "id": str(event.pk),
                "verb": event.verb,
                "words": line_of(event).sentence,
                "at": moment(event.occurred_at),
            }
            for event in events
        ],
    }
