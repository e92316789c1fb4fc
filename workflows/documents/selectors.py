"""Read-only questions about documents: who may see which, and where the bytes lie."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db.models import Q, QuerySet

from agents.models import User
from workflows.documents import registry
from workflows.documents.models import Delivery, Document


def visible_to(user: User) -> QuerySet[Document]:
    """Return the documents a user may see: what they brought, what their work needs; deny by default.

    People with ``documents.view_document`` see all. An agent never does, whatever somebody gave it.
    """
    if not user.is_active:
        return Document.objects.none()
    if user.kind == User.Kind.PERSON and user.has_perm("documents.view_document"):
        return Document.objects.all()
    allowed = Q(pk__in=Delivery.objects.filter(user=user).values("document"))
    for condition in registry.readable_by(user):
        allowed |= condition
    return Document.objects.filter(allowed)


def folder() -> Path:
    """Return the folder of the contents; its temporary files lie in it too, so that a rename is atomic."""
    return Path(settings.DATA_DIR) / "documents"


def path_of(sha256: str) -> Path:
    """Return where the bytes with a SHA-256 lie."""
    return folder() / sha256[:2] / sha256
