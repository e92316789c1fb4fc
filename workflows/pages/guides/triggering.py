"""What makes a workflow begin: a person, a clock, a folder or another system; by the services of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from workflows.pages.guides.keeping import fill
from workflows.pages.guides.parts import GuideForm, Result, attempt, incomplete, user_of
from workflows.pages.guides.workflow_forms import FolderForm, ScheduleForm, as_cel
from workflows.pages.schema_form import SchemaForm
from workflows.runs.models import Workflow
from workflows.runs.services.templates import PLAIN, RESERVED
from workflows.triggers import services
from workflows.triggers.models import Schedule, WatchedFolder, Webhook
from workflows.triggers.services.folders import path_of
from workflows.triggers.services.webhooks import address_of

Show = Callable[..., HttpResponse]
PREFIX = "input"


def trigger(request: HttpRequest, workflow: Workflow, show: Show) -> HttpResponse:
    """Offer what can make it begin, and set up what was chosen."""
    ways: dict[str, tuple[str, Callable[[HttpRequest, Workflow, Show], HttpResponse]]] = {}
    schema = input_of(workflow)
    documents = documents_in(schema)
    if request.user.has_perm("triggers.change_schedule") and not documents & set(schema.get("required", ())):
        ways["schedule"] = (_("At fixed times"), _schedule)
    if (
        request.user.has_perm("triggers.change_watchedfolder")
        and set(schema.get("required", ())) == documents
        and len(documents) == 1
    ):
        ways["folder"] = (_("When a file is dropped into a folder"), _folder)
    if request.user.has_perm("triggers.change_webhook") and not documents:
        ways["webhook"] = (_("When another system says so"), _webhook)
    how = request.GET.get("how", "")
    if how in ways:
        return ways[how][1](request, workflow, show)
    here = f"{reverse('guide-workflow', args=[workflow.pk])}?step=trigger"
    return show(
        "workflow_trigger.html",
        ways=[(words, f"{here}&how={key}", _ICONS[key]) for key, (words, _do) in ways.items()],
    )


_ICONS = {"schedule": "schedule", "folder": "drive_folder_upload", "webhook": "webhook"}


def input_of(workflow: Workflow) -> dict[str, Any]:
    """Return the schema of what a run begins with."""
    found: dict[str, Any] = workflow.current.content.get("input", {}) if workflow.current else {}
    return found


def documents_in(schema: Mapping[str, Any]) -> set[str]:
    """Return the members that are documents."""
    return {name for name, part in schema.get("properties", {}).items() if part.get("format") == "document"}


def _here(workflow: Workflow, how: str) -> str:
    return f"{reverse('guide-workflow', args=[workflow.pk])}?step=trigger&how={how}"


def _back(workflow: Workflow) -> HttpResponse:
    return redirect(f"{reverse('guide-workflow', args=[workflow.pk])}?step=trigger")


def _named(workflow: Workflow, model: Any) -> str:
    """Return a name for a trigger that no other has."""
    word, number = workflow.name[:100], 1
    while model.objects.filter(name=word if number == 1 else f"{word} {number}").exists():
        number += 1
    return word if number == 1 else f"{word} {number}"


def _schedule(request: HttpRequest, workflow: Workflow, show: Show) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form, given = ScheduleForm(data), SchemaForm(input_of(workflow), data, prefix=PREFIX)
    context: dict[str, Any] = {"form": form, "given": given, "here": _here(workflow, "schedule")}
    if data is None:
        fill(request, f"workflows.{workflow.pk}.schedule", form)
        return show("workflow_schedule.html", **context)
    if not (form.is_valid() & given.is_valid()):
        return show("workflow_schedule.html", status=422, refused=incomplete(), **context)
    values = {
        "name": _named(workflow, Schedule),
        "workflow": workflow,
        "cron": form.cleaned_data["cron"],
        "time_zone": form.cleaned_data["time_zone"],
        "give": {name: as_cel(value) for name, value in given.answer.items()},
    }
    return _saved(
        request, workflow, form, lambda: services.save_schedule(
            actor=user_of(request).as_actor(), values=values, reason=form.cleaned_data["reason"]
        ), lambda done: show("workflow_schedule.html", status=done.status, refused=done.refused, **context),
    )  # fmt: skip


def _folder(request: HttpRequest, workflow: Workflow, show: Show) -> HttpResponse:
    form = FolderForm(request.POST if request.method == "POST" else None, initial={"folder": workflow.code})
    member = next(iter(documents_in(input_of(workflow))))
    context: dict[str, Any] = {
        "form": form,
        "here": _here(workflow, "folder"),
        "words": _(
            "Each file that is dropped into it becomes a document and starts a run. It is made below %(place)s."
        )
        % {"place": path_of(WatchedFolder(folder="")).as_posix()},
    }
    if not form.is_bound:
        fill(request, f"workflows.{workflow.pk}.folder", form)
        return show("form.html", **context)
    if not form.is_valid():
        return show("form.html", status=422, refused=incomplete(), **context)
    values = {
        "name": workflow.name,
        "folder": form.cleaned_data["folder"],
        "workflow": workflow,
        "input_member": member,
    }
    return _saved(
        request, workflow, form, lambda: services.save_folder(
            actor=user_of(request).as_actor(), values=values, reason=form.cleaned_data["reason"]
        ), lambda done: show("form.html", status=done.status, refused=done.refused, **context),
    )  # fmt: skip


def _webhook(request: HttpRequest, workflow: Workflow, show: Show) -> HttpResponse:
    form = GuideForm(request.POST if request.method == "POST" else None)
    members = input_of(workflow).get("properties", {})
    context: dict[str, Any] = {"form": form, "here": _here(workflow, "webhook"), "members": members}
    if not form.is_bound:
        fill(request, f"workflows.{workflow.pk}.webhook", form)
        return show("workflow_webhook.html", **context)
    if not form.is_valid():
        return show("workflow_webhook.html", status=422, refused=incomplete(), **context)
    done = attempt(request, workflow.as_ref(), form, lambda: _new_webhook(request, workflow, form))
    if not done.ok:
        return show("workflow_webhook.html", status=done.status, refused=done.refused, **context)
    webhook, issued = done.value
    return show("workflow_webhook.html", issued=issued, address=address_of(webhook), **context)


@transaction.atomic
def _new_webhook(request: HttpRequest, workflow: Workflow, form: GuideForm) -> tuple[Webhook, Any]:
    actor, reason = user_of(request).as_actor(), form.cleaned_data["reason"]
    needed = input_of(workflow).get("required", ())
    give = {name: _taken(name, name in needed) for name in input_of(workflow).get("properties", {})}
    values = {"name": _named(workflow, Webhook), "workflow": workflow, "give": give}
    webhook = services.save_webhook(actor=actor, values=values, reason=reason)
    return webhook, services.issue_webhook_secret(actor=actor, webhook=webhook, reason=reason)


def _taken(name: str, needed: bool) -> str:
    """Return how CEL reads a member of the message; one that may be missing is left out where it is."""
    plain = bool(PLAIN.fullmatch(name)) and name not in RESERVED
    read = f"data.{name}" if plain else f"data[{as_cel(name)}]"
    there = f"has({read})" if plain else f"{as_cel(name)} in data"
    return read if needed else f"{there} ? {read} : null"


def _saved(
    request: HttpRequest,
    workflow: Workflow,
    form: GuideForm,
    act: Callable[[], Any],
    refuse: Callable[[Result], HttpResponse],
) -> HttpResponse:
    done = attempt(request, workflow.as_ref(), form, act)
    return _back(workflow) if done.ok else refuse(done)
