from __future__ import annotations

from django.db import migrations

# The table of workflows.actions.choices as it stood; a later change of it is a later migration. A test compares.
TRANSITIONS = {
    "requested": ["denied", "held", "authorized"],
    "held": ["authorized", "denied", "rejected", "expired", "withdrawn", "superseded"],
    "authorized": ["dispatched", "denied", "stopped", "expired"],
    "dispatched": ["confirmed", "failed", "in_doubt"],
    "in_doubt": ["confirmed", "failed"],
}
LEGAL = ", ".join(f"('{before}', '{after}')" for before, afters in TRANSITIONS.items() for after in afters)
FIXED = [
    "agent_id",
    "on_behalf_of_id",
    "operation_code",
    "operation_id",
    "revision_id",
    "arguments",
    "arguments_digest",
    "currency",
    "amount_minor",
    "amount_company_minor",
    "requested_at",
]
CHANGED = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in FIXED)

# Whoever writes, and however: an action is never un-asked, moves only along the table, and keeps what was asked.
GUARD = f"""
CREATE FUNCTION actions_action_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'an action is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF TG_OP = 'INSERT' THEN
        IF NEW.state <> 'requested' THEN
            RAISE EXCEPTION 'an action begins as requested' USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF {CHANGED} THEN
        RAISE EXCEPTION 'what was asked is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {LEGAL}) THEN
        RAISE EXCEPTION 'action %: % -> % is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.epoch < OLD.epoch OR NEW.attempt < OLD.attempt THEN
        RAISE EXCEPTION 'epoch and attempt only grow' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER action_guard BEFORE INSERT OR UPDATE OR DELETE ON actions_action
    FOR EACH ROW EXECUTE FUNCTION actions_action_guard();
ALTER TABLE actions_action ENABLE ALWAYS TRIGGER action_guard;
"""


class Migration(migrations.Migration):
    dependencies = [("actions", "0001_tables")]

    operations = [migrations.RunSQL(GUARD, "DROP FUNCTION actions_action_guard() CASCADE")]
