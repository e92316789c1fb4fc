"""Passing work on and asking others about it, as forms: only those who take part in it can be chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from agents.models import User
from audit.wording import said_lazy
from workflows.tasks.models import Task
from workflows.tasks.services import Recipients, recipients_of

KINDS = (Task.Kind.HUMAN_WORK, Task.Kind.EXCEPTION)
WITHIN = tuple(
    (seconds, said_lazy(words))
    for seconds, words in (("14400", "4 hours"), ("86400", "1 day"), ("259200", "3 days"), ("604800", "7 days"))
)


class _ToSomebody(forms.Form):
    """Whom it is put to, as ``kind:name``."""

    use_required_attribute = False
    to = forms.ChoiceField(label="To whom")

    def __init__(self, found: Recipients, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["to"]
        field.choices = [("", "Choose"), *self.choices_among(found)]

    def choices_among(self, found: Recipients) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return the groups and people that may be chosen, under their headings."""
        groups = [(f"group:{group.name}", group.name) for group in found.groups]
        people = [(f"person:{user.username}", str(user)) for user in found.people]
        return [(word, some) for word, some in (("Groups", groups), ("People", people)) if some]

    @property
    def recipient(self) -> Mapping[str, str]:
        """Return whom it is put to, as the services want it."""
        kind, _, name = self.cleaned_data["to"].partition(":")
        return {kind: name}


class PassOnForm(_ToSomebody):
    """Give work to others for good."""

    reason = forms.CharField(label="Why", max_length=500, widget=forms.Textarea(attrs={"rows": 2}))
    note = forms.CharField(
        label="What they should know",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 2}),
    )


class AskForm(_ToSomebody):
    """Ask for what one does not know, and go on with the answer."""

    question = forms.CharField(
        label="Your question",
        max_length=2000,
        help_text="They see the question and your name, and nothing of the run: say what they need to know.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    within = forms.TypedChoiceField(
        label="Answer wanted within",
        choices=WITHIN,
        coerce=int,
        initial="86400",
        widget=forms.RadioSelect,
    )

    def choices_among(self, found: Recipients) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return people and the agents that take part."""
        roles = [(f"role:{role.code}", f"Agents of {role.name}") for role in found.roles]
        return [*super().choices_among(found), *([("Agents", roles)] if roles else [])]


def offered_forms(task: Task, user: User, data: Any = None) -> dict[str, Any]:
    """Return what may be done with work beside answering it: nothing where nobody else takes part."""
    if task.kind not in KINDS:
        return {}
    found = recipients_of(task, user)
    passed = PassOnForm(found, data if data and "pass_on-to" in data else None, prefix="pass_on")
    asked = AskForm(found, data if data and "ask-to" in data else None, prefix="ask")
    forms_of = {"pass_on": passed} if found.groups or found.people else {}
    return {**forms_of, "ask": asked} if forms_of or found.roles else {}
