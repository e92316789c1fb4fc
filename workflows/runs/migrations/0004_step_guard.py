from __future__ import annotations

from django.db import migrations

# The table of workflows.runs.choices as it stands; a later change of it is a later migration. A test compares.
ENDS = ["done", "skipped", "failed", "cancelled"]
STEPS = {"ready": ["running", *ENDS], "running": ["ready", *ENDS]}


def legal(table: dict[str, list[str]]) -> str:
    return ", ".join(f"('{before}', '{after}')" for before, afters in table.items() for after in afters)


GUARD = """
CREATE OR REPLACE FUNCTION runs_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a step is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.run_id, NEW.frame_id, NEW.index, NEW.generation)
       IS DISTINCT FROM (OLD.run_id, OLD.frame_id, OLD.index, OLD.generation) THEN
        RAISE EXCEPTION 'a step stays what it is' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES %s) THEN
        RAISE EXCEPTION 'step %%: %% -> %% is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
"""
BEFORE = {
    "ready": ["running", "done", "failed", "cancelled"],
    "running": ["done", "failed", "cancelled"],
}


# A run that waits for an operator did so at its newest step.
PARKED = """
UPDATE runs_step SET is_parked = true
 WHERE id IN (SELECT DISTINCT ON (s.run_id) s.id FROM runs_step s JOIN runs_run r ON r.id = s.run_id
               WHERE r.state = 'incident' ORDER BY s.run_id, s.id DESC)
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0003_frames")]
    operations = [
        migrations.RunSQL(GUARD % legal(STEPS), GUARD % legal(BEFORE)),
        migrations.RunSQL(PARKED, migrations.RunSQL.noop),
    ]
