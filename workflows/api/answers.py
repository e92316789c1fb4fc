"""How an action answers over HTTP: done 201, waiting 202, refused a problem that explains."""

from __future__ import annotations

from functools import cache

from rest_framework import status
from rest_framework.response import Response

from audit.vocabulary import Refusal, RefusalKind
from workflows.actions.choices import State
from workflows.actions.models import Action
from workflows.api.serializers import ActionSerializer, action_url, deciding_rules

STATUS = {
    State.CONFIRMED: status.HTTP_201_CREATED,
    State.HELD: status.HTTP_202_ACCEPTED,
    State.AUTHORIZED: status.HTTP_202_ACCEPTED,
    State.DISPATCHED: status.HTTP_202_ACCEPTED,
    State.IN_DOUBT: status.HTTP_202_ACCEPTED,
}
KIND_OF_STATE = {
    State.FAILED: RefusalKind.INVALID,
    State.WITHDRAWN: RefusalKind.CONFLICT,
    State.SUPERSEDED: RefusalKind.CONFLICT,
}
KIND_OF_CODE = {"limit_reached": RefusalKind.LIMITED, "duplicate": RefusalKind.CONFLICT}


def answer(action: Action) -> Response:
    """Return the answer to whoever asked for this action; raise Refusal for what will not be done."""
    if action.state not in STATUS:
        raise refusal_of(action)
    response = Response(_shown().to_representation(action), status=STATUS[State(action.state)])
    response["Location"] = response.data["url"]
    return response


@cache
def _shown() -> ActionSerializer:
    """Return one to show every action with; it keeps nothing of what it shows."""
    return ActionSerializer()


def refusal_of(action: Action) -> Refusal:
    """Return why an action was not done: code, words, rules in words, next move, and where to read it again."""
    follows = action.replaced_by
    kind = KIND_OF_STATE.get(State(action.state)) or KIND_OF_CODE.get(action.code, RefusalKind.FORBIDDEN)
    return Refusal(
        action.code,
        f"{action.label}: {action.sentence}",
        detail={
            "action": str(action.pk),
            "url": action_url(action),
            "state": action.state,
            "rules": deciding_rules(action.explanation),
            **({"replaced_by": str(follows.pk)} if follows else {}),
        },
        kind=kind,
        next_step=action.next_step,
    )
