from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('agents', '0004_contracts'),
    ]

    operations = [
        migrations.AddField(
            model_name='historicalrule',
            name='also',
            field=models.JSONField(blank=True, default=list, help_text='Further comparisons: joined (and, or), field, comparison, value. And binds closer than or.'),
        ),
        migrations.AddField(
            model_name='rule',
            name='also',
            field=models.JSONField(blank=True, default=list, help_text='Further comparisons: joined (and, or), field, comparison, value. And binds closer than or.'),
        ),
    ]
