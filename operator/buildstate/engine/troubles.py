"""What went wrong with the stores of builds, and when each is tried again."""

from dataclasses import replace
from datetime import datetime, timedelta

from buildstate.domain import pauses
from buildstate.domain.errors import BuildStateError, Permanent, Transient
from buildstate.domain.observed import Trouble
from buildstate.kube.ports import Key

FIRST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=30)
"""Of what may pass by itself: many builds of a store that is down cost that no request."""
LONGEST_REFUSED_PAUSE = timedelta(minutes=5)
"""Of what somebody has to mend; each build asks for itself."""
PERSISTENCE_ERROR = "PersistenceError"


class Troubles:
    """The troubles of builds with their stores, further and further apart.

    They are remembered and not stored: an operator that starts anew tries at once.
    """

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Trouble, timedelta]] = {}
        self._since: dict[Key, datetime] = {}

    def of(self, key: Key, now: datetime) -> Trouble | None:
        """Give the latest trouble of that build, or None while all is well."""
        known = self._known.get(key)
        if known is None:
            return None
        trouble, since = known[0], self._since[key]
        end = pauses.end_of(since, trouble.retry_time - since, now)
        return replace(trouble, retry_time=end) if end != trouble.retry_time else trouble

    def note(self, key: Key, error: BuildStateError, now: datetime) -> Trouble:
        """Remember that `error` happened, and give what it means for the build."""
        known = self._known.get(key)
        longest = LONGEST_REFUSED_PAUSE if isinstance(error, Permanent) else LONGEST_PAUSE
        pause = min(known[1] * 2, longest) if known else FIRST_PAUSE
        asked = error.retry_after if isinstance(error, Transient) else None
        trouble = _trouble(error, now + max(pause, timedelta(seconds=asked or 0)))
        if known and known[0].reason == trouble.reason:
            # The words of a store differ from one failure to the next; each would be a write.
            trouble = replace(trouble, message=known[0].message)
        self._known[key] = (trouble, pause)
        self._since[key] = now
        return trouble

    def clear(self, key: Key) -> None:
        """Forget the trouble of that build: it is over, or the build is gone."""
        self._known.pop(key, None)
        self._since.pop(key, None)


def _trouble(error: BuildStateError, retry_time: datetime) -> Trouble:
    is_permanent = isinstance(error, Permanent)
    named = error.reason if isinstance(error, Permanent) else PERSISTENCE_ERROR
    return Trouble(
        reason=PERSISTENCE_ERROR if named == "Refused" else named,
        message=str(error) or type(error).__name__,
        retry_time=retry_time,
        is_permanent=is_permanent,
    )
