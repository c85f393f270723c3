"""Every error that a person can meet, by a stable code: H and four digits.

1 config and keys · 2 chain and outbox · 3 hardware · 4 market · 5 leases and money · 6 attestation · 7 deployment ·
9 defects.
H20xx are faults of the connection, H21xx … H28xx the reasons with which the contracts refuse a call (`REVERTS`), H29xx
what else stands between us and a chain.

A code says once and for all with which status a command ends and whether repeating it may help: where one of the two
would depend on the case, the cases have codes of their own. docs/errors.md is this table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from keepers.protocol.reverts import GUARDS, RETRYABLE, REVERTS


class HearthError(Exception):
    """An error with a stable code, what is wrong, why, and what to do (the table's remedy where `next` is empty).

    Carries no secret.
    """

    def __init__(
        self,
        code: str,
        message: str,
        why: Sequence[str] | str = (),
        next: Sequence[str] | str = (),  # the word people see
        *,
        tx: str | None = None,
    ) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code
        self.message = message
        self.why = (why,) if isinstance(why, str) else tuple(why)
        self.next = ((next,) if isinstance(next, str) and next else tuple(next)) or (row_of(code).remedy,)
        self.tx = tx

    @property
    def exit_code(self) -> int:
        """The status with which a process ends that this error stops (`hearth explain exit-codes`)."""
        return row_of(self.code).exit_code

    @property
    def retryable(self) -> bool:
        """Whether repeating the same call later may succeed."""
        return row_of(self.code).retryable

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
    """A code for `hearth explain`: one line of meaning, one of remedy, the exit code, whether repeating may help."""

    code: str
    meaning: str
    remedy: str
    exit_code: int = 1
    retryable: bool = False


def row_of(code: str) -> Code:
    """The row of a code. One that a newer version wrote into the database counts as failed, like H2014."""
    return find(code) or Code(code, "an error that this version does not know", "upgrade the program")


def find(code: str) -> Code | None:
    """The row of a code, those of the contracts' own refusals (H2101 and on) too; None where there is none."""
    return CODES.get(code) or _refusals().get(code)


@cache
def _refusals() -> dict[str, Code]:
    return {
        code: Code(code, f"{meaning} ({reason})", remedy, 6 if reason in GUARDS else 1, reason in RETRYABLE)
        for reason, (code, meaning, remedy) in REVERTS.items()
    }


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
        "correct the named key; hearth config show",
        2,
    ),
    Code(
        "H1002",
        "the configuration cannot be read or written",
        "check the path, its rights and that it is valid TOML",
        2,
    ),
    Code("H1003", "no network is chosen", "name one with --network or --manifest, or set HEARTH_DEPLOYMENT", 2),
    Code("H1004", "the deployment record is missing or damaged", "take a fresh copy of the record of this network", 2),
    Code("H1005", "an argument does not have the form or value that is needed", "use the form shown in the message", 2),
    Code("H1006", "a file does not hold what is needed, or cannot be read or written", "check its path and content", 2),
    Code("H1101", "no key is configured, or its file cannot be used", "hearth key new or hearth key import", 4),
    Code("H1102", "the keystore does not open with this password", "check the password file of the key", 4),
    Code("H1103", "a secret file can be read by others, or belongs to another user", "chmod 600 and chown the file", 4),
    Code("H1104", "the key does not hold the role that this needs", "use the key that the message names", 4),
    Code("H1201", "the database cannot be opened", "check the path, the free space and that the file is yours"),
    Code("H1202", "another process sends with this key", "stop it first, or use another key", 4, True),
    Code("H1203", "the database cannot be read or written", "free disk space; nothing was lost", 1, True),
    Code("H1204", "the database was written by a newer version", "upgrade the program"),
    Code("H1205", "the database is damaged", "stop, and restore the newest copy"),
    Code("H1401", "an address or port cannot be listened on", "choose another port in the settings"),
    Code("H1402", "systemd did not take the service", "read the journal that the message names"),
    Code("H1501", "a price source is set up wrongly", "correct attester.prices; hearth check attester", 2),
    # ---- 2 chain and outbox
    Code("H2001", "the RPC endpoint does not answer", "check the URL and the network; retrying is safe", 7, True),
    Code("H2002", "the endpoint is on another chain than the record", "use an endpoint of the record's chain", 2),
    Code("H2003", "the code at an address is not the record's", "check the record; do not send anything", 9),
    Code("H2004", "the contracts are newer than this program", "upgrade the program"),
    Code("H2005", "the chain went back below finality", "stop and look: this must not happen", 9),
    Code("H2006", "the endpoint is behind", "wait, or use another endpoint", 7, True),
    Code("H2007", "an attester or board does not answer", "retrying is safe", 7, True),
    Code("H2010", "the transaction is signed and maybe sent", "hearth tx show settles it; repeating is safe", 8, True),
    Code(
        "H2011",
        "an earlier one of the same kind is still open",
        "wait for it, or name this one: --idempotency-key",
        8,
        True,
    ),
    Code("H2012", "fees are above the cap", "wait, or raise the cap in the settings", 6, True),
    Code("H2013", "the account has too little gas money", "send it some of the chain's coin", 1, True),
    Code("H2014", "the transaction failed on chain, or can never be mined", "hearth tx show prints the reason"),
    Code("H2015", "a transaction was not confirmed in time", "hearth tx show; it is repeated by itself", 8, True),
    Code("H2016", "the idempotency key stands for another call", "use another --idempotency-key", 2),
    Code("H2017", "the transaction was withdrawn: superseded, or its time had passed", "nothing: it has no effect"),
    Code("H2900", "a contract refused the call", "read the reason; repeat it when that has changed"),
    Code("H2901", "anvil, the local chain, is not installed", "make install, or set HEARTH_ANVIL"),
    Code("H2902", "the local chain did not start", "read the log that the message names", 1, True),
    Code("H2903", "a process of the local network has stopped", "read its log"),
    Code(
        "H2904", "a process of the local network is not ready in time", "read its log; a busy machine is slow", 1, True
    ),
    Code("H2905", "a deploy script of the local network failed", "read its log"),
    # ---- 3 hardware
    Code("H3101", "no GPU was found, or fewer than asked for", "check the card, its power and its driver"),
    Code("H3102", "the NVIDIA driver is not loaded", "install or load the driver named in the message"),
    Code("H3103", "driver and library differ", "reboot, so that both are of one version"),
    Code("H3104", "the container sees no device", "start the container with the devices"),
    Code("H3105", "this GPU has no sampler yet", "only NVIDIA devices are sampled"),
    Code("H3106", "MIG is on", "whole GPUs are leased: turn MIG off"),
    Code("H3107", "a UUID names no whole GPU, or one GPU twice", "turn MIG off; run where the driver shows UUIDs"),
    Code("H3108", "the device answers late or not at all", "the agent retries; look at the driver's log", 1, True),
    Code("H3109", "the GPUs here are not those that are registered", "name them in [agent] gpus, or register anew"),
    Code("H3121", "the prover holds no such work", "nothing: it was replaced by a newer one, or is over"),
    Code("H3122", "the prover has stopped twice, or failed", "read its words in the agent's log", 1, True),
    Code(
        "H3123",
        "the device computes wrongly: a product failed its check twice, or the known answer is another",
        "take the device out of service; memory and overclocking are the first suspects",
        9,
    ),
    Code("H3124", "the challenge of this class does not fit the memory", "free memory, or register in a smaller class"),
    Code("H3125", "the chosen backend of the prover is not there", "install it, or choose another"),
    # ---- 4 market
    Code("H4201", "no offer was found at that place", "check the folder or URL of the offers", 5),
    Code("H4203", "no offer matches", "ask for less, pay more, or wait", 5),
    Code("H4204", "the price is above the limit", "raise the limit in the settings, or wait", 6),
    Code("H4205", "the price is too small or too large", "use one of the range that the message names", 2),
    # ---- 5 leases and money
    Code("H5001", "the lease does not exist", "hearth status lists yours"),
    Code("H5002", "the lease takes no more money", "rent again"),
    Code("H5003", "the wallet has too little", "send it what the message names, or hearth wallet buy"),
    Code("H5004", "a spending limit forbids it", "hearth config show", 6),
    Code("H5005", "the plan was not confirmed", "repeat it with --yes, or at a terminal", 3),
    Code("H5006", "there is less to refund or to unstake than that", "ask for at most what the message names"),
    Code("H5007", "the price is stale or clamped, or entries are paused", "wait for the next report", 6, True),
    Code(
        "H5008",
        "a bill does not agree with the chain",
        "ask another endpoint; docs/audit.md says what each line means",
        9,
    ),
    Code("H5009", "the books of a replay or of the demo are off", "keep the report and send it to the maintainers"),
    Code("H5010", "the ticket has not matured", "wait until the time that the message names", 1, True),
    # ---- 6 attestation
    Code("H6001", "the clock differs from chain time", "synchronise the clock; nothing is signed until then", 1, True),
    Code("H6002", "the key holds no seat of the committee", "use the key of the seat", 4),
    Code("H6101", "HTTP 405: the path has no such method", "use the current agent or attester", 2),
    Code("H6102", "HTTP 404: there is no such path", "use the current agent or attester", 2),
    Code("H6103", "HTTP 426: this version of the protocol is not spoken here", "upgrade the older side"),
    Code("H6104", "HTTP 413: the body is too large", "send less at once", 2),
    Code("H6105", "HTTP 400: the request is not what the path takes", "the message names the place that is wrong", 2),
    Code("H6106", "HTTP 429: too many requests from this address", "send fewer, later", 7, True),
    Code("H6107", "HTTP 415: the body is not plain JSON", "send it uncompressed, as application/json", 2),
    Code("H6108", "HTTP 408: the body did not arrive in time", "retrying is safe", 7, True),
    Code("H6110", "HTTP 401: the signature is none", "sign with the key of the seat", 4),
    Code("H6111", "HTTP 403: another generation of the committee is in force", "read the committee anew", 1, True),
    Code("H6112", "HTTP 403: too early for this epoch or view", "wait for it; check the clock", 1, True),
    Code("H6113", "HTTP 403: signed by another than the seat", "sign with the key of the seat", 4),
    Code("H6114", "HTTP 400: the body is not the one that was signed", "send the body of the signature", 2),
    Code("H6115", "HTTP 403: the seat does not lead this view", "wait for its view; check the clock", 1, True),
    Code("H6116", "HTTP 409: the epoch is not open here", "wait; check clock and endpoint of both sides", 1, True),
    Code("H6117", "HTTP 403: the committee has no such seat", "read the committee anew", 4),
    Code("H6118", "HTTP 409: enough is held of what this seat signed twice", "nothing: it is kept as evidence", 4),
    Code("H6119", "HTTP 400: the signature is of another epoch or view", "send it with the message it is of", 2),
    Code(
        "H6120", "HTTP 409: nobody is asked for an answer in this epoch here", "wait; check clock and endpoint", 1, True
    ),
    Code("H6121", "HTTP 409: the answer is to other seeds", "answer the seeds that the chain has now", 1, True),
    Code("H6122", "HTTP 403: no answer is taken from this node", "nothing: it owes none, or is unknown", 4),
    Code("H6123", "HTTP 403: signed by another key than the node's", "sign with the node's key of the epoch", 4),
    Code("H6124", "HTTP 403: the answer came after the deadline", "use a machine that is fast enough for its class", 9),
    Code("H6125", "HTTP 409: another answer of the node was taken", "nothing: the first one counts", 9),
    Code("H6126", "HTTP 404: no such answer is held here", "send the answer first, open its own root", 2),
    Code("H6127", "HTTP 403: the opening came too late", "open at once when an answer is acknowledged", 9),
    Code("H6128", "HTTP 400: a row that was not asked for", "open the rows that the attester named", 2),
    Code("H6129", "HTTP 400: the opening is malformed", "the message names what has another length", 2),
    Code("H6130", "HTTP 400: the opening does not lead to the signed root", "open the answer that was signed", 9),
    Code("H6202", "no committee is in force yet", "wait for the first epoch of one", 1, True),
    Code(
        "H6301",
        "a report on chain does not hold",
        "nothing that rests on it is signed or settled; see docs/audit.md",
        9,
    ),
    Code(
        "H6302", "an epoch or node is not in the reports", "use one that the message names, or leaves of an older epoch"
    ),
    Code("H6303", "a file of leaves is not the chain's", "take it from elsewhere, or rebuild from the first epoch", 9),
    Code("H6304", "the epoch is not reported yet", "wait for its report", 1, True),
    Code(
        "H6401",
        "the sign log is missing, but this seat has signed before",
        "bring the earlier machine's database, or take a new key",
        6,
    ),
    Code(
        "H6402", "the sign log is older than what this seat has signed", "restore the newest one, or take a new key", 6
    ),
    Code("H6403", "another process signs for this seat", "stop it, or rotate the seat's key", 6),
    Code("H6404", "the sign log is retired", "use the one that replaced it", 6),
    Code(
        "H6405", "this seat has signed something else in its place", "nothing: the next view brings another chance", 6
    ),
    Code("H6407", "the sign log is damaged", "restore the newest copy, or declare it lost with a watermark", 6),
    Code(
        "H6408",
        "the sign log's mirror does not work",
        "mount its disk and make room; if it is lost, start once without attester.signlog_mirror",
        6,
        True,
    ),
    Code(
        "H6501", "no price source gives a price", "check the sources: hearth check attester; retrying is safe", 7, True
    ),
    Code("H6601", "the simulated committee broke a rule, or was late", "report it with the seed, which repeats it", 9),
    Code("H6701", "a report on chain is false, and nobody has refuted it yet", "hearth watcher --submit refutes it", 9),
    Code(
        "H6702",
        "a report calls a node down that checked in on chain, and stands",
        "hearth watcher --submit refutes it",
        9,
    ),
    Code("H6703", "a seat signed two different things in one place", "hearth watcher --submit proves it", 9),
    Code(
        "H6704",
        "a false report cannot be refuted, or no longer",
        "nothing that rests on it is right: the owner must replace the committee",
        9,
    ),
    Code("H6705", "what was found pays less than its gas and is left to others", "set watcher.unpaid, or wait", 9),
    Code("H6706", "seats that signed a refuted report were not punished yet", "hearth watcher --submit does it", 9),
    Code(
        "H6707",
        "a node's answer to the compute challenge is false, and nobody has refuted it",
        "hearth watcher --submit refutes it while its window is open",
        9,
    ),
    # ---- 7 deployment
    Code("H7101", "the profile is not usable", "correct it; nothing was sent", 2),
    Code("H7102", "the plan is stale", "make a new plan with --dry-run"),
    Code(
        "H7103",
        "the chain is another one than meant",
        "use the profile, plan or record of this chain; nothing was sent",
        6,
    ),
    Code(
        "H7104",
        "the account cannot pay, or gas costs more than --max-fee",
        "send it what the message names, or wait",
        6,
        True,
    ),
    Code("H7105", "the sources are others, or not committed", "check out the commit that the message names, or commit"),
    Code(
        "H7106",
        "a nonce of the plan is lost",
        "deploy anew with another --record, from an account that does nothing else",
    ),
    Code("H7107", "a deployment is unfinished or done already", "--resume, or another --record"),
    Code("H7108", "the rehearsal failed", "correct the profile or the sources; nothing was sent"),
    Code("H7109", "a transaction failed on chain", "find the cause, then deploy anew with another --record"),
    Code("H7110", "no account to deploy from", "ape accounts list; --account ALIAS", 4),
    Code("H7111", "a tool of the rehearsal is missing", "make install"),
    Code("H7112", "the contracts do not compile or do not fit the plan", "check out the sources of the plan"),
    Code("H7113", "not confirmed", "type the network's name, or --confirm NAME", 3),
    Code("H7114", "an argument or the record is not usable", "use the form shown in the message; nothing was sent", 2),
    Code("H7115", "the chain differs from the record", "do not use this network", 9),
    Code("H7116", "the node does not answer", "check the URL; --resume goes on", 7, True),
    Code("H7117", "the node refused a transaction", "correct what it says, then --resume"),
    Code("H7118", "a transaction is not mined in time", "the same command with --resume goes on", 8, True),
    # ---- 9 defects
    Code("H9001", "a defect of this program", "please report it, with the crash file where one is named"),
)
