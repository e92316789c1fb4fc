from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0020_policyversion_change_request'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='modeluse',
            index=models.Index(condition=models.Q(('run_id', ''), _negated=True), fields=['run_id'], name='agents_modeluse_of_run'),
        ),
    ]
