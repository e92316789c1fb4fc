from __future__ import annotations

from django.db import migrations

# The tables of workflows.runs.choices as they stood; a later change of them is a later migration. A test compares.
RUNS = {"running": ["incident", "done", "cancelled"], "incident": ["running", "cancelled"]}
STEPS = {
    "ready": ["running", "done", "failed", "cancelled"],
    "running": ["done", "failed", "cancelled"],
}


def _legal(table: dict[str, list[str]]) -> str:
    return ", ".join(f"('{before}', '{after}')" for before, afters in table.items() for after in afters)


# A definition is never changed once it is written, a run keeps its version, and nothing moves but by its table.
GUARD = f"""
CREATE FUNCTION runs_version_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a version is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.workflow_id, NEW.number, NEW.text, NEW.content, NEW.sha256, NEW.proposed_by_id)
       IS DISTINCT FROM (OLD.workflow_id, OLD.number, OLD.text, OLD.content, OLD.sha256, OLD.proposed_by_id) THEN
        RAISE EXCEPTION 'a version is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.state <> 'proposed' AND (NEW.state, NEW.approved_by_id) IS DISTINCT FROM (OLD.state, OLD.approved_by_id)
    THEN
        RAISE EXCEPTION 'a version is decided once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER version_guard BEFORE UPDATE OR DELETE ON runs_workflowversion
    FOR EACH ROW EXECUTE FUNCTION runs_version_guard();
ALTER TABLE runs_workflowversion ENABLE ALWAYS TRIGGER version_guard;

CREATE FUNCTION runs_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a run is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.workflow_id, NEW.version_id, NEW.key, NEW.input, NEW.input_digest)
       IS DISTINCT FROM (OLD.workflow_id, OLD.version_id, OLD.key, OLD.input, OLD.input_digest) THEN
        RAISE EXCEPTION 'what a run began with is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {_legal(RUNS)}) THEN
        RAISE EXCEPTION 'run %: % -> % is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER run_guard BEFORE UPDATE OR DELETE ON runs_run
    FOR EACH ROW EXECUTE FUNCTION runs_run_guard();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_guard;

CREATE FUNCTION runs_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a step is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.run_id, NEW.node, NEW.generation) IS DISTINCT FROM (OLD.run_id, OLD.node, OLD.generation) THEN
        RAISE EXCEPTION 'a step stays what it is' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {_legal(STEPS)}) THEN
        RAISE EXCEPTION 'step %: % -> % is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER step_guard BEFORE UPDATE OR DELETE ON runs_step
    FOR EACH ROW EXECUTE FUNCTION runs_step_guard();
ALTER TABLE runs_step ENABLE ALWAYS TRIGGER step_guard;
"""
UNGUARD = """
DROP FUNCTION runs_version_guard() CASCADE;
DROP FUNCTION runs_run_guard() CASCADE;
DROP FUNCTION runs_step_guard() CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_initial")]

    operations = [migrations.RunSQL(GUARD, UNGUARD)]
