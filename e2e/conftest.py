"""One cluster with a real node and the operator in its own Pod, for all user stories."""

from collections.abc import Iterator
from itertools import count

import pytest

import installations
from clusters import Profile, choose
from installations import Installation
from stories import Namespace

_numbers = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is in here."""
    for item in items:
        item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """The operator of this checkout on a new cluster, which goes with the tests."""
    provider = choose(profile=Profile.FULL)
    left_over = provider.find("e2e")
    if left_over is not None:
        left_over.stop()
    cluster = provider.start("e2e", Profile.FULL)
    try:
        yield installations.ensure(cluster)
    finally:
        cluster.stop()


@pytest.fixture
def namespace(installation: Installation) -> Namespace:
    """A new namespace."""
    namespace = Namespace(installation, f"story-{next(_numbers)}")
    installation.cluster.kubectl("create", "namespace", namespace.name)
    return namespace
