"""What a reader of the ledger asks for, as a form: names are picked, ids pasted, addresses shared."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils.functional import lazy

from audit import asking, reading, registry
from audit.models import Event
from audit.wording import said

# Which names a field offers.
PICKED = {
    "actor": "actor",
    "behalf": "person",
    "agent": "agent",
    "system": "system",
    "department": "department",
}
MOST_NAMES = 500
COMMON = ("q", "verb", "decision", "effect", "since", "until")
MOMENT = "%Y-%m-%dT%H:%M"
REFERENCES = {
    "actor": "Who did it",
    "agent": "Agent",
    "behalf": "On whose behalf",
    "system": "System",
    "department": "Department",
    "operation": "Operation",
    "action": "Action",
    "run": "Run",
    "correlation": "Request",
}
HELP = {
    "operation": "By its code, e.g. erp.invoice.post.",
    "action": "Its id.",
    "run": "Its id.",
    "correlation": "The id that everything has which one request caused.",
}
# How people call what is named otherwise in verbs.
ROOMS = {
    "agents": "Agents and people",
    "audit": "Ledger",
    "connectors": "Systems and calls",
    "notices": "Channels and mails",
}


class LedgerForm(forms.Form):
    """Every way to narrow the ledger; they combine freely, and nothing is required."""

    q = forms.CharField(label="Word", required=False, max_length=200, help_text="A word, a name or an id.")
    verb = forms.ChoiceField(label="What happened", required=False)
    decision = forms.ChoiceField(
        label="Decision", required=False, choices=[("", "Any"), *Event.Decision.choices]
    )
    effect = forms.ChoiceField(
        label="What came of it", required=False, choices=[("", "Any"), *Event.Effect.choices]
    )
    since = forms.DateTimeField(label="From", required=False, help_text="In UTC, this moment included.")
    until = forms.DateTimeField(label="Until", required=False, help_text="In UTC, this moment left out.")
    kind = forms.CharField(label="Kind of object", required=False, max_length=100)
    object = forms.CharField(label="Object", required=False, max_length=64, help_text="Its id.")
    before = forms.UUIDField(required=False, widget=forms.HiddenInput)
    after = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any, *, user: Any, with_choices: bool = True) -> None:
        super().__init__(data, auto_id="ask_%s")
        self.user = user
        self._names: dict[str, dict[str, str]] = {}
        for name, label in REFERENCES.items():
            column: Any = Event._meta.get_field(asking.COLUMNS[name])
            self.fields[name] = forms.CharField(
                label=label,
                required=False,
                max_length=column.max_length,
                help_text=HELP.get(name, "A name or an id."),
            )
        for name in ("since", "until"):
            self.fields[name].widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format=MOMENT)
        verb: Any = self.fields["verb"]
        verb.choices = [("", "Anything"), *_verbs_by_room()]
        if with_choices:
            self._offer()

    def _offer(self) -> None:
        for name, kind in PICKED.items():
            self.fields[name].widget.attrs["list"] = f"names-{kind}"
            self._known(name)
        offered = [(kind, asking.kind_words(kind)) for kind in reading.kinds()]
        choices = [("", "Any"), *sorted(offered, key=lambda it: it[1])]
        given = self.data.get("kind", "")
        if given and given not in dict(choices):
            choices.append((given, given))
        self.fields["kind"].widget = forms.Select(choices=choices)

    def common(self) -> list[forms.BoundField]:
        """Return the fields that stand open."""
        return [self[name] for name in COMMON]

    def further(self) -> list[forms.BoundField]:
        """Return those that are folded."""
        return [field for field in self.visible_fields() if field.name not in COMMON]

    def asks_more(self) -> bool:
        """Say whether something is asked by a folded field, or wrong in one."""
        return any(field.value() or field.errors for field in self.further())

    def offered(self) -> list[tuple[str, list[str]]]:
        """Return the names that fields offer, by the id of their list."""
        return [
            (f"names-{kind}", sorted(set(known.values()), key=str.lower)[:MOST_NAMES])
            for kind, known in self._names.items()
        ]

    def clean(self) -> dict[str, Any]:
        """Put ids in the place of names. A name that several have is refused."""
        cleaned = super().clean() or {}
        for name in PICKED:
            if typed := cleaned.get(name):
                cleaned[name] = self._id_of(name, typed)
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and since >= until:
            self.add_error("until", "This is before the beginning. Choose a later moment.")
        if cleaned.get("before") and cleaned.get("after"):
            self.add_error(None, "A page begins either before or after an entry: leave one of the two out.")
        return cleaned

    def question(self) -> reading.Question:
        """Return what is asked, once the form is valid."""
        return asking.question(self.cleaned_data)

    def period(self) -> Q:
        """Return when."""
        return reading.in_period(self.cleaned_data.get("since"), self.cleaned_data.get("until"))

    def place(self) -> reading.Place:
        """Return where the page begins."""
        return reading.Place(before=self.cleaned_data.get("before"), after=self.cleaned_data.get("after"))

    def narrowed(self) -> list[tuple[str, str]]:
        """Return what is asked in words, by label and value."""
        return [
            (str(field.label), self._shown(name, value))
            for name, field in self.fields.items()
            if name not in ("before", "after") and (value := self.cleaned_data.get(name))
        ]

    def address(self, **place: Any) -> str:
        """Return the query of the page with the same filters, ids in place of names, that begins elsewhere."""
        asked = {
            name: value.strftime(MOMENT) if name in ("since", "until") else value
            for name in self.fields
            if name not in ("before", "after") and (value := self.cleaned_data.get(name))
        }
        return "?" + urlencode({**asked, **{name: value for name, value in place.items() if value}})

    def _shown(self, name: str, value: Any) -> str:
        if name == "kind":
            return asking.kind_words(value)
        if name in PICKED:
            return self._known(name).get(value, value)
        if name in ("since", "until"):
            return f"{value:%Y-%m-%d %H:%M} UTC"
        if name == "verb":
            return dict(pair for _, pairs in _verbs_by_room() for pair in pairs).get(value, value)
        choices = dict(getattr(self.fields[name], "choices", ()) or ())
        return str(choices.get(value, value))

    def _known(self, name: str) -> dict[str, str]:
        kind = PICKED[name]
        if kind not in self._names:
            self._names[kind] = dict(registry.names_for(kind, self.user))
        return self._names[kind]

    def _id_of(self, name: str, typed: str) -> str:
        if asking.IS_UUID.match(typed):
            return typed.lower()
        known = self._known(name)
        meant = [key for key, label in known.items() if label.casefold() == typed.casefold()]
        if len(meant) > 1:
            several = (
                f"{len(meant)} have the name “{typed}”. Paste the id of one: {', '.join(sorted(meant)[:10])}"
            )
            self.add_error(name, ValidationError(several))
        return meant[0] if len(meant) == 1 else typed


def _verbs_by_room() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what can happen as a reader picks it: the part of the portal, and under it sentences."""
    rooms: dict[str, list[tuple[str, str]]] = {}
    for verb, words in registry.registered_verbs().items():
        room = verb.partition(".")[0]
        heading = ROOMS.get(room, room.capitalize())
        rooms.setdefault(heading, []).append((verb, words))
    for found in rooms.values():
        found.sort(key=_words)
    return [
        (heading, [(verb, _beginning(words)) for verb, words in found])
        for heading, found in sorted(rooms.items())
    ]


def _beginning_of(words: str) -> str:
    return said(words).partition(":")[0].rstrip(".")


# Cut in the language it is read in, so that the whole of it is looked up.
_beginning = lazy(_beginning_of, str)


def _words(choice: tuple[str, str]) -> str:
    return choice[1].lower()
