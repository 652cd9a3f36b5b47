"""When a checkpoint has to be read: the only question whose answer needs the store."""

from dataclasses import dataclass

from buildstate.domain.observed import Moment
from buildstate.domain.recoveries import resumes_now
from buildstate.domain.requests import asked_checkpoint


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checkpoint is to be read: the one of that name, or the newest that verifies.

    With `of_this_epoch` the newest is looked for in the present epoch only: a run that was begun
    anew does not go on from what an earlier one had done.
    """

    name: str | None = None
    of_this_epoch: bool = False


def wanted(moment: Moment) -> Wanted | None:
    """Give the checkpoint that a restore is due of, or None."""
    state = moment.observed.state
    if state is None or moment.observed.deleting or moment.observed.violations:
        return None
    request = asked_checkpoint(state, moment)
    if request is not None:
        return Wanted(request.checkpoint)
    return Wanted(of_this_epoch=True) if resumes_now(state, moment) else None
