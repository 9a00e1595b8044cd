"""A zip locked with a password in the traditional way (PKWARE's), which zipfile reads and cannot write."""

from __future__ import annotations

import struct
import zlib

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def locked_zip(files: dict[str, bytes], password: str) -> bytes:
    """Stored, not compressed; every file is encrypted."""
    body = directory = b""
    for name, data in files.items():
        crc = zlib.crc32(data)
        locked = encrypted(bytes(11) + bytes([crc >> 24]) + data, password.encode())
        facts = struct.pack("<HHHHHIIIHH", 20, 1, 0, 0, 0x21, crc, len(locked), len(data), len(name.encode()), 0)
        place = struct.pack("<HHHII", 0, 0, 0, 0, len(body))
        directory += CENTRAL + struct.pack("<H", 20) + facts + place + name.encode()
        body += LOCAL + facts + name.encode() + locked
    end = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), len(body), 0)
    return body + directory + END + end


def encrypted(data: bytes, password: bytes) -> bytes:
    """APPNOTE.TXT, section 6.1: three keys that every byte of the plain text stirs."""
    keys = [0x12345678, 0x23456789, 0x34567890]

    def stir(byte: int) -> None:
        keys[0] = _crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc(keys[2], keys[1] >> 24)

    for byte in password:
        stir(byte)
    out = bytearray()
    for byte in data:
        mask = keys[2] | 2
        out.append(byte ^ ((mask * (mask ^ 1) >> 8) & 0xFF))
        stir(byte)
    return bytes(out)


def _crc(register: int, byte: int) -> int:
    """One step of CRC-32 without the inversions around it."""
    return zlib.crc32(bytes([byte]), register ^ 0xFFFFFFFF) ^ 0xFFFFFFFF
