from __future__ import annotations

from django.db import models
from django.db.models import Q

from agents.models.tracked import KeyedModel, tracked

_CURRENCY = r"^[A-Z]{3}$"


class CompanySettings(models.Model):
    """The one company of this installation. Amounts in rules and limits are in its currency."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    name = models.CharField(max_length=160, default="My company", help_text="The company's name.")
    currency = models.CharField(
        max_length=3, default="EUR", help_text="ISO 4217 code of the currency that rules and limits are in."
    )

    history = tracked()

    class Meta:
        verbose_name = verbose_name_plural = "company settings"
        constraints = [
            models.CheckConstraint(condition=Q(id=1), name="agents_companysettings_one_row"),
            models.CheckConstraint(
                condition=Q(currency__regex=_CURRENCY), name="agents_companysettings_currency"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class ExchangeRate(KeyedModel):
    """What one unit of a foreign currency is worth in company currency, from a day on."""

    currency = models.CharField(max_length=3, help_text="ISO 4217 code, e.g. USD.")
    rate = models.BigIntegerField(
        help_text="Company currency for one unit of it, in millionths: 920000 means 0.92."
    )
    valid_from = models.DateField(help_text="First day it applies.")

    history = tracked()

    class Meta:
        ordering = ["currency", "-valid_from"]
        constraints = [
            models.UniqueConstraint(fields=["currency", "valid_from"], name="agents_exchangerate_day"),
            models.CheckConstraint(condition=Q(rate__gt=0), name="agents_exchangerate_positive"),
            models.CheckConstraint(condition=Q(currency__regex=_CURRENCY), name="agents_exchangerate_currency"),
        ]

    def __str__(self) -> str:
        return f"{self.currency}, valid from {self.valid_from}"
