"""An agent's standing: how freely it works, where it belongs, its terms, its secrets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminDateWidget, UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from agents.forms.people import active_people
from agents.models import Agent, Department, LifecycleTerms, Role, User
from audit.adminkit import ReasonForm, ReasonModelForm


class LifetimeForm(ReasonForm):
    """How long a new secret is good for."""

    days = forms.IntegerField(
        min_value=1,
        max_value=365,
        initial=90,
        label="Valid for days",
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="At most 365. Issue the next one before it ends; both work meanwhile.",
    )

    @property
    def lifetime(self) -> timedelta:
        """Return the answer as a duration."""
        return timedelta(days=self.cleaned_data["days"])


class AutonomyForm(ReasonForm):
    """How freely an agent works."""

    autonomy = forms.ChoiceField(
        choices=Agent.Autonomy.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="Less applies at once; more waits for a second person.",
    )


class DemotionForm(ReasonForm):
    """How far an agent is put back."""

    to = forms.ChoiceField(
        label="Put back to",
        choices=LifecycleTerms.BreachThen.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="At once. A second person must agree before it gets back what it had.",
    )


class TermsForm(ReasonModelForm):
    """Terms of employment of a role or of the company."""

    labels = {
        "probation_days": "Days of probation",
        "attest_every_days": "Days between two confirmations",
        "attest_notice_days": "Days of notice before one",
        "attest_grace_days": "Days of grace after one was due",
        "denials": "Refused calls",
        "limits": "Calls above a limit",
        "doubts": "Actions in doubt",
        "reversals": "Actions taken back",
        "window_days": "Within so many days",
        "breach_then": "What happens then",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, label in self.labels.items():
            if name in self.fields:
                self.fields[name].label = label


class ReassignForm(ReasonForm):
    """What of an agent's standing is to change; what stays empty stays as it is."""

    sponsor = forms.ModelChoiceField(
        queryset=User.objects.none(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Who answers for it.",
    )
    department = forms.ModelChoiceField(
        queryset=Department.objects.all(), required=False, widget=UnfoldAdminSelectWidget
    )
    role = forms.ModelChoiceField(queryset=Role.objects.all(), required=False, widget=UnfoldAdminSelectWidget)
    risk_tier = forms.ChoiceField(
        choices=[("", "---------"), *Agent.RiskTier.choices], required=False, widget=UnfoldAdminSelectWidget
    )
    attest_by = forms.DateField(required=False, widget=UnfoldAdminDateWidget, help_text="Next confirmation by.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sponsor"].queryset = active_people()

    def clean(self) -> Any:
        """Ask for at least one change."""
        cleaned = super().clean() or self.cleaned_data
        if not wanted(cleaned):
            raise forms.ValidationError("Choose what is to change.")
        return cleaned


def wanted(cleaned: Any) -> dict[str, Any]:
    """Return what a ReassignForm asks for, without what was left empty."""
    fields = ("sponsor", "department", "role", "risk_tier", "attest_by")
    return {field: cleaned[field] for field in fields if cleaned.get(field)}
