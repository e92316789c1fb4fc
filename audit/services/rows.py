"""Many rows written by one statement: what one look of the engine, or one batch of actions, is about.

They travel as one JSON text, which costs less than a parameter for each value, or an array for each column.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, models
from django.db.models.expressions import DatabaseDefault


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model in one statement; what has a default of the database gets it.

    ``bulk_create`` does the same; with such a default it spells out every value of every row.
    """
    if not rows:
        return
    fields: Sequence[Any] = type(rows[0])._meta.concrete_fields
    given = [one for one in fields if not isinstance(getattr(rows[0], one.attname), DatabaseDefault)]
    insert_values(type(rows[0]), [{one.attname: one.pre_save(row, True) for one in given} for row in rows])
    left = {one.attname for one in fields} - {one.attname for one in given}
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias
        for name in left:
            del row.__dict__[name]  # read when somebody wants to know


def insert_values(model: type[models.Model], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in their order that are given as values by the names of attributes, the same in each."""
    if not rows:
        return
    fields, statement = _insertion(model, tuple(rows[0]))
    _send(statement, _dumped([_by_column(fields, row) for row in rows]))


@contextmanager
def in_one_message() -> Iterator[None]:
    """Send what is inserted inside in one message to the database, in its order, when it ends.

    Nothing inside may read what is inserted inside. Where it raises nothing was sent. Within another it is part
    of that one.
    """
    if getattr(_kept_back, "messages", None) is not None:
        yield
        return
    messages: list[tuple[str, str]] = []
    _kept_back.messages = messages
    try:
        yield
    finally:
        _kept_back.messages = None
    if messages:
        with connection.cursor() as cursor:
            cursor.execute(";\n".join(statement for statement, _ in messages), [rows for _, rows in messages])


_kept_back = threading.local()


def _send(statement: str, rows: str) -> None:
    messages = getattr(_kept_back, "messages", None)
    if messages is not None:
        messages.append((statement, rows))
        return
    with connection.cursor() as cursor:
        cursor.execute(statement, [rows])


@lru_cache(maxsize=256)
def _insertion(model: type[models.Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    """Return the fields of these names, and the statement that inserts rows of them."""
    _require_plain(model)
    fields = _fields(model, names)
    columns = ", ".join(_quoted(one.column) for one in fields)
    table = _quoted(model._meta.db_table)
    return fields, f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {_given(fields)}"


def update_rows(rows: Sequence[models.Model], fields: Sequence[str]) -> int:
    """Write these fields of saved rows of one model as the objects say, in one statement; return how many.

    Values are plain: an expression of the database (``Now()``) is not among them. Checks, triggers and foreign
    keys of the database hold as always; signals and history are not told, so models with either are refused.
    """
    if not rows:
        return 0
    if getattr(_kept_back, "messages", None) is not None:
        raise RuntimeError("Only what is new is sent in one message.")
    found, statement = _change(type(rows[0]), tuple(fields))
    with connection.cursor() as cursor:
        cursor.execute(
            statement, [_dumped([{one.column: getattr(row, one.attname) for one in found} for row in rows])]
        )
        return int(cursor.rowcount)


@lru_cache(maxsize=256)
def _change(model: type[models.Model], names: tuple[str, ...]) -> tuple[list[Any], str]:
    """Return the key and the fields of these names, and the statement that writes them."""
    _require_plain(model)
    assert model._meta.pk is not None  # noqa: S101
    key = _quoted(str(model._meta.pk.column))
    found = _fields(model, [model._meta.pk.attname, *names])
    sets = ", ".join(f"{_quoted(one.column)} = given.{_quoted(one.column)}" for one in found[1:])
    table = _quoted(model._meta.db_table)
    return found, f"UPDATE {table} AS old SET {sets} FROM {_given(found)} WHERE old.{key} = given.{key}"


def _require_plain(model: type[models.Model]) -> None:
    if hasattr(model, "history"):
        raise TypeError(f"{model.__name__} keeps a history: save its rows one by one.")


def _fields(model: type[models.Model], names: Sequence[str]) -> list[Any]:
    known: dict[str, Any] = {one.attname: one for one in model._meta.concrete_fields}
    return [known.get(name) or model._meta.get_field(name) for name in names]


def _given(fields: Sequence[Any]) -> str:
    columns = ", ".join(f"{_quoted(one.column)} {_type(one)}" for one in fields)
    return f"json_to_recordset(%s::json) AS given ({columns})"


def _type(field: Any) -> str:
    """Return the type in which values arrive. A text that is too long is refused by its column, not cut."""
    kind = str(field.db_type(connection))
    return "text" if kind.startswith("varchar") else kind


def _by_column(fields: Sequence[Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return dict(zip((one.column for one in fields), row.values(), strict=True))


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _dumped(rows: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(rows, cls=_Encoder, ensure_ascii=False)


class _Encoder(DjangoJSONEncoder):
    """Like Django's, which cuts a time to milliseconds."""

    def default(self, o: Any) -> Any:
        if isinstance(o, UUID):
            return str(o)
        return o.isoformat() if isinstance(o, datetime) else super().default(o)
