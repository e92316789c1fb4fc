"""Following the ledger for many people at once: what happened is read once, whose it is asked for each alone.

What a person may see is one statement, made ready when their rights are asked; to ask which of the next
positions are theirs then costs the database a few rows and this process next to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from audit import visibility
from audit.models import Event

# What stands in the statement where the positions go; no position is negative.
_AFTER, _UPTO = -(2**62), -(2**62) + 1


@dataclass(frozen=True, slots=True)
class Sight:
    """What one person may see of the ledger, as a statement. Two are equal while the rights behind them are.

    What it asks of other rows, such as who has a task of a run, is asked whenever it is used.
    """

    sql: str
    params: tuple[Any, ...]

    def positions(self, after: int, upto: int) -> list[int]:
        """Return which positions after one and up to another this person may see, ascending."""
        meant = {_AFTER: after, _UPTO: upto}
        given = [meant.get(param, param) if isinstance(param, int) else param for param in self.params]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, given)
            return sorted(row[0] for row in cursor.fetchall())


def sight_of(user: Any) -> Sight | None:
    """Return what a person may see now, None where that is nothing."""
    seen = Event.objects.filter(
        visibility.visible_to(user), placement__position__gt=_AFTER, placement__position__lte=_UPTO
    )
    try:
        sql, params = seen.order_by().values_list("placement__position").query.sql_with_params()
    except EmptyResultSet:
        return None
    return Sight(sql, params)


def happened(after: int, most: int) -> list[Event]:
    """Return the next events after a position, ascending, whoever may see them: for the portal itself."""
    found = Event.objects.with_position().filter(placement__position__gt=after)
    return list(found.order_by("placement__position")[:most])
