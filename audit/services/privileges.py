"""Which database role may do what. The owner role runs this; it changes nothing when there is only one role."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from psycopg import sql

APP_RIGHTS = "SELECT, INSERT, UPDATE, DELETE"
# What is left of these rights on the ledger's own tables: (table, rights of app, rights of sequencer).
LEDGER_RIGHTS = [
    ("audit_event", "SELECT, INSERT", "SELECT"),
    ("audit_payload", "SELECT, INSERT", "SELECT"),
    ("audit_pendingevent", "SELECT", "SELECT, DELETE"),
    ("audit_position", "SELECT", "SELECT, INSERT"),
    ("audit_leaf", "SELECT", "SELECT, INSERT"),
    ("audit_tile", "SELECT", "SELECT, INSERT"),
    ("audit_checkpoint", "SELECT", "SELECT, INSERT"),
    ("audit_signingkey", "SELECT", "SELECT, INSERT"),
    ("audit_cosignature", "SELECT", "SELECT, INSERT"),
    ("audit_outlet", "SELECT", "SELECT, INSERT, UPDATE, DELETE"),
    ("audit_erasure", "SELECT", "SELECT"),
    ("audit_retentionrule", "SELECT, INSERT, UPDATE", "SELECT"),
    ("audit_legalhold", "SELECT, INSERT, UPDATE", "SELECT"),
]
# Which functions with the owner's rights each role may call; nobody else may call any.
LEDGER_FUNCTIONS = [
    ("audit_erase(uuid, uuid[], text)", "app"),
    ("audit_drop_empty_partitions()", "app"),
    ("audit_make_partitions(timestamptz)", "sequencer"),
]


def lesser_roles() -> dict[str, str]:
    """Return the configured role names of ``app`` and ``sequencer`` that differ from the owner's."""
    names = settings.DATABASE_ROLE_NAMES
    return {role: names[role] for role in ("app", "sequencer") if names[role] != names["owner"]}


def grant_defaults(connection: Any) -> None:
    """Let the application role work with every table, those of today and those that later migrations create."""
    roles = lesser_roles()
    for name in set(roles.values()):
        _run(connection, "GRANT USAGE ON SCHEMA public TO {}", name)
    if app := roles.get("app"):
        _run(connection, f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT {APP_RIGHTS} ON TABLES TO {{}}", app)
        _run(
            connection, "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO {}", app
        )
        for table in _own_tables_without_select(connection, app):
            _run(connection, f"GRANT {APP_RIGHTS} ON {{}} TO {{}}", table, app)
        _run(connection, "GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}", app)


def restrict_ledger(connection: Any) -> None:
    """Leave each role exactly its rights on the ledger: nobody below the owner may change or remove a row."""
    roles = lesser_roles()
    known = _tables(connection)
    for table, app_rights, sequencer_rights in LEDGER_RIGHTS:
        if table not in known:
            continue  # of a later migration
        for name in {*roles.values()}:
            _run(connection, "REVOKE ALL ON {} FROM {}", table, name)
        for role, rights in (("app", app_rights), ("sequencer", sequencer_rights)):
            if rights and role in roles:
                _run(connection, f"GRANT {rights} ON {{}} TO {{}}", table, roles[role])

    if "audit_erasure" in known:
        _restrict_functions(connection, roles)


def _restrict_functions(connection: Any, roles: dict[str, str]) -> None:
    for function, role in LEDGER_FUNCTIONS:
        with connection.cursor() as cursor:
            cursor.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        if role in roles:
            _run(connection, f"GRANT EXECUTE ON FUNCTION {function} TO {{}}", roles[role])


def _tables(connection: Any) -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in cursor.fetchall()}


def owns_ledger(connection: Any) -> bool:
    """Say whether this connection is the owner of an existing ledger."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename = 'audit_position'"
            " AND tableowner = current_user"
        )
        return cursor.fetchone() is not None


def _own_tables_without_select(connection: Any, role: str) -> list[str]:
    # A table on which another room has narrowed the rights keeps SELECT, so it is left as that room made it.
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tableowner = current_user"
            " AND tablename NOT LIKE 'audit\\_payload\\_%%'"
            " AND NOT has_table_privilege(%s, format('%%I.%%I', schemaname, tablename), 'SELECT')",
            [role],
        )
        return [row[0] for row in cursor.fetchall()]


def _run(connection: Any, statement: str, *names: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
