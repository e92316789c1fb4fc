"""The three database roles and the database they share, made by the server's superuser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg import sql

ROLE_NAMES = {"owner": "autonomy_owner", "app": "autonomy_app", "sequencer": "autonomy_sequencer"}


def ensure_role(connection: psycopg.Connection[Any], name: str, password: str) -> None:
    """Make a role that may sign in and nothing else, or give it this password again."""
    found = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name]).fetchone()
    verb = "ALTER" if found else "CREATE"
    connection.execute(
        sql.SQL(verb + " ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS PASSWORD {}").format(
            sql.Identifier(name), sql.Literal(password)
        )
    )


def ensure_database(connection: psycopg.Connection[Any], name: str, roles: Mapping[str, str]) -> bool:
    """Make a database of the owner that only these roles may enter; return whether it is new.

    roles: the names by role, as in ROLE_NAMES.
    """
    if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
        return False
    database, owner = sql.Identifier(name), sql.Identifier(roles["owner"])
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0").format(database, owner))
    restrict_database(connection, name, roles)
    return True


def restrict_database(connection: psycopg.Connection[Any], name: str, roles: Mapping[str, str]) -> None:
    """Close a database to everybody but the given roles (a copy does not inherit this from its template)."""
    database = sql.Identifier(name)
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
    for role in sorted(set(roles.values())):
        connection.execute(
            sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}").format(database, sql.Identifier(role))
        )
