"""The form of a rule: what is compared is chosen from what the operations' schemas declare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from agents import registry
from agents.decision import lines
from agents.decision.budgets import UNITS as BUDGETS
from agents.decision.facts import OperationFacts
from agents.forms.levels import LevelsField, level_choices
from agents.forms.operations import OperationsInput
from agents.forms.people import groups_of_people
from agents.forms.rows import RowsField, RowsWidget
from agents.models import Measure, Rule
from audit.adminkit import ReasonModelForm
from audit.wording import said, said_lazy

EFFECTS = (
    ("read", "Reading"),
    ("write", "Writing"),
    ("financial", "Moving money"),
    ("destructive", "Destroying"),
)
JOINED = ((lines.AND, "and"), (lines.OR, "or else"))


def lines_in(data: Any, name: str = "also") -> list[dict[str, str]]:
    """Return the comparisons as they were typed: the first, then every further one that is not empty."""
    first = {"joined": lines.OR, **{part: data.get(part, "") for part in ("field", "comparison", "value")}}
    return [first, *_further(data, name)]


def _further(data: Any, name: str) -> list[dict[str, str]]:
    parts = ("joined", "field", "comparison", "value")
    typed = (
        {part: data.get(f"{name}-{place}-{part}", "") for part in parts} for place in range(lines.MOST - 1)
    )
    return [line for line in typed if line["field"] or line["comparison"] or line["value"].strip()]


class LinesWidget(RowsWidget):
    """Rows of comparisons: what is there, and some empty ones to go on with."""

    empty_rows = 3

    def value_from_datadict(self, data: Any, files: Any, name: str) -> list[dict[str, str]]:
        return _further(data, name)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        given = list(value or ())
        rows = [*given, *[{}] * self.empty_rows][: lines.MOST - 1]
        shown = [self._row(name, place, row) for place, row in enumerate(rows)]
        return render_to_string("agents/lines.html", {"rows": shown, "given": bool(given)})

    def _row(self, name: str, place: int, row: Mapping[str, str]) -> dict[str, Any]:
        which = f"of further comparison {place + 1}"
        widgets = {
            "joined": ("How it hangs together", UnfoldAdminSelectWidget(choices=JOINED)),
            "field": ("What", UnfoldAdminSelectWidget(choices=self.choices)),
            "comparison": (
                "How",
                UnfoldAdminSelectWidget(choices=[("", "---------"), *Rule.Comparison.choices]),
            ),
            "value": ("With", UnfoldAdminTextInputWidget()),
        }
        return {
            part: widget.render(
                f"{name}-{place}-{part}", row.get(part, ""), {"aria-label": f"{said(label)} {said(which)}"}
            )
            for part, (label, widget) in widgets.items()
        }


class LinesField(RowsField):
    """The comparisons after the first, as the service takes them."""

    widget = LinesWidget

    def clean(self, value: Any) -> list[dict[str, str]]:
        """Refuse a row that is not complete."""
        try:
            return lines.as_data(lines.further_lines(value or []))
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from error


class RuleForm(ReasonModelForm):
    """Comparisons in words; the portal writes the exact condition and shows it."""

    field = forms.ChoiceField(
        required=False,
        label="Compare",
        widget=UnfoldAdminSelectWidget,
        help_text="What is compared. Nothing: the rule always applies, or you write the condition below.",
    )
    also = LinesField(
        required=False,
        label="And also, or else",
        help_text="And counts before or: a call is caught when everything up to the next or is so.",
    )
    levels = LevelsField(
        required=False,
        label="Then ask, too",
        help_text="Each after its minutes from the beginning, later than the one before; as many must approve "
        "as before. Who is missing or asks for it themselves is passed over, and the next is asked at once.",
    )
    effects = forms.MultipleChoiceField(
        choices=EFFECTS,
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Only calls with these effects. None ticked: all.",
    )
    redact = forms.CharField(
        required=False,
        label="Hide",
        widget=UnfoldAdminTextInputWidget,
        help_text="Arguments hidden in records and pages, separated by commas, e.g. args.iban.",
    )

    class Meta:
        model = Rule
        fields = [
            "policy",
            "name",
            "operations",
            "effects",
            "field",
            "comparison",
            "value",
            "also",
            "condition",
            "sentence",
            "verdict",
            "approver_group",
            "quorum",
            "stage",
            "step_up",
            "note",
            "redact",
            "mode",
            "remind_minutes",
            "levels",
            "clock",
        ]
        widgets = {"operations": OperationsInput}
        labels = {
            "comparison": "How",
            "value": "With",
            "sentence": "In words",
            "condition": "Exact condition",
            "verdict": "Then",
            "approver_group": "Who may approve",
            "quorum": "How many must approve",
            "stage": "At which stage",
            "step_up": "Sign in again to approve",
            "note": "Note for the approver",
            "remind_minutes": "Remind after (minutes)",
            "clock": "Minutes pass",
        }
        help_texts = {
            "sentence": "As an approver and an agent will read it. Leave it empty: the portal writes it.",
            "condition": "In CEL. The portal writes it from the comparison; write it only without one.",
            "comparison": "How it is compared.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "field" in self.fields:
            known = [self.instance.field, *(line["field"] for line in self.instance.also)]
            choices = field_choices(registry.all_operations(), known, counters())
            self.fields["field"].choices = choices  # type: ignore[attr-defined]
            self.fields["also"].widget.choices = choices
        if "approver_group" in self.fields:
            self.fields["approver_group"].queryset = groups_of_people()  # type: ignore[attr-defined]
        if "stage" in self.fields:
            self.fields["stage"].required = False
        if "clock" in self.fields and self.is_bound and not self.data.get("clock"):
            # What a form leaves out stays as it is: a new rule's minutes pass at any time.
            self.data = self.data.copy()  # type: ignore[attr-defined]
            self.data["clock"] = self.instance.clock  # type: ignore[index]
        if "levels" in self.fields:
            self.fields["levels"].widget.choices = level_choices()
        if "sentence" in self.fields:
            self.fields["sentence"].required = False
        if "condition" in self.fields:
            self.fields["condition"].widget.attrs["rows"] = 3
        if isinstance(self.initial.get("redact"), list):
            self.initial["redact"] = ", ".join(self.initial["redact"])

    def clean_stage(self) -> int:
        """Return the stage; nothing entered is the first."""
        entered = self.cleaned_data["stage"]
        return 1 if entered is None else int(entered)

    def clean_redact(self) -> list[str]:
        """Return the arguments as a list."""
        return [part.strip() for part in self.cleaned_data["redact"].split(",") if part.strip()]


COMMON_FIELDS = (
    ("amount", "the amount, in company currency"),
    ("currency", "the currency of the amount"),
    ("agent.code", "which agent it is"),
    ("agent.role", "the agent's role"),
    ("agent.department", "the agent's department"),
    ("agent.risk_tier", "the agent's risk"),
    ("agent.days", "how many days ago the agent was taken on"),
    ("agent.sponsor", "who answers for the agent (the person's id)"),
    ("run.within", "whether it is part of a workflow (yes or no)"),
    ("run.workflow", "the workflow it is part of (its id)"),
    ("run.id", "the one run it is part of (its id)"),
    ("clock.weekend", "whether it is a weekend (yes or no)"),
    ("clock.weekday", "the day of the week (monday, tuesday ...)"),
    ("clock.date", "the date (2026-12-24)"),
    ("clock.hour", "the hour of the day (0 to 23)"),
    ("system.code", "which system it is"),
    ("system.environment", "production, test or sandbox"),
)


def counters() -> list[tuple[str, str]]:
    """Return what limits and counters have counted, as it can be compared."""
    found = Measure.objects.exclude(mode=Rule.Mode.DRAFT).exclude(unit__in=BUDGETS).order_by("name")
    return [(f"measures.{it.code}.settled", said_lazy(f"{it.name}: how much is done")) for it in found]


def field_choices(
    operations: Any, current: Iterable[str] = (), counted: Iterable[tuple[str, str]] = ()
) -> list[Any]:
    """Return what can be compared: what every call has, then the arguments each operation's schema declares."""
    choices: list[Any] = [("", "Nothing"), ("Every call", list(COMMON_FIELDS))]
    known = {field for field, _ in COMMON_FIELDS}
    if listed := list(counted):
        choices.append(("Limits and counters", listed))
        known |= {field for field, _ in listed}
    for operation in operations:
        found = [
            (path, said_lazy(f"{path.removeprefix('args.')} ({title})"))
            for path, title in arguments_of(operation)
        ]
        choices.append((operation.name, found))
        known |= {path for path, _ in found}
    return [*choices, *((field, field) for field in dict.fromkeys(current) if field and field not in known)]


def arguments_of(operation: OperationFacts) -> list[tuple[str, str]]:
    """Return (``args.<path>``, type) for every plain value in the operation's input schema."""
    return list(_leaves(operation.input_schema or {}, "args", depth=4))


def _leaves(schema: Any, path: str, depth: int) -> Any:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not depth:
        return
    for name, inner in properties.items():
        here = f"{path}.{name}"
        if isinstance(inner, dict) and inner.get("type") in ("string", "integer", "boolean"):
            yield here, inner.get("title") or inner.get("format") or inner["type"]
        else:
            yield from _leaves(inner, here, depth - 1)
