"""The exceptions of nearsort. Every message says what failed, where, and what to do about it."""

__all__ = [
    "Cancelled",
    "ComputeError",
    "CorruptedFile",
    "DeadlineExceeded",
    "DeviceError",
    "Error",
    "FileError",
    "InvalidInput",
    "JobError",
    "ModelError",
    "ModelNotFound",
    "ServiceError",
    "UnsupportedModel",
]


class Error(Exception):
    """The base class of all exceptions of nearsort."""


class InvalidInput(Error, ValueError):
    """An argument, a text or a file's content cannot be used."""


class ModelError(Error):
    """A model cannot be used."""


class ModelNotFound(ModelError, LookupError):
    """No source has the model. The message lists what was tried."""


class UnsupportedModel(ModelError):
    """The model's architecture or an option in its files is not supported."""


class CorruptedFile(Error):
    """A file's content does not match its checksum."""


class DeviceError(Error):
    """The machine does not have the device, or this wheel does not support it."""


class ComputeError(Error):
    """The forward pass failed, or gave numbers that are not finite."""


class FileError(Error, OSError):
    """A file or folder cannot be read or written."""


class ServiceError(Error):
    """A service refused a request or could not be reached."""


class JobError(Error):
    """A job over files cannot begin or cannot resume."""


class Cancelled(Error):
    """The call was cancelled."""


class DeadlineExceeded(Error, TimeoutError):
    """The call's deadline passed before it was done."""
