"""Signing in, and people's accounts."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from unfold.forms import AuthenticationForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from agents.models import User
from agents.services import people
from audit.adminkit import ReasonModelForm, reason_field
from audit.vocabulary import Refusal


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
