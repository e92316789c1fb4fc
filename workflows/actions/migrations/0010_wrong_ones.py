from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('actions', '0009_asked_before'),
        ('agents', '0021_model_use_of_run'),
        ('approvals', '0008_reasons_of_rejections'),
        ('connectors', '0004_fewer_indexes'),
        ('tasks', '0004_instructions'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex(
            model_name='action',
            index=models.Index(condition=models.Q(('state', 'failed'), ('outcome', 'differs'), _connector='OR'), fields=['finished_at'], name='action_wrong'),
        ),
    ]
