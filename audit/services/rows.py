"""Many rows written by one statement: what one look of the engine, or one batch of actions, is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in one statement; what has a default of the database gets it.

    ``bulk_create`` does the same; with such a default it spells out every value of every row.
    """
    if not rows:
        return
    model = type(rows[0])
    _require_plain(model)
    fields: Sequence[Any] = model._meta.concrete_fields
    given = [one for one in fields if not isinstance(getattr(rows[0], one.attname), DatabaseDefault)]
    quote = connection.ops.quote_name
    names = ", ".join(quote(one.column) for one in given)
    values = ", ".join(f"given.{quote(one.column)}{_cast(one)}" for one in given)
    types = ", ".join(f"%s::{_type(one)}[]" for one in given)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({names}) SELECT {values}"
            f" FROM unnest({types}) AS given ({names})",
            [_values(one, rows, adding=True) for one in given],
        )
    left = {one.attname for one in fields} - {one.attname for one in given}
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias
        for name in left:
            del row.__dict__[name]  # read when somebody wants to know


def update_rows(rows: Sequence[models.Model], fields: Sequence[str]) -> int:
    """Write these fields of saved rows of one model as the objects say, in one statement; return how many.

    Values are plain: an expression of the database (``Now()``) is not among them. Checks, triggers and foreign
    keys of the database hold as always; signals and history are not told, so models with either are refused.
    """
    if not rows:
        return 0
    model = type(rows[0])
    _require_plain(model)
    key, *columns = [model._meta.pk, *(model._meta.get_field(name) for name in fields)]
    with connection.cursor() as cursor:
        cursor.execute(
            _statement(model._meta.db_table, key, columns), [_values(one, rows) for one in (key, *columns)]
        )
        return int(cursor.rowcount)


def _require_plain(model: type[models.Model]) -> None:
    if hasattr(model, "history"):
        raise TypeError(f"{model.__name__} keeps a history: save its rows one by one.")


def _statement(table: str, key: Any, columns: Sequence[Any]) -> str:
    quote = connection.ops.quote_name
    names = [quote(one.column) for one in columns]
    sets = ", ".join(f"{name} = new.{name}{_cast(one)}" for name, one in zip(names, columns, strict=True))
    given = ", ".join(f"%s::{_type(one)}[]" for one in (key, *columns))
    return (
        f"UPDATE {quote(table)} AS old SET {sets} FROM unnest({given}) AS new ({quote(key.column)}, "
        f"{', '.join(names)}) WHERE old.{quote(key.column)} = new.{quote(key.column)}"
    )


def _type(field: Any) -> str:
    """Return the type in which values travel. A text that is too long is refused by its column, not cut."""
    kind = str(field.db_type(connection))
    return "text" if kind == "jsonb" or kind.startswith("varchar") else kind


def _cast(field: Any) -> str:
    return "::jsonb" if field.db_type(connection) == "jsonb" else ""


def _values(field: Any, rows: Sequence[models.Model], *, adding: bool = False) -> list[Any]:
    values = [field.pre_save(row, adding) if adding else getattr(row, field.attname) for row in rows]
    if isinstance(field, models.JSONField):
        return [None if value is None else json.dumps(value, cls=field.encoder) for value in values]
    return [field.get_db_prep_save(value, connection) for value in values]
