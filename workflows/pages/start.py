"""Start a run by hand: choose a workflow, fill in what it begins with, bring the document it is about."""

from __future__ import annotations

import hashlib
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.datastructures import MultiValueDict
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe
from uuid_utils.compat import uuid7

from agents.models import User
from audit.vocabulary import Refusal
from workflows.documents.services import store_document
from workflows.pages.access import STATUS_OF_KIND, for_people, page
from workflows.pages.schema_form import SchemaForm
from workflows.runs import services
from workflows.runs.models import Workflow
from workflows.runs.selectors import startable_by

PREFIX = "input"


@never_cache
@require_safe
@for_people
def startable(request: HttpRequest) -> HttpResponse:
    """Show which workflows this person may start."""
    return page(request, "portal/startable.html", "Start a run", workflows=startable_by(_user(request)))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@for_people
def start(request: HttpRequest, workflow_id: UUID) -> HttpResponse:
    """Ask for what a run of one workflow begins with, and start it. The service asks every question again."""
    workflow = get_object_or_404(startable_by(_user(request)), pk=workflow_id)
    if request.method != "POST":
        return _page(request, workflow, _form(workflow), key=str(uuid7()))
    form, key = _form(workflow, request.POST, request.FILES), request.POST.get("key", "")
    if not form.is_valid():
        return _page(request, workflow, form, 422, key=key, refused="Correct what is marked below.")
    try:
        return _started(request, workflow, form, key)
    except Refusal as refusal:
        for error in refusal.detail.get("errors", ()):
            form.add_error_at(error["pointer"], error["message"])
        status = STATUS_OF_KIND.get(refusal.kind, 403)
        return _page(request, workflow, form, status, key=key, refused=refusal.in_full())


def _started(request: HttpRequest, workflow: Workflow, form: SchemaForm, key: str) -> HttpResponse:
    actor = _user(request).as_actor()
    digests = []
    for path, upload in form.uploads():
        document = store_document(
            actor=actor,
            name=upload.name or "document",
            media_type=upload.content_type or "application/octet-stream",
            content=upload,
            source="upload",
        )
        form.put(path, str(document.pk))
        digests.append(document.sha256)
    # The same document is the same work, whoever brings it and however often.
    named = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    started = services.start_run(
        actor=actor, workflow_code=workflow.code, input=form.answer, key=named if digests else key
    )
    if started.is_new:
        messages.success(request, f"Started: {started.run.label}")
    else:
        messages.info(request, "Nothing was started: this is the run that was begun with it already.")
    return redirect("run", started.run.pk)


def _page(
    request: HttpRequest, workflow: Workflow, form: SchemaForm, status: int = 200, **said: Any
) -> HttpResponse:
    shown = {"workflow": workflow, "form": form, "subtitle": workflow.name, **said}
    return page(request, "portal/start.html", "Start a run", status, **shown)


def _form(workflow: Workflow, data: Any = None, files: MultiValueDict[str, Any] | None = None) -> SchemaForm:
    content = workflow.current.content if workflow.current else {}
    return SchemaForm(content.get("input", {}), data, files, prefix=PREFIX)


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
