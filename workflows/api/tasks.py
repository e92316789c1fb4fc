"""Work over HTTP: agents claim what is offered to their role, people what waits for their groups."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from audit.vocabulary import Actor, Ref
from workflows.api.bodies import (
    ClaimNextSerializer,
    ClaimSerializer,
    CompletionSerializer,
    FailureSerializer,
    HandOffSerializer,
    HeartbeatSerializer,
    QuestionSerializer,
    ReleaseSerializer,
)
from workflows.api.serializers import ProblemSerializer, StrictSerializer, require_choice
from workflows.api.work import ClaimedSerializer, TaskSerializer, with_work
from workflows.permissions import IsAgent, IsKnown, caller
from workflows.tasks import broadcast, selectors, services
from workflows.tasks.models import Task

# Names the channel that tells of new work. The long poll reads it and takes it out of the answer.
WAKE_HEADER = "X-Portal-Wake"

problem = OpenApiResponse(ProblemSerializer, description="Refused; the problem says why and what to do next.")
REFUSALS = dict.fromkeys((401, 403, 404, 409, 422), problem)


class Tasks(generics.ListAPIView):
    """The tasks the caller may see."""

    serializer_class = TaskSerializer
    permission_classes = [IsKnown]

    def get_queryset(self) -> Any:
        """Return what the caller may see, by state and kind if asked."""
        found = with_work(selectors.readable_by(caller(self.request)))
        for name, choices in (("state", Task.State.values), ("kind", Task.Kind.values)):
            if wanted := self.request.query_params.get(name):
                found = found.filter(**{name: require_choice(name, wanted, choices)})
        return found

    @extend_schema(
        operation_id="list_tasks",
        parameters=[
            OpenApiParameter("state", str, enum=Task.State.values),
            OpenApiParameter("kind", str, enum=Task.Kind.values),
        ],
        responses={200: TaskSerializer(many=True), 422: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the tasks the caller may see, newest first: an agent's own and those it may take."""
        return super().get(request, *args, **kwargs)


class TaskDetail(generics.RetrieveAPIView):
    """One task."""

    serializer_class = TaskSerializer
    permission_classes = [IsKnown]
    lookup_url_kwarg = "task_id"

    def get_queryset(self) -> Any:
        """Return what the caller may see; anything else is not found."""
        return with_work(selectors.readable_by(caller(self.request)))

    @extend_schema(
        operation_id="read_task",
        parameters=[
            OpenApiParameter(
                "wait",
                int,
                description="Of a task that is claimed: answer when none of its questions is open, "
                "at the latest after so many seconds (30).",
            )
        ],
        responses={200: TaskSerializer, 404: problem},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Read a task: what is asked, who has it, and what came of it."""
        return super().get(request, *args, **kwargs)


class NextTasks(APIView):
    """The next work of an agent."""

    permission_classes = [IsAgent]

    @extend_schema(
        operation_id="claim_next_tasks",
        parameters=[
            OpenApiParameter(
                "wait", int, description="Answer when there is work, at the latest after so many seconds (30)."
            )
        ],
        request=ClaimNextSerializer,
        responses={200: ClaimedSerializer, **dict.fromkeys((401, 403, 422), problem)},
    )
    def post(self, request: Request) -> Response:
        """Claim what is offered to the agent's role, most urgent first. No work is an empty list."""
        wanted = _valid(ClaimNextSerializer, request)
        claimed = services.claim_next(actor=caller(request).as_actor(), **wanted)
        shown = _in_order(claimed)
        response = Response({"tasks": TaskSerializer(shown, many=True).data})
        if not shown and "wait" in request.query_params:
            response[WAKE_HEADER] = broadcast.channel_of(caller(request).agent.role_id)
        return response


class TaskVerb(APIView):
    """What whoever has a task does with it."""

    permission_classes = [IsKnown]
    body: type[StrictSerializer]

    def post(self, request: Request, task_id: Any) -> Response:
        """Do it, and answer the task as it stands then."""
        if not selectors.reachable_by(caller(request)).filter(pk=task_id).exists():
            raise Http404
        given = _valid(self.body, request)
        self.do(caller(request).as_actor(), task_id, given)
        return Response(TaskSerializer(with_work(Task.objects.filter(pk=task_id)).get()).data)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Call the service of this verb."""
        raise NotImplementedError


class Claim(TaskVerb):
    """Take one task by its id."""

    body = ClaimSerializer

    @extend_schema(
        operation_id="claim_task", request=ClaimSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Claim a task; its epoch stands for this claim. A person keeps it until they give it back."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Claim it."""
        services.claim_task(actor=actor, task_id=task_id, **given)


class Heartbeat(TaskVerb):
    """Keep a claim."""

    body = HeartbeatSerializer

    @extend_schema(
        operation_id="heartbeat_task", request=HeartbeatSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Keep a claim for so many seconds from now, and say how far the work is."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Keep it."""
        services.heartbeat_task(actor=actor, task_id=task_id, **given)


class Completion(TaskVerb):
    """Answer a task."""

    body = CompletionSerializer

    @extend_schema(
        operation_id="complete_task", request=CompletionSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Complete a task with an answer that fits `answer_schema`. The same answer again is no error."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Complete it."""
        services.complete_task(actor=actor, task_id=task_id, **given)


class Failure(TaskVerb):
    """Say that the work cannot be done."""

    body = FailureSerializer

    @extend_schema(
        operation_id="fail_task", request=FailureSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Fail a task: for good, or to be tried again a little later until its attempts are used up."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Fail it."""
        services.fail_task(actor=actor, task_id=task_id, **given)


class Release(TaskVerb):
    """Give a task back."""

    body = ReleaseSerializer

    @extend_schema(
        operation_id="release_task", request=ReleaseSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Give a task back: at once, after some seconds, or once an action or a question of it has ended."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Release it."""
        awaited = given.pop("wait_for_action", None)
        if awaited:
            given["wait_for"] = Ref("actions.action", str(awaited), "an action of its own")
        if question := given.pop("wait_for_question", None):
            given["wait_for"] = Ref("tasks.task", str(question), "an answer")
        services.release_task(actor=actor, task_id=task_id, **given)


class HandOff(TaskVerb):
    """Pass a task on."""

    body = HandOffSerializer

    @extend_schema(
        operation_id="hand_off_task", request=HandOffSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Pass a task on to another agent, the agents of a role, or people. Your claim is over then."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Pass it on."""
        services.hand_off_task(actor=actor, task_id=task_id, **given)


class Question(TaskVerb):
    """Ask others."""

    body = QuestionSerializer

    @extend_schema(
        operation_id="ask_question", request=QuestionSerializer, responses={200: TaskSerializer, **REFUSALS}
    )
    def post(self, request: Request, task_id: Any) -> Response:
        """Ask others what you need to go on; the answer comes back in `answers` of your task."""
        return super().post(request, task_id)

    def do(self, actor: Actor, task_id: Any, given: dict[str, Any]) -> None:
        """Ask it."""
        services.ask_question(actor=actor, task_id=task_id, **given)


def _valid(body: type[StrictSerializer], request: Request) -> dict[str, Any]:
    found = body(data=request.data)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def _in_order(claimed: list[Task]) -> list[Task]:
    """Return claimed tasks with their work, in the order they were claimed."""
    found = {task.pk: task for task in with_work(Task.objects.filter(pk__in=[task.pk for task in claimed]))}
    return [found[task.pk] for task in claimed]
