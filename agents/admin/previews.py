"""What a form as typed would let whom do, before anybody saves it. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from agents import selectors
from agents.decision.direction import Direction
from agents.decision.said import Said
from agents.models import Measure, Policy, Rule
from agents.services import policies
from audit.vocabulary import Refusal

WAITS = "This gives more authority, so it waits for a second person."
AT_ONCE = "It counts at once, as soon as it is saved."


def authority_of(
    request: HttpRequest, difference: Callable[[], tuple[bool, tuple[Said, ...]]]
) -> dict[str, Any]:
    """Return what a preview shows: sentences, and whether a second person is asked; nothing while incomplete.

    Only for those who may see agents, since they are named.
    """
    if not request.user.has_perm("agents.view_agent"):
        return {}
    try:
        # Looking up a group or limit locks it, as saving does: all of it is given back.
        with _undone():
            waits, said = difference()
    except Refusal as refusal:
        return {"unfinished": refusal.message}
    except ValidationError as error:
        return {"unfinished": " ".join(error.messages)}
    return {"said": said, "when": WAITS if waits else AT_ONCE}


@contextmanager
def _undone() -> Any:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def of_rule(stored: Rule | None, form: Any) -> Any:
    """Return (waits, sentences) for a rule as typed."""
    values = _typed(form, policies.RULE_FIELDS)
    if stored is None:
        facts = policies.rule_as_created(_policy(form), values)
        return False, selectors.difference_of_rules(facts)
    changes = {name: value for name, value in values.items() if name in form.changed_data}
    if not changes:
        return False, ()
    direction, _ = policies.preview_rule_change(stored, changes)
    return direction is Direction.LOOSENS, selectors.difference_of_rules(
        policies.rule_as_edited(stored, changes)
    )


def of_limit(stored: Measure | None, form: Any) -> Any:
    """Return (waits, sentences) for a limit as typed."""
    values = _typed(form, policies.MEASURE_FIELDS)
    kind, _, scope_id = form.cleaned_data.get("scope", "company:").partition(":")
    values |= {"scope_kind": kind, "scope_id": scope_id}
    if stored is None:
        values["code"] = form.cleaned_data.get("code", "")
    elif all(value == getattr(stored, name) for name, value in values.items()):
        return False, ()
    direction, definition = policies.limit_as_edited(stored or Measure(), values)
    return direction is Direction.LOOSENS, selectors.difference_of_limits(definition)


def of_move(stored: Policy, form: Any) -> Any:
    """Return (waits, sentences) for whom a policy would bind."""
    kind, _, scope_id = form.cleaned_data.get("scope", "").partition(":")
    if not kind:
        raise Refusal("scope_missing", "Choose whom it binds.")
    if (kind, scope_id) == (stored.scope_kind, stored.scope_id):
        return False, ()
    waits = policies.move_waits(stored, kind, scope_id)
    return waits, selectors.difference_of_move(stored, kind, scope_id)


def _policy(form: Any) -> Policy:
    policy: Policy | None = form.cleaned_data.get("policy")
    if policy is None:
        raise Refusal("policy_missing", "Choose the policy it belongs to.")
    return policy


def _typed(form: Any, names: tuple[str, ...]) -> dict[str, Any]:
    """Return what was typed; what cannot be read says so, and the reason may still be missing."""
    wrong = [f"{_label(form, name)}{errors[0]}" for name, errors in form.errors.items() if name != "reason"]
    if wrong:
        raise Refusal("incomplete", wrong[0])
    return {name: form.cleaned_data[name] for name in names if name in form.cleaned_data}


def _label(form: Any, name: str) -> str:
    return f"{form[name].label}: " if name in form.fields else ""
