from __future__ import annotations

from importlib import import_module

from django.db import migrations

guards = import_module("workflows.actions.migrations.0002_guards")
BEFORE = import_module("workflows.actions.migrations.0005_edits_and_standing_approvals").ACTION
# What is asked for is decided in the same transaction: it may be written with what was decided, in one go.
BORN = ["requested", *guards.TRANSITIONS["requested"]]
ONLY_REQUESTED = "NEW.state <> 'requested'"
AFTER = BEFORE.replace(ONLY_REQUESTED, f"NEW.state NOT IN ({', '.join(repr(state) for state in BORN)})").replace(
    "an action begins as requested", "an action begins as requested, or as what was decided"
)


class Migration(migrations.Migration):
    dependencies = [("actions", "0005_edits_and_standing_approvals")]

    operations = [migrations.RunSQL(AFTER, BEFORE)]
