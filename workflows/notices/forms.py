"""What people fill in about channels."""

from __future__ import annotations

from audit.adminkit import ReasonModelForm
from workflows.notices.models import Channel


class ChannelForm(ReasonModelForm):
    """Where a chat system listens."""

    class Meta:
        model = Channel
        fields = ["name", "address", "groups", "agent", "private_networks", "is_enabled"]
        labels = {
            "groups": "Tells of what waits for",
            "agent": "Or: the agent that listens",
            "is_enabled": "Switched on",
        }
