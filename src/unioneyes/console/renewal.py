"""A certificate that is renewed is shown from then on, and no connection is lost for it."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from unioneyes.environments.listening import Certificate, load_certificate, server_context
from unioneyes.kernel.problems import Problem

log = logging.getLogger(__name__)


class Renewal:
    """What a server speaks TLS with, and the files that it is read from."""

    def __init__(self, certificate: Certificate) -> None:
        """Read the files. Raises: KeyExposed, CertificateUnusable."""
        self._certificate = certificate
        self._read = self._files()
        self.context: ssl.SSLContext = server_context(certificate)

    def look(self) -> None:
        """New connections get what the files, and a key by reference, say now; where that can't be used, what they said before, and the log says why."""
        if (found := self._files()) == self._read:
            return
        self._read = found
        try:
            server_context(self._certificate)
        except Problem as problem:
            log.warning("the certificate is not renewed: %s", problem)
        else:
            load_certificate(self.context, self._certificate)
            log.info("the certificate is renewed")

    def _files(self) -> tuple[tuple[int, int, int] | None, ...]:
        certificate = self._certificate
        return tuple(_version(path) for path in (certificate.chain, certificate.key) if isinstance(path, Path))


def _version(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with the file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns
