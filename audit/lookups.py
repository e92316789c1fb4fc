"""One of many keys: ``id__any_of=keys`` gives one array, where ``id__in=keys`` gives a parameter for each.

Which of a hundred keys a row has is asked a dozen times in a look of the engine; to write a hundred parameters
into a statement, and to read them again in PostgreSQL, takes longer than to answer it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Exists, Lookup, QuerySet

Row = TypeVar("Row", bound=models.Model)


@models.UUIDField.register_lookup
class AnyOf(Lookup):
    """Whether a UUID is one of some; none is among no keys."""

    lookup_name = "any_of"
    prepare_rhs = False

    def get_db_prep_lookup(self, value: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """Return the one parameter. Raises ValueError for what is no UUID."""
        keys = (key if isinstance(key, UUID) else UUID(str(key)) for key in value)
        return "ANY(%s::uuid[])", ("{" + ",".join(map(str, keys)) + "}",)

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[str | int, ...]]:
        """Return the condition and its parameters."""
        left, given = self.process_lhs(compiler, connection)
        right, keys = self.process_rhs(compiler, connection)
        return f"{left} = {right}", (*given, *keys)


class EachRow(Exists):
    """Whether a question finds something, asked row by row, and so only of the rows that are looked at.

    PostgreSQL may answer a plain ``Exists`` for all rows of a table before it shows the first of them; who may
    see fifty rows of a hundred thousand is then as dear as who may see all. With an OFFSET it does not.
    """

    template = "EXISTS(%(subquery)s OFFSET 0)"


class AsUUID(models.Func):
    """Text of the ledger as a key, NULL where it is none, so that one row is asked for instead of all."""

    template = (
        "CASE WHEN %(expressions)s ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'"
        " THEN (%(expressions)s)::uuid END"
    )
    output_field = models.UUIDField()


def named_by(column: str, rows: QuerySet[Any]) -> models.Q:
    """Return the condition on Event that a reference names one of some rows; asked by key, event by event."""
    return models.Q(models.Exists(rows.order_by().filter(pk=AsUUID(models.OuterRef(column)))))


def by_key(rows: QuerySet[Row], keys: Iterable[UUID | str]) -> dict[UUID, Row]:
    """Return rows by their UUIDs, as ``in_bulk`` does."""
    return {row.pk: row for row in rows.filter(pk__any_of=list(keys))}


def attach(rows: Collection[models.Model], name: str, found: QuerySet[Any]) -> None:
    """Read what many rows refer to by ``name`` with one statement, each once, and share it among them.

    ``prefetch_related_objects`` does the same, and goes through every row again for each step of a path.
    """
    wanted = {key for row in rows if (key := getattr(row, f"{name}_id")) is not None}
    if not wanted:
        return
    known = by_key(found, wanted)
    for row in rows:
        if (key := getattr(row, f"{name}_id")) is not None:
            setattr(row, name, known[key])
