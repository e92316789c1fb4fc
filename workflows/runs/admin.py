"""Workflows, versions and runs in the admin: read by all who may, changed by proposals and verbs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import action as unfold_action
from unfold.decorators import display
from unfold.enums import ActionVariant

from agents.admin.base import WorkforceAdmin, moment, table, trail
from agents.models import ChangeRequest
from audit.adminkit import ReadOnlyAdmin, ReadOnlyTabularInline, actor_of, reason_action
from audit.wording import said, said_lazy
from workflows.approvals.models import Approval
from workflows.runs import selectors, services
from workflows.runs.choices import OPEN_RUNS, RunState, RunVerb, StepVerb, VersionState
from workflows.runs.forms import WorkflowForm
from workflows.runs.models import Run, Step, Workflow, WorkflowVersion
from workflows.runs.reading import drawing_of, for_page

NEWEST = 20
RUN_LABELS = {
    "paused": "warning",
    RunState.RUNNING: "info",
    RunState.INCIDENT: "danger",
    RunState.DONE: "success",
    RunState.CANCELLED: "default",
}
VERSION_LABELS = {
    VersionState.PROPOSED: "warning",
    VersionState.APPROVED: "success",
    VersionState.REJECTED: "default",
}


def _order(verb: RunVerb, icon: str, variant: ActionVariant) -> Any:
    """Return the button of a verb: its page shows what it would change, asks why and does it."""

    def order(model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        run = model_admin.get_object(request, unquote(object_id))
        if run is None:
            raise Http404
        if not services.may_steer(request.user, run):  # type: ignore[arg-type]
            raise PermissionDenied
        return HttpResponseRedirect(reverse(f"run-{verb}", args=[run.pk]))

    order.__name__ = str(verb.value)
    opened = unfold_action(description=said_lazy(str(verb.label)), icon=icon, variant=variant)(order)
    opened.permission = "runs.steer_run"
    opened.available = lambda run: verb in services.verbs_of_run(run)
    opened.opens = f"run-{verb}"
    return opened


@admin.register(Workflow)
class WorkflowAdmin(WorkforceAdmin):
    """Work that is done again and again. Its definition changes by versions that a second person approves."""

    form = WorkflowForm
    change_form_before_template = "runs/waiting.html"
    list_display = ("name", "code", "owner", "shown_version", "shown_open", "shown_enabled")
    list_filter = ("is_enabled", "owner")
    list_select_related = ("owner", "current")
    search_fields = ("name", "code", "purpose")
    empty_title = "No workflow yet"
    empty_guide = "guide-workflows"
    empty_step = "Write the first one as YAML. It begins to count when a second person has approved it."
    actions_detail = ["switch_on", "switch_off"]
    panels = (
        "shown_picture",
        "shown_version",
        "shown_enabled",
        "shown_definition",
        "shown_versions",
        "shown_runs",
        "shown_trail",
    )
    fieldsets = (
        (
            "Workflow",
            {"classes": ["tab"], "fields": ("name", "purpose", "owner", "shown_version", "shown_enabled")},
        ),
        ("Definition", {"classes": ["tab"], "fields": ("definition",)}),
        ("Picture", {"classes": ["tab"], "fields": ("shown_picture",)}),
        ("Versions", {"classes": ["tab"], "fields": ("shown_versions",)}),
        ("Runs", {"classes": ["tab"], "fields": ("shown_runs",)}),
        ("Trail", {"classes": ["tab"], "fields": ("shown_trail",)}),
    )
    add_fieldsets = ((None, {"fields": ("definition",)}),)

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        return selectors.visible_workflows(request.user)  # type: ignore[arg-type]

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        counted = Count("runs", filter=Q(runs__state__in=OPEN_RUNS))
        return super().get_queryset(request).annotate(open_runs=counted)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Readers get the definition as text, in the place of the form's text area."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        shown = [*self.fieldsets]
        shown[1] = ("Definition", {"classes": ["tab"], "fields": ("shown_definition",)})
        return shown

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, "name", "purpose", "owner", *self.panels) if obj else closed

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say which proposed version waits, with the way to the question."""
        obj = kwargs.get("obj")
        context["question"] = _question(obj) if obj is not None and obj.pk else None
        # One button: whatever is saved is proposed, and its page says that it waits.
        context |= {"show_save_and_continue": False, "show_save_and_add_another": False}
        return super().render_change_form(request, context, *args, **kwargs)

    def create(self, request: HttpRequest, form: Any) -> Workflow:
        return self._proposed(request, form, None)

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> Workflow:
        return self._proposed(request, form, Workflow.objects.get(pk=obj.pk))

    def _proposed(self, request: HttpRequest, form: Any, workflow: Workflow | None) -> Workflow:
        version = services.propose_version(
            actor=actor_of(request),
            text=form.cleaned_data["definition"],
            reason=form.cleaned_data["reason"],
            workflow=workflow,
        )
        request.proposed = version  # type: ignore[attr-defined]
        return version.workflow

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        return self._say_that_it_waits(request, obj)

    def response_change(self, request: HttpRequest, obj: Any) -> HttpResponse:
        return self._say_that_it_waits(request, obj)

    def _say_that_it_waits(self, request: HttpRequest, obj: Workflow) -> HttpResponse:
        version: WorkflowVersion = request.proposed  # type: ignore[attr-defined]
        question = _question(obj)
        link_to = reverse("inbox-approval", args=[question.pk]) if question else reverse("inbox")
        words = (
            "Not in force yet: version {} of {} waits for a second person. <a href='{}'>Open the question</a>"
        )
        messages.warning(request, format_html(words, version.number, obj.name, link_to))
        return HttpResponseRedirect(reverse("admin:runs_workflow_change", args=[obj.pk]))

    @display(description="Version in force")
    def shown_version(self, workflow: Workflow) -> str:
        return f"Version {workflow.current.number}" if workflow.current else "None yet"

    @display(description="Open runs", ordering="open_runs")
    def shown_open(self, workflow: Any) -> int:
        return int(workflow.open_runs)

    @display(
        description="State", ordering="is_enabled", label={"Switched on": "success", "Switched off": "warning"}
    )
    def shown_enabled(self, workflow: Workflow) -> str:
        return "Switched on" if workflow.is_enabled else "Switched off"

    @display(description="Definition")
    def shown_definition(self, workflow: Workflow) -> SafeString:
        return _text(workflow.current.text if workflow.current else "")

    @display(description="What a run does")
    def shown_picture(self, workflow: Any) -> SafeString:
        """Draw the version in force, with the way to the page where it is changed."""
        version = workflow.current or workflow.versions.order_by("-number").first()
        may_draw = workflow.viewer.has_perm("runs.change_workflow")
        return _picture(version, edit=reverse("workflow-edit", args=[workflow.pk]) if may_draw else "")

    @display(description="Versions")
    def shown_versions(self, workflow: Workflow) -> SafeString:
        found = workflow.versions.select_related("proposed_by", "approved_by").order_by("-number")[:NEWEST]
        rows = [
            (
                _link("workflowversion", version.pk, f"Version {version.number}"),
                version.get_state_display(),
                version.proposed_by,
                version.approved_by or "",
                moment(version.created_at),
                version.reason,
                _what_it_changes(version),
            )
            for version in found
        ]
        columns = ("Version", "State", "Proposed by", "Approved by", "Proposed (UTC)", "Why", "Changes")
        return table(columns, rows, empty="No version yet.")

    @display(description="Its runs")
    def shown_runs(self, workflow: Any) -> SafeString:
        runs = selectors.visible_to(workflow.viewer).filter(workflow=workflow)[:NEWEST]
        rows = [(_page_of(run), _state_of(run), run.started_by, moment(run.started_at)) for run in runs]
        may_start = selectors.startable_by(workflow.viewer).filter(pk=workflow.pk).exists()
        start = [("Start a run", reverse("workflow-start", args=[workflow.pk]))] if may_start else []
        columns = ("Run", "State", "Started by", "When (UTC)")
        return table(columns, rows, empty="No run yet that you may see.", links=start)

    @display(description="Trail")
    def shown_trail(self, workflow: Workflow) -> SafeString:
        return trail("runs.workflow", workflow)

    @reason_action(
        title="Switch this workflow on",
        description="Switch on",
        text="New runs may begin again, with the version in force.",
        submit="Switch on",
        permission="runs.change_workflow",
        available=lambda workflow: not workflow.is_enabled,
        icon="play_circle",
        variant=ActionVariant.PRIMARY,
    )
    def switch_on(self, request: HttpRequest, obj: Workflow, data: Mapping[str, Any]) -> str:
        """Let new runs begin."""
        services.set_enabled(actor=actor_of(request), workflow=obj, enabled=True, reason=data["reason"])
        return f"{obj.name} is switched on."

    @reason_action(
        title="Switch this workflow off",
        description="Switch off",
        text="No new run begins. Runs under way go on; to halt those too, raise a stop on the workflow.",
        submit="Switch off",
        permission="runs.change_workflow",
        available=lambda workflow: workflow.is_enabled,
        icon="pause_circle",
        variant=ActionVariant.WARNING,
    )
    def switch_off(self, request: HttpRequest, obj: Workflow, data: Mapping[str, Any]) -> str:
        """Let no new run begin."""
        services.set_enabled(actor=actor_of(request), workflow=obj, enabled=False, reason=data["reason"])
        return f"{obj.name} is switched off. Runs under way go on."


@admin.register(WorkflowVersion)
class WorkflowVersionAdmin(ReadOnlyAdmin):
    """What was proposed, word for word, and who agreed."""

    list_display = ("__str__", "shown_state", "proposed_by", "approved_by", "created_at", "decided_at")
    list_filter = ("state", "workflow")
    list_select_related = ("workflow", "proposed_by", "approved_by")
    search_fields = ("workflow__name", "workflow__code", "reason", "sha256")
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": ("workflow", "number", "state", "shown_question", "reason", "sha256")}),
        ("Who and when", {"fields": ("proposed_by", "created_at", "approved_by", "decided_at")}),
        ("What it changes", {"fields": ("shown_differences",)}),
        ("Picture", {"fields": ("shown_picture",)}),
        ("Definition", {"fields": ("shown_text",)}),
    )
    readonly_fields = ("shown_question", "shown_differences", "shown_picture", "shown_text")

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        visible = selectors.visible_workflows(request.user)  # type: ignore[arg-type]
        return WorkflowVersion.objects.filter(workflow__in=visible)

    @display(description="State", ordering="state", label=VERSION_LABELS)
    def shown_state(self, version: WorkflowVersion) -> tuple[str, str]:
        return version.state, version.get_state_display()

    @display(description="The question")
    def shown_question(self, version: WorkflowVersion) -> SafeString | str:
        question = _questions(version=str(version.pk)).first()
        if question is None:
            return ""
        address = reverse("inbox-approval", args=[question.pk])
        return format_html('<a class="portal-link" href="{}">Open it in the inbox</a>', address)

    @display(description="In words")
    def shown_differences(self, version: WorkflowVersion) -> SafeString | str:
        before = services.compared_with(version)
        if before is None:
            return "It is the first version."
        said = services.differences_of(version, before) or ["Nothing that a run would notice."]
        head = f"Against version {before.number}"
        both = [("Both in one picture", reverse("workflow-diff", args=[version.workflow_id, version.number]))]
        return table((head,), [(sentence,) for sentence in said], empty="", links=both)

    @display(description="What a run does")
    def shown_picture(self, version: WorkflowVersion) -> SafeString:
        return _picture(version)

    @display(description="Text")
    def shown_text(self, version: WorkflowVersion) -> SafeString:
        return _text(version.text)


class StepInline(ReadOnlyTabularInline):
    """What was done, in order."""

    model = Step
    fields = ("shown_attempt", "state", "agent", "started_at", "finished_at", "shown_verbs")
    readonly_fields = fields
    offered: Mapping[Any, Any] | None = None  # an inline lives as long as its request

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Step]:
        self.viewer = request.user
        return super().get_queryset(request).select_related("agent", "run", "task", "action")

    @display(description="Attempt")
    def shown_attempt(self, step: Step) -> int:
        return step.generation

    @display(description="What you can do")
    def shown_verbs(self, step: Step) -> SafeString | str:
        links = [
            (reverse(f"step-{verb}", args=[step.run_id, step.pk]), said(verb.label))
            for verb in self._verbs_of(step)
        ]
        return format_html_join(", ", '<a class="portal-link" href="{}">{}</a>', links)

    def _verbs_of(self, step: Step) -> Iterable[StepVerb]:
        if self.offered is None:
            may = services.may_steer(self.viewer, step.run)  # type: ignore[arg-type]
            steps = list(step.run.steps.select_related("task", "action")) if may else []
            self.offered = services.verbs_of_steps(step.run, steps)
        return self.offered.get(step.pk, ())


@admin.register(Run)
class RunAdmin(ReadOnlyAdmin):
    """Every piece of work that followed a workflow."""

    list_display = (
        "label", "workflow", "shown_state", "outcome", "started_by", "started_at", "finished_at"
    )  # fmt: skip
    list_filter = ("workflow", "state", "is_paused", "outcome")
    list_select_related = ("workflow",)
    search_fields = ("label", "key", "started_by")
    date_hierarchy = "started_at"
    inlines = (StepInline,)
    actions_detail = RunVerb.values
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "label",
                    "shown_page",
                    "workflow",
                    "version",
                    "shown_standing",
                    "priority",
                    "outcome",
                    "problem",
                )
            },
        ),
        ("Who and when", {"fields": ("started_by", "started_at", "finished_at", "key")}),
        ("Data", {"fields": ("input", "output")}),
    )
    readonly_fields = ("shown_page", "shown_standing")

    def permitted_objects(self, request: HttpRequest) -> models.QuerySet[Any]:
        return selectors.visible_to(request.user)  # type: ignore[arg-type]

    @display(description="Its page")
    def shown_page(self, run: Run) -> SafeString:
        return _page_of(run)

    @display(description="State", ordering="state", label=RUN_LABELS)
    def shown_state(self, run: Run) -> tuple[str, str]:
        if run.is_paused and run.state in OPEN_RUNS:
            return "paused", "Paused"
        return run.state, run.get_state_display()

    @display(description="State")
    def shown_standing(self, run: Run) -> str:
        return f"{run.get_state_display()}, paused" if run.is_paused else run.get_state_display()

    retry = _order(RunVerb.RETRY, "play_circle", ActionVariant.PRIMARY)
    pause = _order(RunVerb.PAUSE, "pause_circle", ActionVariant.WARNING)
    resume = _order(RunVerb.RESUME, "play_circle", ActionVariant.PRIMARY)
    priority = _order(RunVerb.PRIORITY, "priority_high", ActionVariant.DEFAULT)
    migrate = _order(RunVerb.MIGRATE, "swap_horiz", ActionVariant.DEFAULT)
    compensate = _order(RunVerb.COMPENSATE, "undo", ActionVariant.DANGER)
    cancel = _order(RunVerb.CANCEL, "cancel", ActionVariant.DANGER)


def _questions(**payload: str) -> models.QuerySet[Approval]:
    """Return the questions to people about versions, by what their change requests carry."""
    wanted = {f"payload__{name}": value for name, value in payload.items()}
    changes = ChangeRequest.objects.filter(kind=services.CHANGE_KIND, **wanted)
    return Approval.objects.filter(
        subject_kind="agents.changerequest",
        subject_id__in=[str(key) for key in changes.values_list("pk", flat=True)],
    )


def _question(workflow: Workflow) -> Approval | None:
    """Return the question that waits about a version of this workflow."""
    version = workflow.versions.filter(state=VersionState.PROPOSED).first()
    if version is None:
        return None
    return _questions(version=str(version.pk)).filter(state=Approval.State.PENDING).first()


def _state_of(run: Run) -> str:
    return (
        f"{run.get_state_display()}: {run.outcome.replace('_', ' ')}"
        if run.outcome
        else run.get_state_display()
    )


def _page_of(run: Run) -> SafeString:
    return format_html('<a class="portal-link" href="{}">{}</a>', reverse("run", args=[run.pk]), run.label)


def _link(model: str, key: Any, words: str) -> SafeString:
    address = reverse(f"admin:runs_{model}_change", args=[key])
    return format_html('<a class="portal-link" href="{}">{}</a>', address, words)


def _picture(version: WorkflowVersion | None, *, edit: str = "") -> SafeString:
    """Return the picture of a version; without one, nothing to draw but the way to begin."""
    drawing = {}
    if version is not None:
        layout = services.layout_of(version)
        drawing = for_page(drawing_of(version.content), id=f"version-{version.pk}", layout=layout)
    return render_to_string("runs/picture.html", {"graph": drawing, "edit": edit})


def _what_it_changes(version: WorkflowVersion) -> SafeString:
    address = reverse("workflow-diff", args=[version.workflow_id, version.number])
    hidden = said(f"in version {version.number}")
    words = format_html('{}<span class="portal-hidden"> {}</span>', said("What it changes"), hidden)
    return format_html('<a class="portal-link" href="{}">{}</a>', address, words)


def _text(text: str) -> SafeString:
    if not text:
        return format_html("{}", "No version is in force yet.")
    return format_html('<pre class="portal-code" tabindex="0" hx-disable>{}</pre>', text)
