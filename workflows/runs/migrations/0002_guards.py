from __future__ import annotations

from django.db import migrations

# The tables of workflows.runs.choices as they stand; a later change of them is a later migration. A test compares.
# A branch may reach an end, which ends the whole run, while another one waits for an operator.
RUNS = {"running": ["incident", "done", "cancelled"], "incident": ["running", "done", "cancelled"]}
ENDS = ["done", "skipped", "failed", "cancelled"]
STEPS = {"ready": ["running", *ENDS], "running": ["ready", *ENDS]}


def legal(table: dict[str, list[str]]) -> str:
    """Return the transitions of a table as rows of SQL."""
    return ", ".join(f"('{before}', '{after}')" for before, afters in table.items() for after in afters)


# A definition is never changed once it is written, and nothing moves but by its table.
VERSIONS = """
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
"""
# What a run began with stays; it may be moved to another version, never to one that nobody approved.
OF_RUNS = f"""
CREATE FUNCTION runs_run_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a run is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.workflow_id, NEW.key, NEW.input, NEW.input_digest)
       IS DISTINCT FROM (OLD.workflow_id, OLD.key, OLD.input, OLD.input_digest) THEN
        RAISE EXCEPTION 'what a run began with is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.version_id IS DISTINCT FROM OLD.version_id AND NOT EXISTS (
           SELECT 1 FROM runs_workflowversion v
            WHERE v.id = NEW.version_id AND v.workflow_id = NEW.workflow_id AND v.state = 'approved') THEN
        RAISE EXCEPTION 'a run follows approved versions of its workflow only' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {legal(RUNS)}) THEN
        RAISE EXCEPTION 'run %: % -> % is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER run_guard BEFORE UPDATE OR DELETE ON runs_run
    FOR EACH ROW EXECUTE FUNCTION runs_run_guard();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER run_guard;
"""
# A run stays inside of the step it was begun for.
PARENTS = """
CREATE FUNCTION runs_parent_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a run is inside of is never changed' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER parent_guard BEFORE UPDATE OF parent_id, depth ON runs_run FOR EACH ROW
    WHEN (OLD.parent_id IS DISTINCT FROM NEW.parent_id OR OLD.depth IS DISTINCT FROM NEW.depth)
    EXECUTE FUNCTION runs_parent_guard();
ALTER TABLE runs_run ENABLE ALWAYS TRIGGER parent_guard;
"""
OF_STEPS = f"""
CREATE FUNCTION runs_step_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a step is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.run_id, NEW.frame_id, NEW.index, NEW.generation)
       IS DISTINCT FROM (OLD.run_id, OLD.frame_id, OLD.index, OLD.generation) THEN
        RAISE EXCEPTION 'a step stays what it is' USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.state <> OLD.state AND (OLD.state, NEW.state) NOT IN (VALUES {legal(STEPS)}) THEN
        RAISE EXCEPTION 'step %: % -> % is not a transition', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER step_guard BEFORE UPDATE OR DELETE ON runs_step
    FOR EACH ROW EXECUTE FUNCTION runs_step_guard();
ALTER TABLE runs_step ENABLE ALWAYS TRIGGER step_guard;
"""
# What a person did is never changed afterwards: it says who may not approve what.
INTERVENTIONS = """
CREATE FUNCTION runs_intervention_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'what a person did to a run is never changed' USING ERRCODE = 'check_violation';
END $$;
CREATE TRIGGER intervention_guard BEFORE UPDATE OR DELETE ON runs_intervention
    FOR EACH ROW EXECUTE FUNCTION runs_intervention_guard();
ALTER TABLE runs_intervention ENABLE ALWAYS TRIGGER intervention_guard;
"""
# What was sent is never changed; one step takes it, once.
SIGNALS = """
CREATE FUNCTION runs_signal_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'a signal is never deleted' USING ERRCODE = 'check_violation';
    END IF;
    IF (NEW.run_id, NEW.name, NEW.key, NEW.payload, NEW.digest, NEW.sent_by_kind, NEW.sent_by_id, NEW.sent_at)
       IS DISTINCT FROM
       (OLD.run_id, OLD.name, OLD.key, OLD.payload, OLD.digest, OLD.sent_by_kind, OLD.sent_by_id, OLD.sent_at) THEN
        RAISE EXCEPTION 'what was sent is never changed' USING ERRCODE = 'check_violation';
    END IF;
    IF OLD.taken_by_id IS NOT NULL AND NEW.taken_by_id IS DISTINCT FROM OLD.taken_by_id THEN
        RAISE EXCEPTION 'a signal is taken once' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER signal_guard BEFORE UPDATE OR DELETE ON runs_signal
    FOR EACH ROW EXECUTE FUNCTION runs_signal_guard();
ALTER TABLE runs_signal ENABLE ALWAYS TRIGGER signal_guard;
"""
FUNCTIONS = ["version", "run", "parent", "step", "intervention", "signal"]


class Migration(migrations.Migration):
    dependencies = [("runs", "0001_tables")]

    operations = [
        migrations.RunSQL(
            VERSIONS + OF_RUNS + PARENTS + OF_STEPS + INTERVENTIONS + SIGNALS,
            "".join(f"DROP FUNCTION runs_{name}_guard() CASCADE;" for name in FUNCTIONS),
        )
    ]
