"""Events as the API gives them."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit.models import Event
from audit.selectors import FEED_LIMIT

LARGEST_POSITION = 2**63 - 1


class FeedQuerySerializer(serializers.Serializer):
    """Where the reader stands, and which events are asked for; filters combine."""

    after = serializers.IntegerField(
        default=0,
        min_value=0,
        max_value=LARGEST_POSITION,
        help_text="Give events after this position: 0 at first, then the `next_after` of the last answer.",
    )
    limit = serializers.IntegerField(
        default=100, min_value=1, max_value=FEED_LIMIT, help_text="The most events in one answer."
    )

    actor = serializers.CharField(required=False, max_length=64, help_text="Who did it: a user's id.")
    agent = serializers.CharField(required=False, max_length=64, help_text="Of one agent, by its id.")
    behalf = serializers.CharField(required=False, max_length=64, help_text="On whose behalf: a user's id.")
    action = serializers.CharField(required=False, max_length=64, help_text="Of one action, by its id.")
    run = serializers.CharField(required=False, max_length=64, help_text="Of one run, by its id.")
    system = serializers.CharField(required=False, max_length=64, help_text="Of one system, by its id.")
    department = serializers.CharField(required=False, max_length=64, help_text="Of one department, by id.")
    operation = serializers.CharField(
        required=False, max_length=200, help_text="Of one operation, by its code."
    )
    correlation = serializers.CharField(
        required=False, max_length=64, help_text="What one request caused, by its correlation id."
    )
    subject_kind = serializers.CharField(
        required=False, max_length=100, help_text="What it was done to, e.g. `agents.agent`; with `subject`."
    )
    subject = serializers.CharField(required=False, max_length=64, help_text="Its id; with `subject_kind`.")
    verb = serializers.CharField(
        required=False, max_length=100, help_text="What happened, e.g. `actions.action_held`."
    )
    decision = serializers.ChoiceField(required=False, choices=Event.Decision.choices)
    effect = serializers.ChoiceField(required=False, choices=Event.Effect.choices)
    since = serializers.DateTimeField(required=False, help_text="Not before this moment.")
    until = serializers.DateTimeField(required=False, help_text="Before this moment.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse what would look like a filter: whoever sent it would take every event for what was asked."""
        if unknown := set(self.initial_data) - set(self.fields):
            known = ", ".join(sorted(self.fields))
            no_filter = f"The feed has no such filter: leave it out. It knows {known}."
            raise serializers.ValidationError({name[:100]: [no_filter] for name in unknown})
        if bool(attrs.get("subject")) != bool(attrs.get("subject_kind")):
            raise serializers.ValidationError(
                {"subject": ["Give subject and subject_kind together, or neither."]}
            )
        if attrs.get("since") and attrs.get("until") and attrs["since"] >= attrs["until"]:
            raise serializers.ValidationError({"until": ["This is before `since`. Give a later moment."]})
        return attrs


class EventSerializer(serializers.ModelSerializer):
    """One fact. Empty text means: does not apply."""

    position = serializers.IntegerField(
        read_only=True, help_text="Its place in the ledger: dense, in commit order."
    )
    erased = serializers.SerializerMethodField(
        help_text="What was erased of it, by part (`words`, `data`): when (`at`), under which rule (`under`). "
        "Empty: nothing. The names, sentence and reason of an event whose words were erased are empty."
    )
    index = serializers.SerializerMethodField(
        help_text="Its place in the tree that is sealed: the position less one; null while not numbered."
    )
    leaf_hash = serializers.CharField(
        read_only=True,
        allow_null=True,
        help_text="What it is sealed as: the leaf hash of RFC 6962 in hex; null while it is not sealed.",
    )
    payload = serializers.SerializerMethodField(
        help_text="The machine-readable part; null without the permission audit.view_payload."
    )

    class Meta:
        model = Event
        fields = [
            "position",
            "index",
            "leaf_hash",
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
            "delegated_id",
            "action_id",
            "run_id",
            "system_id",
            "department_id",
            "operation",
            "correlation_id",
            "decision",
            "code",
            "effect",
            "agreement",
            "risk",
            "remedy",
            "sentence",
            "reason",
            "payload",
            "erased",
        ]
        read_only_fields = fields

    def get_erased(self, event: Event) -> dict[str, dict[str, str]]:
        """Return what was erased of it."""
        return event.erased

    def get_index(self, event: Event) -> int | None:
        """Return the position less one."""
        position: int | None = event.position  # type: ignore[attr-defined]
        return None if position is None else position - 1

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
