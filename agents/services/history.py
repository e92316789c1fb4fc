"""Every change of configuration carries who and why, also when no request is at hand (workers, commands)."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

from django.db import models

from agents.policies import user_of
from audit.vocabulary import Actor, Refusal, RefusalKind

M = TypeVar("M", bound=models.Model)


def stamp(instance: M, *, actor: Actor, reason: str) -> M:
    """Name the person and the reason on the next history row of ``instance``; return it, to be saved."""
    instance._history_user = user_of(actor)  # type: ignore[attr-defined]
    instance._change_reason = reason  # type: ignore[attr-defined]
    return instance


def lock_row(model: type[M], key: UUID | str) -> M:
    """Return the row, locked until the transaction ends; raise Refusal (NOT_FOUND) when it is gone."""
    found: M | None = model._default_manager.select_for_update(of=("self",)).filter(pk=key).first()
    if found is None:
        raise Refusal(
            "not_found", f"This {model._meta.verbose_name} no longer exists.", kind=RefusalKind.NOT_FOUND
        )
    return found
