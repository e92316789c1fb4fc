"""What people fill in about systems. Every form asks why; a secret is written and never shown again."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
)

from agents.models import Agent, Role
from agents.selectors.offers import EMPLOYED, EVERY_AGENT, employed, every_agent
from audit.adminkit import ReasonForm, ReasonModelForm, reason_field
from audit.forms import OfferedRowField
from audit.forms.jsontext import TypedJSONField
from audit.wording import said_lazy
from connectors.models import Account, Operation, System


class LinesField(forms.CharField):
    """A list of texts, one a line."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}), **kwargs)

    def prepare_value(self, value: Any) -> Any:
        """Show a list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """Return the lines that say something."""
        return [line.strip() for line in (super().to_python(value) or "").splitlines() if line.strip()]


class PrettyJSONField(TypedJSONField):
    """JSON that a person can read in the form, with its lines kept apart."""

    def prepare_value(self, value: Any) -> Any:
        """Write a stored value over several lines; what somebody typed stays as it was typed."""
        if value is None or isinstance(value, str):
            return super().prepare_value(value) if value is not None else ""
        return json.dumps(value, indent=2, ensure_ascii=False)


class SystemForm(ReasonModelForm):
    """An enterprise system: where it is and what may be reached there."""

    allowed_hosts = LinesField(
        label="Allowed places",
        help_text="One scheme://host:port a line. Empty: only the address above.",
    )
    private_networks = LinesField(
        help_text="Networks inside the company it may resolve to, one a line, e.g. 10.2.0.0/16. "
        "This machine itself has to be named on its own, e.g. 127.0.0.1/32.",
    )

    class Meta:
        model = System
        fields = [
            "code",
            "name",
            "category",
            "kind",
            "environment",
            "base_url",
            "config",
            "allowed_hosts",
            "private_networks",
            "max_concurrent",
            "connect_timeout",
            "read_timeout",
            "total_timeout",
            "breaker_threshold",
            "breaker_cooldown",
            "is_enabled",
        ]
        labels = {
            "kind": "Driver",
            "base_url": "Address",
            "config": "Settings of the driver",
            "max_concurrent": "Calls at the same time",
            "connect_timeout": "Seconds to get through",
            "read_timeout": "Seconds of silence",
            "total_timeout": "Seconds in all",
            "breaker_threshold": "Failures in a row",
            "breaker_cooldown": "Seconds of the pause",
            "is_enabled": "In use",
        }
        field_classes = {"config": PrettyJSONField}


class AccountForm(ReasonModelForm):
    """Whose key is used at a system."""

    agent = OfferedRowField(
        every_agent,
        EVERY_AGENT,
        "account-agents",
        themed=True,
        required=False,
        label="Used by the agent",
        help_text="Used by this agent only; it wins over the account of its role.",
    )
    new_secret = forms.CharField(
        label="New secret",
        required=False,
        strip=True,
        widget=UnfoldAdminPasswordWidget(render_value=False, attrs={"autocomplete": "off"}),
        help_text="Written, used for calls, never shown again. Leave it empty to keep the present one.",
    )

    class Meta:
        model = Account
        fields = ["system", "name", "role", "agent", "scheme", "username", "header_name", "is_enabled"]
        labels = {
            "role": "Used by the role",
            "scheme": "How it signs in",
            "username": "User name",
            "header_name": "Name of the header",
            "is_enabled": "In use",
        }


class OperationForm(ReasonModelForm):
    """What may be asked of a system; saving a changed schema or mapping publishes a new revision."""

    input_schema = PrettyJSONField(
        label="Arguments",
        initial={"type": "object", "properties": {}, "additionalProperties": False},
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 16}),
        help_text="JSON Schema 2020-12 of the arguments: no fractions, no open objects.",
    )
    output_schema = PrettyJSONField(
        label="Result",
        required=False,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="JSON Schema 2020-12 of the result; empty to take it as it comes.",
    )
    mapping = PrettyJSONField(
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 20}),
        help_text="How the driver turns arguments into requests. Data, never code.",
    )

    class Meta:
        model = Operation
        fields = [
            "system",
            "code",
            "name",
            "description",
            "effect",
            "idempotent",
            "money_path",
            "reference_field",
            "label_template",
            "lookup_operation",
            "undo_operation",
        ]
        labels = {
            "idempotent": "Safe to repeat",
            "money_path": "Where the amount is",
            "label_template": "Its line for people",
            "lookup_operation": "Looked up by",
            "undo_operation": "Undone by",
            "reference_field": "Field for our reference",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if revision := self.instance.current_revision:
            for name in ("input_schema", "output_schema", "mapping"):
                self.initial.setdefault(name, getattr(revision, name))


class TestForm(ReasonForm):
    """A connection test may say why, and need not."""

    __test__ = False

    reason = reason_field(required=False)


class HolderForm(ReasonForm):
    """An agent or a role: one of them."""

    agent = OfferedRowField(
        employed, EMPLOYED, "holders", themed=True, required=False, help_text="This agent alone."
    )
    role = forms.ModelChoiceField(
        Role.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Or every agent of this role.",
    )
    field_order = ["agent", "role", "reason"]

    def clean(self) -> dict[str, Any]:
        """Refuse both and neither."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if bool(cleaned.get("agent")) == bool(cleaned.get("role")):
            raise forms.ValidationError("Name an agent or a role: one of them.")
        return cleaned


class GrantForm(forms.Form):
    """Operations for one agent."""

    operations = forms.ModelMultipleChoiceField(
        Operation.objects.filter(is_enabled=True, current_revision__isnull=False),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What it may ask for. Its contract, its limits and every stop still apply.",
    )
    reason = reason_field()

    def __init__(self, *args: Any, agent: Agent, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = Operation.objects.filter(operationuserobjectpermission__user=agent.user_id)
        offered: Any = self.fields["operations"]
        offered.queryset = offered.queryset.exclude(pk__in=held.values("pk")).order_by("code")
        offered.label_from_instance = lambda operation: said_lazy(f"{operation.name} ({operation.code})")
