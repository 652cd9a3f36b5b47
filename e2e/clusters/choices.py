"""Which provider this machine gets."""

import os

from clusters import commands
from clusters.kind import KindProvider
from clusters.local import LocalProvider
from clusters.providers import Profile, Provider, Unsupported

VARIABLE = "BUILDSTATE_CLUSTER"


def choose(name: str | None = None, profile: Profile = Profile.FULL) -> Provider:
    """The provider of that name, or the one that this machine is able to run."""
    wanted = name or os.environ.get(VARIABLE)
    if wanted == KindProvider.name:
        return KindProvider()
    if wanted not in (None, "", LocalProvider.name):
        raise Unsupported([f"a provider {wanted!r}: {VARIABLE} is `kind` or `local`"])
    # Without a node a cluster is a few processes: nobody needs Docker for that.
    if not wanted and profile is Profile.FULL and docker_answers():
        return KindProvider()
    local = LocalProvider()
    local.check(profile)
    return local


def owner(name: str) -> Provider:
    """The provider that runs the cluster of that name, or else the one that would."""
    local = LocalProvider()
    return local if local.find(name) else choose()


def docker_answers() -> bool:
    """Whether there is a Docker engine that works for this user."""
    return commands.answers("docker", "info")
