"""A build as its namespace's line sees it: what it needs and what it uses, by quota."""

from datetime import datetime

from buildstate.domain.lines import Account, Party
from buildstate.domain.needs import COUNTED_PODS, Demand, concerns
from buildstate.domain.observed import Observed
from buildstate.domain.terms import ONE, Amounts, Quota, Terms


def party(
    observed: Observed, wanted: Demand, terms: Terms, since: datetime, promise: Amounts | None
) -> Party:
    """Give the build's place at the table; `promise` is None while it waits for one."""
    needs: dict[Account, int] = {}
    holds: dict[Account, int] = {}
    for quota in terms.quotas:
        used = _used(observed, wanted, quota)
        for name, value in wanted.against(quota).items():
            needed = value if promise is None else min(value, promise.get(name, 0))
            if needed:
                needs[quota.name, name] = needed
                holds[quota.name, name] = min(needed, used.get(name, 0))
    return Party(
        name=observed.name,
        priority=observed.spec.priority,
        since=since,
        needs=needs,
        holds={account: value for account, value in holds.items() if value},
        is_promised=promise is not None,
    )


def _used(observed: Observed, wanted: Demand, quota: Quota) -> Amounts:
    """Give what `quota` counts of the build at present."""
    state, live = observed.state, len(observed.live_pods)
    claim = wanted.claim if state is not None and state.workspace_claim is not None else {}
    # The phase that is at work is the first of those that are left.
    pods = [pod for pod in wanted.pods[:1] if live and concerns(quota, pod)]
    counted = {name: value * live for pod in pods for name, value in pod.counted.items()}
    return {**claim, **counted, COUNTED_PODS: len(observed.pods) * ONE}
