"""Checkpoints as they are stored: compressed, encrypted where there is a key, and sealed.

`docs/reference/checkpoint-format.md` says each byte. Nothing that a store gives is trusted here:
every record is answered with what it holds or with a `Damage`, and never with an exception.
"""

from dataclasses import dataclass
from typing import Any

from buildstate.domain import contents
from buildstate.domain.checkpoints import (
    CheckpointKind,
    Damage,
    DamageReason,
    Seal,
    is_digest,
    parse_seal,
)
from buildstate.domain.errors import Permanent
from buildstate.stores import frames
from buildstate.stores.ciphers import Entropy, WrappedKey, decrypt, encrypt, wrapped_key_of
from buildstate.stores.contracts import Record
from buildstate.stores.keyrings import Key, Keyring

MAX_CONTENT = 16 * 2**20
"""Bytes of a content or delta before compression; an object of the API server has 3 MiB at most."""

MAX_MANIFEST = 16 * 2**10
"""Bytes of a manifest; it has about 1 KiB."""

WRAP = b"buildstate.dev/wrap/v1\0"
COMPRESSION = "zstd"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a checkpoint says of itself; `key` is None where it is not encrypted."""

    seal: Seal
    size: int
    digest: str
    key: WrappedKey | None

    def encode(self) -> bytes:
        """Give the bytes that are stored."""
        key = self.key and self.key.document()
        payload = {"size": self.size, "digest": self.digest, "compression": COMPRESSION}
        return contents.encode({"seal": self.seal.document(), "payload": payload, "key": key})


def pack(seal: Seal, plain: bytes, key: Key | None, entropy: Entropy) -> Record:
    """Give the record of a checkpoint: `plain` is its content, or its delta for a delta.

    It is encrypted under a new data key, which `key` wraps; without a key it is only compressed.
    Raises Permanent for more than `MAX_CONTENT`, ValueError where the seal is not that of `plain`.
    """
    if len(plain) > MAX_CONTENT:
        message = f"the checkpoint has {len(plain)} bytes, and at most {MAX_CONTENT} can be stored"
        raise Permanent(message)
    if seal.kind == CheckpointKind.FULL and contents.digest(plain) != seal.content_digest:
        message = "the seal is not that of the content"
        raise ValueError(message)
    payload = frames.compress(plain)
    wrapped = None
    if key is not None:
        data_key = entropy(32)
        payload = encrypt(data_key, payload, seal.canonical(), entropy)
        wrapped = wrap(seal, data_key, key, entropy)
    manifest = Manifest(seal, len(payload), contents.digest(payload), wrapped)
    return Record(seal.name, manifest.encode(), payload)


def unpack(
    record: Record,
    keyring: Keyring,
    *,
    must_be_encrypted: bool = False,
    limit: int = MAX_CONTENT,
) -> tuple[Seal, bytes] | Damage:
    """Give the seal of a record and what `pack` was given; `limit` is how many bytes that may be.

    It says that the record is whole, and with a key that somebody with the keyring made it. That
    it is the one which was asked for, the caller must see from the seal.
    """
    manifest = inspect(record)
    if isinstance(manifest, Damage):
        return manifest
    if manifest.seal.name != record.name:
        return Damage(
            DamageReason.SEAL_MISMATCH,
            f"what is stored as checkpoint {record.name} has the seal of {manifest.seal.name}",
        )
    if must_be_encrypted and manifest.key is None:
        return Damage(
            DamageReason.DOWNGRADED,
            f"checkpoint {record.name} is not encrypted, but all must be",
        )
    plain = _open(manifest, record, keyring, limit)
    return plain if isinstance(plain, Damage) else (manifest.seal, plain)


def inspect(record: Record) -> Manifest | Damage:
    """Give what the manifest of a record says; neither name nor payload are looked at."""
    manifest = _parse(record.manifest)
    if isinstance(manifest, Damage):
        return Damage(manifest.reason, f"checkpoint {record.name}: {manifest.message}")
    return manifest


def wrap(seal: Seal, data_key: bytes, key: Key, entropy: Entropy) -> WrappedKey:
    """Give the data key of one checkpoint, encrypted under `key`."""
    return WrappedKey(key.name, encrypt(key.secret, data_key, _bound(key.name, seal), entropy))


def unwrap(manifest: Manifest, keyring: Keyring) -> bytes | Damage | None:
    """Give the data key of a checkpoint, None where it is not encrypted."""
    held, name = manifest.key, manifest.seal.name
    if held is None:
        return None
    key = keyring.get(held.name)
    if key is None:
        return Damage(
            DamageReason.KEY_MISSING,
            f"checkpoint {name} needs the key {held.name!r}, which the keyring does not have:"
            " put it back",
        )
    data_key = decrypt(key.secret, held.wrapped, _bound(held.name, manifest.seal))
    if data_key is None:
        return Damage(
            DamageReason.DECRYPTION_FAILED,
            f"the data key of checkpoint {name} was altered, or the key {held.name!r} is another"
            " one than it was",
        )
    return data_key


# Reading.


def _open(manifest: Manifest, record: Record, keyring: Keyring, limit: int) -> bytes | Damage:
    """Give what was packed, once size, digest, tag, frame and content were checked."""
    name, payload = record.name, record.payload
    if len(payload) != manifest.size or contents.digest(payload) != manifest.digest:
        return Damage(
            DamageReason.PAYLOAD_ALTERED,
            f"the payload of checkpoint {name} is not the one that its manifest names",
        )
    data_key = unwrap(manifest, keyring)
    if isinstance(data_key, Damage):
        return data_key
    frame = decrypt(data_key, payload, manifest.seal.canonical()) if data_key else payload
    if frame is None:
        return Damage(
            DamageReason.DECRYPTION_FAILED,
            f"the payload of checkpoint {name} does not belong to its seal and its data key",
        )
    plain = _decompress(frame, name, limit)
    if isinstance(plain, Damage) or manifest.seal.kind == CheckpointKind.DELTA:
        return plain
    if contents.digest(plain) != manifest.seal.content_digest:
        return Damage(
            DamageReason.CONTENT_ALTERED,
            f"the content of checkpoint {name} is not the one that its seal names",
        )
    return plain


def _decompress(frame: bytes, name: str, limit: int) -> bytes | Damage:
    """Give what one frame of zstd holds; it must say how much that is."""
    size = frames.size_of(frame)
    if size is not None and size > limit:
        return Damage(
            DamageReason.TOO_LARGE,
            f"checkpoint {name} would have {size} bytes, and at most {limit} are read",
        )
    plain = None if size is None else frames.decompress(frame)
    if plain is None:
        return Damage(
            DamageReason.CONTENT_ALTERED,
            f"the payload of checkpoint {name} is not one frame of zstd that says its size",
        )
    return plain


def _parse(data: bytes) -> Manifest | Damage:
    document = contents.decode(data) if len(data) <= MAX_MANIFEST else None
    if document is None:
        return _unreadable(f"the manifest is no canonical JSON of at most {MAX_MANIFEST} bytes")
    if document.keys() != {"seal", "payload", "key"}:
        return _unreadable("the manifest does not have the fields of a manifest")
    payload, key = document["payload"], _parse_key(document["key"])
    if not _is_payload(payload) or isinstance(key, Damage):
        return _unreadable("the field 'payload' or 'key' of the manifest is not what it must be")
    seal = parse_seal(document["seal"])
    if isinstance(seal, Damage):
        return seal
    return Manifest(seal, payload["size"], payload["digest"], key)


def _is_payload(payload: Any) -> bool:
    return (
        isinstance(payload, dict)
        and payload.keys() == {"size", "digest", "compression"}
        and type(payload["size"]) is int
        and is_digest(payload["digest"])
        and payload["compression"] == COMPRESSION
    )


def _parse_key(value: Any) -> WrappedKey | Damage | None:
    key = None if value is None else wrapped_key_of(value)
    if value is not None and key is None:
        return _unreadable("the key is not named, or not wrapped")
    return key


def _unreadable(message: str) -> Damage:
    return Damage(DamageReason.MANIFEST_UNREADABLE, message)


def _bound(key_name: str, seal: Seal) -> bytes:
    return WRAP + key_name.encode() + b"\0" + seal.canonical()
