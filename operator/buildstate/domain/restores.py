"""When a checkpoint has to be read: the only question whose answer needs the store."""

from dataclasses import dataclass

from buildstate.domain.observed import Moment
from buildstate.domain.recoveries import resumes_now
from buildstate.domain.requests import asked_checkpoint


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which checkpoint is to be read: the one of that name, or the newest that verifies.

    None of an epoch before `least_epoch` is looked at: a run that was begun anew does not go on
    from what an earlier one had done. `origin` is the uid of the build whose checkpoint it is,
    where that is another one.
    """

    name: str | None = None
    origin: str = ""
    least_epoch: int = 0


def wanted(moment: Moment) -> Wanted | None:
    """Give the checkpoint that a restore is due of, or None."""
    state, observed = moment.observed.state, moment.observed
    if observed.deleting or observed.violations:
        return None
    if state is None:
        return Wanted(origin=observed.origin) if observed.origin else None
    request = asked_checkpoint(state, moment)
    if request is not None:
        return Wanted(request.checkpoint)
    return Wanted(least_epoch=state.recovery.epoch) if resumes_now(state, moment) else None
