"""Rows, many times over, by one statement for each table: new ids, earlier times, names with a number.

Triggers that record, guard and count are off meanwhile, inside the transaction that writes: what is made here
was never asked, and is not in the ledger. That is why it is for trying and measuring only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import connection, models, transaction
from django.db.models import Field, Model, QuerySet

from agents.models import Agent, User

BATCH = 50_000
# How much earlier each one is than the one before it, in milliseconds: a million are half a year.
STEP_MS = 16_000
_NUMBERED = {"label", "subject_label", "title", "name", "first_name"}
_HELPERS = f"""
CREATE OR REPLACE FUNCTION pg_temp.aged(id uuid, n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(('x' || lpad(replace(left(id::text, 13), '-', ''), 16, '0'))::bit(64)::bigint
                        - n * {STEP_MS}), 12, '0') || right(replace(id::text, '-', ''), 20))::uuid $$;
CREATE OR REPLACE FUNCTION pg_temp.aged_within(said text, ids text[], n bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE one text;
BEGIN
    FOREACH one IN ARRAY ids LOOP said := replace(said, one, pg_temp.aged(one::uuid, n)::text); END LOOP;
    RETURN said;
END $$;
"""


@dataclass
class Family:
    """Rows that refer to each other, by their model, in the order in which they can be written."""

    rows: dict[type[Model], list[Any]] = field(default_factory=dict)

    def add(self, found: QuerySet[Any, Any]) -> None:
        """Add rows; what is there already is not added twice."""
        kept = self.rows.setdefault(found.model, [])
        kept.extend(pk for pk in found.values_list("pk", flat=True) if pk not in kept)

    @property
    def ids(self) -> list[str]:
        """Return every UUID of it, as text."""
        return [str(pk) for pks in self.rows.values() for pk in pks if isinstance(pk, UUID)]


def multiply(family: Family, times: int, *, agents: int = 1) -> int:
    """Write a family so many times more; return how many rows came of it.

    ``agents``: into how many each agent has been multiplied before; the work is dealt out to all of them.
    """
    made = 0
    for first in range(1, times + 1, BATCH):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_HELPERS)
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
            span = {"first": first, "last": min(first + BATCH - 1, times), "agents": agents}
            written = {model: pks for model, pks in family.rows.items() if pks}
            with _WithoutTriggers(cursor, _tables(written)):
                for model, pks in written.items():
                    made += _write(cursor, model, pks, family.ids, span)
    return made


def _tables(models_written: Iterable[type[Model]]) -> list[str]:
    """Return every table that is written to, those between two models among them."""
    found = [model._meta.db_table for model in models_written]
    between: list[Any] = [many for model in models_written for many in model._meta.many_to_many]
    return [*found, *(many.remote_field.through._meta.db_table for many in between)]


def _write(cursor: Any, model: type[Model], pks: list[Any], ids: list[str], span: dict[str, int]) -> int:
    opts = model._meta
    columns = dict(_columns(model))
    given = {**span, "ids": ids, "pks": [str(pk) for pk in pks]}
    cursor.execute(
        f"INSERT INTO {opts.db_table} ({', '.join(map(_quoted, columns))})"
        f" SELECT {', '.join(columns.values())} FROM {opts.db_table} AS old,"
        f" generate_series(%(first)s::bigint, %(last)s::bigint) AS n"
        f" WHERE old.{_quoted(opts.pk.column)}::text = ANY (%(pks)s)",
        given,
    )
    made: int = cursor.rowcount
    return made + sum(_write_many(cursor, many, given) for many in opts.many_to_many)


def _write_many(cursor: Any, many: Any, given: dict[str, Any]) -> int:
    table = many.remote_field.through._meta.db_table
    ours, theirs = many.m2m_column_name(), many.m2m_reverse_name()
    cursor.execute(
        f"INSERT INTO {table} ({ours}, {theirs}) SELECT pg_temp.aged(old.{ours}, n), old.{theirs}"
        f" FROM {table} AS old, generate_series(%(first)s::bigint, %(last)s::bigint) AS n"
        f" WHERE old.{ours}::text = ANY (%(pks)s)",
        given,
    )
    return int(cursor.rowcount)


class _WithoutTriggers:
    """Rows are written without triggers, and these are on again when the transaction ends, whatever happens."""

    def __init__(self, cursor: Any, tables: Iterable[str]) -> None:
        self.cursor, self.tables = cursor, tuple(tables)

    def __enter__(self) -> None:
        self.cursor.execute(
            "SELECT tgrelid::regclass::text, quote_ident(tgname), tgenabled FROM pg_trigger"
            " WHERE NOT tgisinternal AND tgrelid = ANY (%s::regclass[])",
            [list(self.tables)],
        )
        self.triggers = self.cursor.fetchall()
        for table, name, _ in self.triggers:
            self.cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER {name}")

    def __exit__(self, kind: Any, *failure: Any) -> None:
        if kind is not None:
            return  # rolled back, triggers and all
        # A table with checks that are still to come cannot be altered.
        self.cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table, name, enabled in self.triggers:
            how = {"A": "ENABLE ALWAYS", "R": "ENABLE REPLICA", "D": "DISABLE"}.get(enabled, "ENABLE")
            self.cursor.execute(f"ALTER TABLE {table} {how} TRIGGER {name}")


def _quoted(name: str | None) -> str:
    return connection.ops.quote_name(name or "")


def _columns(model: type[Model]) -> Iterator[tuple[str, str]]:
    """Yield each column with what stands in it the n-th time."""
    unique = _unique(model)
    for one in model._meta.concrete_fields:
        if isinstance(one, models.AutoField | models.BigAutoField):
            continue
        yield one.column or "", _expression(one, f"old.{_quoted(one.column)}", unique)


def _expression(one: Field[Any, Any], old: str, unique: set[str]) -> str:
    target = one.related_model
    if target in (Agent, User) and not one.primary_key:
        return (
            f"CASE WHEN {old}::text = ANY (%(ids)s) THEN pg_temp.aged({old}, n)"
            f" WHEN {_is_of_agent(old)} THEN pg_temp.aged({old}, n %% %(agents)s) ELSE {old} END"
        )
    if isinstance(one, models.UUIDField) or (isinstance(target, type) and _has_uuid(target)):
        return f"CASE WHEN {old}::text = ANY (%(ids)s) THEN pg_temp.aged({old}, n) ELSE {old} END"
    if isinstance(one, models.DateTimeField):
        earlier = f"{old} - n * interval '{STEP_MS} milliseconds'"
        return f"CASE WHEN {old} > now() THEN {old} + (n %% 20000) * interval '1 minute' ELSE {earlier} END"
    if isinstance(one, models.JSONField) and one.name == "references":
        return f"pg_temp.aged_within({old}::text, %(ids)s, n)::jsonb"
    if isinstance(one, models.CharField) and not target:
        return _words(one, old, unique)
    return old


def _words(one: Field[Any, Any], old: str, unique: set[str]) -> str:
    if one.name in unique:
        return f"left({old}, {(one.max_length or 300) - 10}) || '-' || n"
    if one.name in _NUMBERED:
        return f"left({old}, {(one.max_length or 300) - 10}) || ' ' || n"
    if (one.max_length or 0) >= 36 and one.name.endswith("_id"):
        return f"CASE WHEN {old} = ANY (%(ids)s) THEN pg_temp.aged({old}::uuid, n)::text ELSE {old} END"
    return old


def _is_of_agent(old: str) -> str:
    return f"EXISTS (SELECT FROM agents_agent a WHERE {old} IN (a.id, a.user_id))"


def _has_uuid(model: type[Model]) -> bool:
    return isinstance(model._meta.pk, models.UUIDField) or bool(
        isinstance(model._meta.pk, models.OneToOneField) and _has_uuid(model._meta.pk.related_model)
    )


def _unique(model: type[Model]) -> set[str]:
    """Return the names of text that may stand only once."""
    alone = {
        one.name for one in model._meta.concrete_fields if one.unique and isinstance(one, models.CharField)
    }
    together = {
        name
        for constraint in model._meta.constraints
        if isinstance(constraint, models.UniqueConstraint)
        for name in constraint.fields
        if name in ("key", "code")
    }
    return alone | together
