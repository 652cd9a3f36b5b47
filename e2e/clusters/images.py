"""Images built without Docker, kept as archives that a node imports."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from clusters import bases, commands, contexts, pips, places, steps

BUSYBOX = "localhost/busybox:1"
PAUSE = "localhost/pause:1"
PREFIX = "localhost/"
BASE_ARGUMENT = "BASE_IMAGE"


def build(ref: str, context: Path, dockerfile: Path, build_args: Mapping[str, str]) -> str:
    """The key of the image: of all it is made of."""
    if not ref.startswith(PREFIX):
        raise ValueError(f"image reference {ref!r} must begin with {PREFIX!r}: it is never pulled")
    needs_base = _needs_base(dockerfile, build_args)
    settings = {**build_args, "base": bases.key() if needs_base else ""}
    key = contexts.key(context, dockerfile, settings)
    with places.locked(places.cache("locks", ".images")):
        if _key(ref) != key:
            arguments = {**build_args, **({BASE_ARGUMENT: _base()} if needs_base else {})}
            with steps.step(f"Building the image {ref}", "about 1 min where a lot changed"):
                _build(ref, key, context, dockerfile, arguments)
    return key


def _needs_base(dockerfile: Path, build_args: Mapping[str, str]) -> bool:
    return f"ARG {BASE_ARGUMENT}" in dockerfile.read_text() and BASE_ARGUMENT not in build_args


def built(ref: str) -> tuple[str, Path]:
    """The key and the archive of an image that was built here."""
    key = _key(ref)
    if key is None:
        raise LookupError(f"no image {ref} was built here")
    return key, _directory(ref) / f"{key}.tar"


def busybox() -> str:
    """A shell and its tools in 2 MB, for Pods of tests."""
    with tempfile.TemporaryDirectory() as temporary:
        program = shutil.which("busybox") or "/bin/busybox"
        shutil.copy2(program, Path(temporary, "busybox"))
        dockerfile = places.IMAGES / "busybox" / "Dockerfile"
        build(BUSYBOX, Path(temporary), dockerfile, {})
    return BUSYBOX


def pause() -> str:
    """What holds a Pod's namespaces; the usual image could not be pulled everywhere."""
    directory = places.IMAGES / "pause"
    build(PAUSE, directory, directory / "Dockerfile", {"FROM": busybox(), "KEY": built(BUSYBOX)[0]})
    return PAUSE


def _key(ref: str) -> str | None:
    archives = list(_directory(ref).glob("*.tar"))
    return archives[0].stem if archives else None


def _directory(ref: str) -> Path:
    return places.cache("images", ref.removeprefix(PREFIX).replace("/", "_").replace(":", "_"))


def _base() -> str:
    if not _known(bases.ref()):
        with bases.context() as context:
            dockerfile = places.IMAGES / "base" / "Dockerfile"
            _bud(bases.ref(), context, dockerfile, {})
    return bases.ref()


def _known(ref: str) -> bool:
    return commands.answers(*_buildah(), "inspect", "--type", "image", ref)


def _build(
    ref: str, key: str, context: Path, dockerfile: Path, arguments: Mapping[str, str]
) -> None:
    _bud(ref, context, dockerfile, arguments)
    with _new_directory(_directory(ref)) as directory:
        # Not compressed: that takes longer than it saves on the way to the same machine.
        archive = f"oci-archive:{directory / key}.tar:{ref}"
        commands.run(*_buildah(), "push", "--disable-compression", ref, archive)
    if ref != BUSYBOX:
        commands.run(*_buildah(), "rmi", ref)


@contextmanager
def _new_directory(final: Path) -> Iterator[Path]:
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=final.parent, prefix=".new-"))
    try:
        yield temporary
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _bud(ref: str, context: Path, dockerfile: Path, arguments: Mapping[str, str]) -> None:
    named = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    log = places.cache("logs", f"image-{_directory(ref).name}.log")
    with pips.mounts() as mounted:
        volumes = [f"--volume={source}:{target}:ro" for source, target in mounted]
        commands.run_logged(
            *(*_buildah(), "bud", "--isolation", "chroot", "--network", "host", "--tag", ref),
            *("--file", str(dockerfile), *named, *volumes, str(context)),
            log=log,
        )


def _buildah() -> tuple[str, ...]:
    root, run = places.cache("buildah", "root"), places.cache("buildah", "run")
    # The vfs driver needs nothing of the kernel and works inside containers and sandboxes too.
    return ("buildah", "--root", str(root), "--runroot", str(run), "--storage-driver", "vfs")
