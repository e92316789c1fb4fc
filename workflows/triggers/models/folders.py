"""Folders that somebody drops files into."""

from __future__ import annotations

from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Now

from agents.models.tracked import KeyedModel, tracked
from workflows.runs.models import Workflow


class WatchedFolder(KeyedModel):
    """A folder below the portal's own incoming folder; each file in it becomes a document and starts a run."""

    name = models.CharField(max_length=120, help_text="The name people see, e.g. Scanned mail.")
    folder = models.CharField(
        max_length=60,
        unique=True,
        validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]{0,59}$", "Use a-z, 0-9 and -; it is a single folder.")],
        help_text="Name of the folder below the portal's incoming folder, e.g. invoices.",
    )
    workflow = models.ForeignKey(
        Workflow, on_delete=models.PROTECT, related_name="watched_folders", help_text="What each file starts."
    )
    input_member = models.CharField(
        max_length=60, default="document", help_text="Member of the run's input that names the document."
    )
    is_enabled = models.BooleanField(default=True, help_text="Switched off, files stay where they are.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    history = tracked()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
