"""What to stop, and what to slow down."""

from __future__ import annotations

from typing import Any

from agents.models import Stop, Throttle
from agents.selectors.offers import SLOWED, STOPPED
from audit.adminkit import ReasonModelForm
from audit.forms import OfferedField


class StopForm(ReasonModelForm):
    """What to stop, chosen from what there is."""

    scope = OfferedField(
        STOPPED, "stopped", themed=True, label="Stop", help_text="Nothing in it starts any more."
    )

    class Meta:
        model = Stop
        fields = ["is_exercise"]


class ThrottleForm(ReasonModelForm):
    """How much of what goes on at once, or begins in a time."""

    scope = OfferedField(
        SLOWED, "slowed", themed=True, label="Of what", help_text="What is counted; it stays that."
    )

    class Meta:
        model = Throttle
        fields = ["name", "most_at_once", "most", "per_seconds", "is_enabled"]
        labels = {
            "most_at_once": "At most at once",
            "most": "At most",
            "per_seconds": "In so many seconds",
            "is_enabled": "In force",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding:
            self.fields.pop("scope", None)
