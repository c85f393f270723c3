"""The only file that touches ape's account and provider API: a connection, an account, a signature."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keepers.localnet.anvil import RpcError
from scripts._errors import DeployError
from scripts._plan import Step
from scripts._send import Fees


class ApeChain:
    """JSON-RPC through ape's provider of the network."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider

    def call(self, method: str, *params: Any) -> Any:
        """Result of one call; RpcError with the node's words."""
        from ape.exceptions import ApeException
        from requests import RequestException

        try:
            # beneath ape's own wrapper, which drops revert data and raises differently by message
            answer = self.provider.web3.provider.make_request(method, list(params))
        except (ApeException, RequestException, OSError, ValueError) as error:
            raise DeployError(
                "H7116", f"{method}: the node does not answer", str(error)[:200], "check the URL; --resume goes on"
            ) from None
        if "error" in answer:
            error_ = answer["error"]
            plain = isinstance(error_, dict)
            raise RpcError(method, str(error_["message"] if plain else error_), error_.get("data") if plain else None)
        return answer["result"]

    @property
    def url(self) -> str | None:
        """HTTP address of the node, for a fork; None for an in-process chain."""
        uri = getattr(self.provider, "http_uri", None) or getattr(self.provider, "uri", None)
        return str(uri) if isinstance(uri, str) and uri.startswith("http") else None


@contextlib.contextmanager
def connected(network: str) -> Iterator[ApeChain]:
    """The chain that ape knows as `network` (eco:net:provider or a URL). Raises H7116."""
    from ape import networks
    from ape.exceptions import ApeException

    try:
        context = networks.parse_network_choice(network)
        provider = context.__enter__()
    except (ApeException, OSError, ValueError) as error:
        raise DeployError(
            "H7116",
            f"cannot connect to {masked(network)}",
            str(error)[:200].replace(network, masked(network)),
            "ape networks list; or give the URL of a node",
        ) from None
    try:
        yield ApeChain(provider)
    finally:
        context.__exit__(None, None, None)


def masked(network: str) -> str:
    """A URL without what may be a token in it."""
    if "://" not in network:
        return network
    scheme, rest = network.split("://", 1)
    return f"{scheme}://{rest.split('/', 1)[0].rsplit('@', 1)[-1]}"


def load_account(alias: str | None, local: bool) -> Any:
    """The ape account `alias`; on a local network without one, the first of the development mnemonic. Raises H7110."""
    from ape import accounts

    if alias is None:
        if not local:
            raise DeployError("H7110", "no account to deploy from", "--account is missing", "ape accounts list")
        return accounts.test_accounts[0]
    if alias.upper().startswith("TEST::"):
        number = alias[6:]
        if not local:
            raise DeployError("H7110", f"{alias} is a public development key", "it is for local networks only")
        if not number.isdigit() or int(number) >= len(accounts.test_accounts):
            raise DeployError("H7110", f"there is no account {alias}")
        return accounts.test_accounts[int(number)]
    known = sorted(accounts.aliases)
    if alias not in known:
        names = ", ".join(known) or "none"
        raise DeployError("H7110", f"ape has no account {alias!r}", f"accounts: {names}", "ape accounts import")
    return accounts.load(alias)


def unlock(account: Any) -> None:
    """Signs without a question for each transaction, for the plan was confirmed as a whole. Raises H7110."""
    if not hasattr(account, "set_autosign") or type(account).__name__ == "TestAccount":
        return
    from ape.exceptions import ApeException

    passphrase: str | None = None
    named = os.environ.get("HEARTH_DEPLOY_PASSWORD_FILE")
    if named:
        path = Path(named)
        try:
            passphrase = path.read_text(encoding="utf-8").rstrip("\r\n")
            mode = path.stat().st_mode & 0o077
        except OSError as error:
            raise DeployError("H7110", f"HEARTH_DEPLOY_PASSWORD_FILE: {error.strerror}") from None
        if mode:
            raise DeployError("H7110", "HEARTH_DEPLOY_PASSWORD_FILE is readable by others", "", f"chmod 600 {named}")
    try:
        account.set_autosign(True, passphrase=passphrase)
    except (ApeException, ValueError):
        raise DeployError("H7110", f"account {account.alias} cannot be unlocked", "wrong password?") from None


def sign(chain: ApeChain, account: Any, chain_id: int, step: Step, gas: int, fees: Fees) -> bytes:
    """The raw transaction of a step, signed by `account`. Raises H7113 where it refuses."""
    fields: dict[str, Any] = {
        "chainId": chain_id,
        "nonce": step.nonce,
        "gas": gas,
        "maxFeePerGas": fees.cap,
        "maxPriorityFeePerGas": fees.tip,
        "data": bytes.fromhex(step.data[2:]),
        "value": 0,
        "type": 2,
    }
    if step.kind == "call":
        fields["to"] = step.address
    transaction = chain.provider.network.ecosystem.create_transaction(**fields)
    signed = account.sign_transaction(transaction)
    if signed is None:
        raise DeployError("H7113", f"account {account.alias} did not sign {step.key}", "", "--resume goes on")
    return bytes(signed.serialize_transaction())
