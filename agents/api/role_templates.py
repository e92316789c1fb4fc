"""Role templates over HTTP: those that come with the product, one's own, and a role written as one."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import policies
from agents.api.policy_files import (
    MOST_CHARACTERS,
    STATES,
    YAML,
    AsYaml,
    ImportedLineSerializer,
    as_file,
    shown_outcome,
)
from agents.api.workforce import CONFLICT, MISSING, REFUSED
from agents.models import Role, User
from agents.permissions import IsPerson
from agents.selectors.sentences import limit_words, rule_words
from agents.serializers import ReasonSerializer
from agents.services.role_catalogue import export_role, shipped_templates, shipped_text
from agents.services.role_templates import STRICTNESS, Taken, Wish, preview_template, take_template
from audit.services import refusals_recorded
from audit.vocabulary import Ref, Refusal, RefusalKind

ABOUT = Ref("agents.role", "", "A role template")
MOST_GROUPS = 100


class TemplateLineSerializer(ImportedLineSerializer):
    """What becomes of the role, one rule, limit or grant."""

    state = serializers.ChoiceField(
        choices=(*STATES, "refused"),
        help_text="waits: for a second person; refused: was not proposed, words say why.",
    )


class RoleTemplateSerializer(serializers.Serializer[Any]):
    """One template that comes with the product."""

    code = serializers.CharField()
    name = serializers.CharField()
    version = serializers.IntegerField()
    summary = serializers.CharField()
    groups = serializers.ListField(child=serializers.CharField(), help_text="Groups of people its rules ask.")


class TemplateWishSerializer(serializers.Serializer[Any]):
    """Which template, and how it is to be taken."""

    template = serializers.CharField(required=False, max_length=60, help_text="The code of one that is listed.")
    text = serializers.CharField(
        required=False, max_length=MOST_CHARACTERS, trim_whitespace=False, help_text="Or your own, as YAML."
    )
    mode = serializers.ChoiceField(
        choices=["", *STRICTNESS],
        default="",
        help_text="Of every rule and limit: draft, shadow or enforced. Empty: as the template says.",
    )
    groups = serializers.DictField(
        child=serializers.CharField(max_length=150),
        default=dict,
        help_text="For a group that the template names: which group of this company stands for it.",
    )
    grants = serializers.BooleanField(default=True, help_text="Also propose the grants that it suggests.")
    update = serializers.BooleanField(  # type: ignore[assignment]
        default=False, help_text="Bring a role that exists already to what the template says."
    )

    def validate(self, attrs: Any) -> Any:
        """Take exactly one template."""
        if bool(attrs.get("template")) == bool(attrs.get("text")):
            raise serializers.ValidationError("Name a template, or send a text; one of the two.")
        if len(attrs["groups"]) > MOST_GROUPS:
            raise serializers.ValidationError({"groups": [f"There are more than {MOST_GROUPS}."]})
        return attrs


class TakeTemplateSerializer(TemplateWishSerializer, ReasonSerializer):
    """The same, and why."""


class TemplateRuleSerializer(serializers.Serializer[Any]):
    """One rule in words."""

    name = serializers.CharField()
    mode = serializers.CharField()
    words = serializers.ListField(child=serializers.CharField())


class TemplateNeedSerializer(serializers.Serializer[Any]):
    """What the role would need, and what of it this company has. Nothing is granted by it."""

    operations = serializers.CharField(help_text="A pattern.")
    why = serializers.CharField(allow_blank=True)
    fits = serializers.ListField(child=serializers.CharField(), help_text="Operations of this company.")
    held = serializers.ListField(child=serializers.CharField(), help_text="Those granted to the role already.")


class TakenTemplateSerializer(serializers.Serializer[Any]):
    """What taking a template does, and what of it waits or is missing."""

    code = serializers.CharField()
    name = serializers.CharField()
    existed = serializers.BooleanField()
    lines = TemplateLineSerializer(many=True)
    same = serializers.IntegerField()
    rules = TemplateRuleSerializer(many=True)
    limits = serializers.ListField(child=serializers.CharField())
    performance = serializers.ListField(child=serializers.CharField())
    waits_for_system = serializers.ListField(
        child=serializers.CharField(), help_text="Rules and limits kept as drafts, each with why."
    )
    missing_groups = serializers.ListField(child=serializers.CharField())
    needed = TemplateNeedSerializer(many=True)
    at_once = serializers.ListField(child=serializers.CharField())
    once_agreed = serializers.ListField(child=serializers.CharField())


class RoleTemplatesView(APIView):
    """The templates that come with the product."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="role_templates",
        responses={200: RoleTemplateSerializer(many=True), **REFUSED},
        tags=["roles"],
    )
    def get(self, request: Request) -> Response:
        """List them; each is read as YAML at its own address."""
        _require(request)
        found = [
            {
                "code": it.role.code,
                "name": it.role.name,
                "version": it.role.version,
                "summary": it.role.summary,
                "groups": list(it.groups),
            }
            for it in shipped_templates()
        ]
        return Response(RoleTemplateSerializer(found, many=True).data)


class RoleTemplateFileView(APIView):
    """One of them as a file."""

    permission_classes = [IsPerson]
    content_negotiation_class = AsYaml

    @extend_schema(
        operation_id="role_templates_file",
        responses={(200, YAML): OpenApiTypes.STR, **MISSING},
        tags=["roles"],
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """Return it as YAML: to be read, changed and sent as one's own."""
        _require(request)
        return as_file(shipped_text(code), code)


class RoleFileView(APIView):
    """A role of this company as a template."""

    permission_classes = [IsPerson]
    content_negotiation_class = AsYaml

    @extend_schema(
        operation_id="roles_export", responses={(200, YAML): OpenApiTypes.STR, **MISSING}, tags=["roles"]
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """Return the role with its rules, limits and grants as YAML, for another company or a repository."""
        user = _user(request)
        policies.require(policies.may_publish_rule(user.as_actor()))
        role = get_object_or_404(Role.objects.select_related("group"), code=code)
        return as_file(export_role(actor=user.as_actor(), role=role), f"role-{role.code}")


class PreviewTemplateView(APIView):
    """Look at what a template would bring."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="role_templates_preview",
        request=TemplateWishSerializer,
        responses={200: TakenTemplateSerializer, **CONFLICT},
        tags=["roles"],
    )
    def post(self, request: Request) -> Response:
        """Return the role, its rules in words, and what is missing in this company; nothing is changed."""
        given = _valid(TemplateWishSerializer(data=request.data))
        taken = preview_template(actor=_user(request).as_actor(), text=_text(given), wish=_wish(given))
        return Response(TakenTemplateSerializer(shown(taken, is_preview=True)).data)


class TakeTemplateView(APIView):
    """Take a role from a template."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="role_templates_apply",
        request=TakeTemplateSerializer,
        responses={200: TakenTemplateSerializer, **CONFLICT},
        tags=["roles"],
    )
    def post(self, request: Request) -> Response:
        """Add the role with its rules and limits, all of it or nothing; grants wait for a second person."""
        given = _valid(TakeTemplateSerializer(data=request.data))
        actor = _user(request).as_actor()
        with refusals_recorded(actor=actor, subject=ABOUT):
            taken = take_template(actor=actor, text=_text(given), reason=given["reason"], wish=_wish(given))
        return Response(TakenTemplateSerializer(shown(taken)).data)


def shown(taken: Taken, *, is_preview: bool = False) -> dict[str, Any]:
    """Return what taking a template does as plain data."""
    return {
        "code": taken.template.role.code,
        "name": taken.template.role.name,
        "existed": taken.existed,
        **shown_outcome(taken.outcome, is_preview=is_preview),
        "rules": [{"name": it.name, "mode": it.mode, "words": rule_words(it)} for it in taken.rules],
        "limits": [limit_words(it) for it in taken.limits],
        "performance": [it.words for it in taken.template.role.performance],
        "waits_for_system": taken.waits_for_system,
        "missing_groups": list(taken.missing_groups),
        "needed": [
            {
                "operations": it.suggestion.operations,
                "why": it.suggestion.why,
                "fits": [operation.code for operation in it.fits],
                "held": sorted(it.held),
            }
            for it in taken.needed
        ],
    }


def _valid(form: serializers.Serializer[Any]) -> dict[str, Any]:
    form.is_valid(raise_exception=True)
    return cast("dict[str, Any]", form.validated_data)


def _text(given: dict[str, Any]) -> str:
    try:
        return str(given.get("text") or shipped_text(given["template"]))
    except Refusal as refusal:
        # The address exists; it is the body that names what does not.
        raise Refusal(
            refusal.code, refusal.message, kind=RefusalKind.INVALID, next_step=refusal.next_step
        ) from None


def _wish(given: dict[str, Any]) -> Wish:
    return Wish(**{name: given[name] for name in ("mode", "groups", "grants", "update")})


def _require(request: Request) -> None:
    policies.require(policies.may(_user(request).as_actor(), "agents.add_role", "take a role from a template"))


def _user(request: Request) -> User:
    return cast("User", request.user)
