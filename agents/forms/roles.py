"""The form of a role: its figures are written as sentences, one line each."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from agents.decision.role_template import Target, target_document, target_of
from agents.forms.coded import CodedForm
from agents.models import Role

MOST_FIGURES = 50


class RoleForm(CodedForm):
    """A job: what it is for, what it answers for, and the figures of good work."""

    figures = forms.CharField(
        label="Figures of good work",
        required=False,
        strip=False,
        max_length=20_000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 6}),
        help_text="One on each line, e.g. Cycle time of an order: at most 4 hours.",
    )

    class Meta:
        model = Role
        fields = ["name", "code", "job_description", "responsibilities", "labels", "expected_performance"]
        widgets = {"labels": UnfoldAdminTextInputWidget}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        told = [Target(**it) for it in self.instance.performance]
        self.codes = {target.name: target.code for target in told}
        self.initial["figures"] = "\n".join(target.words for target in told)

    def clean_figures(self) -> list[dict[str, str]]:
        """Return the figures as they are kept; one that was there already keeps its code."""
        found: dict[str, dict[str, str]] = {}
        for line in self.cleaned_data["figures"].splitlines():
            if not line.strip():
                continue
            try:
                target = target_document(target_of(line))
            except ValueError as error:
                raise forms.ValidationError(str(error)) from None
            target["code"] = self.codes.get(target["name"], target["code"])
            if target["code"] in found:
                raise forms.ValidationError(f"{target['name']} stands there twice. Keep one of them.")
            found[target["code"]] = target
        if len(found) > MOST_FIGURES:
            raise forms.ValidationError(f"There are more than {MOST_FIGURES}. Write fewer.")
        return list(found.values())

    def content(self) -> dict[str, Any]:
        """Return everything it holds, as the service takes it."""
        names = (*(it for it in self.Meta.fields if it in self.cleaned_data), "figures")
        return {_FIELD.get(name, name): self.cleaned_data[name] for name in names}

    def changed_content(self) -> dict[str, Any]:
        """Return what the person changed, as the service takes it."""
        return {_FIELD.get(it, it): self.cleaned_data[it] for it in self.changed_data if it != "reason"}


_FIELD = {"figures": "performance"}
