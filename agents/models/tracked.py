"""What every configured model shares: a UUIDv7 key and a history that says who and why."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import reduce
from operator import and_
from typing import Any

from django.core.exceptions import FieldError
from django.core.validators import RegexValidator
from django.db import models, router
from django.db.models import CheckConstraint, Q
from django.db.models.constraints import BaseConstraint
from simple_history.models import HistoricalRecords
from uuid_utils.compat import uuid7

from audit.vocabulary import Ref

label_form = RegexValidator(
    r"^[a-z0-9][a-z0-9._-]*\Z", "A label is lower-case letters, digits, dots, dashes and underscores."
)


def tracked(**options: Any) -> HistoricalRecords:
    """Return the history field of a model: every change of configuration, with the reason in full."""
    return HistoricalRecords(history_change_reason_field=models.TextField(null=True), **options)


class CheckedTogether(models.Model):
    """A model that asks the database about all its check constraints in one statement when it is validated.

    Django asks about each, within a savepoint. Only when one fails are they asked one by one, to say which.
    """

    _holds = False

    class Meta:
        abstract = True

    def get_constraints(self) -> list[tuple[type[models.Model], Sequence[BaseConstraint]]]:
        """Return what is to be validated, without the checks while they are known to hold."""
        found = super().get_constraints()
        if not self._holds:
            return found
        return [(model, [one for one in all_ if not isinstance(one, CheckConstraint)]) for model, all_ in found]

    def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Raise ValidationError with every constraint that does not hold, as Django does."""
        self._holds = all(self._checks_hold(*constraints, exclude) for constraints in self.get_constraints())
        try:
            super().validate_constraints(exclude=exclude)
        finally:
            self._holds = False

    def _checks_hold(
        self, model: type[models.Model], constraints: Iterable[BaseConstraint], exclude: Collection[str] | None
    ) -> bool:
        conditions = [Q(one.condition) for one in constraints if isinstance(one, CheckConstraint)]
        against = self._get_field_expression_map(meta=model._meta, exclude=exclude)  # type: ignore[attr-defined]
        try:
            return not conditions or reduce(and_, conditions).check(against, using=router.db_for_write(model))
        except FieldError:  # one of them is about a field that is not validated
            return False


class KeyedModel(CheckedTogether):
    """A model whose key is a UUIDv7 made in the application, so that it is known before it is saved."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Raise ValidationError for what is there already. A key that was just made is nobody else's: the
        database would refuse it, and need not be asked before."""
        super().validate_unique(exclude={*(exclude or ()), "id"})

    def as_ref(self) -> Ref:
        """Return this object as the subject of an event."""
        return Ref(self._meta.label_lower, str(self.pk), str(self))
