"""`python -m clusters`: start, look at and stop clusters."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from clusters import steps
from clusters.binaries import TOOLS, tool
from clusters.choices import choose, owner
from clusters.commands import CommandFailed
from clusters.providers import Cluster, Profile, Unsupported

Act = Callable[[argparse.Namespace], None]


def main(words: list[str] | None = None) -> int:
    """The exit code of one command."""
    options = _parser().parse_args(words)
    try:
        options.act(options)
    except (Unsupported, CommandFailed, LookupError, RuntimeError, TimeoutError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="clusters", description=__doc__)
    acts = parser.add_subparsers(required=True, metavar="COMMAND")
    up = _act(acts.add_parser("up", help="start a cluster, or find it running"), _up)
    up.add_argument("--profile", type=Profile, choices=list(Profile), default=Profile.FULL)
    up.add_argument("--simulated-nodes", type=int, default=0, metavar="COUNT")
    _act(acts.add_parser("down", help="stop a cluster and leave nothing behind"), _down)
    _act(acts.add_parser("status", help="tell its condition and where its logs are"), _status)
    _act(acts.add_parser("kubeconfig", help="print the path of its kubeconfig"), _kubeconfig)
    load = _act(acts.add_parser("load", help="load an image that was built here"), _load)
    load.add_argument("ref")
    _add_build(_act(acts.add_parser("build", help="build an image and load it"), _build))
    fetch = _act(acts.add_parser("tool", help="print the path of a program, built first"), _tool)
    fetch.add_argument("tool", choices=sorted(TOOLS))
    return parser


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", help="as localhost/NAME:TAG")
    parser.add_argument("context", type=Path)
    parser.add_argument("--file", type=Path, help="instead of CONTEXT/Dockerfile")
    parser.add_argument("--build-arg", action="append", default=[], metavar="NAME=VALUE")


def _act(parser: argparse.ArgumentParser, act: Act) -> argparse.ArgumentParser:
    parser.set_defaults(act=act)
    parser.add_argument("--name", default="demo", help="of the cluster (default: demo)")
    return parser


def _up(options: argparse.Namespace) -> None:
    provider = choose(profile=options.profile)
    cluster = provider.start(options.name, options.profile, options.simulated_nodes)
    steps.note(f"The cluster {cluster.name} is up:")
    steps.note(f"  export KUBECONFIG={cluster.kubeconfig}")


def _down(options: argparse.Namespace) -> None:
    cluster = owner(options.name).find(options.name)
    if cluster is None:
        steps.note(f"There is no cluster {options.name}.")
    else:
        cluster.stop()


def _status(options: argparse.Namespace) -> None:
    print(owner(options.name).describe(options.name))


def _kubeconfig(options: argparse.Namespace) -> None:
    print(_found(options).kubeconfig)


def _build(options: argparse.Namespace) -> None:
    dockerfile = options.file or options.context / "Dockerfile"
    arguments = dict(argument.split("=", 1) for argument in options.build_arg)
    cluster = _found(options)
    cluster.build_image(options.context, dockerfile, options.ref, arguments)
    cluster.load_image(options.ref)


def _load(options: argparse.Namespace) -> None:
    _found(options).load_image(options.ref)


def _tool(options: argparse.Namespace) -> None:
    print(tool(options.tool))


def _found(options: argparse.Namespace) -> Cluster:
    cluster = owner(options.name).find(options.name)
    if cluster is None:
        raise LookupError(f"there is no cluster {options.name}: start it with `up`")
    return cluster


if __name__ == "__main__":
    sys.exit(main())
