from __future__ import annotations

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from audit.apps import check_database_roles
from audit.services import privileges
from tests.audit.conftest import role


@pytest.fixture
def app(live_db):
    return settings.DATABASE_ROLE_NAMES["app"]


def rights(live_db, table):
    with live_db.connect("owner") as owner:
        return {
            right
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")
            if owner.execute(
                "SELECT has_table_privilege(%s, %s, %s)", [settings.DATABASE_ROLE_NAMES["app"], table, right]
            ).fetchone()[0]
        }


def migrate_again(live_db):
    with role(live_db, "owner"):
        assert privileges.owns_ledger(connection)
        privileges.grant_defaults(connection)
        privileges.restrict_ledger(connection)


def test_a_table_that_is_made_later_belongs_to_the_application_too(live_db):
    with live_db.connect("owner") as owner:
        owner.execute("CREATE TABLE made_later (id bigserial PRIMARY KEY, word text)")
    assert rights(live_db, "made_later") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    with live_db.connect() as session:
        session.execute("INSERT INTO made_later (word) VALUES ('x')")


def test_an_installation_that_gets_its_roles_later_gets_the_grants_with_the_next_migrate(live_db, app):
    with live_db.connect("owner") as owner:
        owner.execute(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {app}")
    migrate_again(live_db)
    assert rights(live_db, "agents_user") == {"SELECT", "INSERT", "UPDATE", "DELETE"}
    assert rights(live_db, "audit_event") == {"SELECT", "INSERT"}
    assert rights(live_db, "audit_position") == rights(live_db, "audit_pendingevent") == {"SELECT"}


def test_what_a_room_has_narrowed_stays_narrow(live_db, app):
    with live_db.connect("owner") as owner:
        owner.execute(f"REVOKE UPDATE, DELETE ON django_session FROM {app}")
    migrate_again(live_db)
    assert rights(live_db, "django_session") == {"SELECT", "INSERT"}


def test_with_one_role_nothing_is_granted_and_a_check_warns(live_db, settings):
    assert check_database_roles(None) == []
    settings.DATABASE_ROLE_NAMES = dict.fromkeys(("owner", "app", "sequencer"), "one")
    assert privileges.lesser_roles() == {}
    with live_db.connect("owner") as owner:
        before = owner.execute("SELECT array_agg(relacl::text ORDER BY oid) FROM pg_class").fetchone()
    migrate_again(live_db)
    with live_db.connect("owner") as owner:
        assert owner.execute("SELECT array_agg(relacl::text ORDER BY oid) FROM pg_class").fetchone() == before
    assert [warning.id for warning in check_database_roles(None)] == ["audit.W001"]


def test_the_application_does_not_own_the_ledger(live_db):
    assert not privileges.owns_ledger(connection)
    with live_db.connect() as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("ALTER TABLE audit_event ADD COLUMN x int")
