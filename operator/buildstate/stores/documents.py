"""Documents as they are stored where encryption is on: compressed, encrypted, bound to their path.

`docs/reference/checkpoint-format.md` says each byte. What a store gives is answered with what it
holds or with a `Damage`, and never with an exception.
"""

from dataclasses import dataclass

from buildstate.domain import contents
from buildstate.domain.checkpoints import Damage, DamageReason
from buildstate.domain.errors import Permanent
from buildstate.stores import frames
from buildstate.stores.ciphers import Entropy, WrappedKey, decrypt, encrypt, wrapped_key_of
from buildstate.stores.contracts import TOO_LARGE
from buildstate.stores.keyrings import SIZE, Key, Keyring

FORMAT = "buildstate.dev/document/v1"
WRAP_FORMAT = "buildstate.dev/document-key/v1"

MAX_DOCUMENT = 16 * 2**20
"""Bytes of a document before compression."""

MAX_KEY_LINE = 512
"""Bytes of the line that has the wrapped key."""

_FIRST = f"{FORMAT}\n".encode()


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted document: its wrapped data key, and what that decrypts."""

    key: WrappedKey
    body: bytes

    def encode(self) -> bytes:
        """Give the bytes that are stored."""
        return _FIRST + contents.encode({**self.key.document()}) + b"\n" + self.body


def seal(path: str, plain: bytes, key: Key, entropy: Entropy) -> bytes:
    """Give the bytes to store at `path`: `plain` under a new data key, which `key` wraps.

    Raises Permanent for more than `MAX_DOCUMENT`.
    """
    if len(plain) > MAX_DOCUMENT:
        message = f"{path} has {len(plain)} bytes, and at most {MAX_DOCUMENT} can be stored"
        raise Permanent(message, reason=TOO_LARGE)
    data_key = entropy(SIZE)
    body = encrypt(data_key, frames.compress(plain), _bound(path), entropy)
    return Sealed(wrap(path, data_key, key, entropy), body).encode()


def unseal(
    path: str, data: bytes, keyring: Keyring, *, must_be_encrypted: bool = False
) -> bytes | Damage:
    """Give the document that is stored as `data` at `path`, once it was verified.

    What is not encrypted is given as it is, or refused where it must be.
    """
    sealed = parse(path, data)
    if isinstance(sealed, Damage):
        return sealed
    if sealed is not None:
        return _open(path, sealed, keyring)
    if not must_be_encrypted:
        return data
    return Damage(
        DamageReason.DOWNGRADED,
        f"{path} is not encrypted, but all must be: if it is from before encryption was switched"
        " on, `rewrap --seal-plain` encrypts it; otherwise find out who writes to the store",
    )


def parse(path: str, data: bytes) -> Sealed | Damage | None:
    """Give the parts of an encrypted document, None where it is not one."""
    if not data.startswith(_FIRST):
        return None
    line, _, body = data[len(_FIRST) :].partition(b"\n")
    document = contents.decode(line) if len(line) <= MAX_KEY_LINE else None
    key = wrapped_key_of(document)
    if key is None:
        message = f"{path} does not say in its second line under which key it is"
        return Damage(DamageReason.MANIFEST_UNREADABLE, message)
    return Sealed(key, body)


def wrap(path: str, data_key: bytes, key: Key, entropy: Entropy) -> WrappedKey:
    """Give the data key of the document at `path`, encrypted under `key`."""
    bound = _bound_key(path, key.name)
    return WrappedKey(key.name, encrypt(key.secret, data_key, bound, entropy))


def unwrap(path: str, held: WrappedKey, keyring: Keyring) -> bytes | Damage:
    """Give the data key of the document at `path`."""
    key = keyring.get(held.name)
    if key is None:
        return Damage(
            DamageReason.KEY_MISSING,
            f"{path} needs the key {held.name!r}, which the keyring does not have: put it back",
        )
    data_key = decrypt(key.secret, held.wrapped, _bound_key(path, held.name))
    if data_key is None:
        return Damage(
            DamageReason.DECRYPTION_FAILED,
            f"the data key of {path} was altered or is that of another document, or the key"
            f" {held.name!r} is another one than it was",
        )
    return data_key


def _open(path: str, sealed: Sealed, keyring: Keyring) -> bytes | Damage:
    data_key = unwrap(path, sealed.key, keyring)
    if isinstance(data_key, Damage):
        return data_key
    frame = decrypt(data_key, sealed.body, _bound(path))
    if frame is None:
        message = f"{path} was altered: it does not belong to its place and its data key"
        return Damage(DamageReason.DECRYPTION_FAILED, message)
    size = frames.size_of(frame)
    if size is not None and size > MAX_DOCUMENT:
        message = f"{path} would have {size} bytes, and at most {MAX_DOCUMENT} are read"
        return Damage(DamageReason.TOO_LARGE, message)
    plain = None if size is None else frames.decompress(frame)
    if plain is None:
        message = f"{path} is not one frame of zstd that says its size"
        return Damage(DamageReason.CONTENT_ALTERED, message)
    return plain


def _bound(path: str) -> bytes:
    return f"{FORMAT}\0{path}".encode()


def _bound_key(path: str, key_name: str) -> bytes:
    return f"{WRAP_FORMAT}\0{key_name}\0{path}".encode()
