"""What people do to a whole run: undo all it did, or move it to another version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from workflows.api.runs import visible_run
from workflows.api.serializers import JSONObjectField
from workflows.api.steering import Steering, SteeringSerializer, described
from workflows.runs import services


class MigrationSerializer(SteeringSerializer):
    """To which version, and what its nodes are called there."""

    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1, help_text="Number of the version.")
    nodes = JSONObjectField(required=False, help_text="The new key of each node that is called otherwise.")


class Compensation(Steering):
    """Undo a run."""

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for."""
        return services.Compensate()

    @described("compensate_run", SteeringSerializer)
    def post(self, request: Request, run_id: Any) -> Response:
        """Undo everything a run did, newest first, each by a governed action; what is open is cancelled."""
        return super().post(request, run_id)


class Migration(Steering):
    """Move a run to another version."""

    body = MigrationSerializer

    def verb(self, given: Mapping[str, Any]) -> services.Verb:
        """Return what is asked for; a version that is not there is none to move to."""
        workflow = visible_run(self.request, self.kwargs["run_id"]).workflow
        version = workflow.versions.filter(number=given["version"]).first()
        if version is None:
            raise Http404
        return services.Migrate(version=version, nodes=_nodes(given.get("nodes", {})))

    @described("migrate_run", MigrationSerializer)
    def post(self, request: Request, run_id: Any) -> Response:
        """Let a run follow another approved version; open tasks, timers and actions go on."""
        return super().post(request, run_id)


def _nodes(given: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(to, str) for to in given.values()):
        raise serializers.ValidationError({"nodes": ["Each member has to be the key of a node."]})
    return {str(key): str(to) for key, to in given.items()}
