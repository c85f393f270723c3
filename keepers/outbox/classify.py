"""What an endpoint's error to `eth_sendRawTransaction` means. Texts of geth, reth, anvil, erigon, nethermind, besu
and of the sequencers, which agree on the words and not on the codes."""

from __future__ import annotations

from enum import StrEnum


class Answer(StrEnum):
    """What to do next is in the comment of each."""

    ACCEPTED = "accepted"
    KNOWN = "already known"  # it is in the pool: as good as accepted
    NONCE_LOW = "nonce too low"  # the nonce is used: the confirmer looks for a receipt
    UNDERPRICED = "replacement underpriced"  # the pool holds another attempt: replace it higher, sooner
    FEE_LOW = "fee too low"  # below the base fee or the node's minimum: replace it higher, sooner
    FUNDS = "insufficient funds"  # wait for a top-up, keep the nonce
    INVALID = "invalid"  # can never be mined: purge the nonce
    TRANSIENT = "try again"  # the node's own trouble
    UNCLEAR = "unclear"  # maybe sent


# In order: the first match wins ("replacement transaction underpriced" before "transaction underpriced").
_WORDS: tuple[tuple[str, Answer], ...] = (
    ("already known", Answer.KNOWN),
    ("alreadyknown", Answer.KNOWN),
    ("already imported", Answer.KNOWN),
    ("already in mempool", Answer.KNOWN),
    ("known transaction", Answer.KNOWN),
    ("nonce too low", Answer.NONCE_LOW),
    ("oldnonce", Answer.NONCE_LOW),
    ("nonce is too low", Answer.NONCE_LOW),
    ("nonce has already been used", Answer.NONCE_LOW),
    ("replacement", Answer.UNDERPRICED),
    ("replacementnotallowed", Answer.UNDERPRICED),
    ("could not replace", Answer.UNDERPRICED),
    ("underpriced", Answer.FEE_LOW),
    ("less than block base fee", Answer.FEE_LOW),
    ("max fee per gas less than", Answer.FEE_LOW),
    ("fee too low", Answer.FEE_LOW),
    ("feetoolow", Answer.FEE_LOW),
    ("gas price too low", Answer.FEE_LOW),
    ("insufficient funds", Answer.FUNDS),
    ("insufficientfunds", Answer.FUNDS),
    ("insufficient balance", Answer.FUNDS),
    ("upfront cost exceeds", Answer.FUNDS),
    ("intrinsic gas too low", Answer.INVALID),
    ("gas too low", Answer.INVALID),
    ("exceeds block gas limit", Answer.INVALID),
    ("gas limit too high", Answer.INVALID),
    ("intrinsic gas too high", Answer.INVALID),
    ("invalid sender", Answer.INVALID),
    ("invalid signature", Answer.INVALID),
    ("invalid chain id", Answer.INVALID),
    ("transaction type not supported", Answer.INVALID),
    ("oversized data", Answer.INVALID),
    ("max initcode", Answer.INVALID),
    ("nonce too high", Answer.TRANSIENT),
    ("txpool is full", Answer.TRANSIENT),
    ("pool is full", Answer.TRANSIENT),
    ("rate limit", Answer.TRANSIENT),
    ("too many requests", Answer.TRANSIENT),
    ("limit exceeded", Answer.TRANSIENT),
    ("timeout", Answer.UNCLEAR),
    ("timed out", Answer.UNCLEAR),
)


def classify(text: str) -> Answer:
    """Meaning of an error text. What is unknown counts as unclear: it may have been sent."""
    low = text.lower()
    for words, answer in _WORDS:
        if words in low:
            return answer
    return Answer.UNCLEAR
