from __future__ import annotations

import pytest

from antiphon.ingest.decoding import codec_of_label, decode, encoding_of, is_text

SIMPLIFIED = "入职满一年的员工每年享有七天带薪年休假，这是公司的规定。"
TRADITIONAL = "入職滿一年的員工每年享有七天帶薪年休假，這是公司的規定。"

JAPANESE = "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다."


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (SIMPLIFIED, "utf-8"),
        (SIMPLIFIED, "utf-8-sig"),
        (SIMPLIFIED, "utf-16"),
        (SIMPLIFIED, "utf-32"),
        (SIMPLIFIED, "gb18030"),
        (TRADITIONAL, "big5"),
        (TRADITIONAL, "utf-8"),
        ("naïve café, 20 €", "windows-1252"),
        (SIMPLIFIED, "utf-16-le"),
        (SIMPLIFIED, "utf-16-be"),
        (SIMPLIFIED, "hz"),
        (TRADITIONAL, "utf-16-be"),
        (TRADITIONAL, "gb18030"),
        ("Employees: seven days.\n", "utf-16-le"),
        ("Employees: seven days.\n", "utf-32-be"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (JAPANESE, "iso2022_jp"),
        (KOREAN, "euc_kr"),
        (KOREAN, "iso2022_kr"),
        ("Все люди рождаются свободными и равными в своем достоинстве и правах.", "cp1251"),
        ("Все люди рождаются свободными и равными в своем достоинстве и правах.", "koi8_r"),
        ("Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια.", "cp1253"),
        ("כל בני אדם נולדו בני חורין ושווים בערכם ובזכויותיהם. כולם חוננו בתבונה ובמצפון.", "cp1255"),
        ("يولد جميع الناس أحرارًا متساوين في الكرامة والحقوق.", "cp1256"),
        ("Všichni lidé se rodí svobodní a sobě rovní co do důstojnosti.", "cp1250"),
        ("Wszyscy ludzie rodzą się wolni i równi pod względem swej godności.", "iso8859_2"),
        ("Bütün insanlar hür, haysiyet ve haklar bakımından eşit doğarlar.", "cp1254"),
        ("Visi cilvēki piedzimst brīvi un vienlīdzīgi savā pašcieņā un tiesībās.", "cp1257"),
        ("Tous les êtres humains naissent libres et égaux en dignité.", "windows-1252"),
    ],
)
def test_texts_in_common_encodings_are_read(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


def test_line_ends_become_one_kind_and_nothing_raises() -> None:
    assert decode(b"a\r\nb\rc\n") == "a\nb\nc\n"
    assert isinstance(decode(bytes(range(256)) * 10), str)
    assert decode(b"\xff\xfe\x00") is not None


def test_a_broken_byte_does_not_spoil_a_whole_text() -> None:
    assert decode(SIMPLIFIED.encode() + b"\xff" + TRADITIONAL.encode()) == SIMPLIFIED + "\ufffd" + TRADITIONAL


def test_a_declared_encoding_is_believed_when_the_bytes_fit_it() -> None:
    assert decode("łódź".encode("iso8859_2"), "ISO-8859-2") == "łódź"
    assert decode("年假".encode(), "iso-8859-1") == "年假"
    assert decode("年假七天".encode("gb18030"), '"GB2312"') == "年假七天"
    assert decode(("年假七天，" * 20).encode("big5"), "shift_jis") == "年假七天，" * 20


@pytest.mark.parametrize("label", ["rot13", "zip", "base64", "unicode_escape", "utf-7", "idna", "punycode", "", "x" * 1000])
def test_labels_that_are_no_character_encodings_are_not_followed(label: str) -> None:
    assert codec_of_label(label) is None
    assert decode(b"\xe9t\xe9 +AGE-", label) == "été +AGE-"


def test_the_telling_bytes_may_come_late() -> None:
    text = "plain English, line after line\n" * 4000 + SIMPLIFIED
    assert decode(text.encode("gb18030")) == text


def test_every_codec_named_is_there() -> None:
    for label in ("gb2312", "big5", "shift_jis", "euc-kr", "iso-8859-8-i", "windows-1257", "koi8-u", "ibm866", "macintosh"):
        codec = codec_of_label(label)
        assert codec is not None
        assert b"a".decode(codec) == "a"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (SIMPLIFIED.encode("utf-16-le"), True),
        (JAPANESE.encode("utf-16-be"), True),
        (KOREAN.encode("iso2022_kr"), True),
        (b"", True),
        (bytes(range(256)) * 4, False),
        (b"\xff\xfe" + bytes(range(256)) * 4, False),
        (b"\x00\x01\x02\x03" * 50, False),
    ],
)
def test_text_is_told_from_other_bytes(content: bytes, expected: bool) -> None:
    assert is_text(content) is expected


def test_the_encoding_is_named() -> None:
    assert encoding_of(TRADITIONAL.encode("big5")) == "big5hkscs"
    assert encoding_of(b"plain") == "utf-8"
