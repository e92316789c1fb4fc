"""Which process that ended by itself is started again, and when."""

from __future__ import annotations

from dataclasses import dataclass, field

# One that never lived so long has something wrong with it that another start does not cure.
LEAST_LIFE_SECONDS = 5.0
MOST_IN_A_MINUTE = 5
FIRST_PAUSE_SECONDS = 0.5


@dataclass
class Comebacks:
    """What is known of each process: whether it ever worked, and when it ended lately.

    Times are seconds of a monotonic clock.
    """

    _worked: set[str] = field(default_factory=set)
    _ended: dict[str, list[float]] = field(default_factory=dict)

    def pause_after(self, name: str, *, lived: float, now: float) -> float | None:
        """Return how many seconds to wait before it is started again; None: not again, so everything ends.

        One that was killed or crashed at work comes back, a little later each time within a minute. One that
        ends at its first start, or again and again, is not hidden behind restarts.
        """
        if lived >= LEAST_LIFE_SECONDS:
            self._worked.add(name)
        recent = [at for at in self._ended.get(name, []) if now - at < 60]
        self._ended[name] = [*recent, now]
        if name not in self._worked or len(recent) >= MOST_IN_A_MINUTE:
            return None
        return FIRST_PAUSE_SECONDS * float(2 ** len(recent))
