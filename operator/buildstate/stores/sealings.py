"""A store whose documents are encrypted; checkpoints are so by themselves, and pass."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

from buildstate.domain.checkpoints import Damage
from buildstate.stores import documents, paths
from buildstate.stores.ciphers import Entropy
from buildstate.stores.contracts import Blob, Store
from buildstate.stores.decorators import Decorated
from buildstate.stores.keyrings import Keyring, KeyUnusable
from buildstate.stores.threads import worked

T = TypeVar("T")


class Sealing(Decorated):
    """Encrypts what is written under the active key, and gives what is read once it was verified.

    Without an active key documents are written as they are; with `must_be_encrypted` nothing is
    written then, and what is plain in the store is damaged. Versions are those of the store.
    """

    def __init__(
        self, store: Store, keyring: Keyring, entropy: Entropy, *, must_be_encrypted: bool
    ) -> None:
        super().__init__(store)
        self._keyring = keyring
        self._entropy = entropy
        self._must_be_encrypted = must_be_encrypted

    async def around(
        self,
        operation: str,  # noqa: ARG002 - all are alike
        call: Callable[[], Awaitable[T]],
    ) -> T:
        """Do one operation as it is."""
        return await call()

    async def read(self, path: str) -> Blob | None:
        """Give one document, or None where there is none.

        Raises `KeyUnusable` where the keyring lacks its key.
        """
        blob = await self.inner.read(path)
        if blob is None or paths.is_of_checkpoint(path):
            return blob
        found = await worked(
            len(blob.data),
            documents.unseal,
            path,
            blob.data,
            self._keyring,
            must_be_encrypted=self._must_be_encrypted,
        )
        if not isinstance(found, Damage):
            return replace(blob, data=found)
        if not found.is_lasting:
            raise KeyUnusable(f"store {self.name}: {found.message}")
        return Blob(b"", blob.version, damage=found.message)

    async def create(self, path: str, data: bytes) -> None:
        """Write a document that was not there; raises `AlreadyExists`."""
        await self.inner.create(path, await self._sealed(path, data))

    async def write(self, path: str, data: bytes) -> None:
        """Write a document, whatever was there."""
        await self.inner.write(path, await self._sealed(path, data))

    async def swap(self, path: str, data: bytes, version: str | None) -> None:
        """Write a document if it is still at `version`, None: not there; raises `Conflict`."""
        await self.inner.swap(path, await self._sealed(path, data), version)

    async def _sealed(self, path: str, data: bytes) -> bytes:
        if paths.is_of_checkpoint(paths.checked(path)):
            return data
        key = self._keyring.active
        if key is not None:
            return await worked(len(data), documents.seal, path, data, key, self._entropy)
        if self._must_be_encrypted:
            raise KeyUnusable(f"store {self.name}: no key is active, and {path} must be encrypted")
        return data


def unsealed(store: Store) -> Store:
    """Give the store that keeps the bytes of `store` as they are."""
    return store.inner if isinstance(store, Sealing) else store
