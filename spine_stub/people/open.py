"""Which directory the broker looks people up in: `--directory`."""

from __future__ import annotations

from ..config import Config
from ..errors import DataError
from ..folder import PEOPLE
from .directory import Directory
from .file import PeopleFile


def open_directory(config: Config) -> Directory:
    """Open the directory that `config.directory` names; raises DataError."""
    if not config.directory:
        return PeopleFile(config.data / PEOPLE)
    if config.directory.startswith(("ldap://", "ldaps://", "ldapi://")):
        # Imported only here: the client library is an extra that most people do not need.
        from .ldap import LdapDirectory

        return LdapDirectory.connect(config.directory, config.directory_user, _password(config))
    raise DataError(f"--directory {config.directory} is not an ldap:// or ldaps:// address")


def _password(config: Config) -> str:
    if config.directory_password is None:
        return ""
    try:
        return config.directory_password.read_text("utf-8").rstrip("\r\n")
    except (OSError, ValueError) as exc:
        raise DataError(f"the directory's password cannot be read from {config.directory_password}: {exc}") from exc
