"""Tell what a client submits as ``apiKeyEncrypted``: a JWE, a provider's plain key, or neither.

The time that anything here takes grows with the length of the value and no faster.
"""

from __future__ import annotations

import json
import re
from typing import Any

from joserfc import jwe

from aiconfig_plugin.keys.stored_jwe import b64decode

# What a compact JWE consists of (RFC 7516 section 7.1), and what it never holds.
_INSIDE_JWE = re.compile(r"[A-Za-z0-9_.-]")
_OUTSIDE_JWE = re.compile(r"[^A-Za-z0-9_.-]")

# How the plain keys of providers begin, each as its provider documents or issues them. The
# beginning counts anywhere but inside a word, so that "Bearer sk-…" and KEY="sk-…" count too.
_PLAIN_KEY = re.compile(
    r"(?<![A-Za-z0-9_+/.~-])(?:"
    r"sk-|sk_|sess-"  # OpenAI, Anthropic, DeepSeek, OpenRouter, Stability, ElevenLabs, …
    r"|AIza|AQ\.Ab|ya29\."  # Google
    r"|gsk_|xai-|hf_|pplx-|r8_"  # Groq, xAI, Hugging Face, Perplexity, Replicate
    r"|nvapi-|tgp_v1_|fw_|csk-|jina_"  # NVIDIA, Together, Fireworks, Cerebras, Jina
    r"|AKIA|ASIA|ABSK"  # AWS
    r"|ghp_|github_pat_|glpat-"  # GitHub, GitLab
    r")"
)


def holds_plain_key(submitted: str) -> bool:
    """Tell whether this is recognisably a provider's plain API key."""
    return _PLAIN_KEY.search(submitted) is not None


def resembles_jwe(submitted: str) -> bool:
    """Tell whether this is a compact JWE, or was one before a character of it changed.

    Neither damage nor quotes around it must turn a key of ours into "any other string", which
    would be accepted.
    """
    first, last = _INSIDE_JWE.search(submitted), _INSIDE_JWE.search(submitted[::-1])
    if not first or not last:
        return False
    core = submitted[first.start() : len(submitted) - last.start()]
    if core.startswith("eyJ"):
        return "." in core
    return core.count(".") in (4, 5) and len(_OUTSIDE_JWE.findall(core)) <= 1


def read_jwe_header(submitted: str) -> dict[str, Any]:
    """Return the header of a compact JWE; raises ValueError for what is not quite one."""
    header = read_header(submitted)
    known = jwe.JWERegistry.algorithms
    alg, enc = header.get("alg"), header.get("enc")
    if submitted.count(".") == 4 and isinstance(alg, str) and isinstance(enc, str):
        if alg in known["alg"] and enc in known["enc"]:
            return header
    raise ValueError("The value resembles a compact JWE but is not a well-formed one.")


def read_header(text: str) -> dict[str, Any]:
    """Return the JSON object in the first part of a compact JWE; empty where there is none."""
    try:
        header = json.loads(b64decode(text.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        return {}
    return header if isinstance(header, dict) else {}
