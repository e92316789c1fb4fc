"""What people fill in: every form asks why, and none decides anything itself."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.utils.text import slugify
from unfold.forms import AuthenticationForm, UserCreationForm
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminDateWidget,
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from agents.decision.budgets import millionths_of
from agents.decision.calendars import WEEKDAYS, CalendarError, hours_words, read_hours
from agents.decision.holidays import holidays_words, read_holidays
from agents.decision.money import major_to_minor
from agents.decision.wording import number_words
from agents.forms.operations import OperationsInput
from agents.models import (
    Agent,
    Calendar,
    Department,
    ExchangeRate,
    LifecycleTerms,
    Measure,
    Policy,
    Role,
    Stop,
    Throttle,
    User,
)
from agents.selectors import company_currency
from agents.selectors.offers import BOUND, SLOWED, STOPPED
from agents.services import people
from audit.adminkit import ReasonForm, ReasonModelForm, reason_field
from audit.forms import OfferedField
from audit.vocabulary import Refusal
from audit.wording import said_lazy

MILLIONTHS = 1_000_000
CEL_NAME = re.compile(r"[a-z][a-z0-9_]*")

CODE_HELP = "Leave it empty to take it from the name."


class SignInForm(AuthenticationForm):
    """The sign-in page: whoever guesses is slowed down and on record."""

    def clean(self) -> Any:
        """Ask whether this name may be tried now before any password is looked at."""
        tried = {
            "username": self.cleaned_data.get("username", ""),
            "address": self.request.META.get("REMOTE_ADDR", "") if self.request else "",
        }
        try:
            people.require_sign_in_try(**tried)
        except Refusal as refusal:
            raise forms.ValidationError(refusal.message, code=refusal.code) from refusal
        try:
            return super().clean()
        except forms.ValidationError:
            people.note_sign_in_refused(**tried)
            raise


def groups_of_people() -> QuerySet[Group]:
    """Return the groups that carry people's rights; a role's group belongs to agents."""
    return Group.objects.filter(role__isnull=True).order_by("name")


def active_people() -> QuerySet[User]:
    """Return who can answer for an agent."""
    return User.objects.filter(kind=User.Kind.PERSON, is_active=True).order_by("first_name", "username")


def _groups_field() -> forms.ModelMultipleChoiceField:
    return forms.ModelMultipleChoiceField(
        queryset=groups_of_people(),
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What this person may do here.",
    )


class PersonForm(ReasonModelForm):
    """A person's account; the password has a page of its own."""

    groups = _groups_field()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "department", "manager", "is_active"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "manager" in self.fields:
            self.fields["manager"].queryset = active_people().exclude(pk=self.instance.pk)  # type: ignore[attr-defined]
        if self.instance.pk:
            self.initial["groups"] = list(self.instance.groups.all())


class NewPersonForm(UserCreationForm):
    """A new account for a person."""

    groups = _groups_field()
    reason = reason_field()

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ["username", "first_name", "last_name", "email", "department"]


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


class CalendarForm(ReasonModelForm):
    """When people work. Hours and holidays are read again by the service, which says what is wrong."""

    class Meta:
        model = Calendar
        fields = ["name", "time_zone", "is_default", *WEEKDAYS, "holidays"]
        labels = {"is_default": "The company's calendar"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for weekday in WEEKDAYS:
            if weekday in self.fields:
                self.fields[weekday].widget.attrs["placeholder"] = "Nobody works"

    def clean(self) -> Any:
        """Say at each field what of it cannot be read."""
        cleaned = super().clean() or self.cleaned_data
        for weekday in WEEKDAYS:
            self._read(weekday, read_hours, hours_words)
        self._read("holidays", read_holidays, holidays_words)
        return cleaned

    def _read(self, name: str, read: Any, write: Any) -> None:
        if name not in self.cleaned_data:
            return
        try:
            self.cleaned_data[name] = write(read(self.cleaned_data[name]))
        except CalendarError as error:
            self.add_error(name, str(error))


class CompanyForm(ReasonModelForm):
    """The company's name and currency."""


class ExchangeRateForm(ReasonModelForm):
    """A rate as people write it: 0.92, not millionths."""

    rate = forms.DecimalField(
        min_value=Decimal("0.000001"),
        max_digits=18,
        decimal_places=6,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="What one unit is worth in company currency, e.g. 0.92.",
    )

    class Meta:
        model = ExchangeRate
        fields = ["currency", "rate", "valid_from"]

    def clean_currency(self) -> str:
        """ISO 4217 codes are written in capitals."""
        return str(self.cleaned_data["currency"]).upper()

    def clean_rate(self) -> int:
        """Return the rate in millionths."""
        return int(self.cleaned_data["rate"] * MILLIONTHS)


class StopForm(ReasonModelForm):
    """What to stop, chosen from what there is."""

    scope = OfferedField(
        STOPPED, "stopped", themed=True, label="Stop", help_text="Nothing in it starts any more."
    )

    class Meta:
        model = Stop
        fields = ["is_exercise"]


class ThrottleForm(ReasonModelForm):
    """How much of what goes on at once, or begins in a time."""

    scope = OfferedField(
        SLOWED, "slowed", themed=True, label="Of what", help_text="What is counted; it stays that."
    )

    class Meta:
        model = Throttle
        fields = ["name", "most_at_once", "most", "per_seconds", "is_enabled"]
        labels = {
            "most_at_once": "At most at once",
            "most": "At most",
            "per_seconds": "In so many seconds",
            "is_enabled": "In force",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields.pop("scope", None)


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
