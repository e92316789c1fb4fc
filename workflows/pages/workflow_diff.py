"""What a version of a workflow changes: in words, and in one picture of both."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.models import ChangeRequest, User
from workflows.approvals.models import Approval
from workflows.approvals.selectors import visible_to as visible_approvals
from workflows.pages.access import admin_page, for_people, page
from workflows.runs import services
from workflows.runs.models import WorkflowVersion
from workflows.runs.reading import drawing_of_change, for_page
from workflows.runs.selectors import visible_workflows

MOST_VERSIONS = 30


@never_cache
@require_safe
@for_people
def diff(request: HttpRequest, workflow_id: UUID, number: int) -> HttpResponse:
    """Compare a version with the one in force, or with the one that ``?from=`` names."""
    user: User = request.user  # type: ignore[assignment]
    versions = WorkflowVersion.objects.select_related("workflow__current", "proposed_by", "approved_by")
    version = get_object_or_404(versions, workflow=workflow_id, number=number)
    may_read = visible_workflows(user).filter(pk=workflow_id).exists()
    if not may_read and not _questions(user, version).exists():
        raise Http404
    before = _before(request, version) if may_read else services.compared_with(version)
    drawing = drawing_of_change(before.content if before else None, version.content)
    layout = services.layout_of(version)
    shown: dict[str, Any] = {
        "version": version,
        "before": before,
        "others": _others(version) if may_read else [],
        "said": services.differences_of(version, before) if before else [],
        "graph": for_page(drawing, id=f"diff-{version.pk}", layout=layout),
        "question": _questions(user, version).filter(state=Approval.State.PENDING).first(),
        "may_edit": user.has_perm("runs.change_workflow"),
        "admin": admin_page(version) if user.has_perm("runs.view_workflowversion") else "",
        "subtitle": str(version),
    }
    return page(request, "portal/workflow_diff.html", _("What a version changes"), **shown)


def _before(request: HttpRequest, version: WorkflowVersion) -> WorkflowVersion | None:
    """Return what it is compared with: the version a person chose, else the one in force before it."""
    chosen = request.GET.get("from", "")
    if not chosen:
        return services.compared_with(version)
    if not chosen.isdecimal() or len(chosen) > 9:
        raise Http404
    return get_object_or_404(WorkflowVersion, workflow=version.workflow_id, number=int(chosen))


def _others(version: WorkflowVersion) -> QuerySet[WorkflowVersion]:
    found = WorkflowVersion.objects.filter(workflow=version.workflow_id).exclude(pk=version.pk)
    return found.order_by("-number")[:MOST_VERSIONS]


def _questions(user: User, version: WorkflowVersion) -> QuerySet[Approval]:
    """Return the questions about a version that this person may see: whoever is asked reads what it changes."""
    changes = ChangeRequest.objects.filter(
        kind=services.CHANGE_KIND, target_id=str(version.workflow_id), payload__version=str(version.pk)
    )
    keys = [str(key) for key in changes.values_list("pk", flat=True)]
    return visible_approvals(user).filter(subject_kind="agents.changerequest", subject_id__in=keys)
