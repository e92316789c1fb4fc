"""Every text of the portal, by the catalogue it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from django.apps import apps
from django.db.models import Model

from tests.translations import in_python, in_templates
from tests.translations.messages import Message

ROOT = Path(__file__).resolve().parents[2]
# What the admin and its theme say on our pages, our settings do, or pages put together of pieces.
OF_OTHERS = (
    *(
        "Type to search",
        "Go back",
        "Select record",
        "Select value",
        "Select {0} to change",
        "Select {0} to view",
    ),
    *("Add {0}", "Change {0}", "View {0}", "Change history: {0}", "View history: {0}"),
    *("{0} must decide", "One person of {0} must agree.", "{0}: it {1}."),
    *("Approving does it at once in {0}", "When all who must agree have, it is done at once in {0}"),
    *("Allowed: {0} is granted {1} and no rule stands against it.", "done in {0}, recorded there as {1}"),
    *(
        "{0} at {1} was confirmed.",
        "{0} at {1} failed and did nothing",
        "Denied: the operation {0} is not known.",
    ),
    *("{0} at {1} ended unknown: it may or may not have happened", "From now on: {0} may use {1}."),
    *("2, soon", "{0} begins.", "{0} begins again, as attempt {1}."),
    *("1 valid secret", "{0} valid secrets", "1 access token", "{0} access tokens", "A period"),
    *("{0} of {1} must agree.", "at most {0} at once by all agents together"),
    *("The ledger up to position {0}.", "The agents of your company"),
    *(
        "Credentials",
        "Identity",
        "Rights",
        "Writing",
        "{0} (string)",
        "{0} (integer)",
        "{0} (boolean)",
        "{0} (free-text)",
    ),
    *(
        "It answered {0}: {1}",
        "Hold on an agent {0}",
        "Hold on a run {0}",
        "Hold on an action {0}",
        "Hold on a department {0}",
        "Hold on an object {0}",
    ),
    *("Enabled", "Disabled", "Password-based authentication"),
    "After you've created a user, you’ll be able to edit more user options.",
    "Whether the user will be able to authenticate using a password or not. If disabled, they may still be "
    "able to authenticate using other backends, such as Single Sign-On or LDAP.",
    *("Decided by {0}: {1}", "Asked for by {0}, approved by {1}: {2}"),
    *(
        "Current",
        "allow",
        "hold",
        "deny",
        "Proposed (UTC)",
        "Deleted {0} (pk={1})",
        "the company",
        "{0}, for the whole company",
    ),
    *("{0} lets the event trigger {1} start {2}", "{0} has the event trigger {1} start nothing"),
    *("{0} lets the schedule {1} start {2}", "{0} has the schedule {1} start nothing"),
    *("{0} lets the webhook {1} start {2}", "{0} has the webhook {1} start nothing"),
    *("{0} lets the watched folder {1} start {2}", "{0} has the watched folder {1} start nothing"),
    "Hold down “Control”, or “Command” on a Mac, to select more than one.",
    "{0} with ID “{1}” doesn’t exist. Perhaps it was deleted?",
)
# Names in tables of the menu, where one word alone does not read as a text.
IN_MENUS = ("WORKFLOWS", "WORKFORCE", "RULES", "CONNECTIONS", "RECORDS", "COMPANY")
ROOMS = ("audit", "agents", "connectors", "workflows", "autonomy")


def gathered(root: Path = ROOT) -> dict[str, list[Message]]:
    """Return the texts of each catalogue: ``django`` of templates, ``said`` of what Python says."""
    return {
        "django": list(_of_templates(root)),
        "said": [
            *_of_python(root),
            *_of_models(),
            *_of_the_menu(),
            *_of_drivers(),
            *_of_shapes(root),
            *_of_others(),
            *_given(root),
        ],
    }


def _templates(root: Path) -> Iterator[Path]:
    """Yield pages, and the texts of mails."""
    for kind in ("*.html", "*.txt"):
        yield from sorted((root / "templates").rglob(kind))


def _of_templates(root: Path) -> Iterator[Message]:
    for path in _templates(root):
        yield from in_templates.messages_of(path, root)


def _given(root: Path) -> Iterator[Message]:
    for path in _templates(root):
        yield from in_templates.given_in(path, root)


def _of_python(root: Path) -> Iterator[Message]:
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            yield from in_python.messages_of(path, root)


def _of_the_menu() -> Iterator[Message]:
    from autonomy import ui

    for group in IN_MENUS:
        for name, *_ in getattr(ui, group):
            yield Message(name, "autonomy/ui.py")
    for room in apps.get_app_configs():
        if room.name.startswith(ROOMS):
            yield Message(str(room.verbose_name), room.name)


def _of_drivers() -> Iterator[Message]:
    """Yield what a driver asks whoever connects a system; the rest of it speaks to programs."""
    from connectors.choices import driver_kinds
    from connectors.services.kinds import needs_of

    for kind, _ in driver_kinds():
        needs = needs_of(kind)
        asked = needs.settings.get("properties", {}).values()
        words = [word for each in asked for word in (each.get("title", ""), each.get("description", ""))]
        for text in (needs.title, needs.summary, needs.account, needs.descriptions, *words):
            if text:
                yield Message(text, f"connectors/kinds/{kind}")


def _of_shapes(root: Path) -> Iterator[Message]:
    """Yield what the guide says of the workflows it offers; what becomes part of one stays as it is written."""
    for path in sorted((root / "workflows/runs/templates").glob("*.yaml")):
        shape = yaml.safe_load(path.read_text())
        asked = [word for one in shape["asks"] for word in (one.get("title", ""), one.get("help", ""))]
        for text in (shape["name"], shape["summary"], shape["ends"], *asked):
            if text:
                yield Message(text, str(path.relative_to(root)))


def _of_others() -> Iterator[Message]:
    for text in OF_OTHERS:
        yield Message(text, "django.contrib.admin, unfold")


def _of_models() -> Iterator[Message]:
    """Yield what the framework calls things by their names in the code."""
    for model in apps.get_models():
        if model._meta.app_config.name.startswith(ROOMS):
            yield from _of_model(model)


def _of_model(model: type[Model]) -> Iterator[Message]:
    opts = model._meta
    names = {str(opts.verbose_name), str(opts.verbose_name_plural)}
    names |= {str(field.verbose_name) for field in opts.get_fields() if hasattr(field, "verbose_name")}
    for name in sorted(names):
        if not name.startswith("historical"):
            yield Message(name, opts.label)
