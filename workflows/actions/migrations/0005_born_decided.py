from __future__ import annotations

from importlib import import_module

from django.db import migrations

guards = import_module("workflows.actions.migrations.0002_guards")
turns = import_module("workflows.actions.migrations.0004_withdrawn_in_line")
# What is asked for is decided in the same transaction: it may be written with what was decided, in one go.
BORN = ["requested", *guards.TRANSITIONS["requested"]]
BEFORE = turns.BEFORE.replace(guards.LEGAL, turns.LEGAL)
ONLY_REQUESTED = "NEW.state <> 'requested'"
AFTER = BEFORE.replace(ONLY_REQUESTED, f"NEW.state NOT IN ({', '.join(repr(state) for state in BORN)})").replace(
    "an action begins as requested", "an action begins as requested, or as what was decided"
)


class Migration(migrations.Migration):
    dependencies = [("actions", "0004_withdrawn_in_line")]

    operations = [migrations.RunSQL(AFTER, BEFORE)]
