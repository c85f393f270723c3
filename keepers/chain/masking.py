"""What may be said about an endpoint or a text that might hold a secret."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

MASK = "***"
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s\"'<>\\]+", re.I)
_KEYED_HEX = re.compile(r"((?:private|secret|priv)[ _-]?key[\"']?\s*[=:]\s*[\"']?)(?:0x)?[0-9a-f]{32,}", re.I)
_TOKENISH = re.compile(r"^(?=.*\d)[A-Za-z0-9_-]{20,}$")


def mask_url(url: str) -> str:
    """The URL without user, password, query values or path segments that look like an access token."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return MASK
    if not parts.scheme or (not host and parts.netloc):
        return MASK
    host = f"[{host}]" if ":" in host else host
    user = f"{MASK}@" if "@" in parts.netloc else ""
    path = "/".join(MASK if _TOKENISH.match(piece) else piece for piece in parts.path.split("/"))
    query = "&".join(f"{pair.split('=')[0]}={MASK}" for pair in parts.query.split("&")) if parts.query else ""
    return urlunsplit((parts.scheme, f"{user}{host}{port}", path, query, ""))


def mask_text(text: str) -> str:
    """Text with its URLs masked and with values of private keys removed."""
    text = _URL.sub(lambda found: mask_url(found.group(0)), text)
    return _KEYED_HEX.sub(lambda found: found.group(1) + MASK, text)
