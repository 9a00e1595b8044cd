"""Names in zips that do not say which letters they are of."""

from __future__ import annotations

import io
import zipfile

import pytest

from pipeline.errors import UsageError
from pipeline.files.zip_names import member_names


class _Named(zipfile.ZipInfo):
    """A member whose name is written in a code page, as Windows programs do."""

    encoding = "cp437"

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 - zipfile's own name
        return self.filename.encode(self.encoding), self.flag_bits & ~0x800


def members(names: list[str], encoding: str) -> list[zipfile.ZipInfo]:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            member = _Named(name)
            member.encoding = encoding
            archive.writestr(member, b"")
    return zipfile.ZipFile(stream).infolist()


@pytest.mark.parametrize(
    ("names", "encoding"),
    [
        (["猫/写真.jpg", "猫/表示.jpg", "犬/ソ.jpg"], "cp932"),
        (["ねこ/1.jpg", "plain/2.jpg"], "cp932"),
        (["東京タワー/IMG_1.jpg"], "cp932"),
        (["新しいフォルダー/1.jpg"], "cp932"),
        (["照片/猫.jpg"], "gbk"),
        (["新建文件夹/IMG_1.jpg", "衣服/鞋子/1.jpg"], "gbk"),
        (["Кошка/фото.jpg"], "cp866"),
        (["Кошка/фото.jpg"], "cp1251"),
        (["Café/1.jpg", "Größe/für.jpg"], "cp437"),
        (["Médoc/1.jpg"], "cp437"),
        (["Café/1.jpg", "Größe/für.jpg"], "cp1252"),
        (["São Paulo/1.jpg"], "cp850"),
        (["Café/猫.jpg"], "utf-8"),
        (["plain/1.jpg"], "ascii"),
    ],
)
def test_names_are_read_as_they_were_meant(names: list[str], encoding: str) -> None:
    assert member_names(members(names, encoding)) == names


def test_names_of_two_likely_languages_are_refused_with_both() -> None:
    with pytest.raises(UsageError, match=r"they could be '.*' \(gbk\) or '고양이' \(cp949\): make it again"):
        member_names(members(["고양이/1.jpg"], "cp949"))


def test_a_zip_that_says_its_letters_is_believed() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("고양이/1.jpg", b"")
    assert member_names(zipfile.ZipFile(stream).infolist()) == ["고양이/1.jpg"]
