"""What the plan wants done to the world, as values. Each is idempotent; `engine.act` does them."""

from dataclasses import dataclass

from buildstate.domain.artifacts import Wish
from buildstate.domain.specs import WorkResources, Workspace


@dataclass(frozen=True, slots=True)
class CreateClaim:
    """Make the build's own workspace claim, unless it is there."""

    name: str
    workspace: Workspace


@dataclass(frozen=True, slots=True)
class CreatePod:
    """Make the Pod of the attempt that the committed state speaks of, unless it is there.

    `replaces` is the uid of the Pod of that name that somebody else took away, empty for none.
    """

    name: str
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class CreateVerifier:
    """Make the Pod that looks at these files because of a request, unless it is there."""

    name: str
    wishes: tuple[Wish, ...]


@dataclass(frozen=True, slots=True)
class DeletePod:
    """Stop exactly that Pod. One that has ended meanwhile stays, unless `also_ended` goes, too.

    `is_leftover` says that no state speaks of it.
    """

    name: str
    uid: str
    also_ended: bool = False
    is_leftover: bool = False


@dataclass(frozen=True, slots=True)
class ResizePod:
    """Give the container of exactly that Pod these resources while it runs."""

    name: str
    uid: str
    wanted: WorkResources


@dataclass(frozen=True, slots=True)
class DeleteClaim:
    """Give the workspace back."""

    name: str


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Keep the object, when it is deleted, until its outside store is erased."""


@dataclass(frozen=True, slots=True)
class RemoveFinalizer:
    """Let the object go."""


@dataclass(frozen=True, slots=True)
class EraseStore:
    """Remove all that the build's store holds of it."""


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """Put the build's state and checkpoints away in its store."""


Act = (
    CreateClaim
    | CreatePod
    | CreateVerifier
    | DeletePod
    | ResizePod
    | DeleteClaim
    | AddFinalizer
    | RemoveFinalizer
    | EraseStore
    | ArchiveState
)
