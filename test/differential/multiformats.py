"""Varints and multibase texts, written apart from the code that the differential tests judge."""
import base64

B58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
B36 = "0123456789abcdefghijklmnopqrstuvwxyz"


def varint(n, padding=0):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    for _ in range(padding):  # a longer form of the same number
        out[-1] |= 0x80
        out.append(0)
    return bytes(out)


def number(data, digits):
    n, text = int.from_bytes(data, "big"), ""
    while n:
        n, rest = divmod(n, len(digits))
        text = digits[rest] + text
    return digits[0] * (len(data) - len(data.lstrip(b"\0"))) + text


def encode(base, data):
    if base in "fF":
        text = data.hex()
    elif base in "bBvV":
        text = base64.b32encode(data).decode().rstrip("=").lower()
        if base in "vV":
            text = text.translate(str.maketrans("abcdefghijklmnopqrstuvwxyz234567",
                                                "0123456789abcdefghijklmnopqrstuv"))
    elif base in "kK":
        text = number(data, B36)
    elif base == "z":
        text = number(data, B58)
    elif base == "m":
        text = base64.b64encode(data).decode().rstrip("=")
    elif base == "u":
        text = base64.urlsafe_b64encode(data).decode().rstrip("=")
    return base + (text.upper() if base in "FBVK" else text)
