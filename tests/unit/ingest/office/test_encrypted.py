"""Office files under a password, encrypted here by the library that decrypts them."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from msoffcrypto.format.ooxml import OOXMLFile

from antiphon.core.errors import AntiphonError, BadRequest, TooLarge, Unsupported
from antiphon.ingest.containers import ole_media_type
from antiphon.ingest.media_names import ENCRYPTED_OFFICE
from antiphon.ingest.office import encrypted
from antiphon.ingest.office.encrypted import open_encrypted
from antiphon.testing.office_files import paragraph, word_parts, write_parts


def locked(tmp_path: Path, password: str, text: str = "The heron stands.") -> Path:
    # the library's writer makes readable files of more than a few kilobytes only
    filler = random.Random(1).randbytes(8_000)
    plain = write_parts(tmp_path / "plain", {**word_parts(paragraph(text)), "word/media/filler": filler})
    made = io.BytesIO()
    with plain.open("rb") as file:
        OOXMLFile(file).encrypt(password, made)
    path = tmp_path / "locked"
    path.write_bytes(made.getvalue())
    return path


def test_with_its_password_the_file_inside_is_read(tmp_path: Path) -> None:
    path = locked(tmp_path, "sesam öffne 开门")
    with path.open("rb") as file:
        assert ole_media_type(file) == ENCRYPTED_OFFICE
    document = open_encrypted(path, "sesam öffne 开门")
    assert [page.text for page in document.pages()] == ["The heron stands."]
    assert document.shortfall() == ""
    document.close()


@pytest.mark.parametrize(("password", "said"), [(None, "is encrypted"), ("", "is encrypted"), ("wrong", "password is wrong")])
def test_without_it_the_password_is_asked_for(tmp_path: Path, password: str | None, said: str) -> None:
    with pytest.raises(Unsupported, match=said) as caught:
        open_encrypted(locked(tmp_path, "right"), password)
    assert caught.value.data == {"reason": "password_required"}


def test_workbooks_protected_in_structure_open_by_themselves(tmp_path: Path) -> None:
    assert "heron" in next(open_encrypted(locked(tmp_path, "VelvetSweatshop"), None).pages()).text


def test_damage_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = locked(tmp_path, "right")
    content = path.read_bytes()
    for size in (600, 2_000, len(content) // 2):
        path.write_bytes(content[:size])
        with pytest.raises(AntiphonError):
            open_encrypted(path, "right")
    path.write_bytes(content)
    monkeypatch.setattr(encrypted, "MOST_KEY_ROUNDS", 10)
    with pytest.raises(Unsupported, match="takes minutes"):
        open_encrypted(path, "right")
    monkeypatch.setattr(encrypted, "LARGEST_BYTES", 10)
    with pytest.raises(TooLarge, match="too large"):
        open_encrypted(path, "right")


def test_what_is_inside_must_be_an_office_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = locked(tmp_path, "right")
    monkeypatch.setattr(encrypted, "zip_media_type", lambda _: "application/epub+zip")
    with pytest.raises(Unsupported, match="no DOCX, XLSX or PPTX"):
        open_encrypted(path, "right")
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 600)
    with pytest.raises(BadRequest):
        open_encrypted(path, "right")
