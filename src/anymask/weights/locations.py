"""Where weights are on this machine, and which environment variables move them.

- `ANYMASK_CACHE`: the root of everything that can be fetched or computed again (weights, compiled graphs, embeddings).
- `ANYMASK_DATA`: the user's own model catalogue and the model files copied into it.
- `ANYMASK_MODELS`: an offline bundle, `FOLDER/<model>/<file>`, made by `anymask models pull --to FOLDER`.
"""

import os
from pathlib import Path

import platformdirs

from anymask.errors import WeightsError


def cache_root() -> Path:
    """Return the folder of everything that can be fetched or computed again; it may not exist yet."""
    override = os.environ.get("ANYMASK_CACHE")
    return Path(override).expanduser() if override else Path(platformdirs.user_cache_dir("anymask", False))


def models_cache() -> Path:
    """Return the folder that holds one folder of fetched files per model; it may not exist yet."""
    return cache_root() / "models"


def data_root() -> Path:
    """Return the folder of what the user added; it may not exist yet."""
    override = os.environ.get("ANYMASK_DATA")
    return Path(override).expanduser() if override else Path(platformdirs.user_data_dir("anymask", False))


def bundle() -> Path | None:
    """Return the offline bundle that `ANYMASK_MODELS` names, or None when it names none.

    Raises:
        WeightsError: the variable is set to something that is not a folder.
    """
    value = os.environ.get("ANYMASK_MODELS")
    if not value:
        return None
    folder = Path(value).expanduser()
    if not folder.is_dir():
        raise WeightsError(f"ANYMASK_MODELS is {value!r}, which is not a folder; unset it or make one with pull --to")
    return folder
