"""What every form of something with a code, or that binds somebody, begins with."""

from __future__ import annotations

from typing import Any

from django.utils.text import slugify

from agents.models import Agent, Department, Policy, Role
from agents.selectors.offers import BOUND
from audit.adminkit import ReasonModelForm
from audit.forms import OfferedField

CODE_HELP = "Leave it empty to take it from the name."


class CodedForm(ReasonModelForm):
    """A form of something with a code of its own, which is made from the name when it is left empty."""

    separator = "-"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if code := self.fields.get("code"):
            code.required = False
            code.help_text = f"{code.help_text} {CODE_HELP}"
            code.error_messages["invalid"] = "Use letters, digits and hyphens, without blanks."

    def clean(self) -> Any:
        """Make the code from the name."""
        cleaned = super().clean() or self.cleaned_data
        if "code" in self.fields and "code" not in self.errors and not cleaned.get("code"):
            cleaned["code"] = self._code_of(cleaned.get("name", ""))
            if not cleaned["code"]:
                self.add_error("code", "Write one: none can be made from this name.")
        return cleaned

    def _code_of(self, name: str) -> str:
        return slugify(name)[:60].strip("-_").replace("-", self.separator)


def scope_label(kind: str, scope_id: str) -> str:
    """Return whom a scope means, by name."""
    model: Any = {"department": Department, "role": Role, "agent": Agent}.get(kind)
    if model is None:
        return "The whole company"
    found = model.objects.filter(pk=scope_id).first()
    return f"{kind.capitalize()} {found or 'that no longer exists'}"


class ScopedForm(CodedForm):
    """A form of something that binds somebody."""

    scope = OfferedField(BOUND, "bound", themed=True, empty=None, label="Binds", help_text="Whom it binds.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "scope" in self.fields:
            self.initial.setdefault("scope", f"{self.instance.scope_kind}:{self.instance.scope_id}")


class PolicyForm(ScopedForm):
    """A set of rules and whom it binds."""

    class Meta:
        model = Policy
        fields = ["code", "name", "purpose"]
