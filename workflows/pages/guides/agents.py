"""The guide that registers an agent: its job, who it is, what it may ask for, its key, its first call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.models import Agent, ClientSecret, Department, Role
from agents.selectors import contract_of, visible_agents
from agents.services import credentials, lifecycle, organisation
from agents.services.lifecycle.taking_on import ACTIVATE
from audit.selectors import newest_position
from audit.vocabulary import Ref, Refusal
from connectors.models import Operation
from connectors.selectors import operations_for_agent
from connectors.services import grant_operation
from workflows.actions.models import Action
from workflows.pages.access import admin_page, for_people, part
from workflows.pages.guides import agent_forms as forms
from workflows.pages.guides.agent_job import ask_job
from workflows.pages.guides.frame import CONNECT, CONTRACT, REGISTER, WORKFLOW, shown
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import (
    GuideForm,
    attempt,
    free_code,
    incomplete,
    last_of,
    require,
    user_of,
    waiting_for,
)

JOB, NEW = "agents.job", "agents.new"
MOST = 200
FEW = 5
MOST_SAID = 8


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def agents(request: HttpRequest) -> HttpResponse:
    """Ask for the job, then who it is; the second answer registers the agent."""
    require(request, REGISTER)
    role = Role.objects.filter(code=request.GET.get("role", "")[:60].replace("\x00", "")).first()
    if role is not None:
        return _who(request, role, None)
    return ask_job(request)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def agent(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Go on with an agent where it stands, or look at another of its steps."""
    require(request, REGISTER)
    found = _find(request, agent_id)
    steps: dict[str, Callable[[HttpRequest, Agent], HttpResponse]] = {
        "who": lambda request, agent: _who(request, agent.role, agent),
        "may": _may,
        "key": _key,
        "start": _start,
    }
    wanted = request.GET.get("step", "")
    if wanted not in steps:
        return redirect(address(found, _stands_at(found)))
    return steps[wanted](request, found)


@never_cache
@require_safe
@for_people
def agent_parts(request: HttpRequest, agent_id: UUID) -> HttpResponse:
    """Return how far the agent is, for a page that waits for its first sign of life."""
    require(request, REGISTER)
    return part(request, "portal/guides/agent_start_parts.html", **_standing(request, _find(request, agent_id)))


def address(agent: Agent, step: str) -> str:
    """Return where a step of an agent is."""
    return f"{reverse('guide-agent', args=[agent.pk])}?step={step}"


def _find(request: HttpRequest, agent_id: UUID) -> Agent:
    found = visible_agents(user_of(request)).select_related("role", "department", "sponsor", "user")
    return get_object_or_404(found, pk=agent_id)


def _finished(agent: Agent) -> list[str]:
    found = ["job", "who"]
    if operations_for_agent(agent).exists():
        found.append("may")
    if _secrets(agent).exists():
        found.append("key")
    if agent.lifecycle == Agent.Lifecycle.ACTIVE and _seen(agent):
        found.append("start")
    return found


def _stands_at(agent: Agent) -> str:
    over = _finished(agent)
    return next((step.key for step in REGISTER.steps if step.key not in over), "start")


def _secrets(agent: Agent) -> Any:
    return ClientSecret.objects.filter(application__agent=agent, revoked_at=None)


def _seen(agent: Agent) -> Any:
    """Return when the program of an agent last bought a token, None while it never did."""
    used = _secrets(agent).exclude(last_used_at=None).order_by("-last_used_at")
    return used.values_list("last_used_at", flat=True).first()


def _of(request: HttpRequest, agent: Agent, key: str, template: str, /, **context: Any) -> HttpResponse:
    links = {step.key: address(agent, step.key) for step in REGISTER.steps if step.key != "job"}
    return shown(
        request, REGISTER, key, template, done=_finished(agent), links=links, **{"agent": agent, **context}
    )


def _who(request: HttpRequest, role: Role, agent: Agent | None) -> HttpResponse:
    user, place = user_of(request), f"agents.{agent.pk}.who" if agent else NEW
    if "back" in request.POST:
        keep(request, place)
        return redirect("guide-agents")
    names = ("name", "purpose", "sponsor", "deputy", "department", "reached_by")
    initial = {name: getattr(agent, name) for name in names} if agent else {}
    form = forms.WhoForm(
        request.POST if request.method == "POST" else None, user=user, agent=agent, initial=initial
    )
    here = address(agent, "who") if agent else f"{reverse('guide-agents')}?role={role.code}"
    context: dict[str, Any] = {"form": form, "role": role, "here": here, "back": agent is None}
    if agent and agent.lifecycle != Agent.Lifecycle.DRAFT:
        return _of(request, agent, "who", "agent_known.html", file=admin_page(agent))
    if not form.is_bound:
        fill(request, place, form)
        return _who_page(request, agent, **context)
    if not form.is_valid():
        return _who_page(request, agent, status=422, refused=incomplete(), **context)
    subject = agent.as_ref() if agent else Ref("agents.agent", "", form.cleaned_data["name"])
    done = attempt(request, subject, form, lambda: _kept(request, form, role, agent), fields={"code": "name"})
    if not done.ok:
        return _who_page(request, agent, status=done.status, refused=done.refused, **context)
    drop(request, place)
    return redirect(address(done.value, "may"))


def _who_page(request: HttpRequest, agent: Agent | None, status: int = 200, **context: Any) -> HttpResponse:
    if agent is not None:
        return _of(request, agent, "who", "agent_who.html", status=status, **context)
    links = {"job": reverse("guide-agents")}
    return shown(
        request, REGISTER, "who", "agent_who.html", status=status, done=["job"], links=links, **context
    )


@transaction.atomic
def _kept(request: HttpRequest, form: forms.WhoForm, role: Role, agent: Agent | None) -> Agent:
    """Make the new department if one was written, and register the agent, or change the draft."""
    actor, given = user_of(request).as_actor(), dict(form.cleaned_data)
    reason, new = given.pop("reason"), given.pop("new_department", "")
    if new:
        code = free_code(new, lambda query: Department.objects.filter(query).exists())
        given["department"] = organisation.create_department(actor=actor, code=code, name=new, reason=reason)
    if agent is not None:
        changed = {name: value for name, value in given.items() if getattr(agent, name) != value}
        return (
            lifecycle.update_agent(actor=actor, agent=agent, changes=changed, reason=reason)
            if changed
            else agent
        )
    code = free_code(given["name"], lambda query: Agent.objects.filter(query).exists())
    return lifecycle.register_agent(actor=actor, code=code, role=role, reason=reason, **given)


def _may(request: HttpRequest, agent: Agent) -> HttpResponse:
    place = f"agents.{agent.pk}.may"
    if "back" in request.POST:
        keep(request, place)
        return redirect(address(agent, "who"))
    held = operations_for_agent(agent).order_by("name")
    every = Operation.objects.filter(is_enabled=True, current_revision__isnull=False, system__is_enabled=True)
    offered = (
        every.exclude(pk__in=held.values("pk")).select_related("system").order_by("system__name", "name")[:MOST]
    )
    offered = (
        every.filter(pk__in=[it.pk for it in offered]).select_related("system").order_by("system__name", "name")
    )
    form = forms.MayForm(request.POST if request.method == "POST" else None, operations=offered)
    context: dict[str, Any] = {
        "form": form,
        "here": address(agent, "may"),
        "back": True,
        "held": held.select_related("system")[:MOST],
        "waits": agent.lifecycle != Agent.Lifecycle.DRAFT,
        "nothing": not offered and not held,
        "skip": address(agent, "key"),
        "connect": reverse(CONNECT.route) if CONNECT.may(request.user) else "",
    }
    if not form.is_bound:
        fill(request, place, form)
        return _of(request, agent, "may", "agent_may.html", **context)
    chosen = form.is_valid() and form.cleaned_data["operations"]
    if form.is_valid() and not chosen and not held:
        form.add_error("operations", _("Tick at least one, or go on without."))
    if not form.is_valid():
        return _of(request, agent, "may", "agent_may.html", status=422, refused=incomplete(), **context)
    done = attempt(request, agent.as_ref(), form, lambda: _granted(request, agent, form))
    if not done.ok:
        return _of(request, agent, "may", "agent_may.html", status=done.status, refused=done.refused, **context)
    drop(request, place)
    return redirect(address(agent, "key"))


@transaction.atomic
def _granted(request: HttpRequest, agent: Agent, form: forms.MayForm) -> None:
    actor, reason = user_of(request).as_actor(), form.cleaned_data["reason"]
    for operation in form.cleaned_data["operations"]:
        grant_operation(actor=actor, operation=operation, agent=agent, reason=reason)


def _key(request: HttpRequest, agent: Agent) -> HttpResponse:
    place = f"agents.{agent.pk}.key"
    if "back" in request.POST:
        keep(request, place)
        return redirect(address(agent, "may"))
    form = forms.KeyForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {
        "form": form,
        "here": address(agent, "key"),
        "back": True,
        "known": _secrets(agent).order_by("-created_at")[:FEW],
        "forward": address(agent, "start"),
        "url": settings.PUBLIC_URL.rstrip("/"),
    }
    if not form.is_bound:
        fill(request, place, form)
        return _of(request, agent, "key", "agent_key.html", **context)
    if not form.is_valid():
        return _of(request, agent, "key", "agent_key.html", status=422, refused=incomplete(), **context)
    given = form.cleaned_data
    done = attempt(request, agent.as_ref(), form, lambda: credentials.issue_client_secret(
        actor=user_of(request).as_actor(), agent=agent, reason=given["reason"],
        lifetime=timedelta(days=given["days"]),
    ))  # fmt: skip
    if not done.ok:
        return _of(request, agent, "key", "agent_key.html", status=done.status, refused=done.refused, **context)
    return _of(request, agent, "key", "agent_key.html", issued=done.value, **context)


def _start(request: HttpRequest, agent: Agent) -> HttpResponse:
    form = GuideForm(request.POST if request.method == "POST" else None)
    if "back" in request.POST:
        return redirect(address(agent, "key"))
    context: dict[str, Any] = {"form": form, "here": address(agent, "start")}
    if not form.is_bound:
        fill(request, "agents.start", form)
        return _of(request, agent, "start", "agent_start.html", **context, **_standing(request, agent))
    refused, status = incomplete(), 422
    if form.is_valid():
        actor = user_of(request).as_actor()
        done = attempt(request, agent.as_ref(), form, lambda: lifecycle.activate_agent(
            actor=actor, agent=agent, reason=form.cleaned_data["reason"]
        ))  # fmt: skip
        if done.ok:
            return redirect(address(agent, "start"))
        refused, status = done.refused, done.status
    return _of(
        request, agent, "start", "agent_start.html", status=status, refused=refused, **context,
        **_standing(request, agent),
    )  # fmt: skip


def _standing(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    """Return how far the agent is: agreed to, seen, and what it asked for first."""
    user = user_of(request)
    change = last_of(ACTIVATE, str(agent.pk))
    asked = Action.objects.filter(agent=agent).order_by("-pk").first()
    active = agent.lifecycle == Agent.Lifecycle.ACTIVE
    seen = _seen(agent)
    return {
        "agent": agent,
        "position": newest_position(),
        "active": active,
        "draft": agent.lifecycle == Agent.Lifecycle.DRAFT,
        "waiting": waiting_for(user, ACTIVATE, str(agent.pk)),
        "rejected": change if change and change.state == "rejected" and not active else None,
        "seen": seen,
        "asked": asked,
        "may_now": _may_now(agent) if active else [],
        "settled": active and seen is not None,
        "file": admin_page(agent),
        "key_page": address(agent, "key"),
        "contract": reverse("guide-contract-agent", args=[agent.pk]) if CONTRACT.may(user) else "",
        "workflow": reverse(WORKFLOW.route) if WORKFLOW.may(user) else "",
        "url": settings.PUBLIC_URL.rstrip("/"),
    }


def _may_now(agent: Agent) -> list[str]:
    """Return the sentences of its contract that say what it may do, at most a handful."""
    try:
        found = contract_of(agent)
    except Refusal:
        return []
    shown = [section for section in found.sections if section.key in ("may", "ask")]
    return [clause.text for section in shown for clause in section.clauses][:MOST_SAID]
