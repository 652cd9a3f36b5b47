"""Which store holds what of a build, under which keys, and whose it must be."""

from dataclasses import dataclass, replace

from buildstate.domain.errors import Conflict, Permanent
from buildstate.domain.observed import Observed
from buildstate.kube.ports import Key, Kube, Resource
from buildstate.stores.chains import Expected
from buildstate.stores.contracts import Area, Place, Store
from buildstate.stores.keyrings import Keyring
from buildstate.stores.registries import Registry, UnknownStore

STORE_UNKNOWN = "StoreUnknown"


@dataclass(frozen=True, slots=True)
class Vault:
    """Where one build keeps its checkpoints."""

    store: Store
    place: Place
    expected: Expected
    keyring: Keyring
    is_encrypted: bool = False

    @property
    def unanchored(self) -> Expected:
        """What a checkpoint must be like that no status refers to.

        Who may write to the store could put one there; only the keyring tells that it is ours.
        """
        return replace(self.expected, must_be_encrypted=self.is_encrypted)


class Vaults:
    """The vaults of the builds; a namespace is asked for its uid once for each build."""

    def __init__(
        self, registry: Registry, keyring: Keyring, kube: Kube, *, is_encrypted: bool = False
    ) -> None:
        self._registry = registry
        self._keyring = keyring
        self._kube = kube
        self._is_encrypted = is_encrypted
        self._namespaces: dict[Key, tuple[str, str]] = {}

    async def of(self, observed: Observed, origin: str = "") -> Vault:
        """Give the vault of one build, or of the lost one of that uid that it is made from again.

        Raises `Permanent` where its store is unknown.
        """
        store = self._store(observed)
        if isinstance(store, UnknownStore):
            raise Permanent(store.message, reason=STORE_UNKNOWN)
        expected = Expected(
            namespace=observed.namespace,
            # The namespace may have been lost with the build, and is another one then.
            namespace_uid=None if origin else await self._namespace_uid(observed),
            build_uid=origin or observed.uid,
        )
        place = Place(observed.namespace, origin or observed.uid, observed.name)
        if origin and not await store.names(place):
            # It had been put away before it was lost.
            place = replace(place, area=Area.ARCHIVED)
        return Vault(store, place, expected, self._keyring, self._is_encrypted)

    def is_outside(self, observed: Observed) -> bool:
        """Say whether the build's store outlives the cluster's objects."""
        store = self._store(observed)
        return not isinstance(store, UnknownStore) and store.is_outside

    def forget(self, key: Key) -> None:
        """Forget a build that is gone."""
        self._namespaces.pop(key, None)

    def _store(self, observed: Observed) -> Store | UnknownStore:
        policy = observed.spec.checkpoints
        return self._registry.get(policy.store if policy else None)

    async def _namespace_uid(self, observed: Observed) -> str:
        key = Key(observed.namespace, observed.name)
        build_uid, namespace_uid = self._namespaces.get(key, ("", ""))
        if build_uid != observed.uid:
            found = await self._kube.get(Resource.NAMESPACES, Key("", observed.namespace))
            if found is None:
                message = f"namespace {observed.namespace} is gone"
                raise Conflict(message)
            namespace_uid = found["metadata"]["uid"]
            self._namespaces[key] = (observed.uid, namespace_uid)
        return namespace_uid
