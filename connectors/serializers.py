"""What the API tells about systems. Addresses, settings and accounts stay inside."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from connectors.models import System
from connectors.selectors import health_of


class SystemSerializer(serializers.ModelSerializer[System]):
    """One system and how it is doing."""

    health = serializers.SerializerMethodField(help_text="Answers, Failing, Held back, Not called yet or Off.")
    last_answer_at = serializers.DateTimeField(source="health.last_ok_at", default=None, allow_null=True)
    last_failure_at = serializers.DateTimeField(source="health.last_failure_at", default=None, allow_null=True)

    class Meta:
        model = System
        fields = [
            "id",
            "code",
            "name",
            "category",
            "environment",
            "is_enabled",
            "health",
            "last_answer_at",
            "last_failure_at",
        ]

    @extend_schema_field(str)
    def get_health(self, system: Any) -> str:
        """Return one word or two."""
        return health_of(system)
