"""A document is bytes under their SHA-256: given by reference, never inside a task or an action."""

from __future__ import annotations

from typing import Any, NoReturn

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from uuid_utils.compat import uuid7

from audit.vocabulary import Ref

NAME_CHARACTERS = 200


class WrittenOnce(models.Model):
    """A row that is inserted and stays; a trigger says the same below Django."""

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; a second save is refused."""
        if not self._state.adding:
            self._refuse()
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse: what somebody worked from stays."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise ValidationError("A document is never changed. Upload the new one: it is another document.")


class Document(WrittenOnce):
    """One content, however often it was brought. Name and media type are what its first bringer said."""

    is_new = False  # whether the call that stored these bytes made this row

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    sha256 = models.CharField(max_length=64, unique=True, help_text="SHA-256 of its bytes, hexadecimal.")
    media_type = models.CharField(max_length=120, help_text="What its bringer said it is. Never trusted.")
    size = models.PositiveBigIntegerField(help_text="Bytes.")
    name = models.CharField(max_length=NAME_CHARACTERS, help_text="File name, without any folder.")
    source = models.CharField(max_length=40, help_text="How it came: upload, folder.")
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who brought it first; empty: the portal itself.",
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(sha256__regex=r"^[0-9a-f]{64}$"), name="document_sha256_is_one"),
            models.CheckConstraint(condition=Q(size__gt=0), name="document_is_not_empty"),
        ]

    def __str__(self) -> str:
        return self.name

    def as_ref(self) -> Ref:
        """Return the document as the subject of an event."""
        return Ref("documents.document", str(self.pk), self.name)


class Delivery(WrittenOnce):
    """Who brought a document: the same bytes may come from several, and each may read what they brought."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="deliveries")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    name = models.CharField(max_length=NAME_CHARACTERS)
    source = models.CharField(max_length=40)
    at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["id"]
        verbose_name_plural = "deliveries"
        constraints = [models.UniqueConstraint(fields=["document", "user"], name="delivery_once_per_user")]

    def __str__(self) -> str:
        return f"{self.user}: {self.name}"


class Erased(models.Model):
    """The bytes of a document were erased. When somebody brings them again, it can be read again."""

    document = models.OneToOneField(Document, on_delete=models.PROTECT, primary_key=True, related_name="erased")
    at = models.DateTimeField(db_default=Now(), help_text="When they were erased last.")
    rule = models.CharField(max_length=300, help_text="Under which rule or request.")
    brought_again_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        default_permissions = []

    def __str__(self) -> str:
        return f"{self.document_id} erased at {self.at}"
