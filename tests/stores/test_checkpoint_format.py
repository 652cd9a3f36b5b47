"""The reference of the format is true: its example, its reader, its tables."""

import base64
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.stores.lines import NEW, Line, content_at

from buildstate.domain import contents
from buildstate.domain.checkpoints import FORMAT, SEAL_FIELDS, DamageReason
from buildstate.domain.deltas import FORMAT as DELTA_FORMAT
from buildstate.domain.deltas import MAX_LEVELS, diff
from buildstate.stores import documents
from buildstate.stores.chains import Checkpoint, read_checkpoint
from buildstate.stores.contracts import Record
from buildstate.stores.envelopes import MAX_CONTENT, MAX_MANIFEST, unpack
from buildstate.stores.keyrings import KEY_NAME, DirectoryKeyring, Key, MemoryKeyring
from buildstate.stores.memories import MemoryStore
from buildstate.stores.volumes import VolumeStore

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "checkpoint-format.md"
KEY = Key("2026-11", bytes(range(32)))
WIDTH = 100


def content(sequence: int) -> dict[str, Any]:
    """The content of a checkpoint of the example."""
    phases = {3: "SETUP", 4: "BUILD", 5: "TEST"}
    return {
        "build": {"namespace": "team-a", "name": "shop", "labels": {"größe": "XL"}},
        "spec": {"phase": "COMPLETE", "phases": {"build": {"image": "golang:1.25"}}},
        "state": {
            "phase": phases[sequence],
            "sequence": sequence,
            "suspended": False,
            "failure": None,
            "history": [{"sequence": n, "to": phases[n]} for n in (sequence - 1, sequence)],
        },
        "dependencies": {},
        "artifacts": [{"name": "shop.tar", "sha256": "ab" * 32}],
        "resources": {"claim": "shop-workspace"},
    }


async def example() -> tuple[Line, list[Record]]:
    """The two checkpoints of the example."""
    line = Line(MemoryStore(), KEY)
    made = iter(range(1, 7))
    line.entropy = lambda size: bytes([next(made)]) * size
    await line.add(content(4), number=1, sequence=4, phase="BUILD")
    await line.add(content(5), number=2, sequence=5, phase="TEST", kind="Delta")
    records = [await line.store.load(line.place, ref.name) for ref in line.refs]
    return line, [record for record in records if record]


DOCUMENT_PATH = "active/team-a/22222222-bbbb-4bbb-8bbb-222222222222/current_state.json"


DOCUMENT = contents.encode({"build": content(4)["build"], "spec": content(4)["spec"]})


def document() -> bytes:
    """The document of the example, as it is stored."""
    made = iter(range(7, 10))
    return documents.seal(DOCUMENT_PATH, DOCUMENT, KEY, lambda size: bytes([next(made)]) * size)


def text(data: bytes) -> str:
    """Bytes as base64."""
    return base64.b64encode(data).decode()


async def blocks() -> dict[str, str]:
    """What the blocks of the page must hold, by name."""
    line, (full, delta) = await example()
    ref, other = line.refs
    found = unpack(full, MemoryKeyring([KEY]))
    assert isinstance(found, tuple)
    plain = contents.encode(diff(content(4), content(5)))
    # The frame is what the payload encrypts.
    open_line = Line(MemoryStore(), None)
    frame = open_line.record(content(4)).payload
    return {
        "key": text(KEY.secret),
        "full-content": contents.encode(content(4)).decode(),
        "full-name": f"{ref.digest}\n{ref.name}",
        "full-seal": found[0].canonical().decode(),
        "full-frame": text(frame),
        "full-payload": text(full.payload),
        "full-manifest": full.manifest.decode(),
        "delta-plain": plain.decode(),
        "delta-name": other.name,
        "delta-payload": text(delta.payload),
        "delta-manifest": delta.manifest.decode(),
        "delta-content": contents.encode(content(5)).decode(),
        "document-path": DOCUMENT_PATH,
        "document-plain": DOCUMENT.decode(),
        "document": text(document()),
    }


def folded(block: str) -> str:
    """A block in lines of the width of the page."""
    lines = [
        line[at : at + WIDTH] for line in block.split("\n") for at in range(0, len(line), WIDTH)
    ]
    return "\n".join(lines)


def on_the_page() -> dict[str, str]:
    """The blocks of the page by name."""
    found = re.findall(r"^```\w+ ([-\w]+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return {name: block.removesuffix("\n") for name, block in found}


async def test_the_example_is_what_we_write() -> None:
    expected = {name: folded(block) for name, block in (await blocks()).items()}
    shown = on_the_page()
    shown.pop("reader")
    assert shown == expected, "make the page anew: python -m tests.stores.test_checkpoint_format"


async def test_the_example_is_read() -> None:
    """What stands on the page stays readable, however our own writing changes."""
    shown = {name: block.replace("\n", "") for name, block in on_the_page().items()}
    keyring = MemoryKeyring([Key("2026-11", base64.b64decode(shown["key"]))])
    line, _ = await example()
    line.store = MemoryStore()
    digest, name = on_the_page()["full-name"].split("\n")
    assert (digest, name) == (line.refs[0].digest, line.refs[0].name)
    for ref, kind in zip(line.refs, ("full", "delta"), strict=True):
        payload = base64.b64decode(shown[f"{kind}-payload"])
        record = Record(ref.name, shown[f"{kind}-manifest"].encode(), payload)
        await line.store.save(line.place, record)
        found = await read_checkpoint(
            line.store, line.place, line.refs, ref.name, line.expected, keyring
        )
        assert isinstance(found, Checkpoint)
        assert found.content == shown[f"{kind}-content"].encode()


def test_the_document_of_the_example_is_read_by_hand() -> None:
    """By what the page says, and not by our code."""
    shown = {name: block.replace("\n", "") for name, block in on_the_page().items()}
    stored = base64.b64decode(shown["document"])
    path = shown["document-path"].encode()
    first, line, body = stored.split(b"\n", 2)
    assert first == b"buildstate.dev/document/v1"
    key = json.loads(line)
    wrapped = base64.b64decode(key["wrapped"])
    bound = b"buildstate.dev/document-key/v1\0" + key["name"].encode() + b"\0" + path
    data_key = AESGCM(base64.b64decode(shown["key"])).decrypt(wrapped[:12], wrapped[12:], bound)
    assert data_key == b"\7" * 32
    frame = AESGCM(data_key).decrypt(body[:12], body[12:], first + b"\0" + path)
    plain = zstandard.decompress(frame)
    assert plain == shown["document-plain"].encode()
    assert plain == documents.unseal(path.decode(), stored, MemoryKeyring([KEY]))


def test_the_example_shows_a_delta_that_pays() -> None:
    shown = on_the_page()
    assert len(shown["delta-plain"]) < len(shown["delta-content"]) / 2
    assert '"list":' in shown["delta-plain"]


def run_reader(tmp_path: Path, folder: Path, name: str) -> subprocess.CompletedProcess[bytes]:
    """Run the reader of the page alone."""
    script = tmp_path / "reader.py"
    script.write_text(on_the_page()["reader"])
    arguments = [str(folder), name, str(tmp_path / "keys")]
    return subprocess.run(
        [sys.executable, "-I", str(script), *arguments], capture_output=True, check=False
    )


@pytest.mark.parametrize("key", [NEW, None], ids=["encrypted", "open"])
async def test_the_reader_of_the_page_reads_what_is_on_a_volume(
    tmp_path: Path, key: Key | None
) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / NEW.name).write_text(text(NEW.secret))
    (tmp_path / "store").mkdir()
    line = Line(VolumeStore("volume", tmp_path / "store"), key)
    await line.grow(3)
    folder = tmp_path / "store" / "active" / line.place.namespace / line.place.uid / "checkpoints"
    for index in (0, 2):
        done = run_reader(tmp_path, folder, line.refs[index].name)
        assert done.stderr == b""
        assert done.stdout == line.contents[index] == contents.encode(content_at(index + 1))
    keyring = DirectoryKeyring(tmp_path / "keys", NEW.name)
    assert keyring.active == NEW
    path = folder / f"{line.refs[0].name}.payload"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert run_reader(tmp_path, folder, line.refs[2].name).returncode != 0


def rows(heading: str) -> list[str]:
    """The words that the first cells of the table below a heading name."""
    section = PAGE.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def test_the_tables_are_complete() -> None:
    assert rows("Seal") == [wire for _, wire in SEAL_FIELDS]
    assert sorted(rows("What is checked, and what a refusal is called")) == sorted(DamageReason)


def test_the_figures_and_names_are_ours() -> None:
    page = PAGE.read_text()
    assert (MAX_MANIFEST, MAX_CONTENT) == (16 * 2**10, 16 * 2**20)
    assert (documents.MAX_KEY_LINE, documents.MAX_DOCUMENT) == (512, MAX_CONTENT)
    for word in (
        FORMAT,
        DELTA_FORMAT,
        documents.FORMAT,
        documents.WRAP_FORMAT,
        KEY_NAME,
        f"{contents.MAX_LEVELS} levels",
    ):
        assert word in page
    assert f"nested at most {MAX_LEVELS} deep" in page


async def renew() -> None:
    """Write the blocks of the page anew."""
    page = PAGE.read_text()
    for name, block in (await blocks()).items():
        pattern = rf"(^```text {name}\n).*?(^```$)"
        new = f"\\g<1>{folded(block)}\n\\g<2>".replace("\\u", "\\\\u")
        page = re.sub(pattern, new, page, flags=re.MULTILINE | re.DOTALL)
    PAGE.write_text(page)


if __name__ == "__main__":
    import asyncio

    asyncio.run(renew())
