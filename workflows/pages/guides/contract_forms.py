"""The forms of the guide that writes a contract: one sentence for each operation, and limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from agents.decision.money import major_to_minor
from agents.forms import ceiling_in, groups_of_people
from agents.models import Measure, Rule
from agents.selectors import company_currency
from connectors.models import Operation
from workflows.pages.guides.parts import EFFECT_TAGS, GuideForm

ALONE, ASK, ABOVE, NEVER = "alone", "ask", "above", "never"
WORDS = {ALONE: _("Alone"), ASK: _("Ask a person"), ABOVE: _("Ask above an amount"), NEVER: _("Never")}
TIMES, MONEY = "times", "money"


@dataclass(frozen=True, slots=True)
class Clause:
    """What is said of one operation now: a choice, and of what is asked above which amount and whom.

    ``own``: the sentence of a rule that was written elsewhere and that this form cannot say.
    """

    operation: Operation
    rule: Rule | None = None
    choice: str = ALONE
    amount: str = ""
    group: int | None = None
    own: str = ""


def clause_of(operation: Operation, rules: Sequence[Rule]) -> Clause:
    """Read the rules of one operation back into the choice they came from."""
    if not rules:
        return Clause(operation)
    rule = rules[0]
    simple = len(rules) == 1 and not rule.also and not rule.effects and not rule.levels and rule.quorum == 1
    above = (rule.field, rule.comparison) == ("amount", "above")
    if not simple or not (above or not (rule.field or rule.condition)):
        return Clause(operation, rule, own=" ".join(it.sentence for it in rules))
    if rule.verdict == Rule.Verdict.DENY and not above:
        return Clause(operation, rule, NEVER)
    if rule.verdict != Rule.Verdict.HOLD:
        return Clause(operation, rule, own=rule.sentence)
    return Clause(operation, rule, ABOVE if above else ASK, rule.value if above else "", rule.approver_group_id)


class RulesForm(GuideForm):
    """For each operation: alone, ask a person, ask above an amount, or never."""

    def __init__(self, *args: Any, clauses: Sequence[Clause], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clauses = [clause for clause in clauses if not clause.own]
        currency = company_currency()
        for at, clause in enumerate(self.clauses):
            named = {"operation": clause.operation.name}
            keys = [ALONE, ASK, *([ABOVE] if clause.operation.money_path else []), NEVER]
            self.fields[f"choice_{at}"] = forms.ChoiceField(
                label=clause.operation.name,
                choices=[(key, WORDS[key]) for key in keys],
                widget=forms.RadioSelect,
                initial=clause.choice,
            )
            if clause.operation.money_path:
                self.fields[f"amount_{at}"] = forms.CharField(
                    label=_now("Above how much, in %(currency)s") % {"currency": currency},
                    required=False,
                    max_length=30,
                    initial=clause.amount,
                    widget=forms.TextInput(
                        attrs={
                            "inputmode": "decimal",
                            "aria-label": _now("%(operation)s: above how much") % named,
                        }
                    ),
                )
            self.fields[f"group_{at}"] = forms.ModelChoiceField(
                groups_of_people(),
                label=_("Who is asked"),
                required=False,
                empty_label=_("Whoever may approve"),
                initial=clause.group,
                widget=forms.Select(attrs={"aria-label": _now("%(operation)s: who is asked") % named}),
            )
        self.order_fields([name for name in self.fields if name != "reason"])

    def rows(self) -> list[dict[str, Any]]:
        """Return one row for each operation, for the page."""
        return [
            {
                "operation": clause.operation,
                "tag": EFFECT_TAGS[clause.operation.effect],
                "choice": self[f"choice_{at}"],
                "amount": self[f"amount_{at}"] if f"amount_{at}" in self.fields else None,
                "group": self[f"group_{at}"],
                "rule": clause.rule,
            }
            for at, clause in enumerate(self.clauses)
        ]

    def clean(self) -> Any:
        """Ask for an amount where one is needed."""
        cleaned = super().clean() or self.cleaned_data
        for at, _clause in enumerate(self.clauses):
            if cleaned.get(f"choice_{at}") != ABOVE:
                continue
            try:
                if major_to_minor(str(cleaned.get(f"amount_{at}", "")).strip(), company_currency()) <= 0:
                    raise ValueError
            except ValueError:
                self.add_error(f"amount_{at}", _("Write an amount above nothing, e.g. 1000.00."))
        return cleaned

    def wanted(self) -> list[tuple[Clause, dict[str, Any] | None]]:
        """Return for each operation that is to change what its rule is to say; None: no rule."""
        found: list[tuple[Clause, dict[str, Any] | None]] = []
        for at, clause in enumerate(self.clauses):
            content = self._content(at, clause)
            if not _same(clause, content):
                found.append((clause, content))
        return found

    def _content(self, at: int, clause: Clause) -> dict[str, Any] | None:
        choice, group = self.cleaned_data[f"choice_{at}"], self.cleaned_data.get(f"group_{at}")
        name = clause.operation.name
        if choice == ALONE:
            return None
        if choice == NEVER:
            sentence = _now("%(operation)s is never allowed") % {"operation": name}
            return {**_plainly(sentence), "verdict": "deny", "approver_group": None}
        if choice == ASK:
            sentence = _now("%(operation)s needs a person") % {"operation": name}
            return {**_plainly(sentence), "verdict": "hold", "approver_group": group}
        value = str(self.cleaned_data[f"amount_{at}"]).strip().replace(",", "")
        said = {"field": "amount", "comparison": "above", "value": value, "sentence": ""}
        return {**said, "verdict": "hold", "approver_group": group}


def _plainly(sentence: str) -> dict[str, Any]:
    return {"field": "", "comparison": "", "value": "", "condition": "", "sentence": sentence[:300]}


def _same(clause: Clause, content: Mapping[str, Any] | None) -> bool:
    rule = clause.rule
    if rule is None or content is None:
        return rule is None and content is None
    names = ("field", "comparison", "value", "verdict")
    group = content["approver_group"]
    return all(getattr(rule, name) == content[name] for name in names) and rule.approver_group_id == (
        group.pk if group else None
    )


class LimitForm(GuideForm):
    """One limit in a sentence: at most so much of this in such a time."""

    what = forms.ChoiceField(label=_("Of what?"))
    unit = forms.ChoiceField(label=_("What is counted?"), widget=forms.RadioSelect)
    most = forms.CharField(
        label=_("At most"), max_length=30, help_text=_("A whole number, or an amount such as 10000.00.")
    )
    window = forms.ChoiceField(
        label=_("In which time?"),
        choices=[
            (Measure.Window.HOUR.value, _("In an hour")),
            (Measure.Window.DAY.value, _("On a day")),
            (Measure.Window.MONTH.value, _("In a month")),
        ],
        initial=Measure.Window.DAY.value,
    )
    on_exceed = forms.ChoiceField(
        label=_("And what is more?"),
        choices=[
            (Measure.OnExceed.HOLD.value, _("A person is asked")),
            (Measure.OnExceed.DENY.value, _("It is refused")),
            (Measure.OnExceed.PAUSE.value, _("It is refused, and the agent is paused")),
        ],
        initial=Measure.OnExceed.HOLD.value,
    )

    def __init__(self, *args: Any, operations: Sequence[Operation], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.operations = {operation.code: operation for operation in operations}
        has_money = any(operation.money_path for operation in operations)
        what: Any = self.fields["what"]
        what.choices = [("*", _("Everything it does")), *((it.code, it.name) for it in operations)]
        unit: Any = self.fields["unit"]
        unit.choices = [(TIMES, _("How often"))]
        if has_money:
            unit.choices.append(
                (MONEY, _("How much money, in %(currency)s") % {"currency": company_currency()})
            )
        self.initial.setdefault("unit", TIMES)

    def clean(self) -> Any:
        """Read the ceiling in the unit that is counted."""
        cleaned = super().clean() or self.cleaned_data
        money = cleaned.get("unit") == MONEY
        operation = self.operations.get(cleaned.get("what", ""))
        if money and operation and not operation.money_path:
            self.add_error("unit", _("This operation moves no money. Count how often."))
        try:
            cleaned["ceiling"] = ceiling_in(cleaned.get("most", ""), "money" if money else "count")
        except ValueError:
            self.add_error(
                "most", _("Write an amount, e.g. 10000.00.") if money else _("Write a whole number, e.g. 20.")
            )
        return cleaned

    def content(self) -> dict[str, Any]:
        """Return the limit as the service takes it, without whom it binds."""
        data = self.cleaned_data
        operation = self.operations.get(data["what"])
        money = data["unit"] == MONEY
        windows = dict(self.fields["window"].choices)  # type: ignore[attr-defined]
        name = f"{operation.name if operation else _now('Everything')}, {str(windows[data['window']]).lower()}"
        return {
            "name": name[:120],
            "operations": data["what"],
            "unit": "money" if money else "count",
            "amount": "amount" if money else "1",
            "window": data["window"],
            "ceiling": data["ceiling"],
            "on_exceed": data["on_exceed"],
        }
