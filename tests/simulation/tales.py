"""The reference builds: every story that is lived through under each fault."""

from typing import Any

from buildstate.testing.kubelets import Ending
from buildstate.testing.stories import (
    GONE,
    Story,
    asked,
    deleted,
    fares,
    in_phase,
    made,
    put,
    runs,
)

WORK = {"image": "busybox", "command": ["true"]}
FOUR = dict.fromkeys(("setup", "build", "test", "cleanup"), WORK)
FAILED = Ending(exit_code=3)
FOREVER = Ending(exit_code=None)


def _request(action: str, **fields: Any) -> dict[str, Any]:
    return {"id": f"{action.lower()}-1", "action": action, **fields}


STRAIGHT = Story(
    name="straight",
    deeds=(made("one", {"phases": FOUR, "workspace": {"size": "1Gi"}}),),
    ends={"one": "COMPLETE"},
)
KEEPING = Story(
    name="keeping",
    deeds=(made("one", {"phases": FOUR, "checkpoints": {"keep": 3, "fullEvery": 3}}),),
    ends={"one": "COMPLETE"},
)
OUTSIDE = Story(
    name="outside",
    deeds=(made("one", {"phases": FOUR, "checkpoints": {"store": "bucket", "keep": 3}}),),
    ends={"one": "COMPLETE"},
)
RETRYING = Story(
    name="retrying",
    deeds=(made("one", {"phases": {"build": {**WORK, "backoffLimit": 2}}}),),
    script={"BUILD": (FAILED, FAILED)},
    ends={"one": "COMPLETE"},
)
RESTARTING = Story(
    name="restarting",
    deeds=(
        made("one", {"phases": FOUR, "recovery": {"strategy": "Restart", "backoffSeconds": 1}}),
    ),
    script={"TEST": (FAILED,)},
    ends={"one": "COMPLETE"},
)
RESUMING = Story(
    name="resuming",
    deeds=(
        made(
            "one",
            {
                "phases": FOUR,
                "workspace": {"size": "1Gi"},
                "checkpoints": {"fullEvery": 4, "whenUnavailable": "Wait"},
                "recovery": {"strategy": "Resume", "backoffSeconds": 1},
            },
        ),
    ),
    script={"TEST": (FAILED,)},
    ends={"one": "COMPLETE"},
)
EXHAUSTED = Story(
    name="exhausted",
    deeds=(
        made(
            "one",
            {
                "phases": FOUR,
                "checkpoints": {"store": "bucket", "whenUnavailable": "Wait"},
                "recovery": {
                    "strategy": "Resume",
                    "limit": 1,
                    "backoffSeconds": 1,
                    "onExhausted": "Cleanup",
                },
            },
        ),
    ),
    script={"TEST": (FAILED, FAILED)},
    ends={"one": "COMPLETE"},
)
RESTORED = Story(
    name="restored",
    deeds=(
        made("one", {"phases": FOUR, "checkpoints": {"whenUnavailable": "Wait"}}),
        asked("one", in_phase("one", "ERROR"), request=_request("Restore")),
    ),
    script={"TEST": (FAILED,)},
    ends={"one": "COMPLETE"},
)
ABORTED = Story(
    name="aborted",
    deeds=(
        made("one", {"phases": FOUR, "workspace": {"size": "1Gi"}}),
        asked("one", runs("one", "BUILD"), request=_request("Abort")),
    ),
    script={"BUILD": (FOREVER,)},
    ends={"one": "ERROR"},
)
ARCHIVED = Story(
    name="archived",
    deeds=(
        made("one", {"phases": {"build": WORK}, "checkpoints": {"store": "bucket"}}),
        asked("one", in_phase("one", "COMPLETE"), request=_request("Archive")),
    ),
    ends={"one": "COMPLETE"},
)
DELETED = Story(
    name="deleted",
    deeds=(
        made(
            "one",
            {
                "phases": FOUR,
                "checkpoints": {"store": "bucket", "deletionPolicy": "Delete"},
            },
        ),
        deleted("one", runs("one", "TEST")),
    ),
    script={"TEST": (FOREVER,)},
    ends={"one": GONE},
)
SUSPENDED = Story(
    name="suspended",
    deeds=(
        made("one", {"phases": FOUR}),
        asked("one", runs("one", "BUILD"), suspend=True),
        asked("one", fares("one", "Suspended"), suspend=False),
    ),
    ends={"one": "COMPLETE"},
)
TIMING_OUT = Story(
    name="timing-out",
    deeds=(made("one", {"phases": {"build": {**WORK, "timeoutSeconds": 5, "backoffLimit": 1}}}),),
    script={"BUILD": (FOREVER,)},
    ends={"one": "COMPLETE"},
    is_timed=True,
)
EVICTED = Story(
    name="evicted",
    deeds=(made("one", {"phases": FOUR}),),
    script={"BUILD": (Ending(exit_code=137, reason="Evicted"),)},
    ends={"one": "COMPLETE"},
)
MEMORY = {"resources": {"limits": {"memory": "64Mi"}}}
GROWING = Story(
    name="growing",
    deeds=(made("one", {"phases": {"build": {**WORK, "backoffLimit": 2, **MEMORY}}}),),
    script={"BUILD": (Ending(exit_code=137, cause="OOMKilled"),)},
    ends={"one": "COMPLETE"},
)
LEAVING = Story(
    name="leaving",
    deeds=(
        made(
            "one",
            {
                "phases": FOUR,
                "workspace": {"size": "1Gi"},
                "checkpoints": {"whenUnavailable": "Wait"},
                "artifacts": [{"name": "result", "phase": "BUILD", "path": "out/result"}],
                "recovery": {"strategy": "Resume", "backoffSeconds": 1},
            },
        ),
    ),
    script={"TEST": (FAILED,)},
    ends={"one": "COMPLETE"},
)
QUEUING = Story(
    name="queuing",
    deeds=(
        put("resourcequotas", {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}),
        *(made(f"build-{number}", {"phases": {"build": WORK}}) for number in range(3)),
    ),
    ends={f"build-{number}": "COMPLETE" for number in range(3)},
)
DEPENDING = Story(
    name="depending",
    deeds=(
        made("second", {"phases": {"build": WORK}, "dependencies": [{"name": "first"}]}),
        made("first", {"phases": {"build": WORK}}, fares("second", "Waiting")),
    ),
    ends={"first": "COMPLETE", "second": "COMPLETE"},
)
YIELDING = Story(
    name="yielding",
    deeds=(
        put("resourcequotas", {"metadata": {"name": "small"}, "spec": {"hard": {"pods": "1"}}}),
        made(
            "second",
            {"phases": {"setup": WORK, "build": WORK}, "dependencies": [{"name": "first"}]},
        ),
        made("first", {"phases": {"build": WORK}}, fares("second", "Waiting")),
    ),
    ends={"first": "COMPLETE", "second": "COMPLETE"},
)
MENDED = Story(
    name="mended",
    deeds=(
        made(
            "second",
            {
                "phases": {"test": WORK},
                "dependencies": [{"name": "first"}],
                "recovery": {"strategy": "Restart", "backoffSeconds": 1},
            },
        ),
        made("first", {"phases": {"build": WORK}}),
        asked("first", in_phase("second", "ERROR"), request=_request("Restart")),
    ),
    script={"BUILD": (FAILED,)},
    ends={"first": "COMPLETE", "second": "COMPLETE"},
)
CIRCULAR = Story(
    name="circular",
    # Before SETUP, or it would hang on who comes first how far each of them comes.
    deeds=tuple(
        made(name, {"dependencies": [{"name": other, "before": "SETUP"}]})
        for name, other in (("one", "three"), ("two", "one"), ("three", "two"))
    ),
    ends=dict.fromkeys(("one", "two", "three"), "ERROR"),
    # Who looks last sees that the one before has failed, not the circle.
    may_differ=("the failure",),
)
WAITING = Story(
    name="waiting",
    deeds=(made("one", {"phases": {"build": WORK}, "dependencies": [{"name": "never"}]}),),
    ends={"one": "SETUP"},
)
BROKEN = Story(
    name="broken",
    deeds=(
        made(
            "one",
            {
                "phases": {"build": WORK},
                "checkpoints": {"store": "bucket", "whenUnavailable": "Wait"},
            },
        ),
    ),
    ends={"one": "INIT"},
    is_troubled=True,
    broken="bucket",
)
GOING_ON = Story(
    name="going-on",
    deeds=(made("one", {"phases": {"build": WORK}, "checkpoints": {"store": "bucket"}}),),
    ends={"one": "COMPLETE"},
    is_troubled=True,
    broken="bucket",
)
CROWD = Story(
    name="crowd",
    deeds=tuple(made(f"build-{number}", {"phases": FOUR}) for number in range(5)),
    ends={f"build-{number}": "COMPLETE" for number in range(5)},
)

ALL = (
    STRAIGHT,
    KEEPING,
    OUTSIDE,
    RETRYING,
    RESTARTING,
    RESUMING,
    EXHAUSTED,
    RESTORED,
    ABORTED,
    ARCHIVED,
    DELETED,
    SUSPENDED,
    TIMING_OUT,
    EVICTED,
    GROWING,
    LEAVING,
    QUEUING,
    DEPENDING,
    YIELDING,
    MENDED,
    CIRCULAR,
    WAITING,
    BROKEN,
    GOING_ON,
    CROWD,
)
TALES = {story.name: story for story in ALL}
