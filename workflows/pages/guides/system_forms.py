"""The forms of the guide that connects a system."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.utils.translation import gettext_lazy as _

from connectors.models import Account, System
from connectors.services.kinds import LONGEST_DESCRIPTION
from connectors.vocabulary import Needs, Offer
from workflows.pages.guides.parts import GuideForm

SCHEMES = {
    "bearer": _("A key (token)"),
    "basic": _("User name and password"),
    "header": _("A key in a header with a name of its own"),
    "none": _("It asks for nothing"),
}
ROWS = 8
FIELD_TYPES = [
    ("text", _("Words")),
    ("long", _("A longer text")),
    ("code", _("A code or number without blanks")),
    ("number", _("A whole number")),
    ("decimal", _("A number with decimals")),
    ("yes_no", _("Yes or no")),
    ("date", _("A date")),
    ("money", _("An amount of money")),
]
EFFECTS = [
    ("read", _("It only reads")),
    ("write", _("It adds or changes something")),
    ("financial", _("It moves or commits money")),
    ("destructive", _("It deletes, or cannot be undone")),
]
METHODS = [
    ("GET", _("Read (GET)")),
    ("POST", _("Add or do (POST)")),
    ("PUT", _("Replace (PUT)")),
    ("PATCH", _("Change (PATCH)")),
    ("DELETE", _("Delete (DELETE)")),
]


class PlaceForm(GuideForm):
    """Where a system is and what it is called."""

    name = forms.CharField(
        label=_("What do people call it?"), max_length=120, help_text=_("E.g. CRM of Sales.")
    )
    base_url = forms.CharField(label=_("Its address"), max_length=500)
    inside = forms.ChoiceField(
        label=_("Where does it stand?"),
        choices=[
            ("", _("On the internet, reachable from everywhere")),
            ("on", _("Inside our own network, or on this machine")),
        ],
        required=False,
        widget=forms.RadioSelect,
        help_text=_("Inside, exactly the addresses that its name leads to now are allowed, and no others."),
    )
    category = forms.ChoiceField(
        label=_("What is it for?"), choices=System.Category.choices, initial=System.Category.OTHER
    )
    environment = forms.ChoiceField(
        label=_("How real is what is in it?"),
        choices=System.Environment.choices,
        initial=System.Environment.TEST,
        help_text=_("Rules can tell them apart. Begin with a test system if you have one."),
    )

    def __init__(self, *args: Any, needs: Needs, system: System | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.system = system
        help_text = _("As in the address line of a browser, e.g. %(example)s.") % {"example": needs.address}
        if system and system.accounts.exclude(secret=None).exists():
            help_text = (
                f"{help_text} {_('At another address the key that was written has to be written again.')}"
            )
        self.fields["base_url"].help_text = help_text

    def clean_name(self) -> str:
        """Refuse a second system of the same name: it would be the same one, connected twice by mistake."""
        name = str(self.cleaned_data["name"]).strip()
        others = System.objects.filter(name__iexact=name)
        if self.system:
            others = others.exclude(pk=self.system.pk)
        if others.exists():
            raise forms.ValidationError(
                _("There is a system of this name already. Go on with it, or choose another name.")
            )
        return name

    def clean_base_url(self) -> str:
        """Take an address as people paste it: without a slash at the end."""
        url = str(self.cleaned_data["base_url"]).strip().rstrip("/")
        return url if "://" in url else f"https://{url}"

    def clean(self) -> Any:
        """Look up where the name leads, when it stands inside."""
        cleaned = super().clean() or self.cleaned_data
        self.networks: list[str] = []
        if cleaned.get("inside") and cleaned.get("base_url"):
            try:
                self.networks = networks_of(urlsplit(cleaned["base_url"]).hostname or "")
            except (OSError, ValueError):
                self.add_error(
                    "base_url", _("No machine of this name is known here. Look for a slip of the pen.")
                )
        return cleaned

    def values(self) -> dict[str, Any]:
        """Return what the service takes."""
        names = ("name", "base_url", "category", "environment")
        return {**{name: self.cleaned_data[name] for name in names}, "private_networks": self.networks}


def networks_of(host: str) -> list[str]:
    """Return the private addresses that a name leads to, each as a network of its own; raises OSError."""
    found = {info[4][0] for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    addresses = sorted(ipaddress.ip_address(str(it).partition("%")[0]) for it in found)
    return [f"{it}/{it.max_prefixlen}" for it in addresses if not it.is_global]


class AccountForm(GuideForm):
    """Whose key is used at a system. The secret is written and never shown again."""

    scheme = forms.ChoiceField(label=_("How does the portal show who it is?"), widget=forms.RadioSelect)
    username = forms.CharField(
        label=_("User name"), required=False, max_length=120, help_text=_("Only for user name and password.")
    )
    header_name = forms.CharField(
        label=_("Name of the header"),
        required=False,
        max_length=60,
        help_text=_("Only for a key in a header of its own, e.g. X-Api-Key. Its documentation says it."),
    )
    secret = forms.CharField(
        label=_("Key or password"),
        required=False,
        max_length=8192,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, needs: Needs, account: Account | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.account = account
        self.fields["scheme"].choices = [(it, SCHEMES[it]) for it in needs.schemes]  # type: ignore[attr-defined]
        self.initial.setdefault("scheme", needs.schemes[0])
        written = bool(account and account.secret_id)
        self.fields["secret"].help_text = (
            _("One is written. Leave this empty to keep it.")
            if written
            else _("It is kept encrypted, used for calls, and shown to nobody again, you included.")
        )
        if set(needs.schemes) <= {"bearer", "none"}:
            del self.fields["username"], self.fields["header_name"]
        if needs.account:
            self.fields["scheme"].help_text = needs.account

    def clean(self) -> Any:
        """Ask for what the chosen way needs, and for nothing else."""
        cleaned = super().clean() or self.cleaned_data
        scheme = cleaned.get("scheme")
        kept = bool(self.account and self.account.secret_id and self.account.scheme == scheme)
        if scheme not in (None, "none") and not cleaned.get("secret") and not kept:
            self.add_error("secret", _("Paste the key or the password."))
        if scheme == "basic" and not cleaned.get("username"):
            self.add_error("username", _("Say whose password it is."))
        if scheme == "header" and not cleaned.get("header_name"):
            self.add_error("header_name", _("Say what the header is called."))
        return cleaned


class OffersForm(GuideForm):
    """Which of the operations on offer are published."""

    chosen = forms.MultipleChoiceField(
        label=_("Operations"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Tick at least one.")},
        help_text=_("Each can be granted by itself. Nobody may use one before that."),
    )

    def __init__(self, *args: Any, offers: list[Offer], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offers = {offer.key: offer for offer in offers if not offer.why_not}
        self.fields["chosen"].choices = [(key, offer.name) for key, offer in self.offers.items()]  # type: ignore[attr-defined]

    def taken(self) -> list[Offer]:
        """Return what was ticked."""
        return [self.offers[key] for key in self.cleaned_data["chosen"]]


class DescriptionForm(forms.Form):
    """What a system can do, in the words of its own documentation."""

    text = forms.CharField(
        label=_("Paste the description"),
        required=False,
        strip=False,
        max_length=LONGEST_DESCRIPTION,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false"}),
    )
    file = forms.FileField(label=_("Or choose its file"), required=False)

    def clean(self) -> Any:
        """Take the file if one was chosen; there has to be one of the two."""
        cleaned = super().clean() or self.cleaned_data
        if upload := cleaned.get("file"):
            if upload.size > LONGEST_DESCRIPTION:
                raise forms.ValidationError(_("The file is too large. Keep only the paths you need."))
            try:
                cleaned["text"] = upload.read().decode()
            except UnicodeDecodeError:
                self.add_error("file", _("The file is no text (UTF-8)."))
        if not self.errors and not str(cleaned.get("text", "")).strip():
            self.add_error("text", _("Paste the description, or choose its file."))
        return cleaned


class ByHandForm(GuideForm):
    """One operation, described field by field."""

    name = forms.CharField(
        label=_("What does it do?"), max_length=100, help_text=_("As you would say it, e.g. Create a ticket.")
    )
    effect = forms.ChoiceField(
        label=_("What does that mean for the world?"),
        choices=EFFECTS,
        widget=forms.RadioSelect,
        initial="read",
        help_text=_("Rules and approvals go by this. If in doubt, choose the graver one."),
    )
    method = forms.ChoiceField(
        label=_("How is it asked?"), choices=METHODS, help_text=_("Its documentation says which.")
    )
    path = forms.CharField(
        label=_("At which page below the address?"),
        max_length=300,
        help_text=_("E.g. /tickets, or /tickets/{number} where a part of it is told each time."),
    )
    result = forms.CharField(
        label=_("What of the answer is kept?"),
        required=False,
        max_length=500,
        help_text=_("Names as the system answers them, e.g. id, state. Empty: of a read, all of it."),
    )
    reference_field = forms.CharField(
        label=_("A field over there for our reference"),
        required=False,
        max_length=60,
        help_text=_(
            "If the system can keep a text of ours with what it makes, e.g. external_id: it is found by it."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for at in range(ROWS):
            said = {"row": at + 1}
            self.fields[f"field_{at}"] = forms.CharField(
                required=False, max_length=60, label=_("Field %(row)s, its name over there") % said
            )
            self.fields[f"type_{at}"] = forms.ChoiceField(
                required=False, choices=FIELD_TYPES, label=_("Field %(row)s, what it is") % said
            )
            self.fields[f"needed_{at}"] = forms.BooleanField(
                required=False, label=_("Field %(row)s is always needed") % said
            )

    def rows(self) -> list[tuple[Any, Any, Any]]:
        """Return the rows of fields, for the page."""
        return [(self[f"field_{at}"], self[f"type_{at}"], self[f"needed_{at}"]) for at in range(ROWS)]

    def plain(self) -> list[Any]:
        """Return the fields above the rows, for the page."""
        names = ("name", "effect", "method", "path")
        return [self[name] for name in names]

    def further(self) -> list[Any]:
        """Return the fields below the rows, for the page."""
        return [self[name] for name in ("result", "reference_field", "reason")]

    def given(self) -> dict[str, Any]:
        """Return what the driver makes an operation of."""
        data = self.cleaned_data
        rows = [
            {
                "name": data[f"field_{at}"].strip(),
                "type": data[f"type_{at}"] or "text",
                "required": data[f"needed_{at}"],
            }
            for at in range(ROWS)
            if data[f"field_{at}"].strip()
        ]
        kept = [part.strip() for part in data["result"].split(",") if part.strip()]
        names = ("name", "effect", "method", "path", "reference_field")
        return {**{name: data[name] for name in names}, "fields": rows, "result": kept}
