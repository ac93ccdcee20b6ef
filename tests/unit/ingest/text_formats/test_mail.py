from __future__ import annotations

import contextlib
import email.message
import email.policy
import time
from pathlib import Path

import pytest

from antiphon.core.errors import BadRequest, Unsupported
from antiphon.ingest.text_formats.mail import decoded_header, open_mail


def message(**headers: str) -> email.message.EmailMessage:
    made = email.message.EmailMessage(policy=email.policy.SMTP)
    made["From"] = "Li <li@example.org>"
    made["To"] = "Wang <wang@example.org>"
    for name, value in headers.items():
        made[name] = value
    return made


def read(tmp_path: Path, content: bytes) -> tuple[str, str, list[str]]:
    path = tmp_path / "x"
    path.write_bytes(content)
    document = open_mail(path, None)
    text = next(document.pages()).text
    assert all(text.startswith(heading.title, heading.start) for heading in document.outline())
    return document.title, text, [heading.title for heading in document.outline()]


def test_headers_are_the_first_lines(tmp_path: Path) -> None:
    made = message(Subject="年假 and leave", Date="Fri, 20 Nov 2026 10:00:00 +0000")
    made.set_content("Seven days.\n")
    title, text, _ = read(tmp_path, made.as_bytes())
    assert title == "年假 and leave"
    assert text == (
        "From: Li <li@example.org>\nTo: Wang <wang@example.org>\nDate: Fri, 20 Nov 2026 10:00:00 +0000\nSubject: 年假 and leave\n\n"
        "Seven days."
    )


def test_of_alternatives_the_text_is_read_unless_it_is_a_stub(tmp_path: Path) -> None:
    made = message()
    made.set_content("The same words in both.")
    made.add_alternative("<p>The same words in <b>both</b>.</p>", subtype="html")
    assert read(tmp_path, made.as_bytes())[1].endswith("\n\nThe same words in both.")
    made = message()
    made.set_content("View in browser")
    made.add_alternative("<h1>News</h1><p>" + "Many words of news. " * 20 + "</p>", subtype="html")
    _, text, outline = read(tmp_path, made.as_bytes())
    assert outline == ["News"]
    assert "View in browser" not in text


def test_attachments_are_named_and_small_texts_read(tmp_path: Path) -> None:
    made = message(Subject="Files")
    made.set_content("See there.")
    made.add_attachment(
        "入职满一年的员工每年享有七天带薪年休假".encode("gb18030"), maintype="text", subtype="plain", filename="假期.txt"
    )
    made.add_attachment(b"<h2>Inside</h2>", maintype="text", subtype="html", filename="page.html")
    made.add_attachment(b"%PDF-" + b"x" * 2000, maintype="application", subtype="pdf", filename="a.pdf")
    made.add_attachment(b"\x00\x01", maintype="text", subtype="plain", filename="binary.txt")
    made.add_attachment(b"x" * (2**20 + 1), maintype="text", subtype="plain", filename="large.txt")
    _, text, outline = read(tmp_path, made.as_bytes())
    assert outline == ["Attachment: 假期.txt", "Attachment: page.html", "Inside"]
    assert "入职满一年的员工每年享有七天带薪年休假" in text
    assert "Attachment: a.pdf (application/pdf, 2 KB)" in text
    assert "Attachment: binary.txt (text/plain, 2 bytes)" in text
    assert "Attachment: large.txt (text/plain, 1,024 KB)" in text


def test_forwarded_messages_are_read(tmp_path: Path) -> None:
    inner = message(Subject="Inner")
    inner.set_content("The point.")
    made = message(Subject="Fwd")
    made.set_content("Look:")
    made.add_attachment(inner)
    _, text, outline = read(tmp_path, made.as_bytes())
    assert outline == ["Message: Inner"]
    assert text.index("Look:") < text.index("Subject: Inner") < text.index("The point.")


def test_mailboxes_and_utf_16(tmp_path: Path) -> None:
    one = b"From a@b Wed Jul 16 06:24:10 2008\nFrom: a@b.c\nSubject: One\n\nFrom here on.\n\n"
    _, text, outline = read(tmp_path, one + one.replace(b"One", b"Two"))
    assert outline == ["One", "Two"]
    assert text.count("From here on.") == 2
    assert read(tmp_path, "From: a@b.c\nSubject: 假\n\n年假".encode("utf-16"))[0] == "假"


@pytest.mark.parametrize(
    "content",
    [
        b"From: a\nContent-Type: multipart/encrypted; boundary=x\n\n--x\nContent-Type: application/pgp-encrypted\n\nVersion: 1\n--x--\n",
        b"From: a\nContent-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAAAA",
        b"From: a\n\n-----BEGIN PGP MESSAGE-----\n\nhIwDY32hYGCE8MkBA\n-----END PGP MESSAGE-----\n",
    ],
)
def test_of_encrypted_mail_the_header_is_read(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x"
    path.write_bytes(content)
    document = open_mail(path, None)
    assert next(document.pages()).text == "From: a\n\n(The message is encrypted.)"
    assert "only its header could be read" in document.shortfall()
    path.write_bytes(content.replace(b"From: a\n", b"X-A: a\n"))
    with pytest.raises(Unsupported, match="encrypted") as caught:
        open_mail(path, None)
    assert caught.value.data == {"reason": "encrypted"}


def test_one_encrypted_message_of_a_mailbox_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "x"
    secret = b"From a@b Mon\nSubject: Secret\n\n-----BEGIN PGP MESSAGE-----\n\nhIwD\n-----END PGP MESSAGE-----\n\n"
    path.write_bytes(secret + b"From a@b Mon\nSubject: Open\n\nThe heron stands.\n")
    document = open_mail(path, None)
    text = next(document.pages()).text
    assert "(The message is encrypted.)" in text
    assert "The heron stands." in text
    assert document.shortfall()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("=?UTF-8?B?5bm05YGH?= =?UTF-8?Q?_=E4=B8=83?=", "年假 七"),
        ("=?gb2312?B?xOq82Q==?=", "年假"),
        ("=?nonsense?Q?caf=C3=A9?=", "café"),
        ("=?utf-8?B?A?=", "=?utf-8?B?A?="),
        ("plain\r\n folded", "plain folded"),
        ("年假".encode().decode("ascii", "surrogateescape"), "年假"),
    ],
)
def test_encoded_words(raw: str, expected: str) -> None:
    assert decoded_header(raw) == expected


def _nested(levels: int) -> bytes:
    return (
        b"From: a\n"
        + b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(levels))
        + b"\nx\n"
    )


@pytest.mark.parametrize(
    "content",
    [
        b"From: a\nContent-Type: text/plain; " + b"a*0=b;" * 300_000 + b"\n\nx",
        b"From: a\nSubject: " + b"=?utf-8?b?" * 200_000 + b"\n\nx",
        b'From: a\nContent-Disposition: attachment; filename="' + b"=?" * 500_000 + b'"\n\nx',
        b"From: a\nSubject: x" + b"\n y" * 300_000 + b"\n\nx",
        _nested(90),
        _nested(20_000) + b"\n" * 10_000,
        b"Content-Type: message/rfc822\n\n" * 20_000 + b"x",
        b"From: a\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\na\n" * 30_000,
    ],
)  # fmt: skip
def test_c6_hostile_headers_and_nesting_are_bounded(tmp_path: Path, content: bytes) -> None:
    started = time.perf_counter()
    with contextlib.suppress(BadRequest):
        read(tmp_path, content)
    assert time.perf_counter() - started < 5
