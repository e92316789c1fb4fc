"""Draw a workflow: picture, forms and YAML say the same; it is saved by the publishing services."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from agents.models import User
from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal, RefusalKind
from workflows.pages.access import STATUS_OF_KIND, admin_page, for_people, page
from workflows.pages.node_fields import fields_by_kind, fields_of_the_whole, in_labels
from workflows.pages.pickers import pickers_for
from workflows.pages.spoken import spoken_to
from workflows.runs import engine, services
from workflows.runs.engine import editing
from workflows.runs.models import Workflow, WorkflowVersion
from workflows.runs.reading import KINDS, drawing_of
from workflows.runs.selectors import groups_of_people, visible_workflows

RIGHT = "runs.change_workflow"
MOST_CHARACTERS = 400_000


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def edit(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Show the version in force (or the newest) to be changed, and propose what a person made of it."""
    user = _writer(request)
    workflow = get_object_or_404(visible_workflows(user).select_related("current"), pk=workflow_id)
    _require_right(user)
    version = workflow.current or workflow.versions.order_by("-number").first()
    if request.method == "POST":
        return _save(request, workflow, version)
    return _page(request, workflow, version, text=version.text if version else "", seen=_newest(workflow))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def new(request: HttpRequest) -> HttpResponse:
    """Begin a workflow with one step of people and an end."""
    user = _writer(request)
    _require_right(user)
    if request.method == "POST":
        return _save(request, None, None)
    return _page(request, None, None, text=services.as_text(_first(user)), seen=0)


@never_cache
@require_POST
@for_people
def check(request: HttpRequest) -> HttpResponse:
    """Answer what is to be said about a definition, and how it is drawn. Nothing is kept."""
    user = _writer(request)
    _require_right(user)
    try:
        content, focus, is_text = _asked(request)
    except engine.DefinitionError as error:  # an answer like any other: somebody is in the middle of writing
        return _answer(request, {"refused": "", "findings": _of_text(error.problems)})
    except editing.EditError as error:
        return _answer(request, {"refused": str(error), "findings": []})
    except (ValueError, RecursionError):
        return _answer(request, {"refused": _("This is no definition of a workflow."), "findings": []}, 422)
    drawing, changes = drawing_of(content), services.changes_of(content, _in_force(user, content))
    words = {"drawing": drawing, "findings": _findings(content), "changes": changes, "focus": focus}
    text = None if is_text else services.as_text(content)
    return _answer(request, words, content=content, text=text)


def _answer(request: HttpRequest, words: dict[str, Any], status: int = 200, **written: Any) -> JsonResponse:
    """Answer what the portal says in the reader's language, beside what a person wrote, as it is."""
    return JsonResponse({**spoken_to(request, words), **written}, status=status)


def _asked(request: HttpRequest) -> tuple[dict[str, Any], str, bool]:
    """Return the definition a page sent, changed as it asked, the node to go on with, whether it was text."""
    if (text := request.POST.get("text")) is not None:
        return engine.read_yaml(text), "", True
    written = request.POST.get("content", "")
    content = json.loads(written) if len(written) <= MOST_CHARACTERS else None
    change = json.loads(request.POST.get("change") or "null")
    if not isinstance(content, dict) or not isinstance(change, dict | None):
        raise ValueError("not a definition and a change of it")
    services.as_text(content)  # raises for what is no plain JSON
    if change is None:
        return content, "", False
    edited = _edited(content, {name: str(value)[:200] for name, value in change.items()})
    return edited.content, edited.focus, False


def _edited(content: Mapping[str, Any], change: Mapping[str, str]) -> editing.Edited:
    """Make one change of the picture."""
    deed, node, to = change.get("deed", ""), change.get("node", ""), change.get("to", "")
    if deed == "add":
        word = str(KINDS[to][0]) if to in KINDS else to
        return editing.added(content, to, word, after=node)
    if deed == "remove":
        return editing.removed(content, node)
    if deed == "rename":
        return editing.renamed(content, node, to)
    if deed == "connect":
        return editing.connected(content, node, to)
    if deed == "start":
        return editing.started_with(content, node)
    raise editing.EditError(_("There is no such change."))


def _findings(content: Mapping[str, Any]) -> list[dict[str, str]]:
    return [
        {
            "node": one.node,
            "problem": in_labels(one.problem),
            "cure": in_labels(one.cure),
            "level": str(one.level),
        }
        for one in services.findings_of(content)
    ]


def _of_text(problems: list[str]) -> list[dict[str, str]]:
    return [{"node": "", "problem": problem, "cure": "", "level": "error"} for problem in problems[:50]]


def _save(request: HttpRequest, workflow: Workflow | None, version: WorkflowVersion | None) -> HttpResponse:
    text, reason = request.POST.get("text", "").replace("\r\n", "\n"), request.POST.get("reason", "")
    seen = request.POST.get("seen", "")
    layout = services.parsed_layout(request.POST.get("layout", ""))
    actor = _writer(request).as_actor()
    subject = workflow.as_ref() if workflow else Ref("runs.workflow", "", "a proposed version")
    try:
        with refusals_recorded(actor=actor, subject=subject), transaction.atomic():
            proposed = services.propose_version(
                actor=actor,
                text=text,
                reason=reason,
                workflow=workflow,
                seen=int(seen) if seen.isdecimal() and len(seen) < 9 else -1,
            )
            if layout:
                services.keep_layout(actor=actor, version=proposed, layout=layout, reason=reason)
    except Refusal as refusal:
        if refusal.code == "nothing_changed" and layout and version is not None:
            return _keep_layout(request, workflow, version, layout)
        return _refused(request, workflow, version, refusal, text)
    said = _("Not in force yet: version %(number)s of %(name)s waits for a second person.")
    messages.warning(request, said % {"number": proposed.number, "name": proposed.workflow.name})
    return redirect("workflow-diff", proposed.workflow_id, proposed.number)


def _keep_layout(
    request: HttpRequest, workflow: Workflow | None, version: WorkflowVersion, layout: Mapping[str, Any]
) -> HttpResponse:
    """Keep only where the boxes stand: nothing that a run would notice was changed."""
    actor = _writer(request).as_actor()
    text, reason = request.POST.get("text", ""), request.POST.get("reason", "")
    try:
        with refusals_recorded(actor=actor, subject=version.as_ref()):
            services.keep_layout(actor=actor, version=version, layout=layout, reason=reason)
    except Refusal as refusal:
        return _refused(request, workflow, version, refusal, text)
    messages.success(request, _("The picture is arranged as you left it. What the workflow does is as before."))
    return redirect("workflow-edit", version.workflow_id)


def _refused(
    request: HttpRequest,
    workflow: Workflow | None,
    version: WorkflowVersion | None,
    refusal: Refusal,
    text: str,
) -> HttpResponse:
    """Say why nothing was saved; what was written is there again."""
    newest = workflow.versions.order_by("-number").first() if workflow else None
    is_behind = refusal.kind is RefusalKind.CONFLICT and newest is not None
    shown = {
        "refused": refusal.in_full(),
        "errors": [error["message"] for error in refusal.detail.get("errors", ())],
        "meanwhile": reverse("workflow-diff", args=[newest.workflow_id, newest.number])
        if is_behind and newest
        else "",
        # Whoever has read what came meanwhile proposes knowing it.
        "seen": newest.number if newest else 0,
        "reason": request.POST.get("reason", ""),
        "kept_layout": request.POST.get("layout", ""),
    }
    status = STATUS_OF_KIND.get(refusal.kind, 403)
    return _page(request, workflow, version, text=text, status=status, **shown)


def _page(
    request: HttpRequest,
    workflow: Workflow | None,
    version: WorkflowVersion | None,
    *,
    text: str,
    status: int = 200,
    **said: Any,
) -> HttpResponse:
    user = _writer(request)
    editor = {
        "kinds": [[kind, str(word), icon] for kind, (word, icon) in KINDS.items() if kind != "missing"],
        "fields": fields_by_kind(),
        "whole": fields_of_the_whole(),
        "pickers": pickers_for(user),
        "layout": services.parsed_layout(said.get("kept_layout", "")) or services.layout_of(version),
        "comments": any(line.lstrip().startswith("#") for line in text.splitlines()),
    }
    shown = {
        "workflow": workflow,
        "version": version,
        "text": text,
        "editor": editor,
        "pending": workflow.versions.filter(state="proposed").first() if workflow else None,
        "back": admin_page(workflow) if workflow else reverse("admin:runs_workflow_changelist"),
        "subtitle": workflow.name if workflow else _("A new one"),
        **said,
    }
    return page(request, "portal/workflow_edit.html", _("Draw a workflow"), status, **shown)


def _first(user: User) -> dict[str, Any]:
    """Return what a new workflow begins as: one question to people of a group this person is in, and an end."""
    groups = groups_of_people().order_by("name")
    group = groups.filter(user=user).first() or groups.first()
    owner = group.name if group else "Managers"
    step = editing.added({"nodes": {}, "start": "human"}, "human", _("Decide")).content["nodes"]["human"]
    return {
        "code": "new-workflow",
        "name": _("New workflow"),
        "purpose": "",
        "owner": owner,
        "sla_seconds": 86_400,
        "input": {
            "type": "object",
            "additionalProperties": False,
            "required": ["subject"],
            "properties": {"subject": {"type": "string", "maxLength": 200, "title": _("What it is about")}},
        },
        "label": "input.subject",
        "start": "human",
        "nodes": {
            "human": {
                **step,
                "groups": [owner],
                "title": "input.subject",
                "show": {_("What it is about"): "input.subject"},
                "due_seconds": 86_400,
                "next": "end",
            },
            "end": {"kind": "end", "name": _("Done"), "outcome": "done"},
        },
    }


def _in_force(user: User, content: Mapping[str, Any]) -> WorkflowVersion | None:
    """Return the version in force of the workflow a definition names, if this person may see it."""
    code = content.get("code")
    found = visible_workflows(user).filter(code=code) if isinstance(code, str) and "\x00" not in code else None
    workflow = found.select_related("current").first() if found is not None else None
    return workflow.current if workflow else None


def _newest(workflow: Workflow) -> int:
    return workflow.versions.aggregate(newest=Max("number"))["newest"] or 0


def _require_right(user: User) -> None:
    if not user.has_perm(RIGHT):
        raise PermissionDenied


def _writer(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
