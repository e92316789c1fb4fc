from django.db import migrations

# The same expression as in workflows/search/lookups.py.
SPLIT = "array_to_tsvector(array_remove(regexp_split_to_array(lower({}), '[[:space:][:punct:]]+'), ''))"
INDEXES = {
    "search_agent_words": ("agents_agent", "name || ' ' || code"),
    "search_run_words": ("runs_run", "label"),
    "search_approval_words": ("approvals_approval", "subject_label"),
    "search_task_words": ("tasks_task", "title"),
    "search_document_words": ("documents_document", "name"),
}


class Migration(migrations.Migration):
    """What people find by words lies in tables of other rooms; none of these indexes guards or decides anything."""

    dependencies = [
        ("agents", "0015_stop_is_exercise"),
        ("runs", "0005_erased"),
        ("approvals", "0007_levels_and_openings"),
        ("tasks", "0002_open_questions"),
        ("documents", "0003_erased"),
    ]

    operations = [
        migrations.RunSQL(
            f"CREATE INDEX {name} ON {table} USING gin ({SPLIT.format(columns)})", f"DROP INDEX {name}"
        )
        for name, (table, columns) in INDEXES.items()
    ]
