"""What goes over the wire. Unknown members are refused, so that a misspelt one is never silently dropped."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from workflows.actions import selectors
from workflows.actions.choices import Outcome
from workflows.actions.models import Action
from workflows.actions.services import Ask
from workflows.documents.models import Document

MOST_EVIDENCE = 50
MOST_LABELS = 100


def require_choice(name: str, value: str, choices: Iterable[str]) -> str:
    """Return a choice of a query as it is; a misspelt one is refused, for an empty list would be a lie."""
    known = list(choices)
    if value not in known:
        raise serializers.ValidationError(
            {name: [f"There is no {value[:40]!r}. Use one of: {', '.join(known)}."]}
        )
    return value


class StrictSerializer(serializers.Serializer):
    """A request body: every member is known."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse members nobody declared together with whatever else is wrong: all is told at once."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, dict) else []
        wrong: dict[str, Any] = {str(name)[:100]: ["This member is not known."] for name in unknown}
        try:
            found = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**wrong, **cast("dict[str, Any]", error.detail)}) from None
        if wrong:
            raise serializers.ValidationError(wrong)
        return found


class JSONObjectField(serializers.DictField):
    """A JSON object, kept as it came."""


class AskSerializer(StrictSerializer):
    """What an agent asks for."""

    operation = serializers.CharField(max_length=120, help_text="Code of the operation.")
    arguments = JSONObjectField(help_text="Arguments that fit the operation's schema. No fractions.")
    reason = serializers.CharField(
        max_length=4000, required=False, allow_blank=True, help_text="Why, in the agent's words. Untrusted."
    )
    evidence = serializers.ListField(
        child=serializers.JSONField(),
        required=False,
        max_length=MOST_EVIDENCE,
        help_text="What the agent goes by: references or short quotes. Untrusted.",
    )
    confidence = serializers.CharField(
        max_length=20, required=False, allow_blank=True, help_text="How sure the agent is, as text. Untrusted."
    )
    on_behalf_of = serializers.UUIDField(required=False, help_text="The person it is done for.")
    provenance = serializers.DictField(
        child=serializers.CharField(max_length=100),
        required=False,
        help_text="Label of the source of each argument; rules may read it.",
    )
    task = serializers.UUIDField(
        required=False, help_text="The task it belongs to, which the agent has claimed."
    )
    task_epoch = serializers.IntegerField(required=False, min_value=1, help_text="Epoch of that claim.")
    correlation_id = serializers.CharField(max_length=64, required=False, help_text="Your own trace id.")

    def validate_provenance(self, labels: dict[str, str]) -> dict[str, str]:
        """Bound how many labels there are."""
        if len(labels) > MOST_LABELS:
            raise serializers.ValidationError(f"At most {MOST_LABELS} labels.")
        return labels

    def ask(self) -> Ask:
        """Return the validated body as the service takes it."""
        return ask_of(self.validated_data)


def ask_of(asked: dict[str, Any]) -> Ask:
    """Return a validated body as the service takes it."""
    return Ask(
        operation=asked["operation"],
        arguments=asked["arguments"],
        reason=asked.get("reason", ""),
        evidence=tuple(asked.get("evidence", ())),
        confidence=asked.get("confidence", ""),
        on_behalf_of=str(asked.get("on_behalf_of", "")),
        provenance=asked.get("provenance", {}),
        task_id=str(asked.get("task", "")),
        task_epoch=asked.get("task_epoch"),
        correlation_id=asked.get("correlation_id", ""),
    )


class PreviewSerializer(AskSerializer):
    """A question: what would be decided? People name the agent by its code."""

    agent = serializers.SlugField(
        max_length=60, required=False, help_text="Only for people: code of the agent."
    )


class ReasonedSerializer(StrictSerializer):
    """A body that says why; never a component of its own, because the workforce has one of that shape."""

    reason = serializers.CharField(max_length=1000, help_text="Why; it is kept and shown.")


class WithdrawalSerializer(ReasonedSerializer):
    """Why the agent takes it back."""


class ResolutionSerializer(ReasonedSerializer):
    """What a person found out about an action in doubt."""

    outcome = serializers.ChoiceField(choices=["confirmed", "failed"])


@extend_schema_field({"type": "object", "additionalProperties": {}})
class ResultField(serializers.JSONField):
    """What the system answered, or null."""


class ActionSerializer(serializers.ModelSerializer):
    """One action as it stands."""

    agent = serializers.CharField(source="agent.code", help_text="Code of the agent.")
    operation = serializers.CharField(source="operation_code")
    arguments = serializers.SerializerMethodField()
    result = ResultField(
        allow_null=True, read_only=True, help_text="What the system answered, as output_schema says; or null."
    )
    outcome = serializers.ChoiceField(
        choices=[("", "Not done (yet)"), *Outcome.choices],
        read_only=True,
        help_text="What was found when the record was read back.",
    )
    next = serializers.CharField(source="next_step", help_text="The legal next move.")
    url = serializers.SerializerMethodField()
    decision = serializers.SerializerMethodField()
    is_final = serializers.BooleanField(read_only=True)
    waits_for = serializers.SerializerMethodField(
        help_text="Name of the throttle that leaves it no room now, or null. It goes on by itself."
    )

    replaces = serializers.UUIDField(
        source="replaces_id",
        allow_null=True,
        read_only=True,
        help_text="The action whose arguments a person changed, or null: this one takes its place.",
    )
    replaced_by = serializers.SerializerMethodField(
        help_text="The action that took its place, because a person changed the arguments; or null."
    )
    edited_by = serializers.SerializerMethodField(help_text="Who changed the arguments, or null.")

    class Meta:
        model = Action
        fields = [
            "id",
            "url",
            "agent",
            "operation",
            "arguments",
            "label",
            "state",
            "is_final",
            "code",
            "sentence",
            "next",
            "decision",
            "result",
            "remote_ref",
            "outcome",
            "approval",
            "correlation_id",
            "requested_at",
            "decided_at",
            "dispatched_at",
            "finished_at",
            "expires_at",
            "waits_for",
            "waits_since",
            "replaces",
            "replaced_by",
            "edited_by",
            "edit_reason",
        ]
        read_only_fields = fields

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_arguments(self, action: Action) -> dict[str, Any]:
        """Return the arguments, without those a rule hides."""
        return selectors.shown_arguments(action)

    def get_waits_for(self, action: Action) -> str | None:
        """Return the name of what it waits for its turn at."""
        return action.waits_for.name if action.waits_for_turn and action.waits_for else None

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_replaced_by(self, action: Action) -> str | None:
        """Return the key of what took its place."""
        found = action.replaced_by
        return str(found.pk) if found else None

    def get_edited_by(self, action: Action) -> str | None:
        """Return the name of whoever changed it."""
        return str(action.edited_by) if action.edited_by else None

    def get_url(self, action: Action) -> str:
        """Return the address of the action."""
        return action_url(action)

    @extend_schema_field(OpenApiTypes.OBJECT)
    def get_decision(self, action: Action) -> dict[str, Any]:
        """Return the decision in words: verdict, code, the rules that decided."""
        return decision_words(action.explanation)


class DocumentSerializer(serializers.ModelSerializer):
    """One document; its bytes have an address of their own."""

    class Meta:
        model = Document
        fields = ["id", "sha256", "media_type", "size", "name", "source", "created_at"]
        read_only_fields = fields


class OperationSerializer(serializers.Serializer):
    """One operation the caller may use."""

    code = serializers.CharField(read_only=True)
    name = serializers.CharField(read_only=True)
    description = serializers.CharField(read_only=True)
    system = serializers.CharField(source="system.code", read_only=True, help_text="Code of the system.")
    environment = serializers.CharField(source="system.environment", read_only=True)
    effect = serializers.CharField(read_only=True)
    idempotent = serializers.BooleanField(read_only=True)
    revision = serializers.IntegerField(source="current_revision.number", read_only=True)


class OperationDetailSerializer(OperationSerializer):
    """One operation with its schemas (JSON Schema 2020-12)."""

    input_schema = JSONObjectField(source="current_revision.input_schema", read_only=True)
    output_schema = JSONObjectField(source="current_revision.output_schema", read_only=True)


class DecisionSerializer(serializers.Serializer):
    """What would be decided now."""

    verdict = serializers.ChoiceField(choices=["allow", "hold", "deny"])
    code = serializers.CharField()
    sentence = serializers.CharField()
    next = serializers.CharField()
    rules = serializers.ListField(child=serializers.CharField(), help_text="The rules that decide, in words.")
    explanation = JSONObjectField()


@extend_schema_field({"type": ["object", "array"], "items": {"type": "object"}})
class ErrorsField(serializers.JSONField):
    """What was refused, member by member."""


class ProblemSerializer(serializers.Serializer):
    """A refusal (RFC 9457): what was refused, why, and the legal next move."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="Stable code.")
    detail = serializers.CharField()
    next = serializers.CharField(required=False)
    rules = serializers.ListField(child=serializers.CharField(), required=False)
    action = serializers.UUIDField(required=False, help_text="The record of the refusal, if there is one.")
    url = serializers.CharField(required=False, help_text="Where to read that record.")
    state = serializers.CharField(required=False, help_text="The state of that action.")
    replaced_by = serializers.UUIDField(
        required=False, help_text="What took the place of that action, because a person changed the arguments."
    )
    # The member of the problem has the name of a property that only an input has.
    errors = ErrorsField(  # type: ignore[assignment]
        required=False, help_text="What is wrong, by member or as a list with pointers."
    )
    retry_after = serializers.IntegerField(required=False, help_text="Seconds, as in the header Retry-After.")


def action_url(action: Action) -> str:
    """Return the address of an action."""
    return reverse("workflows-api:action", args=[action.pk])


def decision_words(explanation: dict[str, Any]) -> dict[str, Any]:
    """Return a recorded decision as its agent may read it: verdict, code and the deciding rules in words.

    Rules that did not decide, shadow rules and limits are the company's own business.
    """
    if not explanation:
        return {}
    return {
        "verdict": explanation["verdict"],
        "code": explanation["code"],
        "sentence": explanation["sentence"],
        "rules": deciding_rules(explanation),
        "policy_version": explanation["policy_version"],
        **({"standing": explanation["standing"]} if "standing" in explanation else {}),
    }


def deciding_rules(explanation: dict[str, Any]) -> list[str]:
    """Return the rules that decided, in words."""
    deciding = set(explanation.get("deciding", []))
    return [
        rule["sentence"] or rule["name"] for rule in explanation.get("rules", []) if rule["rule_id"] in deciding
    ]
