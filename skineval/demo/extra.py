"""Whether all is installed that serves a page: packages that only this command needs."""

from __future__ import annotations

from importlib.util import find_spec

from skineval.base.errors import UsageError

PACKAGES = ("starlette", "uvicorn", "python_multipart")


def require_server() -> None:
    """Raises UsageError where a package of the extra is not installed."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"skineval demo needs {', '.join(missing)}, which cannot be found.",
            'Install what is missing: pip install "skineval[demo]", or in a checkout: uv sync --inexact --extra demo.',
        )
