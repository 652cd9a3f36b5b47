"""Frames of zstd: one, which says how much it holds."""

import zstandard

LEVEL = 3


def compress(plain: bytes) -> bytes:
    """Give one frame that says its content size."""
    return zstandard.ZstdCompressor(level=LEVEL).compress(plain)


def size_of(frame: bytes) -> int | None:
    """Give the bytes that a frame claims to hold; None where it is no frame."""
    try:
        return zstandard.frame_content_size(frame)
    except zstandard.ZstdError:
        return None


def decompress(frame: bytes) -> bytes | None:
    """Give what one frame holds, and nothing stands behind it; None where it is no such frame.

    Whoever calls this has looked at `size_of` first.
    """
    try:
        # Where the size is not known, this refuses.
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError:
        return None
