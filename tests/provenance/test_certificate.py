"""Who signs: one's own certificate of any allowed kind, or one made for the user; what cannot be used is refused."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from certificates import make_signer
from cryptography.x509.oid import ExtendedKeyUsageOID

from brandsmith.core.errors import InvalidConfig, InvalidInput
from brandsmith.core.pictures import save_png
from brandsmith.provenance import certificate
from brandsmith.provenance.certificate import CERTIFICATE, KEY, PASSPHRASE, Signing, find_identity, local_identity
from brandsmith.provenance.claim import Claim, Source
from brandsmith.provenance.found import State, read_found
from brandsmith.provenance.signature import check_signing, encoded, save_signed, signed

PIXELS = np.zeros((9, 9, 3), np.uint8)
CLAIM = Claim(Source.TRAINED)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "Ed25519", "RSA"])
def test_every_kind_of_key_that_is_allowed_signs(tmp_path, kind):
    own = make_signer(tmp_path, kind=kind)
    signing = Signing(certificate=own.chain, key=own.key)
    save_signed(tmp_path / "a.png", PIXELS, CLAIM, signing)
    assert read_found(tmp_path / "a.png", own.root).manifest.state is State.TRUSTED
    plain = encoded(PIXELS, ".png", {}, 90)
    alike = signed(plain, CLAIM, signing) == signed(plain, CLAIM, signing)
    assert alike is (kind != "RSA")  # RSA-PSS is random by design


def test_the_environment_names_them_and_options_come_first(tmp_path, monkeypatch):
    own, other = make_signer(tmp_path / "a", passphrase="open"), make_signer(tmp_path / "b")
    monkeypatch.setenv(CERTIFICATE, str(own.chain))
    with pytest.raises(InvalidConfig, match="--cert is given without --key"):
        find_identity(Signing())
    monkeypatch.setenv(KEY, str(own.key))
    with pytest.raises(InvalidInput, match="is encrypted, and no passphrase is given"):
        find_identity(Signing())
    monkeypatch.setenv(PASSPHRASE, "wrong")
    with pytest.raises(InvalidInput, match="damaged, or the passphrase is wrong"):
        find_identity(Signing())
    monkeypatch.setenv(PASSPHRASE, "open")
    assert find_identity(Signing()).chain == own.chain.read_text() and not find_identity(Signing()).local
    monkeypatch.delenv(PASSPHRASE)
    assert find_identity(Signing(certificate=other.chain, key=other.key)).chain == other.chain.read_text()


def test_what_cannot_sign_is_one_sentence_before_any_work(tmp_path, brandsmith):
    now = datetime.now(UTC)
    fine, other = make_signer(tmp_path / "fine"), make_signer(tmp_path / "other")
    expired = make_signer(tmp_path / "expired", last=now - timedelta(days=1))
    curve = make_signer(tmp_path / "curve", kind="secp256k1")
    server = make_signer(tmp_path / "server", purpose=ExtendedKeyUsageOID.SERVER_AUTH)
    (tmp_path / "junk.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n" * 9)
    wrong = [
        ((fine.chain, other.key), "is not that of the certificate"),
        ((expired.chain, expired.key), f"to {now - timedelta(days=1):%Y-%m-%d}, and today is {now:%Y-%m-%d}"),
        ((curve.chain, curve.key), "is of a kind that C2PA does not allow"),
        ((server.chain, server.key), "cannot be signed"),
        ((tmp_path / "junk.pem", fine.key), "holds no certificate that can be read"),
        ((fine.chain, tmp_path / "junk.pem"), "no private key in PEM"),
        ((fine.chain, tmp_path / "nowhere.pem"), "cannot be read"),
        ((fine.chain, tmp_path), "is not a regular file"),
    ]
    for (chain, key), reason in wrong:
        with pytest.raises(InvalidInput) as refused:
            check_signing(Signing(certificate=chain, key=key))
        assert reason in str(refused.value) and "\n" not in str(refused.value) and refused.value.hint
    picture, out = tmp_path / "a.png", tmp_path / "out"
    save_png(picture, PIXELS)
    code, said, complained = brandsmith(
        "provenance", "sign", picture, "--cert", expired.chain, "--key", expired.key, "--out", out
    )
    assert (code, said) == (2, "") and "and today is" in complained and len(complained.splitlines()) == 2
    assert not out.exists()


def test_no_sign_says_what_the_law_may_ask(tmp_path, capsys):
    own = make_signer(tmp_path)
    check_signing(Signing(sign=False))
    assert "AI Act, Article 50" in capsys.readouterr().err
    with pytest.raises(InvalidConfig, match="would change nothing: --no-sign is given"):
        check_signing(Signing(False, own.chain, own.key))


def test_the_local_one_is_made_once_and_is_the_users_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("BRANDSMITH_CONFIG", str(tmp_path / "config"))
    first = find_identity(Signing())
    assert first.local and first.chain.count("BEGIN CERTIFICATE") == 2
    file = tmp_path / "config" / "signing.pem"
    local_identity.cache_clear()  # as another process would
    assert find_identity(Signing()).chain == first.chain
    if os.name == "posix":
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    content = file.read_bytes()
    monkeypatch.setattr(certificate, "LOCAL_YEARS", 0)
    file.write_bytes(certificate._new_chain())  # as if ten years had gone by
    monkeypatch.undo()
    monkeypatch.setenv("BRANDSMITH_CONFIG", str(tmp_path / "config"))
    local_identity.cache_clear()
    assert find_identity(Signing()).chain != first.chain and file.read_bytes() != content
    file.write_text("damaged")
    local_identity.cache_clear()
    with pytest.raises(InvalidInput, match="holds no certificate that can be read"):
        find_identity(Signing())


def test_a_home_that_cannot_be_written_signs_all_the_same(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BRANDSMITH_CONFIG", str(tmp_path / "file" / "config"))
    save_signed(tmp_path / "a.png", PIXELS, CLAIM)
    assert read_found(tmp_path / "a.png").manifest.state is State.UNTRUSTED
    assert "the signing key cannot be kept" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
def test_what_stands_in_the_place_of_the_key_and_is_no_file_stays(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BRANDSMITH_CONFIG", str(tmp_path))
    os.mkfifo(tmp_path / "signing.pem")
    assert find_identity(Signing()).local
    assert "the signing key cannot be kept" in capsys.readouterr().err
    assert stat.S_ISFIFO(os.stat(tmp_path / "signing.pem").st_mode)
