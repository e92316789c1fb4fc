"""The forms of the guide that starts a workflow."""

from __future__ import annotations

import json
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from agents.forms import groups_of_people
from agents.models import Agent, Role
from agents.registry import find_operation
from connectors.models import Operation, OperationGroupObjectPermission, OperationUserObjectPermission
from workflows.pages.guides.parts import GuideForm
from workflows.runs.models import Workflow
from workflows.runs.services.templates import Asked, WorkflowTemplate

MOST = 200
TIMES = [
    ("0 9 * * mon-fri", _("Every working day at 9:00")),
    ("0 9 * * mon", _("Every Monday at 9:00")),
    ("0 9 1 * *", _("On the first of each month at 9:00")),
    ("0 * * * *", _("Every hour")),
    ("own", _("At times of your own")),
]


class FillForm(GuideForm):
    """What a template leaves to the company: names, operations, jobs, groups of people."""

    name = forms.CharField(label=_("What do people call this work?"), max_length=120)
    purpose = forms.CharField(
        label=_("What is it good for?"),
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One sentence, e.g. Every request is answered within two days."),
    )
    owner = forms.ModelChoiceField(
        Group.objects.none(), label=_("Which group answers for it?"), help_text=_("A group of people.")
    )

    def __init__(self, *args: Any, template: WorkflowTemplate, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.template = template
        self.fields["owner"].queryset = groups_of_people()  # type: ignore[attr-defined]
        for ask in template.asks:
            self.fields[ask.key] = _field(ask)
        order = ["name", "purpose", *(ask.key for ask in template.asks), "owner", "reason"]
        self.order_fields(order)
        managers = groups_of_people().filter(name="Managers").first()
        if managers:
            self.initial.setdefault("owner", managers.pk)
        approvers = groups_of_people().filter(name=settings.DEFAULT_APPROVER_GROUP).first()
        for ask in template.asks:
            if ask.kind == "group" and approvers:
                self.initial.setdefault(ask.key, approvers.pk)

    def clean_name(self) -> str:
        """Refuse the name of a workflow that is there."""
        name = str(self.cleaned_data["name"]).strip()
        if Workflow.objects.filter(name__iexact=name).exists():
            raise forms.ValidationError(_("There is a workflow of this name already. Choose another name."))
        return name

    def clean(self) -> Any:
        """See that an agent with the job may do what the workflow asks of it."""
        cleaned = super().clean() or self.cleaned_data
        for ask in self.template.asks:
            role, operation = cleaned.get(ask.key), cleaned.get(ask.does)
            if (
                ask.kind == "role"
                and role
                and not Agent.objects.filter(role=role).exclude(lifecycle="retired").exists()
            ):
                self.add_error(ask.key, _("No agent has this job yet. Register one first."))
            elif ask.does and role and operation and not may_do(role, operation):
                self.add_error(
                    ask.key,
                    _("No agent with this job may use “%(operation)s”. Let one ask for it first.")
                    % {"operation": operation.name},
                )
        return cleaned

    def answers(self) -> dict[str, Any]:
        """Return the answers as a template takes them."""
        found: dict[str, Any] = {name: self.cleaned_data[name] for name in ("name", "purpose")}
        found["owner"] = self.cleaned_data["owner"].name
        for ask in self.template.asks:
            value = self.cleaned_data[ask.key]
            if ask.kind == "operation":
                found[ask.key] = find_operation(value.code)
            else:
                found[ask.key] = value.code if ask.kind == "role" else value.name
        return found


def may_do(role: Role, operation: Operation) -> bool:
    """Tell whether the job, or an agent that has it, holds a grant on an operation."""
    if OperationGroupObjectPermission.objects.filter(content_object=operation, group=role.group_id).exists():
        return True
    held = OperationUserObjectPermission.objects.filter(content_object=operation, user__agent__role=role)
    return held.exclude(user__agent__lifecycle="retired").exists()


def _field(ask: Asked) -> forms.Field:
    shown: dict[str, Any] = {"label": ask.title, "help_text": ask.help}
    if ask.kind == "group":
        return forms.ModelChoiceField(groups_of_people(), **shown)
    if ask.kind == "role":
        return forms.ModelChoiceField(Role.objects.order_by("name"), **shown)
    operations = Operation.objects.filter(
        is_enabled=True, current_revision__isnull=False, system__is_enabled=True
    )
    operations = operations.exclude(system__kind="portal")
    if ask.effects:
        operations = operations.filter(effect__in=ask.effects)
    field = forms.ModelChoiceField(
        operations.select_related("system").order_by("system__name", "name"), **shown
    )
    field.label_from_instance = lambda operation: f"{operation.name} ({operation.system.name})"  # type: ignore[assignment,method-assign]
    return field


class ScheduleForm(GuideForm):
    """At which times it begins."""

    times = forms.ChoiceField(label=_("When?"), choices=TIMES, widget=forms.RadioSelect, initial=TIMES[0][0])
    cron = forms.CharField(
        label=_("Times of your own"),
        required=False,
        max_length=200,
        help_text=_("Minute, hour, day of the month, month, day of the week, e.g. 30 6 * * mon-fri."),
    )
    time_zone = forms.ChoiceField(label=_("By whose clock?"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones = [(zone, zone) for zone in sorted(available_timezones()) if "/" in zone or zone == "UTC"]
        self.fields["time_zone"].choices = zones  # type: ignore[attr-defined]
        self.initial.setdefault("time_zone", settings.TIME_ZONE)

    def clean(self) -> Any:
        """Take the times that were chosen."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("times") == "own" and not cleaned.get("cron", "").strip():
            self.add_error("cron", _("Write the times, or choose some above."))
        elif cleaned.get("times") != "own":
            cleaned["cron"] = cleaned.get("times", "")
        return cleaned


class FolderForm(GuideForm):
    """The folder into which files are dropped."""

    folder = forms.RegexField(
        r"^[a-z0-9][a-z0-9-]{0,59}$",
        label=_("Name of the folder"),
        help_text=_("Small letters, digits and hyphens, e.g. scanned-mail."),
        error_messages={"invalid": _("Use small letters, digits and hyphens only.")},
    )


def as_cel(value: Any) -> str:
    """Return a JSON value as CEL writes it; both write texts, numbers, lists and objects alike."""
    return json.dumps(value, ensure_ascii=False)
