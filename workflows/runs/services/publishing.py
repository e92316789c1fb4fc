"""Write a version of a workflow; a second person lets it become the one that new runs follow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.db.models import CharField, F, Func, Max

from agents import registry
from agents.models import Agent, ChangeRequest, Department, Role, User
from agents.policies import require_reason
from agents.services import changes
from agents.services.history import lock_row, stamp
from audit.services import record_event, refusals_recorded
from audit.vocabulary import Actor, ActorKind, Refusal, RefusalKind
from connectors.models import Operation
from connectors.policies.schemas import argument_errors, hidden_characters, schema_problems
from workflows.runs import engine, selectors
from workflows.runs.choices import VersionState
from workflows.runs.engine.lint import Known
from workflows.runs.models import Workflow, WorkflowVersion
from workflows.runs.services.able import ABLE
from workflows.runs.services.definitions import differences_of
from workflows.tasks.selectors import database_now

CHANGE_KIND = "runs.workflow_version"
MOST_DIFFERENCES = 100


def propose_version(
    *, actor: Actor, text: str, reason: str, workflow: Workflow | None = None, seen: int | None = None
) -> WorkflowVersion:
    """Propose a definition (YAML) as the next version; it waits for a second person in the inbox.

    Makes the workflow if its code is new; with ``workflow`` the code has to be that one's, and with ``seen``
    its newest version has to be the one the writer had before them (0: there was none). Raises Refusal:
    not_permitted, definition_invalid (``detail["errors"]`` in words, with the node and the cure),
    nothing_changed, already_proposed, changed_meanwhile, reason_missing. The boundary records refusals: a form
    saves in a transaction of its own.
    """
    with transaction.atomic():
        proposer = author_of(actor)
        require_reason(reason)
        content, definition = checked(text)
        if workflow is not None and workflow.code != definition.code:
            raise _invalid([f"code: {definition.code} is another workflow; this one is {workflow.code}."])
        workflow = _workflow(actor, definition, reason)
        _require_seen(workflow, seen)
        version = _new_version(workflow, text, content, proposer, reason)
        differs = differences_of(version, workflow.current)[:MOST_DIFFERENCES]
        changes.propose_change(
            actor=actor,
            kind=CHANGE_KIND,
            target=workflow.as_ref(),
            payload={"version": str(version.pk), "number": version.number, "sha256": version.sha256,
                     "definition": content, "advice": advice(definition), "differences": differs},
            summary=_summary(workflow, version, definition),
            reason=reason,
            target_version=_current_of(workflow),
        )  # fmt: skip
        _record(actor, "runs.version_proposed", version, f"{actor.label} proposed {version}", reason)
        return version


def checked(text: str) -> tuple[dict[str, Any], engine.Definition]:
    """Return a text as JSON and as a definition; raise Refusal ``definition_invalid`` with everything wrong."""
    try:
        content = engine.read_yaml(text)
        definition = engine.parse(content)
    except engine.DefinitionError as error:
        raise _invalid(error.problems) from None
    # Who approves reads it; what they cannot see must not be in it.
    if hidden := hidden_characters(text) or hidden_characters(content):
        raise _invalid([f"{found['pointer'] or 'The text'}: {found['message']}." for found in hidden])
    _require_sound(definition)
    return content, definition


def _require_sound(definition: engine.Definition) -> None:
    if wrong := engine.errors(engine.lint(definition, known())):
        raise _invalid([str(finding) for finding in wrong])


def advice(definition: engine.Definition) -> list[str]:
    """Return what stops nothing and a second person should weigh, in words."""
    found = engine.lint(definition, known())
    return [str(finding) for finding in found if finding.level is engine.Level.ADVICE][:50]


def known() -> Known:
    """Return what exists around a workflow."""
    return Known(
        roles=set(Role.objects.values_list("code", flat=True)),
        departments=set(Department.objects.values_list("code", flat=True)),
        operations={operation.code for operation in registry.all_operations()},
        groups=set(selectors.groups_of_people().values_list("name", flat=True)),
        schema_problems=schema_problems,
        answer_problems=_answer_problems,
        shapes=_shapes(),
        workflows=_inputs(),
        labels=_labels(),
        calls=_calls(),
        able=ABLE,
    )


def _labels() -> set[str]:
    """Return every label that an agent has which was not retired."""
    employed = Agent.objects.exclude(lifecycle=Agent.Lifecycle.RETIRED).exclude(labels=[])
    each = employed.annotate(label=Func(F("labels"), function="unnest", output_field=CharField()))
    return set(each.values_list("label", flat=True).distinct())


def _answer_problems(schema: Any, answer: Any) -> list[str]:
    """Return why an answer does not fit a schema, in words; nothing of a schema that is none itself."""
    if schema_problems(schema):
        return []
    return [f"{error['pointer'] or '/'}: {error['message']}" for error in argument_errors(schema, answer)]


def _shapes() -> dict[str, engine.OperationShape]:
    """Return what is known of every operation; its output only if it is declared."""
    published = Operation.objects.filter(current_revision__isnull=False)
    more = {
        code: (output or {}, undo or "")
        for code, output, undo in published.values_list(
            "code", "current_revision__output_schema", "undo_operation__code"
        )
    }
    return {
        operation.code: engine.OperationShape(
            str(operation.effect),
            operation.input_schema or {},
            *more.get(operation.code, ({}, "")),
            is_idempotent=operation.idempotent,
        )
        for operation in registry.all_operations()
    }


def _inputs() -> dict[str, dict[str, Any]]:
    """Return the input schema of every workflow that can be started, by code."""
    in_force = Workflow.objects.filter(current__isnull=False).values_list("code", "current__content__input")
    return dict(in_force)


def _calls() -> dict[str, set[str]]:
    """Return the codes of the workflows that the version in force of each one begins."""
    found: dict[str, set[str]] = {}
    for code, nodes in Workflow.objects.filter(current__isnull=False).values_list(
        "code", "current__content__nodes"
    ):
        found[code] = {node["workflow"] for node in nodes.values() if node["kind"] == "sub"}
    return found


def apply_version(actor: Actor, change: ChangeRequest) -> None:
    """Let a proposed version be what new runs follow; runs under way keep theirs. ``apply_change`` calls it."""
    workflow = lock_row(Workflow, change.target_id)
    version = WorkflowVersion.objects.select_for_update().get(pk=change.payload["version"])
    if version.sha256 != change.payload["sha256"] or _digest(version.content) != version.sha256:
        raise Refusal(
            "version_changed",
            f"{version} was not approved: it is not what was proposed.",
            kind=RefusalKind.CONFLICT,
            next_step="Reject it and have it proposed again.",
        )
    definition = engine.parse(version.content)
    _require_sound(definition)  # what it names may have gone, or become something else, since it was proposed
    version.state, version.approved_by_id = VersionState.APPROVED, actor.id
    version.decided_at = database_now()
    version.save(update_fields=["state", "approved_by", "decided_at"])
    workflow.current = version
    workflow.name, workflow.purpose = definition.name, definition.purpose
    workflow.owner = Group.objects.get(name=definition.owner)
    stamp(workflow, actor=actor, reason=change.reason).save(
        update_fields=["current", "name", "purpose", "owner"]
    )
    _record(actor, "runs.version_approved", version, f"{actor.label} approved {version}", change.reason)


def note_decision(actor: Actor, change: ChangeRequest) -> None:
    """A proposal that ended without being applied leaves its version rejected. Hears of every change."""
    ended = (ChangeRequest.State.REJECTED, ChangeRequest.State.WITHDRAWN, ChangeRequest.State.EXPIRED)
    if change.kind != CHANGE_KIND or change.state not in ended:
        return
    version = WorkflowVersion.objects.select_for_update().get(pk=change.payload["version"])
    version.state, version.decided_at = VersionState.REJECTED, database_now()
    version.save(update_fields=["state", "decided_at"])
    _record(actor, "runs.version_rejected", version, f"{version} was not approved", change.decision_reason)


def current_version(change: ChangeRequest) -> str:
    """Name the present version of the target, so that a proposal against an older one is refused as stale."""
    return _current_of(Workflow.objects.get(pk=change.target_id))


def set_enabled(*, actor: Actor, workflow: Workflow, enabled: bool, reason: str) -> Workflow:
    """Switch a workflow on or off; runs under way go on."""
    with refusals_recorded(actor=actor, subject=workflow.as_ref()), transaction.atomic():
        author_of(actor)
        require_reason(reason)
        workflow = lock_row(Workflow, workflow.pk)
        workflow.is_enabled = enabled
        stamp(workflow, actor=actor, reason=reason).save(update_fields=["is_enabled"])
        word = "on" if enabled else "off"
        record_event(
            actor=actor,
            verb="runs.workflow_switched",
            subject=workflow.as_ref(),
            sentence=f"{actor.label} switched {workflow} {word}",
            reason=reason,
            code=word,
        )
        return workflow


def author_of(actor: Actor) -> User:
    """Return the person who writes workflows; raise Refusal ``not_permitted`` for anybody else."""
    user = User.objects.filter(pk=actor.id, is_active=True).first() if actor.kind is ActorKind.PERSON else None
    if user is None or not user.has_perm("runs.change_workflow"):
        raise Refusal(
            "not_permitted",
            f"{actor.label} may not change workflows.",
            next_step="Ask a manager for the right to change workflows.",
        )
    return user


def _workflow(actor: Actor, definition: engine.Definition, reason: str) -> Workflow:
    workflow = Workflow.objects.select_for_update(of=("self",)).filter(code=definition.code).first()
    if workflow is None:
        workflow = Workflow(
            code=definition.code,
            name=definition.name,
            purpose=definition.purpose,
            owner=Group.objects.get(name=definition.owner),
        )
        workflow.full_clean(exclude=["created_at"], validate_unique=False)
        try:
            with transaction.atomic():
                stamp(workflow, actor=actor, reason=reason).save()
        except IntegrityError:
            raise Refusal(
                "already_proposed",
                f"Nothing was proposed: somebody else is proposing {definition.code} at this moment.",
                kind=RefusalKind.CONFLICT,
                next_step="Look at theirs in the inbox, then propose yours.",
            ) from None
    return workflow


def _require_seen(workflow: Workflow, seen: int | None) -> None:
    """Refuse what was written without knowing the newest version: its changes would be lost without a word."""
    newest = workflow.versions.aggregate(newest=Max("number"))["newest"] or 0
    if seen is not None and newest != seen:
        raise Refusal(
            "changed_meanwhile",
            f"Nothing was proposed: somebody wrote version {newest} of {workflow} meanwhile.",
            kind=RefusalKind.CONFLICT,
            next_step="Look at what it changes, take it over into yours, and propose again.",
        )


def _new_version(
    workflow: Workflow, text: str, content: Mapping[str, Any], proposer: User, reason: str
) -> WorkflowVersion:
    digest = _digest(content)
    if workflow.current and workflow.current.sha256 == digest:
        raise Refusal(
            "nothing_changed",
            f"Nothing was proposed: version {workflow.current.number} of {workflow} says the same already.",
            kind=RefusalKind.CONFLICT,
        )
    newest = workflow.versions.aggregate(newest=Max("number"))["newest"] or 0
    if workflow.versions.filter(state=VersionState.PROPOSED).exists():
        raise Refusal(
            "already_proposed",
            f"Nothing was proposed: version {newest} of {workflow} still waits for a second person.",
            kind=RefusalKind.CONFLICT,
            next_step="Have it decided or withdraw it first.",
        )
    version = WorkflowVersion(
        workflow=workflow,
        number=newest + 1,
        text=text,
        content=dict(content),
        sha256=digest,
        proposed_by=proposer,
        reason=reason,
    )
    version.full_clean(exclude=["created_at"])
    version.save(force_insert=True)
    return version


def _summary(workflow: Workflow, version: WorkflowVersion, definition: engine.Definition) -> str:
    if workflow.current is None:
        return f"Workflow {workflow}: first version, {len(definition.nodes)} steps"
    before, after = workflow.current.content["nodes"], version.content["nodes"]
    new, gone = sorted(set(after) - set(before)), sorted(set(before) - set(after))
    other = sorted(key for key in set(after) & set(before) if after[key] != before[key])
    said = (("new", new), ("gone", gone), ("changed", other))
    names = {key: node["name"] for key, node in {**before, **after}.items()}
    told = [f"{word}: {', '.join(names[key] for key in keys)}" for word, keys in said if keys]
    return f"Workflow {workflow}: version {version.number} instead of {workflow.current.number}: " + (
        "; ".join(told) or "other input, name or owner"
    )


def _current_of(workflow: Workflow) -> str:
    return str(workflow.current.number) if workflow.current else "0"


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(engine.canonical(content)).hexdigest()


def _invalid(problems: list[str]) -> Refusal:
    return Refusal(
        "definition_invalid",
        "The definition was refused: " + " ".join(problems[:5]),
        detail={"errors": [{"pointer": "", "message": problem} for problem in problems[:50]]},
        kind=RefusalKind.INVALID,
        next_step="Mend what is named and propose it again.",
    )


def _record(actor: Actor, verb: str, version: WorkflowVersion, sentence: str, reason: str) -> None:
    record_event(
        actor=actor,
        verb=verb,
        subject=version.as_ref(),
        sentence=sentence[:500],
        reason=reason,
        payload={"workflow": version.workflow.code, "number": version.number, "sha256": version.sha256},
    )
