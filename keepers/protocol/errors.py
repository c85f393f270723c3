"""Every error that a person can meet, by a stable code: H and four digits.

1 config and keys · 2 chain and outbox · 3 hardware · 4 market · 5 leases and money · 6 attestation · 7 deployment ·
9 defects.
H20xx are faults of the connection, H21xx … H28xx the reasons with which the contracts refuse a call (`REVERTS`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class HearthError(Exception):
    """An error with a stable code, what is wrong, why, and what to do. Carries no secret.

    `retryable`: repeating the same call later may succeed. `exit_code`: README.md, keepers/cli/output.py.
    """

    def __init__(
        self,
        code: str,
        message: str,
        why: Sequence[str] | str = (),
        next: Sequence[str] | str = (),  # the word people see
        *,
        retryable: bool = False,
        exit_code: int = 1,
        tx: str | None = None,
    ) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message
        self.why = (why,) if isinstance(why, str) else tuple(why)
        self.next = (next,) if isinstance(next, str) else tuple(next)
        self.retryable = retryable
        self.exit_code = exit_code
        self.tx = tx

    def as_dict(self) -> dict[str, object]:
        """The JSON form that `--json` prints."""
        return {
            "code": self.code,
            "message": self.message,
            "why": list(self.why),
            "next": list(self.next),
            "retryable": self.retryable,
            "tx": self.tx,
        }


@dataclass(frozen=True)
class Code:
    """Explanation of a code for `hearth explain`: one line of meaning, one of remedy, the exit code."""

    code: str
    meaning: str
    remedy: str
    exit_code: int = 1
    retryable: bool = False


def _table(*rows: Code) -> dict[str, Code]:
    out: dict[str, Code] = {}
    for row in rows:
        if row.code in out:
            raise ValueError(f"code {row.code} stands twice")
        out[row.code] = row
    return out


CODES = _table(
    # ---- 1 configuration and keys
    Code(
        "H1001",
        "a setting is unknown or has a value that it cannot have",
        "hearth config show; correct the named key",
        2,
    ),
    Code("H1002", "the configuration file cannot be read", "check the path and that it is valid TOML", 2),
    Code("H1003", "no network is chosen", "name one with --network or --manifest, or set HEARTH_DEPLOYMENT", 2),
    Code("H1004", "the deployment record is missing or damaged", "take a fresh copy of the record of this network", 2),
    Code("H1005", "an argument does not have the form that is needed", "use the form shown in the message", 2),
    Code("H1006", "the file or URL does not hold what is needed", "check its path and its first lines", 1),
    Code("H1101", "no key is configured for this role", "hearth key new or hearth key import", 4),
    Code("H1102", "the keystore does not open with this password", "check the password file of the key", 4),
    Code("H1103", "a secret file can be read by others, or belongs to another user", "chmod 600 and chown the file", 4),
    Code("H1104", "the key does not hold the role that this needs", "use the key that the message names", 4),
    Code(
        "H1201", "the database cannot be opened", "check the path, the free space and that no other process holds it", 1
    ),
    Code("H1202", "another process runs with this home folder", "stop it first, or use another HEARTH_HOME", 1),
    Code("H1203", "the database cannot be read or written", "free disk space; if it is damaged, restore a copy", 1),
    Code("H1204", "the database was written by a newer version", "upgrade the program", 1),
    Code("H1401", "an address or port cannot be listened on", "choose another port in the settings", 1),
    # ---- 2 chain and outbox
    Code("H2001", "the RPC endpoint does not answer", "check the URL and the network; retrying is safe", 7, True),
    Code("H2002", "the endpoint is on another chain than the record", "use an endpoint of the record's chain", 1),
    Code("H2003", "the code at an address is not the record's", "check the record; do not send anything", 9),
    Code("H2004", "the contracts are newer than this program", "upgrade the program", 1),
    Code("H2005", "the chain went back below finality", "stop and look: this must not happen", 1),
    Code("H2006", "the endpoint is behind", "wait, or use another endpoint", 7, True),
    Code("H2007", "an attester or board does not answer", "retrying is safe", 7, True),
    Code("H2010", "the transaction is signed and maybe sent", "hearth tx show settles it; repeating is safe", 8, True),
    Code("H2011", "the same plan already stands in the outbox", "wait for it, or use another --idempotency-key", 8),
    Code("H2012", "fees are above the cap", "wait, or raise the cap in the settings", 6, True),
    Code("H2013", "the account has too little gas money", "send it some of the chain's coin", 1, True),
    Code("H2014", "the transaction failed on chain", "hearth tx show prints the reason", 1),
    Code("H2015", "a transaction was not confirmed in time", "hearth tx show; it is repeated by itself", 8, True),
    Code("H2900", "a contract refused the call", "read the reason; repeat it when that has changed", 1),
    # ---- 3 hardware
    Code("H3101", "no GPU was found", "see the list of display devices; a CPU class may be offered with --cpu", 1),
    Code("H3102", "the NVIDIA driver is not loaded", "install or load the driver named in the message", 1),
    Code("H3103", "driver and library differ", "reboot, so that both are of one version", 1),
    Code("H3104", "the container sees no device", "start the container with the devices", 1),
    Code("H3105", "this GPU has no sampler yet", "only NVIDIA devices are sampled", 1),
    Code("H3106", "MIG is on", "whole GPUs are leased: turn MIG off", 1),
    Code("H3107", "the device answers late or not at all", "the agent retries; look at the driver's log", 1, True),
    # ---- 4 market
    Code("H4201", "no offer was found at that place", "check the folder or URL of the offers", 5),
    Code("H4202", "an offer is not what the chain would take", "it was left out; the reason is named", 5),
    Code("H4203", "no offer matches", "ask for less, pay more, or wait", 5),
    Code("H4204", "the price is above the limit", "raise the limit in the settings, or wait", 6),
    Code("H4205", "the price is too small", "use the smallest one that the message names", 2),
    # ---- 5 leases and money
    Code("H5001", "the lease does not exist", "hearth status lists yours", 1),
    Code("H5002", "the lease has ended", "rent again", 1),
    Code("H5003", "the wallet has too little", "hearth wallet buy", 1),
    Code("H5004", "a spending limit forbids it", "hearth config show", 6),
    Code("H5005", "the plan was not confirmed", "repeat it with --yes, or at a terminal", 3),
    Code("H5006", "there is nothing to redeem or refund", "wait for the next settlement", 1),
    Code("H5007", "the price is stale or clamped, entries are closed", "wait for the next report", 6, True),
    Code("H5008", "the bill does not add up", "keep the report and send it to the maintainers", 1),
    # ---- 6 attestation
    Code("H6001", "the clock differs from chain time", "synchronise the clock; nothing is signed until then", 1, True),
    Code("H6002", "the key holds no seat of the committee", "use the key of the seat", 4),
    Code("H6101", "a heartbeat is malformed", "use the current agent", 1),
    Code("H6102", "a heartbeat is signed by another key", "use the node's key", 4),
    Code("H6103", "a heartbeat is too early, too late or names an unknown block", "check clock and endpoint", 1),
    Code("H6104", "the body is too large or too much comes at once", "send less, later", 7, True),
    Code("H6201", "a proposal is not what this seat computes", "it was not signed; the reason is named", 1),
    Code(
        "H6301",
        "a report on chain does not hold",
        "nothing that rests on it is signed or settled; see docs/audit.md",
        9,
    ),
    Code("H6302", "an epoch or node cannot be read from the reports", "wait for its report, or use a newer epoch", 1),
    Code("H6303", "a file of leaves is not the chain's", "take it from elsewhere, or rebuild from the first epoch", 9),
    Code(
        "H6401",
        "the sign log is missing, but this seat has signed before",
        "bring the earlier machine's database, or take a new key",
        1,
    ),
    Code("H6402", "the sign log is older than what this seat has signed", "restore the newest one", 1),
    Code("H6403", "another process signs for this seat", "stop it", 1),
    Code("H6404", "the sign log is retired", "use the one that replaced it", 1),
    # ---- 7 deployment
    Code("H7001", "a parameter cannot have this value", "correct the profile; nothing was sent", 2),
    Code("H7102", "the plan is stale: the deployer's nonce has moved", "make a new plan", 1),
    Code("H7103", "the deployment was interrupted", "run the same command again: it resumes", 1, True),
    Code("H7104", "the chain differs from the record", "see the lines that differ", 9),
    Code(
        "H7105",
        "the sources differ from those of the interrupted deployment",
        "resume with the sources of the journal",
        1,
    ),
    # ---- 9 defects
    Code("H9001", "a defect of this program", "please report it with the file that the message names", 1),
)
