"""Every error a person can meet, as one tree.

::

    ProofdeskError
    ├── InputError              what was given cannot be used          (exit code 2)
    │   ├── VolumeError             a file, key, shape, type or resolution
    │   ├── SessionError            a session folder: another datastack, newer version, locked
    │   ├── DatastackError          an address or folder that is no (complete) datastack
    │   └── OutsideVolumeError      a position or box that holds no voxel
    ├── MachineError            this machine lacks something           (exit code 3)
    │   ├── MissingPackageError     an extra that is not installed
    │   ├── GraphicsError           no OpenGL, Vulkan or screen
    │   ├── ModelError              no model, or one that does not match its manifest
    │   ├── StorageError            disk full, folder read-only
    │   └── PortInUseError          the port belongs to another program
    ├── ServiceError            a server could not be asked            (exit code 4)
    │   ├── OfflineError            no network, refused, timed out before sending
    │   ├── AuthError               token missing, expired, or without the permission
    │   └── NotFoundError           the server does not know the id
    └── EditError               an edit did not simply succeed         (exit code 5)
        ├── EditRejectedError       certainly not applied
        └── EditUnknownError        applied or not: only reading can tell

A message is one sentence a person understands; the hint says what to do next.
Adapters translate library exceptions into these at the boundary and chain the cause.
"""

from __future__ import annotations

__all__ = [
    "AuthError",
    "DatastackError",
    "EditError",
    "EditRejectedError",
    "EditUnknownError",
    "GraphicsError",
    "InputError",
    "MachineError",
    "MissingPackageError",
    "ModelError",
    "NotFoundError",
    "OfflineError",
    "OutsideVolumeError",
    "PortInUseError",
    "ProofdeskError",
    "ServiceError",
    "SessionError",
    "StorageError",
    "VolumeError",
]


class ProofdeskError(Exception):
    """The root of every error that Proofdesk raises on purpose.

    Parameters
    ----------
    message : str
        One sentence that names the thing and what is wrong with it.
    hint : str
        What the person can do about it, as one sentence; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(ProofdeskError):
    """What was given cannot be used."""

    exit_code = 2


class VolumeError(InputError):
    """A volume file, key, shape, type or resolution that cannot be used."""


class SessionError(InputError):
    """A session folder that cannot be opened."""


class DatastackError(InputError):
    """An address or folder that is no, or no complete, datastack."""


class OutsideVolumeError(InputError):
    """A position or box that holds no voxel of the volume."""


class MachineError(ProofdeskError):
    """This machine lacks something."""

    exit_code = 3


class MissingPackageError(MachineError):
    """An optional package that is not installed."""


class GraphicsError(MachineError):
    """No usable OpenGL, Vulkan or screen."""


class ModelError(MachineError):
    """No model, or one that does not match its manifest."""


class StorageError(MachineError):
    """The disk is full or the folder cannot be written."""


class PortInUseError(MachineError):
    """The port belongs to another program."""


class ServiceError(ProofdeskError):
    """A server could not be asked."""

    exit_code = 4


class OfflineError(ServiceError):
    """No network, connection refused, or no answer to a read."""


class AuthError(ServiceError):
    """The token is missing, expired, or lacks the permission."""


class NotFoundError(ServiceError):
    """The server does not know what was asked for."""


class EditError(ProofdeskError):
    """An edit did not simply succeed."""

    exit_code = 5


class EditRejectedError(EditError):
    """The server refused the edit: certainly not applied."""


class EditUnknownError(EditError):
    """The edit was sent and the answer is missing or unclear: only reading can tell."""
