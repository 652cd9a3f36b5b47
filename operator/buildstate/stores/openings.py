"""The stores document as it is found: for the operator, and for whoever looks after its stores."""

from pathlib import Path

from buildstate.stores.registries import BadStores, StoresConfig, stores_of


def config_of(file: Path | None) -> StoresConfig:
    """Give what the stores document says, that of ConfigMaps only where there is none.

    Raises BadStores where it cannot be used.
    """
    if file is None:
        return StoresConfig()
    try:
        return stores_of(file.read_text())
    except (OSError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is no text"
        message = f"{file} cannot be read: {said}"
        raise BadStores(message) from error
