"""Private keys: read from PEM, and used so that equal content gets equal signatures.

ECDSA's random number comes from the content (RFC 6979) and Ed25519 has none; RSA-PSS is random by design.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from c2pa import C2paSigningAlg
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from brandsmith.core.errors import InvalidInput

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
_CURVES: dict[str, tuple[C2paSigningAlg, hashes.HashAlgorithm]] = {
    "secp256r1": (C2paSigningAlg.ES256, hashes.SHA256()),
    "secp384r1": (C2paSigningAlg.ES384, hashes.SHA384()),
    "secp521r1": (C2paSigningAlg.ES512, hashes.SHA512()),
}
LEAST_RSA_BITS = 2048


def load_key(pem: bytes, path: Path, passphrase: str) -> PrivateKey:
    """A private key that C2PA allows. Raises InvalidInput, naming `path`."""
    try:
        key = load_pem_private_key(pem, passphrase.encode() or None)
    except TypeError:
        what = "is encrypted, and no passphrase is given" if not passphrase else "is not encrypted"
        raise _unusable(path, what, "set BRANDSMITH_SIGN_PASSPHRASE to its passphrase, or unset it") from None
    except (ValueError, UnsupportedAlgorithm):
        why = "cannot be read: no private key in PEM, damaged, or the passphrase is wrong"
        raise _unusable(path, why, "give a PEM file: -----BEGIN PRIVATE KEY-----") from None
    if isinstance(key, ec.EllipticCurvePrivateKey) and key.curve.name in _CURVES:
        return key
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size >= LEAST_RSA_BITS:
        return key
    raise _unusable(
        path, "is of a kind that C2PA does not allow", "allowed: EC P-256, P-384, P-521, Ed25519, RSA 2048+"
    )


def _unusable(path: Path, what: str, hint: str) -> InvalidInput:
    return InvalidInput(f"the key '{path}' {what}", hint=hint)


def algorithm_of(key: PrivateKey) -> C2paSigningAlg:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _CURVES[key.curve.name][0]
    return C2paSigningAlg.ED25519 if isinstance(key, ed25519.Ed25519PrivateKey) else C2paSigningAlg.PS256


def signs_alike(key: PrivateKey) -> bool:
    """Whether equal content gets equal signatures."""
    return not isinstance(key, rsa.RSAPrivateKey)


def signer_of(key: PrivateKey) -> Callable[[bytes], bytes]:
    """content → signature, in the form that COSE wants: r and s one behind the other for ECDSA."""
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign
    if isinstance(key, rsa.RSAPrivateKey):
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
        return lambda content: key.sign(content, scheme, hashes.SHA256())
    return lambda content: _elliptic(key, content)


def _elliptic(key: ec.EllipticCurvePrivateKey, content: bytes) -> bytes:
    digest = _CURVES[key.curve.name][1]
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(digest, deterministic_signing=True)))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")
