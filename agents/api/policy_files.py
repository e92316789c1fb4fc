"""Policies as YAML over HTTP: written for a repository, and read back by the services of every other change."""

from __future__ import annotations

from typing import Any, cast

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import selectors
from agents.api.workforce import CONFLICT, MISSING, REFUSED
from agents.models import User
from agents.permissions import IsPerson
from agents.serializers import ReasonSerializer
from agents.services.policy_files import export_policies
from agents.services.policy_import import Line, Outcome, import_policies, preview_import
from audit.services import refusals_recorded
from audit.vocabulary import Ref

YAML = "application/yaml"
MOST_CHARACTERS = 900_000
STATES = ("added", "changed", "removed", "waits", "waits_already")


class AsYaml(BaseContentNegotiation):
    """A file has one form, whatever the caller would accept; refusals are problems."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return the renderer of problems."""
        return renderers[0], renderers[0].media_type

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """Return the one parser."""
        return parsers[0]


class PolicyTextSerializer(serializers.Serializer[Any]):
    """A file of policies and limits, and whether it is all there is."""

    text = serializers.CharField(
        max_length=MOST_CHARACTERS, trim_whitespace=False, help_text="The file (YAML), as it is exported."
    )
    remove_missing = serializers.BooleanField(
        default=False,
        help_text="Also remove rules of these policies, and put limits out of force, that it does not hold.",
    )


class ImportPoliciesSerializer(PolicyTextSerializer, ReasonSerializer):
    """The same, and why."""


class ImportedLineSerializer(serializers.Serializer[Any]):
    """What becomes of one policy, rule or limit."""

    what = serializers.CharField()
    state = serializers.ChoiceField(
        choices=STATES, help_text="waits: for a second person; waits_already: it was proposed before."
    )
    words = serializers.CharField(allow_blank=True, help_text="What is different.")
    authority = serializers.ListField(
        child=serializers.CharField(), help_text="What a waiting change lets whom do, sentence by sentence."
    )
    change_request = serializers.UUIDField(allow_null=True, help_text="What the second person decides on.")


class ImportedPoliciesSerializer(serializers.Serializer[Any]):
    """What a file changes. Whatever stands as it says already is only counted."""

    lines = ImportedLineSerializer(many=True)
    same = serializers.IntegerField(help_text="Rules and limits that are as the file says already.")
    at_once = serializers.ListField(
        child=serializers.CharField(), help_text="What counts at once lets whom do, sentence by sentence."
    )
    once_agreed = serializers.ListField(
        child=serializers.CharField(),
        help_text="What else it lets whom do once a second person has agreed to all.",
    )


class PoliciesFileView(APIView):
    """All policies and limits as a file."""

    permission_classes = [IsPerson]
    content_negotiation_class = AsYaml

    @extend_schema(
        operation_id="policies_export",
        responses={(200, YAML): OpenApiTypes.STR, **REFUSED},
        tags=["policies"],
    )
    def get(self, request: Request) -> HttpResponse:
        """Return all policies and limits as YAML: by code, in one spelling, for a repository."""
        return as_file(export_policies(actor=_user(request).as_actor()), "policies")


class PolicyFileView(APIView):
    """One policy as a file."""

    permission_classes = [IsPerson]
    content_negotiation_class = AsYaml

    @extend_schema(
        operation_id="policies_export_one",
        responses={(200, YAML): OpenApiTypes.STR, **MISSING},
        tags=["policies"],
    )
    def get(self, request: Request, code: str) -> HttpResponse:
        """Return one policy with its rules as YAML."""
        policy = get_object_or_404(selectors.visible_policies(_user(request)), code=code)
        return as_file(export_policies(actor=_user(request).as_actor(), chosen=[policy]), policy.code)


class PreviewPoliciesView(APIView):
    """Look at what a file would change."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="policies_preview",
        request=PolicyTextSerializer,
        responses={200: ImportedPoliciesSerializer, **CONFLICT},
        tags=["policies"],
    )
    def post(self, request: Request) -> Response:
        """Return what importing a file would change and let whom do; nothing is changed by it."""
        form = PolicyTextSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        outcome = preview_import(actor=_user(request).as_actor(), **form.validated_data)
        return Response(ImportedPoliciesSerializer(shown_outcome(outcome, is_preview=True)).data)


class ImportPoliciesView(APIView):
    """Make policies what a file says."""

    permission_classes = [IsPerson]

    @extend_schema(
        operation_id="policies_import",
        request=ImportPoliciesSerializer,
        responses={200: ImportedPoliciesSerializer, **CONFLICT},
        tags=["policies"],
    )
    def post(self, request: Request) -> Response:
        """Apply what tightens, all of it or nothing; what loosens becomes change requests for another."""
        form = ImportPoliciesSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        actor = _user(request).as_actor()
        with refusals_recorded(actor=actor, subject=Ref("agents.policy", "", "A file of policies")):
            outcome = import_policies(actor=actor, **form.validated_data)
        return Response(ImportedPoliciesSerializer(shown_outcome(outcome)).data)


def as_file(text: str, name: str) -> HttpResponse:
    """Return YAML as a file to keep, which a browser does not open."""
    answer = HttpResponse(text, content_type=f"{YAML}; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def shown_outcome(outcome: Outcome, *, is_preview: bool = False) -> dict[str, Any]:
    """Return what a file changes as plain data; what a preview proposed was taken back."""
    return {
        "lines": [_line(line, is_preview=is_preview) for line in outcome.lines],
        "same": outcome.same,
        "at_once": [said.text for said in outcome.at_once],
        "once_agreed": [said.text for said in outcome.once_agreed],
    }


def _line(line: Line, *, is_preview: bool) -> dict[str, Any]:
    # What a preview proposed was taken back; what waited before it is there to be read.
    is_there = line.change_request is not None and not (is_preview and line.state == "waits")
    return {
        "what": line.what,
        "state": line.state,
        "words": line.words,
        "authority": line.authority,
        "change_request": line.change_request.pk if is_there and line.change_request else None,
    }


def _user(request: Request) -> User:
    return cast("User", request.user)
