"""The store in memory."""

import pytest
from tests.stores.contracts import IncompleteContract

from buildstate.stores.contracts import Store
from buildstate.stores.memories import MemoryStore


class TestMemory(IncompleteContract):
    """The contract."""

    @pytest.fixture
    def store(self) -> Store:
        return MemoryStore()
