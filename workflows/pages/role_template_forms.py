"""The forms of a role template: a file of one's own, and how one is taken."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.models import Group

from agents.api.policy_files import MOST_CHARACTERS
from agents.decision.role_template import RoleTemplate
from agents.models import Role, Rule
from agents.policies import REASON_MAX_LENGTH
from agents.services.role_templates import Wish
from workflows.pages.pasted import PastedForm

MODES = [
    (Rule.Mode.ENFORCED.value, "In force from the first day"),
    (Rule.Mode.SHADOW.value, "Shadow: recorded on every call, decides nothing"),
    (Rule.Mode.DRAFT.value, "Draft: to be read and tried first"),
    ("", "As the file says for each"),
]


class OwnTemplateForm(PastedForm):
    """A template of one's own, as text or as a file."""

    too_large = "The file is too large. A template is a few pages."
    nothing = "Paste the template, or choose a file."

    text = forms.CharField(
        label="The template (YAML)",
        required=False,
        strip=False,
        max_length=MOST_CHARACTERS,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false"}),
        help_text="One that was exported, or one above that you changed. Or choose it below.",
    )
    file = forms.FileField(label="Or choose a file", required=False)


class TakeForm(forms.Form):
    """How a template is taken: in which mode, whom its rules ask here, and why."""

    mode = forms.ChoiceField(label="Its rules and limits", choices=MODES, required=False)
    grants = forms.BooleanField(
        label="Propose the grants it needs",
        required=False,
        help_text="Each waits for a second person. Nothing is granted by taking the template.",
    )
    update = forms.BooleanField(
        label="Bring the role that exists to what the template says",
        required=False,
        help_text="Only if you have read the difference above. What becomes looser waits for a second person.",
    )
    reason = forms.CharField(
        label="Why",
        required=False,
        max_length=REASON_MAX_LENGTH,
        help_text="For the record; needed to take it, not to look.",
    )

    def __init__(self, data: Any, template: RoleTemplate, **options: Any) -> None:
        super().__init__(data, **options)
        self.named = groups = template.groups
        stored = Role.objects.filter(code=template.role.code).first()
        chosen = stored.template.get("groups", {}) if stored else {}
        known = list(Group.objects.filter(role__isnull=True).order_by("name").values_list("name", flat=True))
        for at, name in enumerate(groups):
            field = forms.ChoiceField(
                label=f"Who is asked as {name}",
                choices=[("", "Choose a group of people"), *((it, it) for it in known)],
                required=False,
                initial=chosen.get(name, name) if chosen.get(name, name) in known else "",
            )
            self.fields[f"group_{at}"] = field
        order = ["mode", *(f"group_{at}" for at in range(len(groups))), "grants", "update", "reason"]
        self.order_fields(order)

    def wish(self) -> Wish:
        """Return how it is to be taken."""
        given = self.cleaned_data
        chosen = {name: given[f"group_{at}"] for at, name in enumerate(self.named) if given[f"group_{at}"]}
        return Wish(given["mode"], chosen, given["grants"], given.get("update", False))
