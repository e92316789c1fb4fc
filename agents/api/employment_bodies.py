"""How the employment of agents looks on the wire; fields are named one by one."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from agents.models import TERM_FIELDS, Certificate, LifecycleTerms, Role
from agents.policies import REASON_MAX_LENGTH, REASON_MIN_LENGTH
from agents.serializers import ReasonSerializer

MOST = 500


class EvidenceSerializer(serializers.Serializer[Any]):
    """What the records count of an agent since its probation began, or since it was last decided on."""

    since = serializers.CharField()
    days = serializers.IntegerField()
    asked = serializers.IntegerField()
    allowed = serializers.IntegerField()
    held = serializers.IntegerField()
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    denied = serializers.IntegerField()
    limits = serializers.IntegerField(help_text="Of the denied, those above a limit.")
    failed = serializers.IntegerField()
    in_doubt = serializers.IntegerField()
    reversed = serializers.IntegerField(help_text="Actions that were taken back.")
    median_seconds = serializers.IntegerField(
        allow_null=True, help_text="Half of what was held was decided in so many seconds; null: nothing was."
    )


class MomentSerializer(serializers.Serializer[Any]):
    """One step of an agent's life. ``certificate`` is '' where there is none."""

    at = serializers.DateTimeField()
    title = serializers.CharField()
    text = serializers.CharField()
    certificate = serializers.CharField(allow_blank=True)


class TermsSerializer(serializers.ModelSerializer[LifecycleTerms]):
    """Terms of employment; ``role`` null is the company. 0 in a number of the record switches it off."""

    role = serializers.SlugRelatedField(slug_field="code", read_only=True, allow_null=True)  # type: ignore[var-annotated]

    class Meta:
        model = LifecycleTerms
        fields = ["role", *TERM_FIELDS]
        read_only_fields = fields


class SetTermsSerializer(ReasonSerializer):
    """Which terms are to be different; what is left out stays as it is."""

    role = serializers.SlugRelatedField(
        slug_field="code",
        queryset=Role.objects.all(),
        allow_null=True,
        required=False,
        default=None,
        help_text="Whose terms; null: those of the company.",
    )
    probation_days = serializers.IntegerField(required=False, min_value=0, max_value=3660)
    attest_every_days = serializers.IntegerField(required=False, min_value=0, max_value=3660)
    attest_notice_days = serializers.IntegerField(required=False, min_value=0, max_value=3660)
    attest_grace_days = serializers.IntegerField(required=False, min_value=0, max_value=3660)
    denials = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    limits = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    doubts = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    reversals = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000)
    window_days = serializers.IntegerField(required=False, min_value=1, max_value=366)
    breach_then = serializers.ChoiceField(choices=LifecycleTerms.BreachThen.choices, required=False)


class EmploymentTermsSerializer(serializers.Serializer[Any]):
    """The terms that apply to one agent: those of its role, or of the company."""

    probation_days = serializers.IntegerField()
    attest_every_days = serializers.IntegerField()
    attest_notice_days = serializers.IntegerField()
    attest_grace_days = serializers.IntegerField()
    denials = serializers.IntegerField()
    limits = serializers.IntegerField()
    doubts = serializers.IntegerField()
    reversals = serializers.IntegerField()
    window_days = serializers.IntegerField()
    breach_then = serializers.ChoiceField(choices=LifecycleTerms.BreachThen.choices)


class EmploymentSerializer(serializers.Serializer[Any]):
    """Where an agent stands as an employee, with the record that a person reads before they decide about it."""

    state = serializers.CharField(help_text="In one line, for people.")
    on_probation = serializers.BooleanField()
    probation_since = serializers.DateTimeField(allow_null=True)
    probation_until = serializers.DateField(allow_null=True, help_text="Planned; it never ends by itself.")
    attest_by = serializers.DateField(allow_null=True)
    contract = serializers.CharField(help_text="The digest to confirm it with.")
    terms = EmploymentTermsSerializer()
    evidence = EvidenceSerializer()
    timeline = MomentSerializer(many=True)


class DemoteSerializer(ReasonSerializer):
    """How far an agent is put back."""

    to = serializers.ChoiceField(choices=LifecycleTerms.BreachThen.choices)


class AttestSerializer(ReasonSerializer):
    """What who answers for an agent states about it."""

    still_needed = serializers.BooleanField(help_text="It still needs what it may do, less what is taken away.")
    digest = serializers.CharField(max_length=64, help_text="The contract that was read.")
    take_away = serializers.ListField(
        child=serializers.CharField(max_length=120),
        max_length=MOST,
        required=False,
        help_text="Codes of operations granted to it itself that it needs no longer.",
    )


class HandoverItemSerializer(serializers.Serializer[Any]):
    """Something an agent has open. ``blocking``: it is settled before the agent is retired."""

    key = serializers.CharField()
    kind = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    becomes = serializers.CharField(help_text="What becomes of it when it is left.")
    blocking = serializers.BooleanField()
    can_be_handed_over = serializers.SerializerMethodField(help_text="Another agent can get it.")

    def get_can_be_handed_over(self, item: Any) -> bool:
        """Tell whether another agent can get it."""
        return item.hand_over is not None


class SettlementSerializer(serializers.Serializer[Any]):
    """What becomes of one open item: ``to`` names the agent that gets it, left out it is left."""

    key = serializers.CharField(max_length=200)
    to = serializers.SlugField(max_length=60, required=False, help_text="The code of another agent.")
    reason = serializers.CharField(min_length=REASON_MIN_LENGTH, max_length=REASON_MAX_LENGTH)


class RetireSerializer(ReasonSerializer):
    """Why an agent is retired, and what becomes of what it has open."""

    settled = SettlementSerializer(many=True, required=False)


class CertificateSerializer(serializers.ModelSerializer[Certificate]):
    """What was decided about an agent, word for word."""

    agent = serializers.SlugRelatedField(slug_field="code", read_only=True)  # type: ignore[var-annotated]

    class Meta:
        model = Certificate
        fields = [
            "id",
            "agent",
            "kind",
            "issued_at",
            "signer_label",
            "proposer_label",
            "reason",
            "text",
            "content",
            "digest",
            "evidence_digest",
            "contract_digest",
        ]
        read_only_fields = fields
