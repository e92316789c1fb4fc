"""What people fill in about channels."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import Group

from agents.models import Role
from agents.selectors.offers import EVERY_AGENT, every_agent
from audit.adminkit import ReasonModelForm
from audit.forms import OfferedRowField
from workflows.notices.models import Channel


class ChannelForm(ReasonModelForm):
    """Where a chat system listens. Groups of agents are not offered: what waits for them is told to nobody."""

    agent = OfferedRowField(
        every_agent,
        EVERY_AGENT,
        "listeners",
        themed=True,
        required=False,
        label="Or: the agent that listens",
        help_text="Instead of groups: the agent that listens there; it is told what concerns it.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "groups" in self.fields:
            people = Group.objects.exclude(pk__in=Role.objects.values("group"))
            self.fields["groups"].queryset = people.order_by("name")  # type: ignore[attr-defined]

    class Meta:
        model = Channel
        fields = ["name", "address", "groups", "agent", "private_networks", "is_enabled"]
        labels = {
            "groups": "Tells of what waits for",
            "is_enabled": "Switched on",
        }
        help_texts = {
            "private_networks": "Networks inside the company the address may lead to, as a list: "
            '["10.2.0.0/16"]. [] names none: for a chat on the internet.',
        }
