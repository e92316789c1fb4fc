from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("agents", "0018_agents_finish"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(fields=["name", "id"], name="agents_agent_by_name"),
        ),
        migrations.AddIndex(
            model_name="agent",
            index=models.Index(fields=["role", "name", "id"], name="agents_agent_of_role"),
        ),
        migrations.AddIndex(
            model_name="certificate",
            index=models.Index(fields=["-issued_at", "-id"], name="agents_certificate_newest"),
        ),
    ]
