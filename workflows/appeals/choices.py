"""Where an appeal stands, and a proposed change that came of several."""

from __future__ import annotations

from django.db.models import TextChoices


class State(TextChoices):
    """What people said about an appeal. None of it allows anything: a denied action stays denied."""

    OPEN = "open", "Waits for an answer"
    UPHELD = "upheld", "The rule is right"
    ASK_AGAIN = "ask_again", "The agent may ask again"
    CHANGE_RULE = "change_rule", "The rule is to be changed"
    LAPSED = "lapsed", "Nobody answered"


ANSWERS = (State.UPHELD, State.ASK_AGAIN, State.CHANGE_RULE)
# What the agent reads beside the words of the person who answered.
NEXT = {
    State.OPEN: "Wait for the answer; do not send the same again meanwhile.",
    State.UPHELD: "Stop: a person looked at it and the rule stands.",
    State.ASK_AGAIN: "Ask again with a new idempotency key; it is decided anew, and may be denied again.",
    State.CHANGE_RULE: "Wait: a person changes the rule. It is in force only when a second person agrees.",
    State.LAPSED: "Stop, or ask your sponsor: nobody answered.",
}


class ProposalState(TextChoices):
    """What became of a proposed change of a contested rule."""

    OPEN = "open", "Nobody has taken it up"
    TAKEN_UP = "taken_up", "A person took it up"
    DISMISSED = "dismissed", "A person put it aside"
    GONE = "gone", "Too few appeals are left for it"


class Against(TextChoices):
    """What an appeal is against."""

    RULE = "rule", "Rule"
    LIMIT = "limit", "Limit"
    GRANT = "grant", "Missing grant"
