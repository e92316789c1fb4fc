"""The forms of the guide that registers an agent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from agents.forms import active_people
from agents.models import Agent, Department, Role, User
from agents.services.role_catalogue import shipped_templates
from audit.wording import said_lazy
from connectors.models import Operation
from workflows.pages.guides.parts import GuideForm

NEW = "new"
OWN, TEMPLATE = "role:", "template:"
MOST_ROLES = 200
REACHED = [
    (Agent.ReachedBy.POLLS.value, _("It asks the portal for work (most programs)")),
    (Agent.ReachedBy.MCP.value, _("It connects over MCP")),
    (Agent.ReachedBy.WEBHOOK.value, _("The portal calls its web address")),
    (Agent.ReachedBy.A2A.value, _("The portal calls it over A2A")),
    (Agent.ReachedBy.HOSTED.value, _("The portal runs it")),
]
AUTONOMY = [
    (Agent.Autonomy.HOLD_WRITES.value, _("A person approves whatever it changes (a good beginning)")),
    (Agent.Autonomy.READ_ONLY.value, _("It may only read")),
    (Agent.Autonomy.BY_CONTRACT.value, _("It works alone within its contract")),
]


class JobForm(forms.Form):
    """A job: one of the company's, one from a template, or a new one."""

    job = forms.ChoiceField(label=_("Its job"), widget=forms.RadioSelect)
    title = forms.CharField(
        label=_("Title of the new job"), max_length=120, required=False, help_text=_("E.g. Bookkeeper.")
    )
    duties = forms.CharField(
        label=_("What somebody in it does"),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    reason = GuideForm.base_fields["reason"]

    def __init__(self, *args: Any, may_add: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        roles = list(Role.objects.order_by("name")[:MOST_ROLES])
        have = {role.code for role in roles}
        own = [(f"{OWN}{role.code}", role.name) for role in roles]
        shipped = [
            (f"{TEMPLATE}{it.role.code}", it.role.name)
            for it in shipped_templates()
            if it.role.code not in have
        ]
        choices: list[Any] = own
        if may_add:
            choices = [*own, *((key, said_lazy(f"{name} (ready to take)")) for key, name in shipped)]
            choices.append((NEW, _("A new job")))
        self.fields["job"].choices = choices  # type: ignore[attr-defined]
        self.fields["reason"].required = False
        self.fields["reason"].help_text = _("It goes into the ledger under your name.")
        if not may_add:
            for name in ("title", "duties", "reason"):
                del self.fields[name]
        if len(choices) == 1:
            self.initial.setdefault("job", choices[0][0])

    def known(self) -> list[Any]:
        """Return the choice of a job, for the page."""
        return [self["job"]]

    def new(self) -> list[Any]:
        """Return what is asked of a new job only, for the page."""
        return [self[name] for name in self.fields if name != "job"]

    def clean(self) -> Any:
        """Ask for a title, a duty and a reason only of a new job."""
        cleaned = super().clean() or self.cleaned_data
        if cleaned.get("job") == NEW:
            if not cleaned.get("title"):
                self.add_error("title", _("Give the new job a title."))
            elif Role.objects.filter(name__iexact=cleaned["title"]).exists():
                self.add_error("title", _("There is a job of this title already: choose it above."))
            if not cleaned.get("reason"):
                self.add_error("reason", _("Say why, in one sentence."))
        return cleaned


class WhoForm(GuideForm):
    """Who an agent is, who answers for it and where it works."""

    name = forms.CharField(
        label=_("Its name"), max_length=120, help_text=_("The name people see, e.g. Invoice clerk 1.")
    )
    purpose = forms.CharField(
        label=_("What is it for?"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One or two sentences that a colleague understands."),
    )
    sponsor = forms.ModelChoiceField(
        User.objects.none(),
        label=_("Who answers for it?"),
        help_text=_("A person of the company. They confirm from time to time that it is still needed."),
    )
    deputy = forms.ModelChoiceField(
        User.objects.none(), label=_("Who, when that person is away?"), required=False
    )
    department = forms.ModelChoiceField(
        Department.objects.none(), label=_("Where does it work?"), required=False, empty_label=_("Choose")
    )
    new_department = forms.CharField(label=_("Or a new department"), required=False, max_length=120)
    autonomy = forms.ChoiceField(
        label=_("How freely does it work?"), choices=AUTONOMY, widget=forms.RadioSelect
    )
    reached_by = forms.ChoiceField(label=_("How do the portal and its program talk?"), choices=REACHED)

    def __init__(self, *args: Any, user: User, agent: Agent | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agent = agent
        for name in ("sponsor", "deputy"):
            self.fields[name].queryset = active_people()  # type: ignore[attr-defined]
        self.fields["department"].queryset = Department.objects.order_by("name")  # type: ignore[attr-defined]
        self.initial.setdefault("sponsor", user.pk)
        self.initial.setdefault("autonomy", AUTONOMY[0][0])
        if not user.has_perm("agents.add_department"):
            del self.fields["new_department"]
            self.fields["department"].required = True
        elif not Department.objects.exists():
            self.fields["department"].widget = forms.HiddenInput()
            self.fields["new_department"].label = _("Where does it work?")
            self.fields["new_department"].help_text = _("The first department, e.g. Finance.")
        if agent is not None:
            del self.fields["autonomy"]

    def clean_name(self) -> str:
        """Refuse a second agent of the same name: nobody could tell them apart in a list."""
        name = str(self.cleaned_data["name"]).strip()
        others = Agent.objects.filter(name__iexact=name).exclude(lifecycle=Agent.Lifecycle.RETIRED)
        if (others.exclude(pk=self.agent.pk) if self.agent else others).exists():
            raise forms.ValidationError(
                _("There is an agent of this name already. Go on with it, or choose another name.")
            )
        return name

    def clean(self) -> Any:
        """Ask for a department, one of the company's or a new one."""
        cleaned = super().clean() or self.cleaned_data
        new = str(cleaned.get("new_department") or "").strip()
        at = (
            "new_department"
            if isinstance(self.fields["department"].widget, forms.HiddenInput)
            else "department"
        )
        if not cleaned.get("department") and not new:
            self.add_error(at, _("Say where it works."))
        if cleaned.get("department") and new:
            self.add_error("new_department", _("Choose one above, or write a new one here: not both."))
        elif new and Department.objects.filter(name__iexact=new).exists():
            self.add_error("new_department", _("There is a department of this name already: choose it above."))
        return cleaned


class MayForm(GuideForm):
    """Which operations an agent may ask for."""

    operations = forms.ModelMultipleChoiceField(
        Operation.objects.none(),
        label=_("It may ask for"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Its contract, its limits and every stop still apply to each request."),
    )

    def __init__(self, *args: Any, operations: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["operations"]
        field.queryset = operations
        field.label_from_instance = lambda operation: f"{operation.name} ({operation.system.name})"


class KeyForm(GuideForm):
    """For how long its key is valid."""

    days = forms.TypedChoiceField(
        label=_("How long is it valid?"),
        coerce=int,
        choices=[(30, _("30 days")), (90, _("90 days")), (365, _("A year"))],
        initial=90,
        help_text=_("A new one can be issued at any time; the old one then goes on for a day."),
    )
