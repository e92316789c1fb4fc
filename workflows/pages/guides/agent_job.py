"""The first step of the guide that registers an agent: a job that exists, one from a template, or a new one."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from agents.models import Agent, Role
from agents.selectors import visible_agents
from agents.services import organisation
from audit.vocabulary import Ref
from connectors.models import Operation
from workflows.pages.guides import agent_forms as forms
from workflows.pages.guides.frame import CONNECT, REGISTER, shown
from workflows.pages.guides.keeping import drop, fill, keep
from workflows.pages.guides.parts import attempt, free_code, incomplete, user_of

JOB = "agents.job"
FEW = 5


def ask_job(request: HttpRequest) -> HttpResponse:
    """Ask which job the agent has; a new one is made."""
    user = user_of(request)
    form = forms.JobForm(
        request.POST if request.method == "POST" else None, may_add=user.has_perm("agents.add_role")
    )
    context: dict[str, Any] = {
        "form": form,
        "drafts": visible_agents(user).filter(lifecycle=Agent.Lifecycle.DRAFT).order_by("-pk")[:FEW],
        "connect": reverse(CONNECT.route) if _nothing_to_ask_for() and CONNECT.may(user) else "",
    }
    if not form.is_bound:
        fill(request, JOB, form)
        return shown(request, REGISTER, "job", "agent_job.html", **context)
    if not form.is_valid():
        return shown(request, REGISTER, "job", "agent_job.html", status=422, refused=incomplete(), **context)
    keep(request, JOB)
    job = form.cleaned_data["job"]
    if job.startswith(forms.TEMPLATE):
        return redirect(f"{reverse('role-template', args=[job.removeprefix(forms.TEMPLATE)])}?then=guide")
    if job.startswith(forms.OWN):
        return redirect(f"{reverse('guide-agents')}?role={job.removeprefix(forms.OWN)}")
    done = attempt(
        request, Ref("agents.role", "", form.cleaned_data["title"]), form, lambda: _new_role(request, form),
        fields={"name": "title", "job_description": "duties", "code": "title"},
    )  # fmt: skip
    if not done.ok:
        return shown(
            request, REGISTER, "job", "agent_job.html", status=done.status, refused=done.refused, **context
        )
    drop(request, JOB)
    return redirect(f"{reverse('guide-agents')}?role={done.value.code}")


def _nothing_to_ask_for() -> bool:
    return not Operation.objects.exclude(system__kind="portal").filter(current_revision__isnull=False).exists()


def _new_role(request: HttpRequest, form: forms.JobForm) -> Role:
    given = form.cleaned_data
    return organisation.create_role(
        actor=user_of(request).as_actor(),
        code=free_code(given["title"], lambda query: Role.objects.filter(query).exists()),
        name=given["title"],
        job_description=given["duties"],
        reason=given["reason"],
    )
