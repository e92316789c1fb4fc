"""How the workforce looks on the wire; fields are named one by one, nothing is exposed by accident."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents import selectors
from agents.decision.authority import Authority
from agents.decision.calendars import WEEKDAYS
from agents.models import Agent, Calendar, ChangeRequest, ContractSignature, Rule, Stop, Throttle
from agents.models.throttle import LONGEST_SECONDS
from agents.policies import REASON_MAX_LENGTH, REASON_MIN_LENGTH
from agents.selectors.containment import PartState

MOST = 1_000_000

HOURS = "E.g. 09:00-12:00, 13:00-17:30; empty: nobody works."


class AgentSerializer(serializers.ModelSerializer[Agent]):
    """An agent as colleagues see it."""

    department = serializers.SlugRelatedField(slug_field="code", read_only=True)  # type: ignore[var-annotated]
    role = serializers.SlugRelatedField(slug_field="code", read_only=True)  # type: ignore[var-annotated]
    sponsor = serializers.SerializerMethodField(help_text="Who answers for it.")
    on_probation = serializers.BooleanField(
        read_only=True, help_text="A person approves everything it writes, whatever its autonomy is."
    )

    class Meta:
        model = Agent
        fields = [
            "id",
            "code",
            "name",
            "purpose",
            "labels",
            "department",
            "role",
            "sponsor",
            "lifecycle",
            "autonomy",
            "brake",
            "on_probation",
            "probation_since",
            "probation_until",
            "risk_tier",
            "attest_by",
        ]
        read_only_fields = fields

    def get_sponsor(self, agent: Agent) -> str:
        """Return the name of the sponsor."""
        return agent.sponsor.get_full_name() or agent.sponsor.username


class ContractRuleSerializer(serializers.ModelSerializer[Rule]):
    """One rule that binds the caller, in the words an approver reads too."""

    policy = serializers.CharField(source="policy.code")

    class Meta:
        model = Rule
        fields = ["policy", "name", "sentence", "operations", "verdict"]
        read_only_fields = fields


class MeSerializer(serializers.Serializer[Any]):
    """Who the portal takes the caller for. For an agent: its own file and its contract in sentences."""

    kind = serializers.ChoiceField(choices=["person", "agent"])
    id = serializers.UUIDField(help_text="The user, which is the actor in the ledger.")
    name = serializers.CharField()
    agent = AgentSerializer(allow_null=True, help_text="The agent's file; null for a person.")
    groups = serializers.ListField(child=serializers.CharField())
    operations = serializers.ListField(
        child=serializers.CharField(), help_text="Codes of the operations granted to the agent or its role."
    )
    contract = ContractRuleSerializer(many=True, help_text="The enforced rules that bind the agent.")


class ReasonSerializer(serializers.Serializer[Any]):
    """Why, in the person's own words; it goes into the ledger under their name."""

    reason = serializers.CharField(min_length=REASON_MIN_LENGTH, max_length=REASON_MAX_LENGTH)


class ClauseSerializer(serializers.Serializer[Any]):
    """One sentence that binds the agent, and what it means in detail."""

    text = serializers.CharField()
    details = serializers.ListField(child=serializers.CharField())
    heading = serializers.CharField(
        allow_blank=True, help_text="The system it is about, where it is about one."
    )
    origin = serializers.CharField(allow_blank=True, help_text="The policy it comes from, and whom that binds.")


class ContractSectionSerializer(serializers.Serializer[Any]):
    """A part of a contract. ``empty`` says what it means that it holds no clause."""

    key = serializers.ChoiceField(choices=["who", "may", "ask", "never", "limits", "duties", "stop"])
    title = serializers.CharField()
    empty = serializers.CharField(allow_blank=True)
    clauses = ClauseSerializer(many=True)


class ContractAgentSerializer(serializers.Serializer[Any]):
    """The agent that a contract binds."""

    id = serializers.UUIDField()
    name = serializers.CharField()


class ContractSignatureSerializer(serializers.ModelSerializer[ContractSignature]):
    """A person's name under one version of a contract. It is evidence and gives no right."""

    signer = serializers.CharField(source="signer_label")

    class Meta:
        model = ContractSignature
        fields = ["signer", "capacity", "reason", "signed_at"]
        read_only_fields = fields


class ContractSerializer(serializers.Serializer[Any]):
    """The behavioural contract of an agent: what binds it now, in sentences."""

    agent = ContractAgentSerializer()
    digest = serializers.CharField(
        help_text="Names the version: SHA-256 (hex) over everything that binds. Another one, another contract."
    )
    standing = serializers.ListField(
        child=serializers.CharField(),
        help_text="What holds the agent up right now, e.g. a stop. It is no part of the version.",
    )
    sections = ContractSectionSerializer(many=True)
    not_in_force = ClauseSerializer(
        many=True, help_text="Drafts and shadow rules, which decide nothing. Empty for an agent."
    )
    is_signed = serializers.BooleanField(help_text="Whether a person has signed this very version.")
    signatures = ContractSignatureSerializer(
        many=True, help_text="Who signed this version. Empty for an agent."
    )


class ConfirmSerializer(serializers.Serializer[Any]):
    """How somebody shows again who they are."""

    method = serializers.CharField(max_length=20, default="password", help_text="How: password.")
    password = serializers.CharField(
        max_length=4096,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
        help_text="The caller's own password. It is kept nowhere.",
    )


class StepUpSerializer(serializers.Serializer[Any]):
    """What the caller has shown in this session."""

    method = serializers.CharField(help_text="How it was shown; empty: it was not, or too long ago.")
    confirmed_at = serializers.DateTimeField(allow_null=True)
    good_until = serializers.DateTimeField(allow_null=True, help_text="Until then it counts, in this session.")
    methods = serializers.ListField(child=serializers.CharField(), help_text="How it can be shown.")


class SignContractSerializer(ReasonSerializer):
    """The version that was read, and what the signer says about it."""

    digest = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="The digest of the contract as it was read.")


class LabelsSerializer(ReasonSerializer):
    """What an agent can do from now on, and why it is said anew."""

    labels = serializers.ListField(
        child=serializers.RegexField(r"^[a-z0-9][a-z0-9._-]*$", max_length=60),
        max_length=50,
        help_text="All of its labels: work that needs one is offered to agents that have it. No authority.",
    )


class StopSerializer(serializers.ModelSerializer[Stop]):
    """A stop and who pressed it."""

    is_active = serializers.BooleanField(read_only=True)

    class Meta:
        model = Stop
        fields = [
            "id",
            "scope_kind",
            "scope_id",
            "scope_label",
            "reason",
            "raised_by",
            "raised_at",
            "is_exercise",
            "stage",
            "lifted_by",
            "lifted_at",
            "lift_reason",
            "is_active",
        ]
        read_only_fields = fields


class PartSerializer(serializers.Serializer[Any]):
    """One place where a stop has to arrive."""

    kind = serializers.ChoiceField(choices=["process", "duty"])
    name = serializers.CharField(source="label")
    state = serializers.ChoiceField(choices=[state.value for state in PartState])
    sentence = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True, help_text="When it was confirmed; null while it is not.")


class AgentReachedSerializer(serializers.Serializer[Any]):
    """One agent in the scope."""

    id = serializers.UUIDField()
    name = serializers.CharField()
    refused_at = serializers.DateTimeField(
        allow_null=True, help_text="When a call of it was first refused; null: it has not called since."
    )


class ContainmentSerializer(serializers.Serializer[Any]):
    """What is proved about a stop. Nothing here is confirmed without a row that the place itself wrote."""

    requested_at = serializers.DateTimeField()
    confirmed_at = serializers.DateTimeField(
        allow_null=True, help_text="When all parts were first confirmed; null while one is not."
    )
    parts = PartSerializer(many=True)
    agents = AgentReachedSerializer(many=True, help_text="Agents whose tokens are refused while it lasts.")


class RaiseStopSerializer(ReasonSerializer):
    """What to stop, and why."""

    scope_kind = serializers.ChoiceField(choices=Stop.ScopeKind.choices)
    scope_id = serializers.CharField(
        max_length=120, required=False, default="", allow_blank=True, help_text="Empty only for everything."
    )
    is_exercise = serializers.BooleanField(
        required=False,
        default=False,
        help_text="A drill: it stops like any other, and is shown as an exercise.",
    )


class StageSerializer(ReasonSerializer):
    """Which stage, and why."""

    stage = serializers.ChoiceField(choices=Stop.Stage.choices)


class ChangeRequestSerializer(serializers.ModelSerializer[ChangeRequest]):
    """A change of authority that waits, or waited, for a second person."""

    proposer = serializers.SerializerMethodField()
    approver = serializers.SerializerMethodField()
    authority = serializers.ListField(
        child=serializers.CharField(),
        read_only=True,
        help_text="What it lets whom do, sentence by sentence, as it stood when it was proposed. "
        "Empty where a change is not about that.",
    )
    authority_now = serializers.SerializerMethodField(
        help_text="The same as of today, while it waits; null when it is decided or cannot be said, or what it "
        "is about is gone."
    )

    class Meta:
        model = ChangeRequest
        fields = [
            "id",
            "kind",
            "target_kind",
            "target_id",
            "target_label",
            "summary",
            "authority",
            "authority_now",
            "payload",
            "payload_digest",
            "proposer",
            "reason",
            "state",
            "approver",
            "decision_reason",
            "created_at",
            "decided_at",
        ]
        read_only_fields = fields

    @extend_schema_field(serializers.ListField(child=serializers.CharField(), allow_null=True))
    def get_authority_now(self, change_request: ChangeRequest) -> list[str] | None:
        """Return what it would let whom do today."""
        if change_request.state != ChangeRequest.State.PENDING:
            return None
        now = selectors.foreseen(change_request, self._present).now
        return None if now is None else list(now)

    @cached_property
    def _present(self) -> Authority:
        """All authority, read once for a whole list."""
        return selectors.present_authority()

    def get_proposer(self, change_request: ChangeRequest) -> str:
        """Return who asked for it."""
        return change_request.proposer.as_actor().label

    def get_approver(self, change_request: ChangeRequest) -> str | None:
        """Return the second person, if there is one yet."""
        return change_request.approver.as_actor().label if change_request.approver else None


class CalendarSerializer(serializers.ModelSerializer[Calendar]):
    """When people work: the hours of each day of the week, and the days nobody works."""

    departments: Any = serializers.SlugRelatedField(
        slug_field="code", many=True, read_only=True, help_text="Whose own it is; others have the company's."
    )

    class Meta:
        model = Calendar
        fields = ["id", "name", "time_zone", *WEEKDAYS, "holidays", "is_default", "departments"]
        read_only_fields = fields


class ChangeCalendarSerializer(ReasonSerializer):
    """What of a calendar changes, and why; what is left out stays."""

    name = serializers.CharField(max_length=120, required=False)
    time_zone = serializers.CharField(max_length=60, required=False, help_text="IANA name: Europe/Berlin.")
    monday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    tuesday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    wednesday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    thursday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    friday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    saturday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    sunday = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text=HOURS)
    holidays = serializers.CharField(
        max_length=100_000,
        required=False,
        allow_blank=True,
        help_text="One a line: a date and its name; or an .ics file.",
    )
    is_default = serializers.BooleanField(required=False, help_text="It is the company's from now on.")


class AddCalendarSerializer(ChangeCalendarSerializer):
    """A new calendar."""

    name = serializers.CharField(max_length=120)
    time_zone = serializers.CharField(max_length=60, help_text="IANA name: Europe/Berlin.")


class ThrottleSerializer(serializers.ModelSerializer[Throttle]):
    """How much goes on at once, or begins in a time; null: as many as come."""

    words = serializers.CharField(read_only=True, help_text="The same in words.")

    class Meta:
        model = Throttle
        fields = [
            "id",
            "name",
            "scope_kind",
            "scope_id",
            "scope_label",
            "most_at_once",
            "most",
            "per_seconds",
            "is_enabled",
            "words",
            "in_force_since",
        ]
        read_only_fields = fields


class CountedSerializer(serializers.Serializer[Any]):
    """Something that is counted for a throttle."""

    what = serializers.CharField(help_text="In words, e.g. Calls being done.")
    count = serializers.IntegerField()


class ThrottleStandingSerializer(ThrottleSerializer):
    """A throttle with what it meets now."""

    now = serializers.SerializerMethodField()

    class Meta(ThrottleSerializer.Meta):
        fields = [*ThrottleSerializer.Meta.fields, "now"]
        read_only_fields = fields

    @extend_schema_field(CountedSerializer(many=True))
    def get_now(self, throttle: Throttle) -> Any:
        """Return what is counted now."""
        return self.context["counts"]


class _HowMuchSerializer(ReasonSerializer):
    """The numbers of a throttle, and why."""

    most_at_once = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST, help_text="Null: as many as come."
    )
    most = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=MOST, help_text="So many in per_seconds."
    )
    per_seconds = serializers.IntegerField(
        required=False, allow_null=True, min_value=1, max_value=LONGEST_SECONDS, help_text="At most a day."
    )


class AddThrottleSerializer(_HowMuchSerializer):
    """What is throttled from now on."""

    name = serializers.CharField(max_length=120, help_text="As whoever waits for it reads it.")
    scope_kind = serializers.ChoiceField(choices=Throttle.ScopeKind.choices)
    scope_id = serializers.CharField(max_length=120, help_text="Id or code of the system, operation or agent.")


class ChangeThrottleSerializer(_HowMuchSerializer):
    """What of a throttle changes; what is left out stays."""

    name = serializers.CharField(max_length=120, required=False)
    is_enabled = serializers.BooleanField(required=False, help_text="False: nothing waits for it.")


class ThrottleChangeSerializer(serializers.Serializer[Any]):
    """What became of a change: made (no change request), or waiting for a second person."""

    throttle = ThrottleSerializer(help_text="As it stands now.")
    change_request = ChangeRequestSerializer(allow_null=True, help_text="Null: the change is made.")
