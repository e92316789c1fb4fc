"""What the pages of all triggers share: the log of what came, what a sample would become, the trail."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from django.db import models
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from agents.admin.base import WorkforceAdmin, moment, table, trail, values_of
from audit.adminkit import actor_of
from workflows.runs import selectors as runs
from workflows.triggers.models import Trigger
from workflows.triggers.services.trying import Trial

NEWEST = 50
STATES = {"Switched on": "success", "Switched off": "warning"}


class TriggerAdmin(WorkforceAdmin):
    """One kind of trigger. It is switched off, never deleted: its log names it."""

    list_filter = ("workflow", "is_enabled")
    list_select_related = ("workflow",)
    search_fields = ("name", "workflow__name", "workflow__code")
    panels: tuple[str, ...] = ("shown_log", "shown_trail")

    def save_service(self, **given: Any) -> models.Model:
        """Call the service that keeps this kind."""
        raise NotImplementedError

    def create(self, request: HttpRequest, form: Any) -> models.Model:
        return self.save_service(
            actor=actor_of(request), values=values_of(form), reason=form.cleaned_data["reason"]
        )

    def update(self, request: HttpRequest, obj: models.Model, form: Any) -> models.Model:
        return self.save_service(
            actor=actor_of(request),
            values=values_of(form),
            reason=form.cleaned_data["reason"],
            **{str(self.opts.model_name): obj},
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        closed = super().get_readonly_fields(request, obj)
        return (*closed, *(panel for panel in self.panels if panel not in closed))

    @display(description="State", ordering="is_enabled", label=STATES)
    def shown_enabled(self, trigger: Any) -> str:
        return "Switched on" if trigger.is_enabled else "Switched off"

    @display(description="Trail")
    def shown_trail(self, trigger: Any) -> SafeString:
        return trail(self.opts.label_lower, trigger)


def log(occasions: models.QuerySet[Any], viewer: Any, what: str, name: Callable[[Any], Any]) -> SafeString:
    """Show the newest occasions: which it was, what became of it, and the run for whoever may see that."""
    found: list[Any] = list(occasions.select_related("run")[:NEWEST])
    wanted = [occasion.run_id for occasion in found if occasion.run_id]
    visible = set(runs.visible_to(viewer).filter(pk__in=wanted).values_list("pk", flat=True))
    rows = [
        (name(occasion), _became(occasion, occasion.run_id in visible), moment(occasion.at))
        for occasion in found
    ]
    return table((what, "What became of it", "When (UTC)"), rows, empty="Nothing has come yet.")


def shown_trial(request: HttpRequest, trigger: Trigger, trial: Trial) -> HttpResponse:
    """Show what the sample would become."""
    given = json.dumps(trial.input, indent=2, ensure_ascii=False) if trial.input else ""
    return in_the_dialog(request, trigger, "triggers/trial.html", trial=trial, input=given)


def in_the_dialog(request: HttpRequest, trigger: Trigger, template: str, **context: Any) -> HttpResponse:
    """Replace the whole dialog by an answer, so that it can be neither asked for again nor sent twice."""
    back = reverse(f"admin:triggers_{trigger._meta.model_name}_change", args=[trigger.pk])
    answer = HttpResponse(render_to_string(template, {**context, "trigger": trigger, "back": back}, request))
    answer["Cache-Control"] = "no-store"
    answer["HX-Retarget"] = answer["HX-Reselect"] = "#dialog"
    answer["HX-Reswap"] = "outerHTML"
    return answer


def _became(occasion: Any, shows_run: bool) -> SafeString:
    if not shows_run:
        return format_html("{}. {}", occasion.get_outcome_display(), occasion.sentence)
    address = reverse("run", args=[occasion.run_id])
    link = format_html('<a class="portal-link" href="{}">{}</a>', address, occasion.run)
    return format_html("{}: {}", occasion.get_outcome_display(), link)
