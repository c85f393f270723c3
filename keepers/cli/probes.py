"""The tests of `hearth check`, in order, each with what it rests on.

A probe gives an outcome and a line, or raises the HearthError that says what is wrong. What rests on a probe that
failed is skipped by name: every list of a role has the same length, whatever is broken.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keepers.cli import units
from keepers.cli.market import gas_needed
from keepers.protocol.errors import HearthError
from keepers.protocol.merge import faults
from keepers.protocol.units import GWEI

if TYPE_CHECKING:
    from keepers.chain.deployment import Deployment
    from keepers.cli.options import Options
    from keepers.runtime.checks import Finding
    from keepers.sdk.reads import Reads

FREE_BYTES = 1 << 30  # a node's database of a year; below it a check warns
FIRST_LOGS, FIRST_PAGES = 5_000, 40  # blocks of one question, and how many are asked
GAS_DAYS_WARN = 14  # days of gas below which a check warns
CONTRACTS = ("genesis block", "code", "contract version")  # what they say is worth nothing on a wrong chain
Said = tuple[str, str]


class Probes:
    """One set-up under test; later probes use what earlier ones opened."""

    settings: Any
    record: Deployment
    pool: Any
    rpc: Any
    head: Any

    def __init__(self, options: Options, role: str | None, quick: bool) -> None:
        self.options, self.role, self.quick = options, role, quick
        self.found: list[Finding] = []

    def run(self) -> list[Finding]:
        """Every finding, in order."""
        provider = self.role in ("provider", "agent")
        self._try("settings", self._settings)
        sections = self._sections()
        self._try("database", self._database, "settings")
        for name in sections:
            self._try(f"key {name}", lambda name=name: self._key(name), "settings")  # type: ignore[misc]
        if provider and not self.quick:
            self._try("gpu", self._gpu, "settings")
        self._try("record", self._record, "settings")
        self._try("endpoints", self._endpoints, "record")
        self._try("chain", self._chain, "endpoints")
        self._handshake()
        for name in (name for name in sections if name != "agent" and not self._keyless(name)):
            self._try(f"gas {name}", lambda name=name: self._gas(name), "chain", f"key {name}")  # type: ignore[misc]
        if provider and hasattr(self, "settings") and self.settings.agent.check_in == "auto":
            self._try("gas check-in", self._gas_of_nodes, "chain")
        self._try("entries", self._entries, *CONTRACTS)
        if self.role == "renter":
            self._try("funds", self._funds, *CONTRACTS, "key renter")
        if self.role == "provider":
            self._try("stake", self._stake, *CONTRACTS, "key renter")
        if provider:
            self._try("nodes", self._nodes, *CONTRACTS)
            if not self.quick:
                self._try("hardware", self._hardware, *CONTRACTS, "gpu")
            self._try("attesters", self._attesters, "record")
        if self.role == "watcher":
            self._try("reports", self._reports, *CONTRACTS)
            self._try("attesters", self._shown, *CONTRACTS)
        if self.role == "attester":
            self._try("sign log", self._sign_log, "database", "record", "key attester")
            self._try("seat", self._seat, *CONTRACTS, "key attester")
            if not self.quick:
                self._try("port", self._port, "settings")
            self._try("prices", self._prices, "record")
        return self.found

    # ---- the machinery

    def _try(self, name: str, test: Callable[[], Said], *needs: str) -> None:
        from keepers.runtime.checks import Finding

        bad = {f.name for f in self.found if f.outcome in ("fail", "skipped")}
        missing = next((need for need in needs if need in bad), None)
        if missing is not None:
            self.found.append(Finding(name, "skipped", f"rests on {missing}"))
            return
        try:
            outcome, detail = test()
            self.found.append(Finding(name, outcome, detail))  # type: ignore[arg-type]
        except HearthError as error:
            self.found.append(Finding(name, "fail", error.message, error))

    def _handshake(self) -> None:
        from keepers.runtime import checks

        def clock() -> Finding:
            from keepers.runtime.clock import SystemClock

            made = SystemClock(adopt=self.record.local)
            made.saw(self.head.timestamp)
            return checks.check_clock(made)

        tests: list[tuple[str, Callable[[], Finding]]] = [
            ("genesis block", lambda: checks.check_genesis(self.rpc, self.record)),
            ("code", lambda: checks.check_code(self.rpc, self.record, self.head)),
            ("contract version", lambda: checks.check_version(self.rpc, self.record, self.head)),
            ("clock", clock),
        ]
        for name, test in tests:
            self._try(name, lambda test=test: _said(test()), "chain")  # type: ignore[misc]

    def _poor(self, error: HearthError) -> Said:
        """Money that is missing: a fault of a set-up, but no reason to keep a service from its start."""
        if self.quick:
            return "warn", error.message
        raise error

    def _sections(self) -> list[str]:
        if self.role is not None:
            return ["renter"] if self.role == "provider" else [self.role]
        if not hasattr(self, "settings"):
            return []
        keyed = ("renter", "attester", "settler", "watcher")
        found = [name for name in keyed if getattr(self.settings, name).keystore is not None]
        return found + (["agent"] if self.settings.agent.nodes else [])

    def _keyless(self, name: str) -> bool:
        """A watcher that only looks needs no gas."""
        return name == "watcher" and hasattr(self, "settings") and not self.settings.watcher.submit

    def _reads(self) -> Reads:
        from keepers.chain.rpc import RpcReader
        from keepers.sdk.connect import Fresh
        from keepers.sdk.reads import Reads

        return Reads(Fresh(RpcReader(self.rpc, self.record.codec(), self.record.policy())), self.record)

    def _address(self, name: str) -> str:
        from keepers.chain.keys import keystore_address

        return keystore_address(getattr(self.settings, name).keystore)

    # ---- this machine

    def _settings(self) -> Said:
        from keepers.sdk.connect import load_settings

        self.settings = load_settings(self.options.flags()).settings
        return "ok", "no unknown key"

    def _database(self) -> Said:
        home = self.settings.home_path
        place = next((p for p in (home, *home.parents) if p.exists()), home)
        if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
            raise HearthError(
                "H1201",
                f"nothing can be written below {place}",
                why=("it is no folder" if not place.is_dir() else "it belongs to somebody else, or is read-only",),
                next=("hearth config set home FOLDER",),
            )
        free = shutil.disk_usage(place).free
        return ("ok" if free >= FREE_BYTES else "warn"), f"{home}, {free / 2**30:.1f} GiB free"

    def _key(self, name: str) -> Said:
        from keepers.chain.keys import open_keystore
        from keepers.sdk.connect import key_of

        if name == "agent":
            section = self.settings.agent
            if not section.nodes:
                raise HearthError("H1101", "[agent] has no node", next=("hearth node register",))
            password = section.password.get_secret_value() if section.password else None
            keys = [
                open_keystore(p, password, None if password else p.expanduser().with_suffix(".pass"))
                for p in section.keystores
            ]
            said = [f"node {i} {units.short(k.address)}" for i, k in zip(section.nodes, keys, strict=True)]
            return "ok", ", ".join(said)
        key = key_of(getattr(self.settings, name))
        if key is None and name == "watcher" and not self.settings.watcher.submit:
            return "ok", "none: it looks and alarms, and sends nothing"
        if key is None:
            raise HearthError("H1101", f"[{name}] has no keystore: dry mode", next=(f"hearth init {name}",))
        return "ok", f"{key.address} opens"

    def _gpu(self) -> Said:
        from keepers.cli.hardware import uuids_here

        section = self.settings.agent
        if section.stand_in and all(section.stand_in):
            return "ok", "declared stand-ins: no GPU is read"
        return "ok", f"{len(uuids_here())} GPUs answer"

    def _port(self) -> Said:
        host, port = self.settings.listen_host, self.settings.listen_port
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                if _an_attester(f"http://{host}:{port}"):
                    return "warn", f"{host}:{port} is in use: an attester answers there, perhaps this one"
                raise HearthError(
                    "H1401",
                    f"{host}:{port} cannot be listened on: {error.strerror}",
                    next=("stop what uses it", "hearth config set listen_port PORT"),
                ) from None
        return "ok", f"{host}:{port} is free"

    def _prices(self) -> Said:
        import time

        from keepers.roles.attester.prices import build_sources, median_price
        from keepers.wire.attester_client import make_http

        sources = build_sources(self.settings.attester.prices, self.record.local, make_http())
        quote = median_price(sources, int(time.time()))
        said = ", ".join(f"{name} {value / 1e12:g}" for name, value in quote.by_source.items())
        return ("warn" if quote.failed else "ok"), f"median {quote.price / 1e12:g} USD of {said}"

    # ---- the chain

    def _record(self) -> Said:
        from keepers.runtime.lifecycle import find_deployment
        from keepers.sdk.connect import resolve_network

        named = self.settings.model_copy(update={"deployment": resolve_network(self.settings.deployment)})
        self.record = found = find_deployment(named)
        return "ok", f"{found.network}, chain {found.chain_id}, suite {found.suite_version}"

    def _endpoints(self) -> Said:
        """At least one answers with the record's chain id; one that does not is a warning beside those that do."""
        from keepers.chain.rpc import ChainRpc, EndpointPool

        self.pool = EndpointPool(self.settings.rpc_urls, self.record.chain_id, timeout=self.settings.rpc_timeout_s)
        self.rpc = ChainRpc(self.pool)
        verdicts = self.pool.check_all()
        said = " · ".join(f"{shown}: {verdict}" for shown, verdict in verdicts.items())
        if all(verdict != "ok" for verdict in verdicts.values()):
            wrong = all("chain" in verdict for verdict in verdicts.values())
            raise HearthError(
                "H2002" if wrong else "H2001",
                "no RPC endpoint can be used",
                why=tuple(f"{shown}: {verdict}" for shown, verdict in verdicts.items()),
                next=("hearth config set rpc_urls '[\"URL\"]'",),
            )
        return ("ok" if all(verdict == "ok" for verdict in verdicts.values()) else "warn"), said

    def _chain(self) -> Said:
        head = self.rpc.block_by("latest")
        if head is None:
            raise HearthError("H2001", "no endpoint has a block")
        self.head = head
        return "ok", f"block {head.number}, {units.say_when(head.timestamp)}"

    def _gas(self, name: str) -> Said:
        """Enough for GAS_DAYS_WARN days at today's fee; nothing at all is a fault."""
        address = self._address(name)
        balance = self.rpc.balance(address, self.head)
        if balance == 0:
            return self._poor(
                HearthError(
                    "H2013",
                    f"{address} holds nothing of the native coin: it can send no transaction",
                    next=(f"send it some on chain {self.record.chain_id}",),
                )
            )
        a_day = gas_needed(name, self.head.base_fee, 1, int(self.settings.fees.tip_gwei * GWEI))
        days = balance // a_day if a_day else 10**6
        said = f"about {days} days" if days < 366 else "more than a year"
        return (
            "warn" if days < GAS_DAYS_WARN else "ok"
        ), f"{balance / 1e18:.6f} of the native coin at {address}, {said}"

    def _gas_of_nodes(self) -> Said:
        """What `[agent] check_in = "auto"` needs: each node's own key pays its check-ins. It beats without as well."""
        from keepers.chain.fees import quote
        from keepers.chain.keys import keystore_address
        from keepers.protocol.nodes import CHECK_IN_GAS

        section, tip = self.settings.agent, int(self.settings.fees.tip_gwei * GWEI)
        cost = CHECK_IN_GAS * quote(self.head.base_fee, tip).max_fee
        keys = {node: keystore_address(path) for node, path in zip(section.nodes, section.keystores, strict=True)}
        poor = {node: key for node, key in keys.items() if self.rpc.balance(key, self.head) < cost}
        if poor:
            named = ", ".join(f"node {node} ({key})" for node, key in poor.items())
            return "warn", f"a check-in costs up to {cost / 1e18:.6f} of the native coin, which {named} does not hold"
        return "ok", f"each of {len(keys)} node keys can pay a check-in of up to {cost / 1e18:.6f} of the native coin"

    def _entries(self) -> Said:
        """A state of the network, not of this set-up: it never fails."""
        reads = self._reads()
        closed = reads.entries(reads.reader.head())
        return ("warn", f"{closed}: nothing new can be bought or rented now") if closed else ("ok", "open, price fresh")

    def _funds(self) -> Said:
        wallet = self._reads().wallet(self._address("renter"))
        if not wallet.token_wei and not wallet.credits_wei:
            return self._poor(
                HearthError(
                    "H5003",
                    f"{wallet.address} holds no tokens and no credits: it can rent nothing",
                    next=(f"send tokens to {wallet.address} on chain {self.record.chain_id}",),
                )
            )
        return "ok", f"{units.say_tokens(wallet.token_wei)}, {units.say_usd(wallet.credits_wei)} of credits"

    def _stake(self) -> Said:
        reads = self._reads()
        address = self._address("renter")
        mine = reads.providers_of(address)
        if not mine:
            held = reads.wallet(address).token_wei
            return self._before_registration(reads, address, held)
        for p in mine:
            view = reads.stake(p)
            if not view.enough:
                missing = (view.required_gwei - view.staked_gwei) / 1e9
                return self._poor(
                    HearthError(
                        "H2203",
                        f"provider {p} is {missing:,.4f} tokens below its required stake: it takes no lease",
                        next=(f"hearth stake add {missing:.4f} --provider {p}",),
                    )
                )
        return "ok", ", ".join(f"provider {p} is above its requirement" for p in mine)

    def _before_registration(self, reads: Reads, address: str, held: int) -> Said:
        from keepers.cli.hardware import class_here, uuids_here

        try:
            name, gpus = class_here(), len(uuids_here())
        except HearthError:
            return "warn", f"{address} owns no provider yet; it holds {units.say_tokens(held)} to stake"
        class_id = next((c for c, known in reads.classes().items() if known == name), None)
        if class_id is None:
            raise HearthError("H1005", f"this network has no class {name}", next=("hearth network show",))
        needed = reads.stake_for(class_id, gpus) * GWEI
        if held < needed:
            missing = units.say_tokens(needed - held)
            return self._poor(
                HearthError(
                    "H5003",
                    f"{gpus} x {name} need a stake of {units.say_tokens(needed)}, {address} holds"
                    f" {units.say_tokens(held)}",
                    next=(f"send {missing} to {address} on chain {self.record.chain_id}",),
                )
            )
        return "ok", f"{units.say_tokens(held)}, {units.say_tokens(needed)} needed for {gpus} x {name}"

    def _nodes(self) -> Said:
        from keepers.chain.keys import keystore_address

        section = self.settings.agent
        if not section.nodes:
            return "warn", "[agent] has no node yet: hearth node register"
        reads = self._reads()
        at = reads.reader.head()
        epoch = max(1, reads.calendar.epoch(at.timestamp))
        said = []
        for i, path in zip(section.nodes, section.keystores, strict=True):
            word = reads.node(i, at)
            account = keystore_address(path)
            if reads.suite.registry.node_of_key(account, at=at) != i + 1:
                raise HearthError(
                    "H1104",
                    f"the key {account} of {path} is not the key of node {i}",
                    next=("hearth node list --all", "hearth config show"),
                )
            newest = reads.suite.registry.key_of(i, max(word.first, epoch + 1), at=at).lower()
            if newest != account:
                raise HearthError(
                    "H1104",
                    f"node {i} has a newer key, {newest}: that of {path} signs for no coming epoch",
                    next=("hearth key list", f"hearth key rotate {i}"),
                )
            said.append(f"node {i} {word.status.name}")
        return "ok", ", ".join(said)

    def _hardware(self) -> Said:
        """The GPUs of each node beside the registry: fingerprints, class, VRAM."""
        from keepers.cli import gpus

        reads, section = self._reads(), self.settings.agent
        at = reads.reader.head()
        if not section.nodes:
            cards = gpus.cards_here()
            return gpus.unregistered(cards, gpus.owners(reads, cards, at))
        said = []
        for place, index in enumerate(section.nodes):
            cards = gpus.cards_of(
                section.stand_in[place] if section.stand_in else "", section.gpus[place] if section.gpus else ""
            )
            said.append(gpus.compare(gpus.registered(reads, index, at), cards, gpus.owners(reads, cards, at)))
        unsure = any(outcome == "warn" for outcome, _ in said)
        return "warn" if unsure else "ok", " · ".join(line for _, line in said)

    def _reports(self) -> Said:
        """Whether the endpoint still has the logs from the first report on: without them no root can be judged."""
        from keepers.chain.history import HUB

        reads = self._reads()
        at = reads.reader.head()
        last = int(reads.suite.hub.last_epoch(at=at))
        first = self.record.first_block
        for low in range(first, min(at.number + 1, first + FIRST_PAGES * FIRST_LOGS), FIRST_LOGS):
            found = reads.reader.events(low, min(at.number, low + FIRST_LOGS - 1), HUB, ("CommitteeSet",))
            if found:
                return "ok", f"{last} epochs reported, logs from block {found[0].block_number} on"
        if at.number >= first + FIRST_PAGES * FIRST_LOGS:
            return "warn", f"no log of the hub in the first {FIRST_PAGES * FIRST_LOGS:,} blocks after the deployment"
        if last:
            raise HearthError(
                "H2006",
                "the endpoint has not the first logs of the hub",
                why=(f"no committee was set from block {first} on, and {last} epochs are reported",),
                next=("use an endpoint that keeps all logs: this one prunes",),
            )
        return "ok", "no epoch is reported yet"

    def _shown(self) -> Said:
        """Whether seats say what others signed; a watcher does without, but then it finds no equivocation."""
        from keepers.wire.committee import Committees

        reads = self._reads()
        at = reads.reader.head()
        follower = Committees(reads.reader, self.record.first_block, {s.address: s.url for s in self.record.attesters})
        follower.refresh(at)
        committee = follower.of_epoch(max(1, reads.calendar.epoch(at.timestamp)))
        if committee is None:
            return "warn", "no committee is in force yet"
        up = sum(bool(seat.url) and _an_attester(seat.url) for seat in committee.endpoints)
        said = f"{up} of {committee.n} answer"
        return ("ok", said) if up == committee.n else ("warn", f"{said}: what the others hold is not seen")

    def _attesters(self) -> Said:
        seats = self.record.attesters
        reached = [_an_attester(seat.url) for seat in seats]
        up = sum(reached)
        needed = len(seats) - faults(len(seats))  # then f + 1 of any set that is merged saw it
        if up < needed:
            away = ", ".join(seat.url for seat, answers in zip(seats, reached, strict=True) if not answers)
            raise HearthError(
                "H2007",
                f"{up} of {len(seats)} attesters answer, {needed} must see a node for its slots to count",
                why=(f"no answer from {away}",),
                next=("open the way out to these addresses; retrying is safe",),
            )
        return ("ok" if up == len(seats) else "warn"), f"{up} of {len(seats)} answer"

    def _sign_log(self) -> Said:
        """Which log the seat would start with; opening it changes nothing that a start would not."""
        from keepers.cli.signlog import opened
        from keepers.roles.attester.signlog import NEW, RETIRED, file_beside, retired

        url, mirror = self.settings.database(self.record.network), self.settings.attester.signlog_mirror
        path = file_beside(url)
        if path is not None and not path.exists():
            return "ok", f"none yet: the first start makes {path}"
        try:
            with opened(url, self.record, self._address("attester")) as log:
                state, watermark = log.state, log.watermark()
                if state != RETIRED:
                    log.mirror_to(mirror)
        except HearthError as error:
            if error.code == "H6403":
                return "warn", f"in use: {error.message}; perhaps it is this seat's own attester"
            raise
        if state == RETIRED:
            raise retired()
        said = "new: the seat listens for one epoch before it signs" if state == NEW else "in order"
        if mirror is not None and path is not None and mirror.expanduser().stat().st_dev == path.stat().st_dev:
            return "warn", f"epoch {watermark}, {said}; its mirror lies on the same disk, and would be lost with it"
        return "ok", f"epoch {watermark}, {said}"

    def _seat(self) -> Said:
        """The chain's committee decides; `check` needs no membership, so a key without a seat is only warned."""
        from keepers.wire.committee import Committees

        address = self._address("attester")
        reads = self._reads()
        at = reads.reader.head()
        follower = Committees(reads.reader, self.record.first_block, {s.address: s.url for s in self.record.attesters})
        follower.refresh(at)
        epoch = max(1, reads.calendar.epoch(at.timestamp))
        now, soon = follower.of_epoch(epoch), follower.of_epoch(2**32 - 1)
        for committee in (now, soon):
            seat = committee.seat_of(address) if committee is not None else None
            if committee is not None and seat is not None:
                later = f" from epoch {committee.start} on" if committee.start > epoch else ""
                url = committee.endpoints[seat].url or "no URL on chain or in the record"
                return "ok", f"seat {seat} of {committee.n}{later}, {url}"
        if any(seat.address.lower() == address for seat in self.record.attesters):
            raise HearthError(
                "H6002",
                f"the record gives {address} a seat, the committee on chain does not",
                why=(f"generation {soon.generation if soon else 0} on chain",),
                next=("take a fresh record of this network", "hearth config set attester.keystore FILE"),
            )
        return "warn", f"{address} holds no seat yet: hearth seat says what it needs"


def _said(finding: Finding) -> Said:
    if finding.error is not None:
        raise finding.error
    return finding.outcome, finding.detail


def _an_attester(url: str) -> bool:
    import httpx

    from keepers.wire.attester_client import make_http

    try:
        with make_http() as client:
            return client.get(f"{url.rstrip('/')}/v1/nodes/0").status_code < 500
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
