"""The dry run: what would be decided now, and why. Nothing is recorded and nothing is reserved."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import Agent, User
from agents.selectors import visible_agents
from workflows.actions import services
from workflows.actions.services import explanation
from workflows.api.serializers import (
    DecisionSerializer,
    PreviewSerializer,
    ProblemSerializer,
    deciding_rules,
    decision_words,
)
from workflows.permissions import IsKnown, caller

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")


class Decisions(APIView):
    """Ask what would be decided."""

    permission_classes = [IsKnown]

    @extend_schema(
        operation_id="preview_decision",
        request=PreviewSerializer,
        responses={200: DecisionSerializer, **dict.fromkeys((401, 403, 404, 422), problem)},
    )
    def post(self, request: Request) -> Response:
        """Decide without doing: an agent for itself, a person with the permission for an agent they see."""
        body = PreviewSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        judgement = services.preview_decision(
            actor=caller(request).as_actor(), agent=_agent(request, body), ask=body.ask()
        )
        decision = judgement.decision
        whole = explanation(decision, judgement.request)
        is_person = caller(request).kind == User.Kind.PERSON
        return Response(
            {
                "verdict": str(decision.verdict),
                "code": decision.code,
                "sentence": decision.sentence,
                "next": decision.next_step,
                "rules": deciding_rules(whole),
                "explanation": whole if is_person else decision_words(whole),
            }
        )


def _agent(request: Request, body: PreviewSerializer) -> Agent:
    code = body.validated_data.get("agent", "")
    if caller(request).kind == User.Kind.AGENT:
        own = caller(request).agent
        if code and code != own.code:
            raise ValidationError({"agent": ["An agent asks for itself; leave this member out."]})
        return own
    if not code:
        raise ValidationError({"agent": ["Name the agent by its code."]})
    return get_object_or_404(visible_agents(caller(request)), code=code)
