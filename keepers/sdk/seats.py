"""A seat of the committee: its bond, its way in and out, and what is taken from it. Source: docs/protocol.md §7."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from keepers.chain.ports import BlockRef
from keepers.protocol.errors import HearthError
from keepers.protocol.reverts import REVERTS, UNKNOWN
from keepers.protocol.seats import MAX_BOND, NoTable, Seat, next_table
from keepers.sdk.base import Base, Progress, tokens_text
from keepers.sdk.evidence import Evidence
from keepers.sdk.reads import parameter
from keepers.sdk.session import Step
from keepers.sdk.types import SeatTable, SeatView
from keepers.wire.committee import Committee, Committees

NOTHING_DUE = REVERTS["committee: nothing due"][0]
MAX_ENDPOINT = 96  # bytes of the contract's string
LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")


class Seats(Base):
    """An attester's verbs, and those that anybody may use about seats."""

    # ---- looking

    def seat(self, account: str | None = None) -> SeatView:
        """How an account (default: the key's) stands as a seat, and what it should do next."""
        at = self.head()
        return self._views([(account or self.address).lower()], self._committees(at), at)[0]

    def seats(self) -> tuple[SeatView, ...]:
        """Everybody who sits in the present table, in its order, and then those that the next one brings."""
        at = self.head()
        follower = self._committees(at)
        tables = (follower.of_epoch(self._epoch(at)), follower.newest())
        accounts = dict.fromkeys(e.address for table in tables if table is not None for e in table.endpoints)
        return self._views(list(accounts), follower, at)

    def _views(self, accounts: Sequence[str], follower: Committees, at: BlockRef) -> tuple[SeatView, ...]:
        committee, epoch = self.suite.committee, self._epoch(at)
        proposed, ready, refusal = self._tables(at)
        present, newest = follower.of_epoch(epoch), follower.newest()
        coming = newest if newest is not None and newest.start > epoch else None
        functions = ("seat_of", "state", "endpoint")
        answers = self.reader.read_many([committee.view(f, who) for who in accounts for f in functions], at)
        views = []
        for i, who in enumerate(accounts):
            word, state, endpoint = answers[3 * i : 3 * i + 3]
            found = Seat.unpack(word)
            view = SeatView(
                account=who,
                state=str(state),
                endpoint=str(endpoint),
                bond_wei=found.bond,
                required_wei=parameter(self.deployment, "seat_bond_wei"),
                seated=found.seated,
                leaving_at=found.leaving,
                free_at=found.free,
                fault_at=found.fault,
                proposed_at=ready if who in proposed else 0,
                due=refusal is None,
                stuck="" if refusal is None or refusal.code == NOTHING_DUE else refusal.why[0],
                epoch=epoch,
                present=table_of(present, who),
                coming=table_of(coming, who),
                now=at.timestamp,
            )
            views.append(replace(view, next=advice(view)))
        return tuple(views)

    def _tables(self, at: BlockRef) -> tuple[list[str], int, HearthError | None]:
        """(proposed table, from when it may be applied, why no table can be applied now: None = one can)."""
        committee = self.suite.committee
        seats, (wanted, ready) = self.reader.read_many([committee.view("seats"), committee.view("pending")], at)
        table, proposed = [str(a).lower() for a in seats], [str(a).lower() for a in wanted]
        accounts = list(dict.fromkeys([*table, *proposed]))
        words = self.reader.read_many([committee.view("seat_of", who) for who in accounts], at)
        known: Mapping[str, Seat] = {who: Seat.unpack(word) for who, word in zip(accounts, words, strict=True)}
        try:
            next_table(table, proposed, ready, known.__getitem__, at.timestamp)
            self.reader.read(committee.view("apply"), at)  # only tried: the hub may refuse what is due
        except NoTable as reason:
            return proposed, ready, _refusal(str(reason))
        except HearthError as error:
            if not error.code.startswith("H20"):  # of the contracts, not of the connection
                return proposed, ready, _refusal(getattr(error, "reason", error.message))
            raise
        return proposed, ready, None

    def _epoch(self, at: BlockRef) -> int:
        return max(1, self.calendar.epoch(max(at.timestamp, self.calendar.genesis)))

    def _committees(self, at: BlockRef) -> Committees:
        """Every committee's table. Raises H2006 where the hub has reports and the endpoint no log of a committee."""
        follower = Committees(
            self.reader, self.deployment.first_block, {a.address: a.url for a in self.deployment.attesters}
        )
        follower.refresh(at)
        if follower.newest() is None and self.suite.hub.last_epoch(at=at):
            raise HearthError(
                "H2006",
                "the hub has reports, but the endpoint has no log of a committee",
                next=("use an endpoint that keeps all logs of the hub from the deployment's first block on",),
            )
        return follower

    # ---- the attester

    def join(
        self, amount_wei: int | None, endpoint: str = "", progress: Progress | None = None, key: str = ""
    ) -> SeatView:
        """Bond tokens: `amount_wei` more, or (None) what the required bond lacks; nothing lacking sends nothing.

        `endpoint` is where the seat answers; that on chain by default. Raises H1005, H5003, and as the contract.
        """
        view = self.seat()
        action = f"seat-join-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "join") is not None:
            return self.seat()
        amount = view.missing_wei if amount_wei is None else amount_wei
        where = self.check_endpoint(endpoint or view.endpoint)
        if view.leaving_at or view.free_at:
            code, words = ("H2578", "has the bond of an earlier seat") if view.free_at else ("H2577", "is leaving")
            raise HearthError(code, f"{view.account} {words}: {view.state}", next=view.next)
        if not amount:
            return view if where == view.endpoint else self.set_endpoint(where, progress)
        if not 0 < amount <= MAX_BOND - view.bond_wei:
            raise HearthError("H2579", f"a bond of {tokens_text(amount)} tokens is zero or too large")
        at, committee = self.head(), self.deployment.address("AttesterCommittee")
        have = self.suite.token.balanceOf(self.address, at=at)
        if have < amount:
            raise HearthError(
                "H5003",
                f"{tokens_text(amount)} tokens are needed, {self.address} holds {tokens_text(have)}",
                next=(
                    f"send {tokens_text(amount - have)} tokens to {self.address} on chain {self.deployment.chain_id}",
                ),
            )
        steps = []
        if self.suite.token.allowance(self.address, committee, at=at) < amount:
            steps.append(Step("approve-bond", self.suite.token.approve(committee, amount)))
        steps.append(Step("join", self.suite.committee.join(amount, where)))
        self.session.run(action, steps, progress, once=bool(key))
        return self.seat()

    def set_endpoint(self, endpoint: str, progress: Progress | None = None) -> SeatView:
        """Where the seat answers from the next table on. The same again sends nothing."""
        view, where = self.seat(), self.check_endpoint(endpoint)
        if not view.bond_wei:
            raise HearthError("H2580", f"{view.account} has no bond", next=("hearth seat join",))
        if where != view.endpoint:
            call = self.suite.committee.set_endpoint(where)
            action = f"seat-endpoint-{secrets.token_hex(8)}"
            self.session.run(action, [Step("set-endpoint", call)], progress, once=False)
        return self.seat()

    def leave_seat(self, progress: Progress | None = None) -> SeatView:
        """Out of the table that anyone applies after the notice. A seat that leaves already sends nothing."""
        view = self.seat()
        if not view.seated:
            by_owner = ("the owner seated it in the hub itself, and takes it out there",) if view.signs else ()
            raise HearthError("H2581", f"{view.account} has no bonded seat: {view.state}", by_owner, view.next)
        if not view.leaving_at:
            action = f"seat-leave-{secrets.token_hex(8)}"
            self.session.run(action, [Step("leave", self.suite.committee.leave())], progress, once=False)
        return self.seat()

    def free_bond(self) -> int:
        """Wei that the key's account can withdraw now. Raises H2583, H2584, H2585 with when and why."""
        view = self.seat()
        if view.seated:
            raise HearthError("H2583", f"{view.account} has a seat: its bond stays", next=view.next)
        if view.free_at > view.now:
            raise HearthError(
                "H2584", f"the bond of {view.account} is held for {view.free_at - view.now} s more", next=view.next
            )
        if not view.bond_wei:
            raise HearthError("H2585", f"{view.account} has no bond", next=view.next)
        return view.bond_wei

    def withdraw_bond(self, progress: Progress | None = None) -> SeatView:
        """Bring the bond home, all of it."""
        self.free_bond()
        action = f"seat-withdraw-{secrets.token_hex(8)}"
        self.session.run(action, [Step("withdraw", self.suite.committee.withdraw())], progress, once=False)
        return self.seat()

    # ---- anybody

    def apply_table(self, progress: Progress | None = None) -> SeatTable:
        """Hand the hub the table that is due; the table. Raises H2587, H2588, or as the hub (H24…) where none is."""
        self.check_due()
        generation = self._newest(self.head()).generation
        self.session.run(f"seat-apply-{generation}", [Step("apply", self.suite.committee.apply())], progress)
        return self._newest(self.head())

    def check_due(self) -> None:
        """Raises as `apply_table` where no table can be applied now."""
        at = self.head()
        _, ready, refusal = self._tables(at)
        if refusal is None:
            return
        if refusal.code == NOTHING_DUE and ready > at.timestamp:
            why = (f"a proposed table may be applied in {ready - at.timestamp} s",)
            refusal = HearthError(refusal.code, refusal.message, why, refusal.next)
        raise refusal

    def _newest(self, at: BlockRef) -> SeatTable:
        found = table_of(self._committees(at).newest(), self.address)
        return found or SeatTable(0, 0, 0, None)

    def unpunished(self, epoch: int) -> tuple[int, ...]:
        """Numbers of the reports of an epoch that were refuted and whose signers were not punished yet.

        Raises H2597 where no report of it was refuted.
        """
        at = self.head()
        numbers = range(self.suite.hub.cancels(epoch, at=at) + 1)
        faults = self.reader.read_many([self.suite.refuter.view("fault_of", epoch, n) for n in numbers], at)
        if not any(faults):
            raise HearthError("H2597", f"no report of epoch {epoch} was refuted", next=("hearth network status",))
        done = self.reader.read_many([self.suite.committee.view("punished", epoch, n) for n in numbers], at)
        return tuple(n for n, fault, gone in zip(numbers, faults, done, strict=True) if fault and not gone)

    def punish(self, epoch: int, progress: Progress | None = None) -> tuple[tuple[str, int], ...]:
        """Take what the signers of each refuted report of an epoch owe; (account, wei) taken. Punished before: nothing.

        Raises H2597 where no report of it was refuted.
        """
        taken: list[tuple[str, int]] = []
        for number in self.unpunished(epoch):
            call = self.suite.committee.punish(epoch, number)
            for done in self.session.run(f"seat-punish-{epoch}-{number}", [Step("punish", call)], progress):
                events = self.reader.events(done.block, done.block, "AttesterCommittee", ("Punished",))
                taken += [(str(e["seat"]).lower(), int(e["taken"])) for e in events]
        return tuple(taken)

    def prove(self, evidence: Evidence, progress: Progress | None = None) -> SeatView:
        """Show two things that a seat signed in one place: its whole bond is taken, a fifth of it comes to this key.

        Committed first, proven in a later block. Checked here before any gas: H1006 for a proof of another network,
        H2592 where the table has no such seat, H2594 where it did not sign. Proven before: nothing is sent.
        """
        guilty = self.guilty(evidence)
        first, second = evidence.digests()
        at = self.head()
        events = self.reader.events(self.deployment.first_block, at.number, "AttesterCommittee", ("Equivocated",))
        if any(
            str(e["seat"]).lower() == guilty and {bytes(e["first"]), bytes(e["second"])} == {first, second}
            for e in events
        ):
            return self.seat(guilty)
        commitment = evidence.commitment(self.address)
        committed = self.suite.committee.committed_at(commitment, at=at)
        steps = [] if committed else [Step("commit", self.suite.committee.commit(commitment))]
        call = self.suite.committee.prove_equivocation(evidence.seat, evidence.first.args, evidence.second.args)
        action = f"seat-prove-{commitment.hex()}"
        self.session.run(action, [*steps, Step("prove", call, later=True)], progress)
        return self.seat(guilty)

    def guilty(self, evidence: Evidence) -> str:
        """The account that signed both statements of a proof. Raises H1006, H2592, H2594."""
        hub = self.deployment.address("AttestationHub")
        if (evidence.chain_id, evidence.hub) != (self.deployment.chain_id, hub):
            raise HearthError(
                "H1006",
                "the proof is of another network",
                why=(f"chain {evidence.chain_id}, hub {evidence.hub}", f"here {self.deployment.chain_id}, {hub}"),
            )
        table = self._committees(self.head()).of_generation(evidence.generation)
        if table is None or not 0 <= evidence.seat < table.n:
            raise HearthError("H2592", f"generation {evidence.generation} has no seat {evidence.seat}")
        who = table.endpoints[evidence.seat].address
        for signed, digest in zip((evidence.first, evidence.second), evidence.digests(), strict=True):
            if signer_of(digest, signed.sig) != who:
                raise HearthError("H2594", f"a statement is not signed by seat {evidence.seat}, {who}")
        return who

    # ---- helpers

    def check_endpoint(self, endpoint: str) -> str:
        """The URL, if agents and seats could reach one there. Raises H1005."""
        try:
            parts = urlsplit(endpoint)
            right = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            right = False
        if not right or not endpoint.isascii() or len(endpoint) > MAX_ENDPOINT or parts.username or parts.query:
            raise HearthError(
                "H1005",
                f"{endpoint[:MAX_ENDPOINT]!r} is no endpoint of a seat" if endpoint else "the seat has no endpoint yet",
                why=(f"it is an http or https URL of at most {MAX_ENDPOINT} characters, without a user or a query",),
                next=("--endpoint https://attester.example.org",),
            )
        if parts.hostname in LOCAL_HOSTS and not self.deployment.local:
            raise HearthError(
                "H1005", f"{endpoint} is this machine: nobody else could reach the seat", next=("--endpoint URL",)
            )
        return endpoint


def _refusal(reason: str) -> HearthError:
    """Why no table can be applied, of the contract's words."""
    code, why, remedy = REVERTS.get(reason, (UNKNOWN, reason, "read the reason; repeat it when that has changed"))
    return HearthError(code, "no table can be applied now", (why,), (remedy, "hearth seat list"))


def signer_of(digest: bytes, signature: bytes) -> str:
    """Who signed a statement, as the contract recovers it; empty for nobody."""
    from keepers.wire.signatures import BadSignature, recover, recover_compact

    try:
        compact = len(signature) == 64 or signature[64] == 27
        return recover_compact(digest, signature[:64]) if compact else recover(digest, signature)
    except BadSignature:
        return ""


def table_of(committee: Committee | None, account: str) -> SeatTable | None:
    """A committee and the account's seat in it."""
    if committee is None:
        return None
    return SeatTable(committee.generation, committee.start, committee.n, committee.seat_of(account.lower()))


def advice(view: SeatView) -> tuple[str, ...]:
    """What the account should do next, the most pressing first. Empty: nothing."""
    if view.seated:
        return _seated(view)
    if view.free_at:
        return _out(view)
    if view.proposed_at:
        ready = view.proposed_at <= view.now
        return ("hearth seat apply" if ready else "wait for the notice of the table, then: hearth seat apply",)
    if view.missing_wei:
        seat = "to have a seat that outlasts the owner's table" if view.signs else "to be proposed"
        return (f"hearth seat join --endpoint URL     bonds {tokens_text(view.missing_wei)} tokens, {seat}",)
    return ("ask the owner to propose this account (AttesterCommittee.propose)",)


def _seated(view: SeatView) -> tuple[str, ...]:
    steps: list[str] = []
    if view.leaving_at > view.now:
        steps.append("keep signing until the notice is over, then: hearth seat apply")
    elif view.leaving_at and view.stuck:
        steps.append(f"keep signing, the table cannot change yet: {view.stuck}")
    if view.due:
        steps.append("hearth seat apply     a table is due")
    if not view.leaving_at and view.missing_wei:
        lost = (
            "all of the bond is lost: the seat is out of the next table" if not view.bond_wei else "the bond is short"
        )
        steps.append(f"hearth seat join     {lost}; {tokens_text(view.missing_wei)} tokens are missing")
    if view.coming is not None and view.coming.seat is not None and not view.signs:
        steps.append(
            f"start before epoch {view.coming.start}: hearth check attester, hearth up --roles attester --service"
        )
    return tuple(steps)


def _out(view: SeatView) -> tuple[str, ...]:
    steps = []
    if view.signs or (view.coming is not None and view.coming.seat is not None):
        steps.append("keep signing the epochs for which the hub's table has the account")
    if not view.bond_wei:
        # a bond that was lost leaves the mark of the earlier seat, which only a withdrawal clears
        steps.append("use another account: this one has nothing to withdraw and cannot join again")
    elif view.free_at > view.now:
        steps.append("wait until the bond is free, then: hearth seat withdraw")
    else:
        steps.append("hearth seat withdraw     the bond is free")
    return tuple(steps)
