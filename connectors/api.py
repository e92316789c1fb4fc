"""Systems over HTTP, for people: which there are and how they are doing."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.generics import ListAPIView

from connectors.permissions import MayViewSystems
from connectors.selectors import visible_systems
from connectors.serializers import SystemSerializer


@extend_schema_view(
    get=extend_schema(
        operation_id="systems_list",
        summary="List systems and their health",
        description="People only. Health is what recent calls showed: nothing is called to answer this.",
        tags=["systems"],
    )
)
class SystemList(ListAPIView[Any]):
    """The systems a person may see."""

    permission_classes = [MayViewSystems]
    serializer_class = SystemSerializer

    def get_queryset(self) -> Any:
        """Return them by id, so that pages are stable."""
        return visible_systems(self.request.user).order_by("id")
