"""Forms of retention and legal holds."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget

from agents.models import Department
from audit import retention
from audit.adminkit import ReasonModelForm


class RetentionForm(ReasonModelForm):
    """For how many days a class of data is kept."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "days" in self.fields:
            self.fields["days"].widget = UnfoldAdminIntegerFieldWidget(attrs={"min": retention.LEAST_DAYS})


class NewRetentionForm(RetentionForm):
    """The same with what and whose, which a rule keeps for good."""

    data_class = forms.ChoiceField(label="What", widget=UnfoldAdminSelectWidget)
    department = forms.ModelChoiceField(
        queryset=Department.objects.all(),
        required=False,
        empty_label="The company, where no department says otherwise",
        widget=UnfoldAdminSelectWidget,
        help_text="With all departments below it that have no rule of their own.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(code, one.words) for code, one in retention.registered().items()]
        self.fields["data_class"].choices = choices  # type: ignore[attr-defined]


class HoldForm(ReasonModelForm):
    """A legal hold: what nobody may erase, and why."""
