"""The message for a library that is not installed."""


def missing(extra: str, error: ImportError) -> ImportError:
    """An error that names the extra to install."""
    return ImportError(
        f"nearsort.integrations.{extra.replace('-', '_')} needs {error.name}: pip install 'nearsort[{extra}]'"
    )
