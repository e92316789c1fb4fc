from __future__ import annotations

from django.db import migrations

# The table of workflows.runs.choices as it stands; a later change of it is a later migration.
# A branch may reach an end, which ends the whole run, while another one waits for an operator.
RUNS = {"running": ["incident", "done", "cancelled"], "incident": ["running", "done", "cancelled"]}
LEGAL = ", ".join(f"('{before}', '{after}')" for before, afters in RUNS.items() for after in afters)

GUARD = """
CREATE OR REPLACE FUNCTION runs_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a run is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.workflow_id, {before}NEW.key, NEW.input, NEW.input_digest)
       IS DISTINCT FROM (OLD.workflow_id, {before_old}OLD.key, OLD.input, OLD.input_digest) THEN
        RAISE EXCEPTION 'what a run began with is never changed' USING ERRCODE = 'check_violation';
    END IF;{moved}
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {legal}) THEN
        RAISE EXCEPTION 'run %%: %% -> %% is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
# A run may be moved to another version, never to one that nobody approved.
MOVED = """
    IF NEW.version_id IS DISTINCT FROM OLD.version_id AND NOT EXISTS (
           SELECT 1 FROM runs_workflowversion v
            WHERE v.id = NEW.version_id AND v.workflow_id = NEW.workflow_id AND v.state = 'approved') THEN
        RAISE EXCEPTION 'a run follows approved versions of its workflow only' USING ERRCODE = 'check_violation';
    END IF;"""
AFTER = GUARD.format(before="", before_old="", moved=MOVED, legal=LEGAL)
BEFORE = GUARD.format(before="NEW.version_id, ", before_old="OLD.version_id, ", moved="", legal=LEGAL)


class Migration(migrations.Migration):
    dependencies = [("runs", "0007_routing")]
    operations = [migrations.RunSQL(AFTER.replace("%%", "%"), BEFORE.replace("%%", "%"))]
