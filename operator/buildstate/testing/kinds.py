"""The kinds of objects that the pretended API server knows."""

from collections.abc import Mapping
from dataclasses import dataclass

from buildstate.api.v1alpha1 import GROUP, KIND, PLURAL, VERSION


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: the path of its API group, its plural and its name."""

    group: str
    plural: str
    name: str
    is_namespaced: bool = True
    has_status: bool = False

    @property
    def api_version(self) -> str:
        """The apiVersion of its objects."""
        return self.group.removeprefix("/apis/").removeprefix("/api/")

    @property
    def qualified(self) -> str:
        """The plural with the group, as messages name it."""
        group = self.api_version.rpartition("/")[0]
        return f"{self.plural}.{group}" if group else self.plural


_CORE = "/api/v1"
_ALL = (
    Kind(f"/apis/{GROUP}/{VERSION}", PLURAL, KIND, has_status=True),
    Kind(_CORE, "pods", "Pod", has_status=True),
    Kind(_CORE, "configmaps", "ConfigMap"),
    Kind(_CORE, "persistentvolumeclaims", "PersistentVolumeClaim", has_status=True),
    Kind(_CORE, "events", "Event"),
    Kind(_CORE, "resourcequotas", "ResourceQuota", has_status=True),
    Kind(_CORE, "limitranges", "LimitRange"),
    Kind(_CORE, "namespaces", "Namespace", is_namespaced=False, has_status=True),
    Kind("/apis/coordination.k8s.io/v1", "leases", "Lease"),
)

KINDS: Mapping[str, Kind] = {kind.plural: kind for kind in _ALL}
