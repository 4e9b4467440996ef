"""Certificates for tests: an authority, and those for whom it vouches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from unioneyes.kernel.clock import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its key, as files."""

    certificate: Path
    key: Path


class Authority:
    """Vouches for whom it is told to."""

    def __init__(self, folder: Path, name: str, *, lasts: timedelta = timedelta(days=1)) -> None:
        self._folder = folder
        self._key = generate_private_key(SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signing = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        own = self._builder(self._name, self._key, lasts=lasts).add_extension(signing, critical=True)
        signed = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True).sign(self._key, SHA256())
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(signed.public_bytes(Encoding.PEM))

    def issue(self, *names: str, lasts: timedelta = timedelta(days=1), password: bytes | None = None) -> Issued:
        """Return a certificate for host names and addresses; one that lasts less than nothing has ended."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        known = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name)) if name[0].isdigit() else x509.DNSName(name) for name in names])
        return self._issue(names[0], subject, known, lasts=lasts, password=password)

    def identify(self, name: str, *, group: str, lasts: timedelta = timedelta(days=1)) -> Issued:
        """Return a certificate for a client called `name`, of a group, as Kubernetes reads both."""
        subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._issue(name, subject, None, lasts=lasts, password=None)

    def _issue(self, file: str, subject: x509.Name, known: x509.SubjectAlternativeName | None, *, lasts: timedelta, password: bytes | None) -> Issued:
        key = generate_private_key(SECP256R1())
        vouched = self._builder(subject, key, lasts=lasts)
        if known is not None:
            vouched = vouched.add_extension(known, critical=False)
        signed = vouched.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True).sign(self._key, SHA256())
        issued = Issued(certificate=self._folder / f"{file}.crt", key=self._folder / f"{file}.key")
        issued.certificate.write_bytes(signed.public_bytes(Encoding.PEM) + self.file.read_bytes())
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password) if password else NoEncryption()))
        return issued

    def _builder(self, subject: x509.Name, key: EllipticCurvePrivateKey, *, lasts: timedelta) -> x509.CertificateBuilder:
        public = key.public_key()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now() - timedelta(days=2))
            .not_valid_after(now() + lasts)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
