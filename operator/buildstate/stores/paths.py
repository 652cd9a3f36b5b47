"""Where things lie in a store of documents, and which paths there may be."""

from buildstate.domain.errors import Permanent
from buildstate.stores.contracts import BAD_PATH, Area, Place

MAX_PATH = 900
MAX_SEGMENT = 240
"""Bytes: file systems end at 255 a name, and object stores at 1024 a path."""

ROOTS = tuple(f"{root}/" for root in (*Area, "backups"))
"""What the path of every document begins with."""

_CHECKPOINTS = "checkpoints"
_MANIFEST = ".json"
_PAYLOAD = ".payload"


def checked(path: str) -> str:
    """Give `path` if it can stand in every store; raises `Permanent` otherwise.

    It is relative, every segment has a name, and none begins with a dot: those are a store's own.
    """
    wrong = _wrong(path)
    if wrong:
        message = f"{path!r} cannot be a path in a store: {wrong}"
        raise Permanent(message, reason=BAD_PATH)
    return path


def checked_prefix(prefix: str) -> str:
    """Give `prefix` if a path may begin so; raises `Permanent` otherwise."""
    checked(f"{prefix}x")
    return prefix


def home(area: Area, namespace: str, uid: str) -> str:
    """Give the directory of one build, with a slash at its end."""
    return checked(f"{area}/{namespace}/{uid}/x").removesuffix("x")


def checkpoints(place: Place) -> str:
    """Give the directory of the checkpoints of one build, with a slash at its end."""
    return f"{home(place.area, place.namespace, place.uid)}{_CHECKPOINTS}/"


def payload(place: Place, name: str) -> str:
    """Name the document that holds the payload of a checkpoint."""
    return f"{checkpoints(place)}{_one_segment(name)}{_PAYLOAD}"


def manifest(place: Place, name: str) -> str:
    """Name the document that makes a checkpoint visible."""
    return f"{checkpoints(place)}{_one_segment(name)}{_MANIFEST}"


def checkpoint_of(path: str) -> str:
    """Give the name of the checkpoint that a document belongs to; empty for anything else."""
    file = path.rpartition("/")[2]
    stems = (file[: -len(end)] for end in (_MANIFEST, _PAYLOAD) if file.endswith(end))
    return next(stems, "")


def place_of(path: str) -> Place | None:
    """Give the place that a document belongs to, or None where it belongs to no build."""
    area, *rest = path.split("/")
    if area not in list(Area) or len(rest) < 3:
        return None
    return Place(rest[0], rest[1], area=Area(area))


def owner_of(path: str) -> Place:
    """Give the place of the build that a document is about, a backup too; empty where of none."""
    root, *rest = path.split("/")
    if len(rest) < 3:
        return Place("", "")
    return Place(rest[0], rest[1], area=Area(root) if root in list(Area) else Area.ACTIVE)


def is_of_checkpoint(path: str) -> bool:
    """Say whether a document is half a checkpoint."""
    return place_of(path) is not None and path.split("/")[3] == _CHECKPOINTS


def _one_segment(name: str) -> str:
    if "/" in name:
        message = f"{name!r} cannot be the name of a checkpoint: it has a slash"
        raise Permanent(message, reason=BAD_PATH)
    checked(name)
    return name


def _wrong(path: str) -> str:
    segments = path.split("/")
    if not path.isprintable() or "\\" in path:
        return "it has a backslash, or something that cannot be printed"
    if "" in segments:
        return "a name in it is empty"
    if any(segment.startswith(".") for segment in segments):
        return "a name in it begins with a dot"
    if len(path.encode()) > MAX_PATH or any(len(s.encode()) > MAX_SEGMENT for s in segments):
        return f"it is longer than {MAX_PATH} bytes, or a name in it than {MAX_SEGMENT}"
    return ""
