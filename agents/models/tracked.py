"""What every configured model shares: a UUIDv7 key and a history that says who and why."""

from __future__ import annotations

from typing import Any

from django.db import models
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from audit.vocabulary import Ref


def tracked(**options: Any) -> HistoricalRecords:
    """Return the history field of a model: every change of configuration, with the reason in full."""
    return HistoricalRecords(history_change_reason_field=models.TextField(null=True), **options)


class KeyedModel(models.Model):
    """A model whose key is a UUIDv7 made in the application, so that it is known before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True

    def as_ref(self) -> Ref:
        """Return this object as the subject of an event."""
        return Ref(self._meta.label_lower, str(self.pk), str(self))
