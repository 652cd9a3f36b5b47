"""More memory for work that had too little of it."""

from dataclasses import replace
from fractions import Fraction

from buildstate.domain.quantities import parse, text
from buildstate.domain.specs import MemoryGrowth, PhaseWork, WorkResources
from buildstate.domain.states import PhaseRecord

OOM_KILLED = "OOMKilled"
MEMORY = "memory"
MAX_GROWTHS = 16
"""How often the memory of one phase grows at most, however small its factor is."""

_USUAL_MAXIMUM = 4
_MAX_LENGTH = 32


def needed(work: PhaseWork, record: PhaseRecord | None) -> WorkResources:
    """Give what the phase's next Pod asks for: what the author wrote, with the memory grown.

    The request grows with the limit, so that their ratio stays the author's.
    """
    limit = memory_limit(work, record)
    asked = work.resources.limits.get(MEMORY)
    if limit is None or asked is None or limit == asked:
        return work.resources
    limits = {**work.resources.limits, MEMORY: limit}
    requests = dict(work.resources.requests)
    if MEMORY in requests:
        requests[MEMORY] = _times(requests[MEMORY], parse(limit) / parse(asked))
    return replace(work.resources, requests=requests, limits=limits)


def memory_limit(work: PhaseWork, record: PhaseRecord | None) -> str | None:
    """Give the memory limit as it was asked for or as it has grown, the larger one."""
    asked = work.resources.limits.get(MEMORY)
    if asked is None or record is None or record.memory is None:
        return asked
    return max(record.memory, asked, key=_bytes)


def grown(work: PhaseWork, record: PhaseRecord, growth: MemoryGrowth) -> str | None:
    """Give the memory limit of the attempt after one that had too little; None for no more."""
    present, asked = memory_limit(work, record), work.resources.limits.get(MEMORY)
    if present is None or asked is None or not _bytes(asked):
        return None
    if record.retry is not None and record.retry.growths >= MAX_GROWTHS:
        return None
    maximum = _bytes(growth.maximum) if growth.maximum else _bytes(asked) * _USUAL_MAXIMUM
    wanted = min(maximum, _whole(_bytes(present) * _bytes(growth.factor)))
    written = text(wanted)
    return written if wanted > _bytes(present) and len(written) <= _MAX_LENGTH else None


def _times(quantity: str, factor: Fraction) -> str:
    return text(_whole(_bytes(quantity) * factor))


def _whole(number: Fraction) -> Fraction:
    return Fraction(-(-number // 1))


def _bytes(quantity: str) -> Fraction:
    try:
        return parse(quantity)
    except ValueError:
        return Fraction(0)  # An exponent out of this world: the API server says so to its author.
