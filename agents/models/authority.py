from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q


class AuthorityVersion(models.Model):
    """One row that database triggers change whenever anything that gives or takes authority changes.

    ``version`` counts; ``stamp`` is new at every change, so that a number taken by a transaction that rolled
    back can never be mistaken for the same number of another one.
    """

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    version = models.BigIntegerField(default=1)
    stamp = models.UUIDField(default=uuid.uuid4)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="agents_authorityversion_one_row")]

    def __str__(self) -> str:
        return str(self.version)
