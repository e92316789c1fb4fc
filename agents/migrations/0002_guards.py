from __future__ import annotations

from django.db import migrations

BUMP = """
CREATE FUNCTION bump_authority() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE agents_authorityversion
       SET version = version + 1, stamp = gen_random_uuid(), changed_at = clock_timestamp()
     WHERE id = 1;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the row of agents_authorityversion is missing: authority cannot change without it';
    END IF;
    RETURN NULL;
END $$;
"""

# Every write to these tables changes what some agent may do.
TABLES = [
    "agents_policy",
    "agents_rule",
    "agents_measure",
    "agents_role",
    "agents_department",
    "agents_stop",
    "agents_companysettings",
    "agents_exchangerate",
    "agents_user_groups",
    "auth_group",
]

AGENT_COLUMNS = (
    "user_id, code, department_id, role_id, sponsor_id, deputy_id, lifecycle, autonomy, brake, risk_tier, attest_by"
)


def attach(table: str) -> str:
    """Return the SQL that bumps the version on every write to a table, whoever writes."""
    return (
        f"CREATE TRIGGER bump_authority AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();"
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER bump_authority;"
    )


AGENT = f"""
CREATE TRIGGER bump_authority AFTER INSERT OR DELETE OR TRUNCATE OR UPDATE OF {AGENT_COLUMNS} ON agents_agent
    FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();
ALTER TABLE agents_agent ENABLE ALWAYS TRIGGER bump_authority;
CREATE TRIGGER bump_authority AFTER DELETE OR TRUNCATE OR UPDATE OF is_active, kind ON agents_user
    FOR EACH STATEMENT EXECUTE FUNCTION bump_authority();
ALTER TABLE agents_user ENABLE ALWAYS TRIGGER bump_authority;
"""

# A second line of defence behind the service: the database itself knows that agents do not decide changes.
PERSON = """
CREATE FUNCTION agents_changerequest_person() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.approver_id IS NOT NULL
       AND NOT EXISTS (SELECT 1 FROM agents_user WHERE id = NEW.approver_id AND kind = 'person') THEN
        RAISE EXCEPTION 'a change request is decided by a person' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER changerequest_person BEFORE INSERT OR UPDATE ON agents_changerequest
    FOR EACH ROW EXECUTE FUNCTION agents_changerequest_person();
"""

ROWS = """
INSERT INTO agents_authorityversion (id, version, stamp, changed_at) VALUES (1, 1, gen_random_uuid(), now());
INSERT INTO agents_companysettings (id, name, currency) VALUES (1, 'My company', 'EUR');
"""


def company_policy(apps, schema_editor):
    """No policy at all denies everything, so an installation starts with an empty one for the whole company."""
    apps.get_model("agents", "Policy").objects.create(
        code="company",
        name="Company rules",
        purpose="Rules that bind every agent of the company.",
        scope_kind="company",
        scope_id="",
    )


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_tables")]

    operations = [
        migrations.RunSQL(BUMP, "DROP FUNCTION bump_authority() CASCADE"),
        migrations.RunSQL(ROWS, migrations.RunSQL.noop),
        migrations.RunSQL("\n".join(attach(table) for table in TABLES) + AGENT, migrations.RunSQL.noop),
        migrations.RunSQL(PERSON, "DROP FUNCTION agents_changerequest_person() CASCADE"),
        migrations.RunPython(company_policy, migrations.RunPython.noop),
    ]
