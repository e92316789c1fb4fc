"""The form that copies an agent into another department."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import (
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from agents.forms.people import active_people
from agents.models import Agent, Department, Role, User
from audit.adminkit import ReasonForm


class CloneForm(ReasonForm):
    """What is new about the copy; everything else is taken from the original."""

    name = forms.CharField(max_length=120, widget=UnfoldAdminTextInputWidget, help_text="The name people see.")
    code = forms.SlugField(max_length=60, widget=UnfoldAdminTextInputWidget, help_text="Short stable name.")
    department = forms.ModelChoiceField(
        queryset=Department.objects.all(),
        widget=UnfoldAdminSelectWidget,
        help_text="Where the copy works. The rules and limits of that department bind it.",
    )
    role = forms.ModelChoiceField(
        queryset=Role.objects.all(),
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Leave it empty to keep the role.",
    )
    sponsor = forms.ModelChoiceField(
        queryset=User.objects.none(),
        widget=UnfoldAdminSelectWidget,
        help_text="Who answers for it: somebody of that department or above it, or a head of one of these.",
    )
    sponsor_from_elsewhere = forms.BooleanField(
        label="Somebody from elsewhere answers for it",
        required=False,
        widget=UnfoldBooleanSwitchWidget,
        help_text="Only if that is meant. Whoever approves the copy reads it.",
    )
    field_order = ("name", "code", "department", "role", "sponsor", "sponsor_from_elsewhere", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sponsor"].queryset = active_people()

    def clean_code(self) -> str:
        """Refuse a code that is taken, where it is typed."""
        code: str = self.cleaned_data["code"]
        if Agent.objects.filter(code=code).exists():
            raise forms.ValidationError("There is an agent with this code. Choose another.")
        return code
