"""Change what an agent asked for, in a form from its operation: another person decides on what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.models import User
from audit.vocabulary import Refusal
from workflows.actions.models import Action
from workflows.actions.policies import Difference, differences, patched, redacted
from workflows.actions.selectors import hidden_in_action
from workflows.actions.services import edit_action
from workflows.approvals.models import Approval
from workflows.approvals.selectors import pending_for, visible_to
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.question import documents_of, runs_of
from workflows.pages.schema_form import SchemaForm
from workflows.pages.schema_parts import resolved
from workflows.pages.voters import voters_of, why_nobody

PREFIX = "args"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def edit(request: HttpRequest, approval_id: UUID) -> HttpResponse:
    """Show the values that are asked for, and take others. The service asks every question again."""
    approval, action = asked_for(request, approval_id)
    data = request.POST if request.method == "POST" else None
    form = _form(request, approval, action, data)
    if data is None:
        return _page(request, approval, action, form)
    said = {"reason": data.get("reason", ""), "whom": data.get("for", "")}
    if not form.is_valid():
        return _page(request, approval, action, form, 422, refused="Correct what is marked below.", **said)
    if data.get("deed") == "look":
        mine = _mine(form, action)
        return _page(request, approval, action, form, 200, looked=True, differences=mine, **said)
    try:
        new = edit_action(
            actor=_user(request).as_actor(),
            approval_id=approval.pk,
            digest=data.get("digest", ""),
            changes=patch_of(form, action.arguments),
            reason=said["reason"],
            on_behalf_of=said["whom"][:80].replace("\x00", ""),
        )
    except Refusal as refusal:
        for error in refusal.detail.get("errors", ()):
            form.add_error_at(error["pointer"], error["message"])
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, approval, action, form, status, refused=refusal.in_full(), **said)
    messages.success(request, f"Changed: {new.label}. Another person decides on it now; the agent is told.")
    return redirect("inbox-approval", new.approval_id)


def _mine(form: SchemaForm, action: Action) -> tuple[Difference, ...]:
    """Return what a person would make other than the agent asked, without what a rule hides."""
    hidden = hidden_in_action(action)
    mine = patched(action.arguments, patch_of(form, action.arguments))
    schema = action.revision.input_schema if action.revision else None
    return differences(redacted(action.arguments, hidden), redacted(mine, hidden), schema)


def asked_for(request: HttpRequest, approval_id: UUID) -> tuple[Approval, Action]:
    """Return an approval this person may see, and the action it is about; 404 for anything else."""
    user = _user(request)
    for shown in (visible_to(user), pending_for(user)):
        approval = shown.filter(pk=approval_id, subject_kind="actions.action").first()
        if approval is not None:
            actions = Action.objects.select_related("agent__role", "operation__current_revision", "revision")
            return approval, actions.get(pk=approval.subject_id)
    raise Http404


def patch_of(form: SchemaForm, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a person filled in otherwise as a JSON merge patch; what was left alone is not in it."""
    patch: dict[str, Any] = {}
    for name in form.changed_data:
        path = form.paths[name]
        value = form.cleaned_data.get(name)
        value = None if value in ("", []) and not form.fields[name].required else value
        if value != _at(arguments, path):
            place = patch
            for member in path[:-1]:
                place = place.setdefault(member, {})
            place[path[-1]] = value
    return patch


def without_hidden(schema: Mapping[str, Any], paths: Sequence[str]) -> dict[str, Any]:
    """Return a schema that asks for nothing of what a rule hides (``args.<path>``)."""
    found = dict(schema)
    for path in paths:
        found = _without(found, path.removeprefix("args.").split("."), schema)
    return found


def _without(schema: Mapping[str, Any], parts: Sequence[str], root: Mapping[str, Any]) -> dict[str, Any]:
    head, *rest = parts
    members = dict(schema.get("properties", {}))
    if head not in members:
        return dict(schema)
    if rest and isinstance(members[head], Mapping):
        members[head] = _without(resolved(members[head], root), rest, root)
        return {**schema, "properties": members}
    del members[head]
    return {
        **schema,
        "properties": members,
        "required": [it for it in schema.get("required", ()) if it != head],
    }


def _at(value: Any, path: Sequence[str]) -> Any:
    for member in path:
        value = value.get(member) if isinstance(value, Mapping) else None
    return value


def _form(request: HttpRequest, approval: Approval, action: Action, data: Any) -> SchemaForm:
    revision = action.operation.current_revision if action.operation else None
    hidden = hidden_in_action(action)
    schema = without_hidden(revision.input_schema if revision else {}, hidden)
    user = _user(request)
    documents = [(str(one.pk), one.name) for one in documents_of(runs_of(approval, user), user)]
    form = SchemaForm(schema, data, prefix=PREFIX, documents=documents)
    # A part that is filled in as a whole may hold what is hidden inside of it.
    form.begin_with(redacted(action.arguments, hidden))
    for name, value in form.initial.items():
        choice: Any = form.fields[name]
        offered = [str(key) for key, _ in choice.choices] if _is_choice(choice) else []
        if offered and str(value) not in offered:
            choice.choices = [*choice.choices, (value, "As it is")]
    return form


def _is_choice(field: forms.Field) -> bool:
    return isinstance(field, forms.ChoiceField) and not isinstance(field, forms.MultipleChoiceField)


def _page(
    request: HttpRequest, approval: Approval, action: Action, form: SchemaForm, status: int = 200, **said: Any
) -> HttpResponse:
    user = _user(request)
    voters = voters_of(approval, user)
    shown = {
        "approval": approval,
        "action": action,
        "form": form,
        "voters": voters,
        "hidden": [path.removeprefix("args.") for path in hidden_in_action(action)],
        "why_not": "" if voters else why_nobody(approval, user, approval.votes.all()),
        "subtitle": approval.subject_label,
        **said,
    }
    return page(request, "portal/edit.html", "Change a request", status, **shown)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
