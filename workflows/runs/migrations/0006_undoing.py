from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("runs", "0005_interventions")]
    operations = [
        migrations.AlterField(
            model_name="step",
            name="undone",
            field=models.CharField(
                blank=True,
                choices=[
                    ("running", "Being undone"),
                    ("done", "Undone"),
                    ("failed", "Could not be undone"),
                    ("given_up", "Left as it is"),
                    ("by_hand", "Answered by hand: nothing to undo"),
                ],
                help_text="What became of undoing it; '' while nobody wants that.",
                max_length=8,
            ),
        ),
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("undone", "running")), fields=["undone"], name="runs_step_being_undone"
            ),
        ),
    ]
