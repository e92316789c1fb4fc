"""Events as the API gives them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit.models import Event
from audit.selectors import FEED_LIMIT

LARGEST_POSITION = 2**63 - 1


class FeedQuerySerializer(serializers.Serializer):
    """Where the reader stands."""

    after = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=LARGEST_POSITION,
        help_text="Give events after this position: 0 at first, then the `next_after` of the last answer.",
    )
    limit = serializers.IntegerField(
        default=100, min_value=1, max_value=FEED_LIMIT, help_text="The most events in one answer."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what would look like a filter: whoever sent it would take every event for what was asked."""
        if unknown := set(self.initial_data) - set(self.fields):
            no_filter = "The feed has no such filter: it gives every event that you may see."
            raise serializers.ValidationError({name[:100]: [no_filter] for name in unknown})
        return attrs


class EventSerializer(serializers.ModelSerializer):
    """One fact. Empty text means: does not apply."""

    position = serializers.IntegerField(
        read_only=True, help_text="Its place in the ledger: dense, in commit order."
    )
    payload = serializers.SerializerMethodField(
        help_text="The machine-readable part; null without the permission audit.view_payload."
    )

    class Meta:
        model = Event
        fields = [
            "position",
            "id",
            "occurred_at",
            "verb",
            "actor_kind",
            "actor_id",
            "actor_label",
            "subject_kind",
            "subject_id",
            "subject_label",
            "agent_id",
            "action_id",
            "run_id",
            "system_id",
            "department_id",
            "correlation_id",
            "delegated_id",
            "operation",
            "decision",
            "code",
            "risk",
            "effect",
            "agreement",
            "remedy",
            "sentence",
            "reason",
            "payload",
        ]
        read_only_fields = fields

    def get_payload(self, event: Event) -> dict[str, Any] | None:
        """Return the payload for readers who may see it."""
        payload = getattr(event, "payload", None) if self.context.get("with_payload") else None
        return payload.data if payload else None


class FeedPageSerializer(serializers.Serializer):
    """One page of the feed."""

    events = EventSerializer(many=True)
    next_after = serializers.IntegerField(
        help_text="Ask again with this as `after`. You have everything once it stays what you sent."
    )
