"""The guide that starts a workflow: which work, who does what, who agrees, what begins it, the first run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from audit.selectors import newest_position
from audit.vocabulary import Ref
from workflows.pages.access import admin_page, for_people, part
from workflows.pages.guides.frame import REGISTER, WORKFLOW, shown
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import attempt, free_code, incomplete, last_of, require, user_of, waiting_for
from workflows.pages.guides.triggering import trigger
from workflows.pages.guides.workflow_forms import FillForm
from workflows.runs.models import Run, Workflow, WorkflowVersion
from workflows.runs.selectors import startable_by, visible_to, visible_workflows
from workflows.runs.services import CHANGE_KIND, propose_version
from workflows.runs.services.templates import WorkflowTemplate, filled_in, shipped_workflows
from workflows.triggers.models import Schedule, WatchedFolder, Webhook

FEW, MOST = 3, 20


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def workflows(request: HttpRequest) -> HttpResponse:
    """Ask which work it is, then what a template leaves open; the second answer proposes the workflow."""
    require(request, WORKFLOW)
    template = shipped_workflows().get(request.GET.get("template", ""))
    return _fill(request, template) if template else _which(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def workflow(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Go on with a workflow where it stands, or look at another of its steps."""
    require(request, WORKFLOW)
    found = _find(request, workflow_id)
    steps: dict[str, Callable[[HttpRequest, Workflow], HttpResponse]] = {
        "publish": _publish,
        "trigger": _trigger,
        "run": _run,
    }
    wanted = request.GET.get("step", "")
    if wanted not in steps or (wanted != "publish" and found.current is None):
        return redirect(address(found, _stands_at(found)))
    return steps[wanted](request, found)


@never_cache
@require_safe
@for_people
def workflow_parts(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Return how far the approval is, for a page that waits for it."""
    require(request, WORKFLOW)
    return part(
        request, "portal/guides/workflow_publish_parts.html", **_standing(request, _find(request, workflow_id))
    )


def address(workflow: Workflow, step: str) -> str:
    """Return where a step of a workflow is."""
    return f"{reverse('guide-workflow', args=[workflow.pk])}?step={step}"


def _find(request: HttpRequest, workflow_id: UUID) -> Workflow:
    return get_object_or_404(
        visible_workflows(user_of(request)).select_related("current", "owner"), pk=workflow_id
    )


def _stands_at(workflow: Workflow) -> str:
    return "publish" if workflow.current is None else "trigger"


def _triggers(workflow: Workflow) -> list[tuple[str, Any]]:
    """Return what begins it by itself, each kind at most a few."""
    kinds = ((_("Schedule"), Schedule), (_("Folder"), WatchedFolder), (_("Webhook"), Webhook))
    return [
        (str(word), it)
        for word, model in kinds
        for it in model._default_manager.filter(workflow=workflow)[:FEW]
    ]


def _of(request: HttpRequest, workflow: Workflow, key: str, template: str, /, **context: Any) -> HttpResponse:
    done = ["which", "fill"]
    links = {"publish": address(workflow, "publish")}
    if workflow.current is not None:
        done.append("publish")
        links |= {step: address(workflow, step) for step in ("trigger", "run")}
        if key == "run":
            done.append("trigger")
    if Run.objects.filter(workflow=workflow).exists():
        done += ["trigger", "run"]
    return shown(request, WORKFLOW, key, template, done=done, links=links, **{"workflow": workflow, **context})


def _which(request: HttpRequest) -> HttpResponse:
    user = user_of(request)
    known = visible_workflows(user).select_related("current").order_by("name")[: MOST + 1]
    return shown(
        request,
        WORKFLOW,
        "which",
        "workflow_which.html",
        templates=shipped_workflows().values(),
        known=[(it, reverse("guide-workflow", args=[it.pk])) for it in list(known)[:MOST]],
        more=len(known) > MOST,
        register=reverse(REGISTER.route) if REGISTER.may(user) else "",
    )


def _fill(request: HttpRequest, template: WorkflowTemplate) -> HttpResponse:
    place = f"workflows.{template.code}"
    if "back" in request.POST:
        keep(request, place)
        return redirect("guide-workflows")
    form = FillForm(request.POST if request.method == "POST" else None, template=template)
    context: dict[str, Any] = {
        "form": form,
        "shape": template,
        "here": f"{reverse('guide-workflows')}?template={template.code}",
        "back": True,
        "register": reverse(REGISTER.route) if REGISTER.may(request.user) else "",
    }

    def asked(status: int = 200, refused: str = "") -> HttpResponse:
        links = {"which": reverse("guide-workflows")}
        return shown(
            request, WORKFLOW, "fill", "workflow_fill.html", status=status, done=["which"], links=links,
            refused=refused, **context,
        )  # fmt: skip

    if not form.is_bound:
        fill(request, place, form)
        return asked()
    if not form.is_valid():
        return asked(422, incomplete())
    done = attempt(
        request, Ref("runs.workflow", "", form.cleaned_data["name"]), form,
        lambda: _proposed(request, template, form), fields={"code": "name"},
    )  # fmt: skip
    if not done.ok:
        return asked(done.status, done.refused)
    drop(request, place)
    return redirect(address(done.value.workflow, "publish"))


@transaction.atomic
def _proposed(request: HttpRequest, template: WorkflowTemplate, form: FillForm) -> WorkflowVersion:
    answers = form.answers()
    answers["code"] = free_code(answers["name"], lambda query: Workflow.objects.filter(query).exists())
    return propose_version(
        actor=user_of(request).as_actor(),
        text=filled_in(template, answers),
        reason=form.cleaned_data["reason"],
    )


def _publish(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    return _of(request, workflow, "publish", "workflow_publish.html", **_standing(request, workflow))


def _standing(request: HttpRequest, workflow: Workflow) -> dict[str, Any]:
    """Return how far the approval of the newest version is, and its steps in words."""
    newest = workflow.versions.order_by("-number").first()
    change = last_of(CHANGE_KIND, str(workflow.pk))
    return {
        "workflow": workflow,
        "position": newest_position(),
        "approved": workflow.current is not None,
        "waiting": waiting_for(user_of(request), CHANGE_KIND, str(workflow.pk)),
        "rejected": change if change and change.state not in ("pending", "applied") else None,
        "steps": _steps(newest.content) if newest else [],
        "forward": address(workflow, "trigger"),
        "file": admin_page(workflow),
    }


def _steps(content: dict[str, Any]) -> list[dict[str, str]]:
    """Return the steps of a definition in the order they are gone through, with who does each."""
    nodes, found, key = content["nodes"], [], content["start"]
    waiting, seen = [key], set()
    while waiting:
        key = waiting.pop(0)
        if key in seen or key not in nodes:
            continue
        seen.add(key)
        node = nodes[key]
        if node["kind"] != "end":
            found.append({"name": node["name"], "who": _who(node), "icon": _ICONS.get(node["kind"], "adjust")})
        ways = node.get("next", [])
        waiting += [ways] if isinstance(ways, str) else [way["to"] for way in ways]
    return found[:MOST]


_ICONS = {"human": "person", "agent": "smart_toy", "operation": "function"}


def _who(node: dict[str, Any]) -> str:
    if groups := node.get("groups"):
        return ", ".join(groups)
    return str(node.get("role", ""))


def _trigger(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    if "back" in request.POST:
        how = request.GET.get("how", "")
        return redirect(address(workflow, "trigger" if how else "publish"))
    return trigger(
        request,
        workflow,
        lambda template, **context: _of(
            request, workflow, "trigger", template, back=True, present=_triggers(workflow),
            forward=address(workflow, "run"), **context,
        ),
    )  # fmt: skip


def _run(request: HttpRequest, workflow: Workflow) -> HttpResponse:
    user = user_of(request)
    if not workflow.is_enabled:
        messages.warning(request, _("It is switched off: switch it on, on its page, before the first run."))
    may_start = startable_by(user).filter(pk=workflow.pk).exists()
    return _of(
        request,
        workflow,
        "run",
        "workflow_run.html",
        start=reverse("workflow-start", args=[workflow.pk]) if may_start else "",
        runs=visible_to(user).filter(workflow=workflow).order_by("-pk")[:FEW],
        present=_triggers(workflow),
        file=admin_page(workflow),
    )
