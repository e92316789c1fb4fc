"""How approvals, votes, comments and questions go over the wire."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workflows.api.serializers import ReasonedSerializer, StrictSerializer
from workflows.api.work import AnswerSerializer
from workflows.approvals.models import Approval, Escalation, RejectCode, Stage, Vote
from workflows.approvals.selectors import description, shapes_of, voters_for
from workflows.approvals.services import MOST_TOGETHER
from workflows.permissions import caller
from workflows.tasks.models import Comment


class VoteSerializer(ReasonedSerializer):
    """A vote on exactly what was shown."""

    verdict = serializers.ChoiceField(choices=Vote.Verdict.choices)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="The digest of the approval as it was shown.")
    on_behalf_of = serializers.CharField(
        max_length=150,
        required=False,
        help_text="User name of who is away and has handed it on to you; left out: your own vote.",
    )
    code = serializers.ChoiceField(
        choices=RejectCode.choices, required=False, help_text="Of a rejection: what kind of reason it is."
    )
    instead = serializers.CharField(
        max_length=1000, required=False, help_text="Of a rejection: what the agent is told to do instead."
    )


class ChoiceSerializer(StrictSerializer):
    """One of several approvals that are alike."""

    id = serializers.UUIDField(help_text="The approval.")
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="Its digest as it was shown.")


class VoteTogetherSerializer(ReasonedSerializer):
    """One verdict and one reason for several that are alike; each is voted on by itself."""

    verdict = serializers.ChoiceField(choices=Vote.Verdict.choices)
    approvals = serializers.ListField(child=ChoiceSerializer(), min_length=1, max_length=MOST_TOGETHER)


class VoteOutcomeSerializer(serializers.Serializer[Any]):
    """What became of one of them."""

    approval = serializers.UUIDField(source="approval_id")
    state = serializers.CharField(
        source="approval.state", default=None, allow_null=True, help_text="As it stands now; null: refused."
    )
    code = serializers.CharField(source="refusal.code", default="", help_text="Why it was refused, or empty.")
    detail = serializers.CharField(source="refusal.message", default="", help_text="The same in words.")


class VotedTogetherSerializer(serializers.Serializer[Any]):
    """What became of each."""

    results = VoteOutcomeSerializer(many=True)


class SayCommentSerializer(StrictSerializer):
    """What is said about an approval."""

    text = serializers.CharField(max_length=4000, help_text="Shown as text, under your name. Kept for good.")


class AskBackSerializer(StrictSerializer):
    """What the agent that asks is asked."""

    question = serializers.CharField(max_length=4000, help_text="In your words; the agent answers in words.")
    within_seconds = serializers.IntegerField(
        min_value=1,
        max_value=7 * 86_400,
        default=86_400,
        help_text="Then the question expires unanswered; with the approval at the latest.",
    )


class CommentSerializer(serializers.ModelSerializer):
    """What a person said about an approval."""

    author = serializers.CharField(source="author_label", read_only=True, help_text="Who said it.")
    at = serializers.DateTimeField(source="created_at", read_only=True)

    class Meta:
        model = Comment
        fields = ["id", "author", "text", "at"]
        read_only_fields = fields


class ApprovalSerializer(serializers.ModelSerializer):
    """One approval in a list."""

    groups: Any = serializers.SlugRelatedField(
        source="approver_groups", slug_field="name", many=True, read_only=True
    )

    class Meta:
        model = Approval
        fields = [
            "id",
            "subject_kind",
            "subject_id",
            "subject_label",
            "requester_label",
            "sentence",
            "state",
            "reason",
            "digest",
            "quorum",
            "groups",
            "stage",
            "step_up",
            "created_at",
            "expires_at",
            "clock_stopped_at",
            "clock_reason",
            "decided_at",
        ]
        read_only_fields = fields


class CastVoteSerializer(serializers.ModelSerializer):
    """One vote, as it was cast."""

    user = serializers.CharField(source="user.username")
    on_behalf_of = serializers.CharField(
        source="on_behalf_of.username",
        default=None,
        allow_null=True,
        help_text="Who is away, whose right it is.",
    )
    through = serializers.CharField(
        source="through.username", default=None, allow_null=True, help_text="Who handed it on between."
    )

    class Meta:
        model = Vote
        fields = [
            "user", "on_behalf_of", "through", "stage", "verdict", "reason", "code", "instead", "at",
            "step_up_at", "step_up_method",
        ]  # fmt: skip
        read_only_fields = fields


class EscalationSerializer(serializers.ModelSerializer):
    """Who may vote in place of one group, from when on."""

    group = serializers.CharField(
        source="group.name", default=None, allow_null=True, help_text="Whose members may vote, too."
    )
    person = serializers.CharField(
        source="person.username", default=None, allow_null=True, help_text="Or the person who may."
    )
    stands_for = serializers.CharField(source="stands_for.name", help_text="In place of which group.")

    class Meta:
        model = Escalation
        fields = [
            *("stage", "level", "asks", "group", "person", "stands_for", "at", "in_working_time", "done_at"),
            *("seconds", "working_seconds", "passed_over"),
        ]
        read_only_fields = fields


class ApprovalStageSerializer(serializers.ModelSerializer):
    """Who decides at one stage. The first without ``agreed_at`` is on, unless all is decided."""

    groups: Any = serializers.SlugRelatedField(slug_field="name", many=True, read_only=True)

    class Meta:
        model = Stage
        fields = [
            "number",
            "groups",
            "quorum",
            "refuse_seconds",
            "refuse_working_seconds",
            "begun_at",
            "agreed_at",
        ]
        read_only_fields = fields


class ApprovalDetailSerializer(ApprovalSerializer):
    """One approval with everything a voter must see."""

    subject = serializers.SerializerMethodField()
    votes = CastVoteSerializer(many=True, read_only=True)
    stages = ApprovalStageSerializer(
        many=True, read_only=True, help_text="Who decides one after the other; nobody at two of them."
    )
    escalations = EscalationSerializer(many=True, read_only=True)
    comments = CommentSerializer(source="task.comments", many=True, read_only=True)
    questions = AnswerSerializer(
        source="task.questions",
        many=True,
        read_only=True,
        help_text="What its agent was asked and answered.",
    )
    shape = serializers.SerializerMethodField(
        help_text="Approvals with the same shape may be voted on together; null: it is decided by itself."
    )
    may_vote_for = serializers.SerializerMethodField(
        help_text="User names for whom the caller could vote now: the caller's own, and of who is away."
    )

    class Meta(ApprovalSerializer.Meta):
        fields = [
            *ApprovalSerializer.Meta.fields, "policy_version", "subject", "votes", "may_vote_for", "remind_at",
            "reminded_at", "stages", "escalations", "comments", "questions", "shape",
        ]  # fmt: skip
        read_only_fields = fields

    def get_shape(self, approval: Approval) -> str | None:
        """Return what those have in common that may be voted on together with it."""
        shape = shapes_of([approval]).get(approval.pk)
        return shape.key if shape else None

    def get_may_vote_for(self, approval: Approval) -> list[str]:
        """Return for whom the caller could vote; nobody once it is decided."""
        if approval.state != Approval.State.PENDING:
            return []
        return voters_for(caller(self.context["request"]), approval)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_subject(self, approval: Approval) -> dict[str, Any]:
        """Return what is to be decided, as its subject describes it."""
        return description(approval)
