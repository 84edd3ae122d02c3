"""Certificates as a brand would bring its own: made for tests, of any key, profile and validity."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
KEYS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
}


@dataclass(frozen=True)
class Signer:
    """Files: the chain, its key, and the root that one may trust."""

    chain: Path
    key: Path
    root: Path


def make_signer(
    folder: Path, *, kind: str = "P-256", last: datetime | None = None, passphrase: str = "", purpose=None
) -> Signer:
    folder.mkdir(parents=True, exist_ok=True)
    root_key, key, now = KEYS["P-256"](), KEYS[kind](), datetime.now(UTC)
    names = [_name("root"), _name("signer")]
    ends = (now - timedelta(days=9), last or now + timedelta(days=9))
    root = _certificate(names[0], names[0], root_key, root_key, (ends[0], now + timedelta(days=9)), None)
    own = _certificate(names[1], names[0], key, root_key, ends, purpose or ExtendedKeyUsageOID.EMAIL_PROTECTION)
    lock = serialization.BestAvailableEncryption(passphrase.encode()) if passphrase else serialization.NoEncryption()
    made = Signer(folder / "chain.pem", folder / "key.pem", folder / "root.pem")
    made.chain.write_bytes(own.public_bytes(PEM) + root.public_bytes(PEM))
    made.key.write_bytes(key.private_bytes(PEM, PKCS8, lock))
    made.root.write_bytes(root.public_bytes(PEM))
    return made


def _name(what: str) -> x509.Name:
    parts = {NameOID.ORGANIZATION_NAME: "Studio Noord", NameOID.COMMON_NAME: what}
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])


def _certificate(subject, issuer, key, issuer_key, ends, purpose):
    authority = purpose is None
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    usage |= {"decipher_only": False, "digital_signature": not authority}
    usage |= {"key_cert_sign": authority, "crl_sign": authority}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends[0])
        .not_valid_after(ends[1])
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if purpose is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())
