"""Parts of the steps: a form that asks why, a service called for it, a second person who is waited for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from agents.models import ChangeRequest, User
from agents.policies import REASON_MAX_LENGTH, REASON_MIN_LENGTH
from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal
from workflows.approvals.models import Approval
from workflows.approvals.selectors import others_who_may
from workflows.pages.access import STATUS_OF_KIND
from workflows.pages.guides.frame import Guide
from workflows.pages.guides.keeping import remember_reason
from workflows.pages.words import Tag

T = TypeVar("T")
MOST_NAMED = 5


class GuideForm(forms.Form):
    """One step: what it asks, and why, for the record."""

    reason = forms.CharField(
        label=_("Why, for the record"),
        min_length=REASON_MIN_LENGTH,
        max_length=REASON_MAX_LENGTH,
        help_text=_(
            "One sentence. It goes into the ledger under your name, and is offered again at the next step."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.order_fields([name for name in self.fields if name != "reason"])

    def asked(self) -> list[Any]:
        """Return what the step asks, without why."""
        return [self[name] for name in self.fields if name != "reason"]

    def why(self) -> list[Any]:
        """Return the field for the reason, which stands last."""
        return [self["reason"]]


@dataclass(slots=True)
class Result:
    """What became of a step: what the service returned, or the refusal as it stands on the page."""

    value: Any = None
    refused: str = ""
    status: int = 200

    @property
    def ok(self) -> bool:
        """Whether the service did it."""
        return not self.refused


def attempt(
    request: HttpRequest,
    subject: Ref,
    form: forms.Form,
    act: Callable[[], Any],
    *,
    fields: Mapping[str, str] | None = None,
) -> Result:
    """Call a service for a valid form. What it refuses is said on the page, at its field if that is known.

    ``fields``: the name in the form of a field of the model, where they differ; "" for one nobody typed.
    """
    try:
        with refusals_recorded(actor=user_of(request).as_actor(), subject=subject):
            value = act()
    except Refusal as refusal:
        return Result(refused=refusal.in_full(), status=STATUS_OF_KIND.get(refusal.kind, 403))
    except ValidationError as error:
        _show(form, error, fields or {})
        return Result(refused=str(_("Correct what is marked below.")), status=422)
    remember_reason(request, form.cleaned_data.get("reason", ""))
    return Result(value)


def _show(form: forms.Form, error: ValidationError, names: Mapping[str, str]) -> None:
    found = error.message_dict if hasattr(error, "error_dict") else {"": error.messages}
    for name, messages in found.items():
        at = names.get(name, name)
        for message in messages:
            form.add_error(at if at in form.fields else None, message)


def incomplete() -> str:
    """Return what stands above a form that is not complete."""
    return str(_("Nothing was saved yet. Correct what is marked below."))


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change that waits for a second person: who that can be, and where they find it."""

    change: ChangeRequest
    names: list[str]
    link: str
    is_mine: bool
    may_decide: bool


def waiting_for(user: User, kind: str, target_id: str) -> Waiting | None:
    """Return the change of a kind that waits for somebody, or None."""
    found = ChangeRequest.objects.filter(kind=kind, target_id=target_id, state=ChangeRequest.State.PENDING)
    change = found.select_related("proposer").first()
    return waiting_on(user, change) if change else None


def waiting_on(user: User, change: ChangeRequest) -> Waiting:
    """Say of a change who can agree to it."""
    question = Approval.objects.filter(subject_kind="agents.changerequest", subject_id=str(change.pk)).first()
    proposer = change.proposer
    others = others_who_may(proposer, question) if question else []
    return Waiting(
        change=change,
        names=[other.get_full_name() or other.username for other in others[:MOST_NAMED]],
        link=reverse("inbox-approval", args=[question.pk]) if question else "",
        is_mine=proposer == user,
        may_decide=any(other.pk == user.pk for other in others),
    )


def last_of(kind: str, target_id: str) -> ChangeRequest | None:
    """Return the newest change of a kind of one thing, whatever became of it."""
    return ChangeRequest.objects.filter(kind=kind, target_id=target_id).order_by("-pk").first()


def require(request: HttpRequest, guide: Guide) -> None:
    """Let in only who may do this guide."""
    if not guide.may(request.user):
        raise PermissionDenied


def user_of(request: HttpRequest) -> User:
    """Return who is asking."""
    return request.user  # type: ignore[return-value]


def free_code(name: str, taken: Callable[[Q], bool], *, separator: str = "-") -> str:
    """Return a short name made from a name, with a number behind it where it is taken already."""
    bare = slugify(name)[:50].strip("-_").replace("-", separator)
    bare = bare if bare[:1].isalpha() else f"n{separator}{bare}".strip(separator)
    for number in range(1, 1000):
        code = bare if number == 1 else f"{bare}{separator}{number}"
        if not taken(Q(code=code)):
            return code
    raise ValidationError({"name": _("There are too many of this name. Choose another.")})


EFFECT_TAGS = {
    "read": Tag("Reads only", "visibility", "info"),
    "write": Tag("Changes something", "edit", "wait"),
    "financial": Tag("Moves money", "payments", "bad"),
    "destructive": Tag("Cannot be undone", "delete_forever", "bad"),
}
