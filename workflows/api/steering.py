"""What people do to a run and its steps over HTTP: each verb shows first what it would change, if asked to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.models import Agent, User
from audit.vocabulary import Refusal, RefusalKind
from workflows.api.runs import RunDetailSerializer, problem, shown, visible_run
from workflows.api.serializers import JSONObjectField, StrictSerializer
from workflows.permissions import IsPerson, caller
from workflows.runs import services
from workflows.runs.models import Run, Step

REFUSED = dict.fromkeys((401, 403, 404, 409, 422), problem)


class SteeringSerializer(StrictSerializer):
    """Why, or only the question what would happen."""

    reason = serializers.CharField(
        max_length=1000,
        required=False,
        allow_blank=True,
        help_text="Why; it is kept and shown. Not needed for a preview.",
    )
    preview = serializers.BooleanField(
        required=False, help_text="True: say what would change, and write nothing."
    )
    seen = serializers.CharField(
        max_length=64,
        required=False,
        help_text="`seen` of a preview: do it only if that is still what it would change, else 409.",
    )


class PauseSerializer(SteeringSerializer):
    """How to pause."""

    stop_clocks = serializers.BooleanField(required=False, help_text="Deadlines stand still (the default).")


class PrioritySerializer(SteeringSerializer):
    """How urgent."""

    priority = serializers.IntegerField(min_value=1, max_value=5, help_text="1 is looked at first, 5 can wait.")


class SkipSerializer(SteeringSerializer):
    """What the run reads as its answer instead."""

    answer = JSONObjectField(required=False, help_text="The answer that conditions read; empty if left out.")


class OverrideSerializer(SteeringSerializer):
    """The answer of a step."""

    answer = JSONObjectField(help_text="It has to fit what the step asks for.")


class RedirectSerializer(SteeringSerializer):
    """Who is to do it: an agent, a person, or whoever of a group takes it."""

    agent = serializers.SlugField(max_length=60, required=False, help_text="Code of an agent of its role.")
    person = serializers.CharField(max_length=150, required=False, help_text="User name of a person.")
    group = serializers.CharField(max_length=150, required=False, help_text="Name of a group of people.")


class DeadlineSerializer(SteeringSerializer):
    """By when."""

    due_at = serializers.DateTimeField(help_text="A time to come, with its offset (RFC 3339).")


class ChangeSerializer(serializers.Serializer):
    """One thing that changes or stays."""

    kind = serializers.CharField(
        help_text="ends, loses, taken_back, goes_on, stays, answers, begins, settles, waits or run."
    )
    sentence = serializers.CharField(help_text="In words.")
    step = serializers.CharField(help_text="Id, or empty.")
    task = serializers.CharField(help_text="Id, or empty.")
    action = serializers.CharField(help_text="Id, or empty.")
    who = serializers.CharField(help_text="Name, or empty.")


class EffectSerializer(serializers.Serializer):
    """What a verb changed, or would change now."""

    verb = serializers.CharField()
    done = serializers.BooleanField(help_text="False: it was a preview, and nothing was written.")
    seen = serializers.CharField(help_text="Names this effect; send it with the verb to be sure of it.")
    changes = ChangeSerializer(many=True)


class Steering(APIView):
    """One verb."""

    permission_classes = [IsPerson]
    body: ClassVar[type[SteeringSerializer]] = SteeringSerializer
    answers_with_run: ClassVar[bool] = False

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        raise NotImplementedError

    def post(self, request: Request, run_id: Any, step_id: Any = None) -> Response:
        """Do it, or say what it would change."""
        run = visible_run(request, run_id)
        step = _step(run, step_id) if step_id else None
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        actor, verb = caller(request).as_actor(), self.verb(given)
        if given.get("preview"):
            effect = services.preview_steering(actor=actor, run=run, verb=verb, step=step)
            return Response(_told(effect, done=False))
        why, seen = given.get("reason", ""), given.get("seen", "")
        effect = services.steer_run(actor=actor, run=run, verb=verb, reason=why, step=step, seen=seen)
        return Response(shown(request, run) if self.answers_with_run else _told(effect, done=True))


def _step(run: Run, step_id: Any) -> Step:
    found = Step.objects.filter(run=run, pk=step_id).first()
    if found is None:
        raise Http404
    return found


def _told(effect: services.Effect, *, done: bool) -> dict[str, Any]:
    return {"verb": effect.verb, "done": done, "seen": effect.seen, "changes": effect.as_data()}


def described(name: str, body: type[SteeringSerializer], *, with_run: bool = False) -> Any:
    """Describe one verb; a run that is cancelled or goes on is answered with the run, a preview never is."""
    answer: Any = EffectSerializer
    if with_run:
        answer = PolymorphicProxySerializer(
            component_name=f"{name.title().replace('_', '')}Answer",
            serializers=[RunDetailSerializer, EffectSerializer],
            resource_type_field_name=None,
        )
    responses = {200: OpenApiResponse(answer, description="What changed, or would change."), **REFUSED}
    return extend_schema(operation_id=name, request=body, responses=responses)


class Cancellation(Steering):
    """End a run before its end."""

    answers_with_run = True

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Cancel()

    @described("cancel_run", SteeringSerializer, with_run=True)
    def post(self, request: Request, run_id: Any) -> Response:
        """Cancel a run: its open tasks and held actions are taken back, what was done stays done."""
        return super().post(request, run_id)


class Retry(Steering):
    """Let a run go on that waits for an operator."""

    answers_with_run = True

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Retry()

    @described("retry_run", SteeringSerializer, with_run=True)
    def post(self, request: Request, run_id: Any) -> Response:
        """Do the first step again that a run stopped at, as a new generation."""
        return super().post(request, run_id)


class Pausing(Steering):
    """Let nothing new begin."""

    body = PauseSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Pause(stop_clocks=given.get("stop_clocks", True))

    @described("pause_run", PauseSerializer)
    def post(self, request: Request, run_id: Any) -> Response:
        """Pause a run: what has begun may finish, nothing new begins, and deadlines stand still if wanted."""
        return super().post(request, run_id)


class Resuming(Steering):
    """Let a paused run go on."""

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Resume()

    @described("resume_run", SteeringSerializer)
    def post(self, request: Request, run_id: Any) -> Response:
        """Let a paused run go on: what came meanwhile takes effect now."""
        return super().post(request, run_id)


class Priority(Steering):
    """How urgent a run is."""

    body = PrioritySerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.ChangePriority(given["priority"])

    @described("change_run_priority", PrioritySerializer)
    def post(self, request: Request, run_id: Any) -> Response:
        """Change how urgent a run is: its turns and its open tasks come sooner or later."""
        return super().post(request, run_id)


class StepRetry(Steering):
    """Let one step go on that waits for an operator."""

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Retry()

    @described("retry_step", SteeringSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Do a step again that waits for an operator. An operation that was done is not: only what follows."""
        return super().post(request, run_id, step_id)


class StepRerun(Steering):
    """Do a step and what follows again."""

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Rerun()

    @described("rerun_step", SteeringSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Do a step and all that follows again, as new generations; what was done is kept, and not undone."""
        return super().post(request, run_id, step_id)


class StepSkip(Steering):
    """Go on without a step."""

    body = SkipSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Skip(given.get("answer", {}))

    @described("skip_step", SkipSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Go on as if a step were done, with this answer or none. Nothing is done for it."""
        return super().post(request, run_id, step_id)


class StepOverride(Steering):
    """Give the answer of a step."""

    body = OverrideSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Override(given["answer"])

    @described("override_step", OverrideSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Set the answer of a step: an open one goes on with it, a closed one is corrected."""
        return super().post(request, run_id, step_id)


class StepRedirect(Steering):
    """Give the work of a step to another."""

    body = RedirectSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for; whoever is not known can take nothing."""
        return services.Redirect(_whom(given))

    @described("redirect_step", RedirectSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Give the work of a step to another agent of its role, or to people; whoever has it loses it.

        People are those whom its workflow means: of the groups it names, or in charge of it in its department.
        No auditors, and nobody who decided on what was asked for in it. A refusal names who may have it.
        """
        return super().post(request, run_id, step_id)


class StepDeadline(Steering):
    """By when a step is to be done."""

    body = DeadlineSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.ChangeDeadline(given["due_at"])

    @described("change_step_deadline", DeadlineSerializer)
    def post(self, request: Request, run_id: Any, step_id: Any) -> Response:
        """Change the time by which a step is to be done."""
        return super().post(request, run_id, step_id)


def _whom(given: Mapping[str, Any]) -> services.Taker:
    """Return the agent, person or group that is named; exactly one of them is."""
    named = [(kind, str(given[kind]).replace("\x00", "")) for kind in _FINDERS if given.get(kind)]
    if len(named) != 1:
        raise serializers.ValidationError({"agent": ["Name one agent, one person or one group."]})
    ((kind, name),) = named
    found = _FINDERS[kind](name).first()
    if found is None:
        raise Refusal(
            "nobody_of_that_name",
            f"The work was not given to anybody: there is no {kind} {name[:80]!r}.",
            kind=RefusalKind.INVALID,
            next_step="Name an agent of its role by its code, a person by the user name, or a group of people.",
        )
    return found


_FINDERS: Mapping[str, Callable[[str], QuerySet[Any]]] = {
    "agent": lambda code: User.objects.filter(pk__in=Agent.objects.filter(code=code).values("user")),
    "person": lambda name: User.objects.filter(username=name, kind=User.Kind.PERSON),
    "group": lambda name: Group.objects.filter(name=name),
}
