"""The language and the time zone a person reads the portal in."""

from __future__ import annotations

from django.db import migrations, models

import agents.models.user

LANGUAGE = models.CharField(
    blank=True,
    choices=[("en", "English"), ("de", "Deutsch")],
    help_text="The language of the portal for this person. Empty: what their browser asks for.",
    max_length=10,
)
TIME_ZONE = models.CharField(
    blank=True,
    help_text="Such as Europe/Berlin. Empty: the time zone of the installation.",
    max_length=64,
    validators=[agents.models.user.is_time_zone],
)


class Migration(migrations.Migration):
    dependencies = [("agents", "0015_stop_is_exercise")]

    operations = [
        migrations.AddField(model_name=model, name=name, field=field.clone())
        for model in ("historicaluser", "user")
        for name, field in (("language", LANGUAGE), ("time_zone", TIME_ZONE))
    ]
