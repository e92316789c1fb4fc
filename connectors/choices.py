"""The closed lists of this room: what a system can be, what an operation does, how a call can end."""

from __future__ import annotations

import pkgutil
from pathlib import Path

from django.db import models

KINDS_FOLDER = Path(__file__).resolve().parent / "kinds"


class Category(models.TextChoices):
    """What an enterprise system is for."""

    ERP = "erp", "ERP"
    CRM = "crm", "CRM"
    MES = "mes", "MES"
    PROCUREMENT = "procurement", "Procurement"
    HRIS = "hris", "HRIS"
    ITSM = "itsm", "ITSM"
    CMMS = "cmms", "CMMS"
    OTHER = "other", "Other"


class Environment(models.TextChoices):
    """How real the data behind a system is."""

    PRODUCTION = "production", "Production"
    TEST = "test", "Test"
    SANDBOX = "sandbox", "Sandbox"


class Effect(models.TextChoices):
    """What an operation does to the world; rules and autonomy levels speak in these classes."""

    READ = "read", "Reads only"
    WRITE = "write", "Writes"
    FINANCIAL = "financial", "Moves or commits money"
    DESTRUCTIVE = "destructive", "Deletes or cannot be undone"


class Outcome(models.TextChoices):
    """What is known about an outbound call. Unknown is a fact of its own: never read it as failed."""

    RUNNING = "running", "Running"
    CONFIRMED = "confirmed", "Confirmed"
    FAILED = "failed", "Failed, nothing was done"
    UNKNOWN = "unknown", "Unknown"


class Purpose(models.TextChoices):
    """Why a call was made: an authorized action, or one of the four declared probes."""

    EXECUTE = "execute", "Authorized action"
    LOOK_UP = "look_up", "Look-up after an unknown outcome"
    READ_BACK = "read_back", "Read-back after success"
    READ = "read", "Declared read"
    TEST = "test", "Connection test"


class Scheme(models.TextChoices):
    """How a credential is presented to the system."""

    NONE = "none", "No credential"
    BEARER = "bearer", "Bearer token (RFC 6750)"
    BASIC = "basic", "User name and password (RFC 7617)"
    HEADER = "header", "Key in a header of its own"


def driver_kinds() -> list[tuple[str, str]]:
    """Return the kinds of driver installed: one per folder in ``connectors/kinds``."""
    return sorted(
        (module.name, module.name) for module in pkgutil.iter_modules([str(KINDS_FOLDER)]) if module.ispkg
    )
