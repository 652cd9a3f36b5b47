"""Where what a lost build had is looked for."""

from dataclasses import replace

import pytest
from tests.doubles import RecordingKube
from tests.stores.lines import Line
from tests.worlds import NAMESPACE, a_build

from buildstate.domain.errors import Permanent
from buildstate.domain.specs import CheckpointPolicy
from buildstate.engine.vaults import Vaults
from buildstate.stores.contracts import Area
from buildstate.stores.keyrings import NO_KEYS
from buildstate.stores.memories import MemoryStore
from buildstate.stores.registries import Registry


def vaults(*stores: MemoryStore) -> Vaults:
    return Vaults(Registry("main", stores), NO_KEYS, RecordingKube())


async def test_a_store_that_is_unknown_is_refused() -> None:
    build = a_build().wanting(checkpoints=CheckpointPolicy(store="tape")).observed()
    with pytest.raises(Permanent, match="there is no store tape"):
        await vaults(MemoryStore("main")).of(build, "lost")


@pytest.mark.parametrize("area", [*Area, None])
async def test_what_was_put_away_before_it_was_lost_is_found_there(area: Area | None) -> None:
    store = MemoryStore("main")
    line = Line(store, namespace=NAMESPACE, build_uid="lost")
    if area is not None:
        line.place = replace(line.place, area=area)
        await line.grow(1)
    vault = await vaults(store).of(a_build().observed(), "lost")
    expected = Area.ARCHIVED if area is None else area
    assert (NAMESPACE, "lost", expected) == (
        vault.place.namespace,
        vault.place.uid,
        vault.place.area,
    )
    assert vault.expected.namespace_uid is None
