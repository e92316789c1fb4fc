"""What a person sets for themselves: how the pages work for them, and the views they keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction

from agents import policies
from agents.decision.speech import series
from agents.models import SavedView, User
from agents.services.history import lock_row, stamp
from audit.services import record_event
from audit.vocabulary import Actor, Ref, Refusal, RefusalKind

MOST_VIEWS = 30


@transaction.atomic
def change_settings(*, actor: Actor, **chosen: Any) -> User:
    """Choose how the pages work for oneself: ``shortcuts``, ``language`` and ``time_zone`` (IANA), as given.

    Raises Refusal ``people_only``, ``setting_unknown``.
    """
    person = _person(actor, "choose how the pages work")
    changed = {name: value for name, value in chosen.items() if getattr(person, name) != value}
    if not changed:
        return person
    for name, value in changed.items():
        setattr(person, name, value)
    try:
        person.clean_fields(exclude={field.name for field in User._meta.fields} - set(changed))
    except ValidationError as error:
        message = f"Nothing was changed: {' '.join(error.messages)}"
        raise _refused("setting_unknown", message) from error
    said = f"{actor.label} {series(_SAID[name](value) for name, value in changed.items())}"
    stamp(person, actor=actor, reason=said).save(update_fields=list(changed))
    _record(actor, "agents.settings_changed", person.as_ref(), said)
    return person


def _of_shortcuts(value: bool) -> str:
    return f"switched the shortcuts of single keys {'on' if value else 'off'}"


def _of_language(value: str) -> str:
    if not value:
        return "reads the portal in the language their browser asks for"
    return f"reads the portal in {dict(settings.LANGUAGES)[value]}"


def _of_zone(value: str) -> str:
    return f"reads times as in {value}" if value else "reads times as the installation says them"


_SAID: dict[str, Callable[[Any], str]] = {
    "shortcuts": _of_shortcuts,
    "language": _of_language,
    "time_zone": _of_zone,
}


@transaction.atomic
def save_view(*, actor: Actor, page: str, name: str, query: str) -> SavedView:
    """Keep the filters of a page under a name; one of this name is replaced.

    Raises Refusal people_only, view_invalid, too_many_views.
    """
    person = _person(actor, "keep a view")
    own = SavedView.objects.filter(user=person, page=page)
    view = own.filter(name=name.strip()).first()
    if view is None and own.count() >= MOST_VIEWS:
        raise _refused("too_many_views", f"Nothing was kept: you have {MOST_VIEWS} views. Delete one first.")
    view = view or SavedView(user=person, page=page, name=name.strip())
    view.query = query
    _save(view)
    _record(actor, "agents.view_saved", view.as_ref(), f"{actor.label} keeps the view {view.name!r}")
    return view


@transaction.atomic
def rename_view(*, actor: Actor, view_id: UUID | str, name: str) -> SavedView:
    """Give one's view another name. Raises Refusal people_only, not_found, view_invalid."""
    view = _own_view(actor, view_id)
    before, view.name = view.name, name.strip()
    _save(view)
    said = f"{actor.label} calls the view {before!r} {view.name!r} from now on"
    _record(actor, "agents.view_renamed", view.as_ref(), said)
    return view


@transaction.atomic
def delete_view(*, actor: Actor, view_id: UUID | str) -> SavedView:
    """Delete one's view. Raises Refusal people_only, not_found."""
    view = _own_view(actor, view_id)
    about = view.as_ref()
    view.delete()
    _record(actor, "agents.view_deleted", about, f"{actor.label} deleted the view {about.label!r}")
    return view


def _person(actor: Actor, deed: str) -> User:
    policies.require(policies.may_act_as_person(actor, deed))
    return lock_row(User, UUID(actor.id))


def _own_view(actor: Actor, view_id: UUID | str) -> SavedView:
    person = _person(actor, "change a view")
    view = SavedView.objects.select_for_update().filter(pk=view_id, user=person).first()
    if view is None:
        raise Refusal("not_found", f"You have no view {view_id}.", kind=RefusalKind.NOT_FOUND)
    return view


def _save(view: SavedView) -> None:
    try:
        view.full_clean(exclude=["created_at"])
    except ValidationError as error:
        message = f"The view was not kept: {' '.join(error.messages)}"
        raise _refused("view_invalid", message) from error
    view.save()


def _refused(code: str, message: str) -> Refusal:
    return Refusal(code, message, kind=RefusalKind.INVALID)


def _record(actor: Actor, verb: str, about: Ref, sentence: str) -> None:
    record_event(actor=actor, verb=verb, subject=about, sentence=f"{sentence}.")
