"""C2PA manifests, signed here with certificates made here, validated without the net."""

import datetime
import io
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tamperlens.media import file_facts

CAPTURE = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture"


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG whose manifest was signed by "Camera 7" and names what was done."""
    c2pa = pytest.importorskip("c2pa")
    plain = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(plain, "JPEG")
    plain.seek(0)
    actions = [
        {"action": "c2pa.created", "digitalSourceType": CAPTURE},
        {"action": "c2pa.color_adjustments", "softwareAgent": "Photo Program 3"},
    ]
    manifest = {
        "claim_generator_info": [{"name": "test maker", "version": "1.0"}],
        "title": "a.jpg",
        "assertions": [{"label": "c2pa.actions", "data": {"actions": actions}}],
    }
    out = io.BytesIO()
    with c2pa.Signer.from_info(_signer(c2pa)) as signer, c2pa.Builder.from_json(json.dumps(manifest)) as builder:
        builder.sign(signer, "image/jpeg", plain, out)
    path = tmp_path_factory.mktemp("signed") / "a.jpg"
    path.write_bytes(out.getvalue())
    return path


def _signer(c2pa: Any) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    def certificate(name: str, key: Any, by: str, by_key: Any, authority: bool) -> Any:
        names = [
            x509.Name(
                [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test News"), x509.NameAttribute(NameOID.COMMON_NAME, one)]
            )
            for one in (name, by)
        ]
        made = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
        made = made.not_valid_before(datetime.datetime(2025, 1, 1)).not_valid_after(datetime.datetime(2085, 1, 1))
        use = x509.KeyUsage(not authority or True, False, False, False, False, authority, authority, False, False)
        made = made.add_extension(x509.BasicConstraints(authority, None), True).add_extension(use, True)
        made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        if not authority:
            made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
            made = made.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by_key.public_key()), False)
        return made.sign(by_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    chain = certificate("Camera 7", key, "Root", root, False) + certificate("Root", root, "Root", root, True)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return c2pa.C2paSignerInfo(b"es256", chain, private, None)


def test_a_manifest_is_validated_and_told(signed: Path) -> None:
    facts = file_facts(signed)
    found = facts.provenance
    assert facts.c2pa and found is not None
    assert found.state == "valid" and found.problems == ("signingCredential.untrusted",)  # whole, its signer on no list
    assert found.signer == "Camera 7, Test News" and found.generator == "test maker 1.0"
    assert found.actions == ("c2pa.created, digitalCapture", "c2pa.color_adjustments, Photo Program 3")


def test_a_change_behind_the_signature_is_told(signed: Path, tmp_path: Path) -> None:
    data = bytearray(signed.read_bytes())
    data[-100] ^= 1  # in the pixels
    (tmp_path / "a.jpg").write_bytes(data)
    found = file_facts(tmp_path / "a.jpg").provenance
    assert found is not None and found.state == "invalid" and "assertion.dataHash.mismatch" in found.problems


def test_a_broken_manifest_is_no_reason_to_give_up(signed: Path, tmp_path: Path) -> None:
    data = signed.read_bytes()
    place = data.index(b"c2pa.claim")
    (tmp_path / "a.jpg").write_bytes(data[:place] + b"\xff" * 10 + data[place + 10 :])
    found = file_facts(tmp_path / "a.jpg").provenance
    assert found is not None and found.state in ("invalid", "unreadable")


def test_without_the_library_presence_alone_is_told(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "c2pa", None)
    facts = file_facts(signed)
    assert facts.c2pa and facts.provenance is None
