"""AES-256-GCM as everything that is stored uses it: data keys, and the keys that wrap them."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from buildstate.stores.keyrings import KEY_NAME, SIZE

NONCE = 12
TAG = 16

Entropy = Callable[[int], bytes]
"""Gives that many bytes which nobody can guess, and never the same again: `os.urandom`."""


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key, encrypted under the key of that name: nonce, ciphertext and tag."""

    name: str
    wrapped: bytes

    def document(self) -> dict[str, str]:
        """Give the wrapped key as it is stored."""
        return {"name": self.name, "wrapped": base64.b64encode(self.wrapped).decode()}


def wrapped_key_of(value: Any) -> WrappedKey | None:
    """Give the wrapped key that `document` made `value` of; None where it made no such value."""
    if not isinstance(value, dict) or value.keys() != {"name", "wrapped"}:
        return None
    name, text = value["name"], value["wrapped"]
    wrapped = _bytes_of(text) if isinstance(text, str) else b""
    if not isinstance(name, str) or not re.fullmatch(KEY_NAME, name) or not wrapped:
        return None
    return WrappedKey(name, wrapped)


def encrypt(secret: bytes, plain: bytes, bound: bytes, entropy: Entropy) -> bytes:
    """Give nonce, ciphertext and tag; `bound` must be named again to decrypt them."""
    nonce = entropy(NONCE)
    return nonce + AESGCM(secret).encrypt(nonce, plain, bound)


def decrypt(secret: bytes, data: bytes, bound: bytes) -> bytes | None:
    """Give what was encrypted, None where anything of it was altered."""
    if len(data) < NONCE + TAG:
        return None
    try:
        return AESGCM(secret).decrypt(data[:NONCE], data[NONCE:], bound)
    except InvalidTag:
        return None


def _bytes_of(text: str) -> bytes:
    """Give the bytes of a wrapped key; empty where `text` is not their only base64."""
    try:
        wrapped = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return b""
    is_exact = base64.b64encode(wrapped).decode() == text and len(wrapped) == NONCE + SIZE + TAG
    return wrapped if is_exact else b""
