from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from audit.vocabulary import Ref


class SavedView(models.Model):
    """What a person looks at often: the filters of one page under a name, for themselves alone."""

    class Page(models.TextChoices):
        INBOX = "inbox", "Inbox"
        RUNS = "runs", "Runs"
        CONSOLE = "console", "Console"

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views", help_text="Whose it is."
    )
    page = models.CharField(max_length=20, choices=Page, help_text="Which page it is of.")
    name = models.CharField(max_length=60, help_text="What its owner calls it.")
    query = models.CharField(max_length=2000, blank=True, help_text="What stands in the address after the ?.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["user", "page", "name"],
                name="saved_view_once_per_name",
                violation_error_message="You have a view of this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def as_ref(self) -> Ref:
        """Return it as the subject of an event."""
        return Ref("agents.savedview", str(self.pk), self.name)
