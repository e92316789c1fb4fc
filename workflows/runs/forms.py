"""What people fill in about workflows: the definition as text, with all that is wrong with it at the field."""

from __future__ import annotations

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from audit.adminkit import ReasonModelForm
from audit.vocabulary import Refusal
from workflows.runs import services
from workflows.runs.models import Workflow

DEFINITION_HELP = (
    "YAML: code, name, purpose, owner, input, start and nodes. "
    "What you save is proposed as the next version; it counts when a second person has approved it."
)
ROWS = 32


class WorkflowForm(ReasonModelForm):
    """A definition and why. The lint speaks at the field; the service says what depends on the moment."""

    definition = forms.CharField(
        help_text=DEFINITION_HELP,
        strip=False,
        widget=UnfoldAdminTextareaWidget(
            attrs={"rows": ROWS, "spellcheck": "false", "wrap": "off", "class": "portal-code"}
        ),
    )

    class Meta:
        model = Workflow
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("definition", self._text())

    def _text(self) -> str:
        if not self.instance.pk or "definition" not in self.fields:
            return ""
        version = self.instance.current or self.instance.versions.order_by("-number").first()
        return version.text if version else ""

    def clean_definition(self) -> str:
        """Say every finding by name at the field."""
        text = str(self.cleaned_data["definition"]).replace("\r\n", "\n")
        try:
            services.checked(text)
        except Refusal as refusal:
            errors = refusal.detail.get("errors", ())
            raise forms.ValidationError([error["message"] for error in errors] or [refusal.message]) from None
        return text
