"""Rows that are only ever added: what would change or remove one is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, ClassVar, NoReturn

from django.db import models

from audit.vocabulary import Refusal


def refuse_change(what: str) -> NoReturn:
    """Refuse to change or remove a ledger row; the database role and a trigger say the same below Django."""
    raise Refusal(
        "append_only",
        f"{what} was refused: the ledger is append-only. Record a new event that says what changed.",
        next_step="Record a new event.",
    )


class AppendOnlyQuerySet(models.QuerySet[Any]):
    """A queryset that can read and add, but never change or remove."""

    def update(self, **kwargs: Any) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def _update(self, values: Any) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def delete(self) -> NoReturn:
        refuse_change(f"Deleting {self.model._meta.verbose_name_plural}")

    def _raw_delete(self, using: str | None) -> NoReturn:
        refuse_change(f"Deleting {self.model._meta.verbose_name_plural}")

    def bulk_update(
        self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None
    ) -> NoReturn:
        refuse_change(f"Updating {self.model._meta.verbose_name_plural}")

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert rows; an insert that may update or skip an existing row is refused."""
        if update_conflicts or ignore_conflicts:
            refuse_change(f"Overwriting {self.model._meta.verbose_name_plural}")
        return super().bulk_create(objs, batch_size=batch_size)


class AppendOnlyModel(models.Model):
    """A row that can be inserted once and never changed."""

    objects: ClassVar[Any] = AppendOnlyQuerySet.as_manager()

    class Meta:
        abstract = True
        base_manager_name = "objects"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row; saving an existing row is refused."""
        if not self._state.adding:
            refuse_change(f"Changing the {self._meta.verbose_name} {self.pk}")
        kwargs["force_insert"] = True
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        refuse_change(f"Deleting the {self._meta.verbose_name} {self.pk}")
