"""What is sent about work: claims, heartbeats, answers. Members that nobody knows are refused."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from workflows.api.serializers import JSONObjectField, StrictSerializer
from workflows.tasks.services.asking import LONGEST_WAIT
from workflows.tasks.services.claiming import LONGEST_LEASE, MOST_AT_ONCE, SHORTEST_LEASE

LONGEST_DELAY = 86_400  # seconds


def lease_field(**more: Any) -> serializers.IntegerField:
    """Return the field that says for how many seconds a claim holds."""
    return serializers.IntegerField(
        min_value=SHORTEST_LEASE,
        max_value=LONGEST_LEASE,
        required=False,
        help_text="Seconds the claim holds without a heartbeat.",
        **more,
    )


class ClaimNextSerializer(StrictSerializer):
    """How much work, and for how long without a sign of life."""

    most = serializers.IntegerField(
        min_value=1, max_value=MOST_AT_ONCE, default=1, help_text="Take no more tasks than this."
    )
    lease_seconds = lease_field(default=60)


class ClaimSerializer(StrictSerializer):
    """Take this one; an agent's claim holds 60 seconds if it says nothing else, a person's until released."""

    lease_seconds = lease_field()


class OfClaimSerializer(StrictSerializer):
    """A body that names the claim it speaks for."""

    epoch = serializers.IntegerField(
        min_value=1, max_value=2**31 - 1, help_text="Epoch of the claim; an older one is refused."
    )


class HeartbeatSerializer(OfClaimSerializer):
    """I am still at it."""

    lease_seconds = lease_field(default=60)
    progress = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="How far it is, for people."
    )


class CompletionSerializer(OfClaimSerializer):
    """It is done, and this came of it."""

    answer = JSONObjectField(required=False, help_text="What `answer_schema` asks for. No fractions.")
    reason = serializers.CharField(
        max_length=500, required=False, allow_blank=True, help_text="In your own words; kept and shown."
    )


class FailureSerializer(OfClaimSerializer):
    """It cannot be done, and why."""

    code = serializers.RegexField(
        r"^[a-z][a-z0-9_]{0,59}\Z",
        error_messages={"invalid": "One word of small letters, digits and _, e.g. malformed."},
        help_text="A stable word the workflow can go by, e.g. malformed.",
    )
    message = serializers.CharField(max_length=1000, help_text="The same for people.")
    retry = serializers.BooleanField(help_text="Whether another attempt may help.")
    detail = JSONObjectField(required=False, help_text="More, for machines.")


class ReleaseSerializer(OfClaimSerializer):
    """Give it back."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True)
    wait_for_action = serializers.UUIDField(
        required=False, help_text="Offer it again when this action of the task has ended."
    )
    wait_for_question = serializers.UUIDField(
        required=False, help_text="Offer it again when this question of the task is closed."
    )
    after_seconds = serializers.IntegerField(
        min_value=0, max_value=LONGEST_DELAY, required=False, help_text="Offer it again after so many seconds."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse to wait for two things: the one that ends first would end the wait."""
        if {"wait_for_action", "wait_for_question"} <= set(attrs):
            raise serializers.ValidationError("A task waits for one thing: an action or a question.")
        return attrs


class RecipientSerializer(StrictSerializer):
    """Exactly one of these."""

    agent = serializers.CharField(max_length=60, required=False, help_text="Code of an agent.")
    role = serializers.CharField(max_length=60, required=False, help_text="Code of a role: any of its agents.")
    group = serializers.CharField(max_length=150, required=False, help_text="Name of a group of people.")
    person = serializers.CharField(max_length=150, required=False, help_text="User name of a person.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse none, and more than one."""
        if len(attrs) != 1:
            raise serializers.ValidationError("Name exactly one of agent, role, group and person.")
        return attrs


class HandOffSerializer(OfClaimSerializer):
    """Let somebody else go on with it."""

    to = RecipientSerializer(help_text="Among those who take part in the workflow.")
    reason = serializers.CharField(max_length=500, help_text="Why; kept and shown.")
    note = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, help_text="What whoever goes on should know."
    )


class QuestionSerializer(OfClaimSerializer):
    """Ask somebody else."""

    question = serializers.CharField(max_length=4000, help_text="In your own words; shown as text.")
    to = RecipientSerializer(help_text="Among those who take part in the workflow.")
    schema = JSONObjectField(required=False, help_text="JSON Schema of the answer; none: an answer in words.")
    wait = serializers.BooleanField(
        default=False, help_text="Give the task back, and have it offered again with the answer."
    )
    within_seconds = serializers.IntegerField(
        min_value=1, max_value=LONGEST_WAIT, default=86_400, help_text="Then the question expires unanswered."
    )
