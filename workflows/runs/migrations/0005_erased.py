from __future__ import annotations

from importlib import import_module

from django.db import migrations, models

guards = import_module("workflows.runs.migrations.0002_guards")
BEGAN = """    IF (NEW.workflow_id, NEW.key, NEW.input, NEW.input_digest)
       IS DISTINCT FROM (OLD.workflow_id, OLD.key, OLD.input, OLD.input_digest) THEN
"""
# What has ended may lose what it was about, once; that it did is never taken back.
BEGAN_OR_ERASED = """    IF (NEW.workflow_id, NEW.key, NEW.input_digest)
       IS DISTINCT FROM (OLD.workflow_id, OLD.key, OLD.input_digest)
       OR (NEW.input IS DISTINCT FROM OLD.input AND NOT (OLD.finished_at IS NOT NULL AND OLD.erased_at IS NULL
           AND NEW.erased_at IS NOT NULL AND NEW.input = '{}'::jsonb AND NEW.output IS NULL))
       OR (OLD.erased_at IS NOT NULL AND NEW.erased_at IS DISTINCT FROM OLD.erased_at)
       OR (OLD.finished_at IS NULL AND NEW.erased_at IS NOT NULL) THEN
"""
SENT = "(NEW.run_id, NEW.name, NEW.key, NEW.payload, NEW.digest"
SENT_OR_ERASED = """(NEW.run_id, NEW.name, NEW.key, CASE WHEN NEW.payload = '{}'::jsonb AND EXISTS
           (SELECT 1 FROM runs_run r WHERE r.id = OLD.run_id AND r.erased_at IS NOT NULL)
           THEN OLD.payload ELSE NEW.payload END, NEW.digest"""


def replaced(text: str) -> str:
    """Return only the function of a guard, to be put in the place of the one that is there."""
    return text[: text.index("CREATE TRIGGER")].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION")


class Migration(migrations.Migration):
    dependencies = [("runs", "0004_open_inside"), ("audit", "0006_retention")]

    operations = [
        migrations.AddField(
            model_name="run",
            name="erased_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When what it was about was erased.", null=True
            ),
        ),
        migrations.RunSQL(
            replaced(guards.OF_RUNS.replace(BEGAN, BEGAN_OR_ERASED)), replaced(guards.OF_RUNS)
        ),
        migrations.RunSQL(
            replaced(guards.SIGNALS.replace(SENT, SENT_OR_ERASED)), replaced(guards.SIGNALS)
        ),
    ]
