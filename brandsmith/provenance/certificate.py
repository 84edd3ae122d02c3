"""Which key signs: the user's own certificate, or a chain that is made once per user and that nobody vouches for.

A certificate file is PEM: the signer's own first, then those that lead to its root. Its profile is C2PA's (technical
specification, "Trust model"): X.509 v3, `digitalSignature`, an extended key usage such as `emailProtection`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from brandsmith.core.errors import BrandsmithError, InvalidConfig, InvalidInput
from brandsmith.core.files import replacing, user_config
from brandsmith.core.notes import warn_once
from brandsmith.core.text import read_bytes

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, CertificateBuilder, KeyUsage, Name

    from brandsmith.provenance.keys import PrivateKey

CERTIFICATE, KEY = "BRANDSMITH_SIGN_CERT", "BRANDSMITH_SIGN_KEY"
"""Environment variables: PEM files, used where no options are given."""
PASSPHRASE = "BRANDSMITH_SIGN_PASSPHRASE"
"""Environment variable: of an encrypted key."""
LOCAL_NAME = "Self-made by Brandsmith (untrusted)"
"""Organisation of the local certificate, which readers show as the signer."""
LOCAL_YEARS = 10
LARGEST_BYTES = 1 << 20


@dataclass(frozen=True)
class Signing:
    """How pictures leave. The default: signed, by the certificate of the environment or the local one."""

    sign: bool = True
    """False: XMP alone."""
    certificate: Path | None = None
    key: Path | None = None
    """Both or none: PEM files."""
    watermark: bool = False
    kit: str | None = None
    """Concept whose brand kit names creator and rights."""


@dataclass(frozen=True)
class Identity:
    """A private key with its certificates."""

    key: PrivateKey
    chain: str
    """PEM, the signer's first."""
    local: bool
    """Made here: nobody vouches for it."""


def find_identity(signing: Signing) -> Identity:
    """The identity that signs: of the options, of the environment, or the local one, which is made when there is none.

    Raises InvalidConfig for a certificate without a key, and InvalidInput for files that cannot be used.
    """
    certificate, key = signing.certificate, signing.key
    if certificate is None and key is None:
        certificate, key = (Path(os.environ[name]) if os.environ.get(name) else None for name in (CERTIFICATE, KEY))
    if (certificate is None) != (key is None):
        given, missing = (("--cert", "--key"), ("--key", "--cert"))[certificate is None]
        raise InvalidConfig(f"{given} is given without {missing}", hint="give both, or none for the local certificate")
    if certificate is None or key is None:
        return local_identity(local_file())
    return _own_identity(certificate, key, os.environ.get(PASSPHRASE, ""))


@cache
def _own_identity(certificate: Path, key: Path, passphrase: str) -> Identity:
    from brandsmith.provenance.keys import load_key

    chain = read_bytes(certificate, LARGEST_BYTES)
    own = _first_certificate(chain, certificate)
    private = load_key(read_bytes(key, LARGEST_BYTES), key, passphrase)
    if own.public_key() != private.public_key():
        raise InvalidInput(
            f"the key '{key}' is not that of the certificate '{certificate}'",
            hint="the signer's own certificate comes first in the file; give the key that belongs to it",
        )
    _check_validity(own, certificate)
    return Identity(private, chain.decode("ascii", "replace"), local=False)


def _first_certificate(pem: bytes, path: Path) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(pem)[0]
    except ValueError as error:
        raise InvalidInput(
            f"'{path}' holds no certificate that can be read ({str(error).splitlines()[0][:80]})",
            hint="give a PEM file: -----BEGIN CERTIFICATE-----, the signer's own first, then its issuers",
        ) from None


def _check_validity(certificate: Certificate, path: Path) -> None:
    now = datetime.now(UTC)
    first, last = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if not first <= now <= last:
        raise InvalidInput(
            f"the certificate '{path}' is valid from {first:%Y-%m-%d} to {last:%Y-%m-%d}, and today is {now:%Y-%m-%d}",
            hint="give one that is valid, or leave out --cert and --key for the local certificate",
        )


# ----------------------------------------------------------------------------- the local one


def local_file() -> Path:
    """Where the local key and its certificates are, in one file that only the user may read."""
    return user_config() / "signing.pem"


@cache
def local_identity(path: Path) -> Identity:
    """Of the file, which is made when it is not there or its certificate has expired. Where nothing can be written a
    key for this process alone is made, and a warning says so. Raises InvalidInput for a damaged file.
    """
    if path.is_file() and (found := _read_local(path)):
        return found
    text = _new_chain()
    try:
        _keep(path, text)
    except (BrandsmithError, OSError) as error:
        warn_once(f"the signing key cannot be kept ({error}): pictures of this run are signed by a key of its own")
        return _local_of(text, path)
    return _read_local(path) or _local_of(text, path)


def _keep(path: Path, text: bytes) -> None:
    """The first of several processes wins. An expired one is replaced; what is no file of ours is not."""
    try:
        with replacing(path, exclusive=not path.is_file()) as partial:
            partial.touch(mode=0o600)
            partial.write_bytes(text)
    except BrandsmithError:
        if not path.is_file():
            raise


def _read_local(path: Path) -> Identity | None:
    """None where its certificate has expired."""
    text = read_bytes(path, LARGEST_BYTES)
    last = _first_certificate(text, path).not_valid_after_utc
    return _local_of(text, path) if last > datetime.now(UTC) else None


def _local_of(text: bytes, path: Path) -> Identity:
    from brandsmith.provenance.keys import load_key

    start = text.index(b"-----BEGIN CERTIFICATE-----")
    return Identity(load_key(text[:start], path, ""), text[start:].decode("ascii"), local=True)


def _new_chain() -> bytes:
    """A new key and its certificate under a new root, whose key is thrown away: it never signs anything else."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root_name, name = _name("root"), _name("signer")
    root = (
        _dated(root_name, root_name)
        .public_key(root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    own = (
        _dated(name, root_name)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False)
        .sign(root_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return secret + own.public_bytes(pem) + root.public_bytes(pem)


def _name(what: str) -> Name:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    parts = {NameOID.ORGANIZATION_NAME: LOCAL_NAME, NameOID.COMMON_NAME: f"Brandsmith local {what}"}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def _dated(subject: Name, issuer: Name) -> CertificateBuilder:
    """From yesterday: the clock of a reader may be behind."""
    from cryptography import x509

    start = datetime.now(UTC) - timedelta(days=1)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    return builder.not_valid_after(start + timedelta(days=366 * LOCAL_YEARS))


def _usage(*, signs_certificates: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
