"""Limits and counters: what is counted, and how their numbers are read and written."""

from __future__ import annotations

import re
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from agents.decision.budgets import millionths_of
from agents.decision.money import major_to_minor
from agents.decision.wording import number_words
from agents.forms.coded import ScopedForm
from agents.forms.operations import OperationsInput
from agents.models import Measure
from agents.selectors import company_currency
from audit.wording import said_lazy

CEL_NAME = re.compile(r"[a-z][a-z0-9_]*")
PLAIN_PATH = re.compile(r"(?!args\b|amount$)[a-z_][A-Za-z0-9_]*(\.[a-z_][A-Za-z0-9_]*)*")
KEYS_IN_WORDS = {
    "agent": "agent.code",
    "role": "agent.role",
    "department": "agent.department",
    "system": "system.code",
    "operation": "operation.code",
}


class MeasureForm(ScopedForm):
    """A limit or a counter; a ceiling of money is written as people write money."""

    ceiling = forms.CharField(
        required=False,
        max_length=30,
        widget=UnfoldAdminTextInputWidget,
        help_text="The most that is allowed, inclusive: 120 calls, 100000 tokens, or 10,000.00 of money or "
        "cost. Empty: counted, not limited.",
    )

    class Meta:
        model = Measure
        fields = [
            "code",
            "name",
            "operations",
            "key",
            "amount",
            "unit",
            "window",
            "window_seconds",
            "ceiling",
            "on_exceed",
            "read_for",
            "read_key",
            "mode",
        ]
        widgets = {"operations": OperationsInput}
        labels = {
            "read_for": "Read for",
            "read_key": "Found there by",
            "amount": "Each action adds",
            "key": "Counted apart for",
            "on_exceed": "Above the ceiling",
            "window_seconds": "Length in seconds",
        }
        help_texts = {
            "amount": "Of records: the list of the call that holds them, e.g. lines. Otherwise a whole number "
            "as CEL. Empty: 1, or the amount of the action for money.",
            "key": "Apart for each agent, role, department, system or operation: write that word. Or as CEL, "
            "e.g. args.supplier. Empty: one counter for all. Of model use: empty, or run.",
            "operations": "Which operations it counts: an exact code or a pattern (erp.*). Of model use: *.",
            "window_seconds": "Only for the last so many seconds: how many.",
        }

    separator = "_"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "unit" in self.fields:
            self.fields["unit"].choices = [*_units()]  # type: ignore[attr-defined]
        if "amount" in self.fields:
            self.fields["amount"].required = False
            if self.instance._state.adding:
                self.initial["amount"] = ""
        if "ceiling" in self.fields and self.instance.ceiling is not None:
            self.initial["ceiling"] = ceiling_of(self.instance, company_currency(), bare=True)

    def clean_code(self) -> str:
        """Rules read a limit by its code, so it is a name in CEL."""
        code = str(self.cleaned_data["code"])
        if code and not CEL_NAME.fullmatch(code):
            raise forms.ValidationError("Use small letters, digits and underscores, a letter first.")
        return code

    def clean(self) -> Any:
        """Read the ceiling in the unit that is counted: money as people write it, never in cents."""
        cleaned = super().clean() or self.cleaned_data
        unit = cleaned.get("unit", "")
        if "key" in self.fields:
            cleaned["key"] = KEYS_IN_WORDS.get(str(cleaned.get("key", "")).strip(), cleaned.get("key", ""))
        if "amount" in self.fields:
            self._read_amount(cleaned, unit)
        if unit == Measure.Unit.RUNNING and "window" in self.fields:
            cleaned["window"] = Measure.Window.EVER  # until it ends: nothing else can be meant
        if "ceiling" in self.fields:
            try:
                cleaned["ceiling"] = ceiling_in(cleaned.get("ceiling", ""), unit)
            except ValueError as error:
                self.add_error("ceiling", f"{error}.")
        return cleaned

    def _read_amount(self, cleaned: dict[str, Any], unit: str) -> None:
        """Complete what each action adds; of records the name of a list is enough."""
        written = str(cleaned.get("amount", "")).strip()
        if unit == Measure.Unit.RECORDS:
            if not written:
                said = "Say which list of the call holds the records, e.g. lines; or a whole number as CEL."
                self.add_error("amount", said)
            elif PLAIN_PATH.fullmatch(written):
                cleaned["amount"] = f"size(args.{written})"
        elif not written:
            cleaned["amount"] = "amount" if unit == Measure.Unit.MONEY else "1"


def _units() -> list[tuple[str, str]]:
    labels = dict(Measure.Unit.choices)
    currency = company_currency() or "company currency"
    labels[Measure.Unit.MONEY.value] = said_lazy(f"Money, in {currency}")
    labels[Measure.Unit.COST.value] = said_lazy(f"Cost of model use, in {currency}")
    return list(labels.items())


def ceiling_in(text: str, unit: str) -> int | None:
    """Return a ceiling as it is stored: minor units for money, millionths for cost; raises ValueError."""
    if not text.strip():
        return None
    if unit == Measure.Unit.MONEY:
        return major_to_minor(text, company_currency())
    if unit == Measure.Unit.COST:
        currency = company_currency()
        return millionths_of(text.strip().removesuffix(currency).strip().replace(",", ""), currency)
    if not re.fullmatch(r"[0-9]{1,3}(,[0-9]{3})+|[0-9]{1,18}", text.strip()):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text.replace(",", ""))


def ceiling_of(measure: Measure, currency: str, *, bare: bool = False) -> str:
    """Return a ceiling as people read it; ``bare`` is how it stands in a form."""
    if measure.ceiling is None:
        return "counted only"
    if not bare:
        return counted(measure, measure.ceiling, currency)
    if measure.unit in (Measure.Unit.MONEY, Measure.Unit.COST):
        return counted(measure, measure.ceiling, currency).rpartition(" ")[0]
    return str(measure.ceiling)


def counted(measure: Measure, number: int, currency: str) -> str:
    """Return a number in the unit that a limit counts, as people read it."""
    return number_words(measure.unit, number, currency)
