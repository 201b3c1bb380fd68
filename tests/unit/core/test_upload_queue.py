"""Upload slots are shared fairly: by peer first, then by address, and nobody waits in vain."""

from lanspread_peer.core.upload_queue import Upload, UploadQueue
from lanspread_peer.model.limits import (
    MAX_QUEUED_UPLOADS,
    MAX_QUEUED_UPLOADS_PER_ADDRESS,
    MAX_QUEUED_UPLOADS_PER_PEER,
    MAX_UPLOADS,
    MIN_SOURCE_BYTES_PER_SECOND,
    UPLOAD_FAIR_WAIT_S,
    UPLOAD_SLICE_BYTES,
)
from support.values import peer_id

SLOW_SLICE_S = UPLOAD_SLICE_BYTES / MIN_SOURCE_BYTES_PER_SECOND
HERE, THERE = "192.0.2.1", "192.0.2.2"


class Party:
    """Uploads by number of the peer."""

    def __init__(self) -> None:
        self.queue = UploadQueue(MAX_QUEUED_UPLOADS)

    def ask(self, peer: int, host: str = HERE, *, at: float = 0.0) -> Upload | None:
        """The request, or None when it was refused; it runs when it may."""
        upload = Upload(peer_id(peer), host, at)
        return upload if self.queue.add(upload) else None

    def grant(self) -> list[Upload]:
        found = []
        while upload := self.queue.next():
            found.append(upload)
        return found

    def fill(self, peer: int, count: int, host: str = HERE) -> list[Upload]:
        """So many running uploads of one peer."""
        for _ in range(count):
            assert self.ask(peer, host)
        running = self.grant()
        assert len(running) == count
        return running


def test_who_runs_is_counted_and_who_waits_is_not() -> None:
    party = Party()
    running = party.fill(1, MAX_UPLOADS)
    assert party.ask(2)
    assert party.queue.running_count == MAX_UPLOADS
    party.queue.remove(running[0])
    assert party.queue.running_count == MAX_UPLOADS - 1


def test_more_slots_count_at_once_and_fewer_as_soon_as_some_are_free() -> None:
    party = Party()
    running = party.fill(1, MAX_UPLOADS)
    waiting = [party.ask(1), party.ask(1)]
    party.queue.slots = MAX_UPLOADS + 1
    assert party.grant() == waiting[:1]
    party.queue.slots = 1
    for upload in running:
        party.queue.remove(upload)
        assert party.grant() == []
    assert waiting[0] is not None
    party.queue.remove(waiting[0])
    assert party.grant() == waiting[1:]


def test_with_a_single_slot_nobody_loses_it_to_another_one() -> None:
    party = Party()
    party.queue.slots = 1
    party.fill(1, 1)
    assert party.ask(2, THERE)
    assert party.queue.overdue(now=UPLOAD_FAIR_WAIT_S) is None


def test_who_waits_for_our_own_limit_is_not_slow() -> None:
    party = Party()
    party.queue.slots = 2
    running = [*party.fill(1, 1), *party.fill(3, 1, THERE)]
    assert party.ask(2, at=0.0)
    for upload in running:
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=0.0)
        party.queue.rested(upload, now=0.0)
    assert party.queue.overdue(now=10 * SLOW_SLICE_S) is None
    party.queue.slice_began(running[1], UPLOAD_SLICE_BYTES, now=0.0)
    assert party.queue.overdue(now=10 * SLOW_SLICE_S) is running[1]


def waits_for_readers(rate: float, *, limit_s: float) -> bool:
    """Whether all keep their slots, at this rate, with a wait for our own limit between parts."""
    party = Party()
    running = crowd(party)
    assert party.ask(50)
    part = UPLOAD_SLICE_BYTES // 20
    now = 0.0
    for _ in range(200):
        for upload in running:
            party.queue.slice_began(upload, part, now=now)
        now += part / rate
        if party.queue.overdue(now=now):
            return False
        for upload in running:
            party.queue.rested(upload, now=now)
        now += limit_s
        assert party.queue.overdue(now=now) is None
    return True


def test_a_reader_of_small_parts_is_slow_by_its_bytes_in_the_time_it_had() -> None:
    # The limit alone lets less through than a slow reader takes.
    limit_s = UPLOAD_SLICE_BYTES / MIN_SOURCE_BYTES_PER_SECOND
    assert waits_for_readers(1.1 * MIN_SOURCE_BYTES_PER_SECOND, limit_s=limit_s)
    assert not waits_for_readers(0.9 * MIN_SOURCE_BYTES_PER_SECOND, limit_s=limit_s)
    assert not waits_for_readers(0.05 * MIN_SOURCE_BYTES_PER_SECOND, limit_s=0.0)


def test_who_was_slow_for_long_and_is_fast_now_keeps_its_slot() -> None:
    party = Party()
    running = crowd(party)
    now = 1000.0
    for upload in running:
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=0.0)
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=now)
    assert party.ask(50)
    assert party.queue.overdue(now=now + SLOW_SLICE_S - 0.01) is None
    assert party.queue.overdue(now=now + SLOW_SLICE_S) is running[0]


def test_a_peer_alone_uses_every_slot_and_one_more_waits() -> None:
    party = Party()
    running = party.fill(1, MAX_UPLOADS)
    waiting = party.ask(1)
    assert waiting
    assert party.grant() == []
    assert party.queue.is_waited_for
    party.queue.remove(running[0])
    assert party.grant() == [waiting]


def test_the_queue_has_a_share_for_each_peer() -> None:
    party = Party()
    party.fill(1, MAX_UPLOADS)
    for _ in range(MAX_QUEUED_UPLOADS_PER_PEER):
        assert party.ask(1)
    assert not party.ask(1)
    assert party.ask(2)


def test_the_queue_has_a_share_for_each_address() -> None:
    party = Party()
    party.fill(1, MAX_UPLOADS)
    for peer in range(2, 2 + MAX_QUEUED_UPLOADS_PER_ADDRESS):
        assert party.ask(peer)
    assert not party.ask(99)
    assert party.ask(99, THERE)


def test_the_queue_is_bounded() -> None:
    party = Party()
    party.fill(1, MAX_UPLOADS)
    for peer in range(2, 2 + MAX_QUEUED_UPLOADS):
        assert party.ask(peer, f"192.0.2.{peer}")
    assert not party.ask(99, "192.0.2.99")


def test_a_free_slot_goes_to_the_peer_that_has_the_fewest() -> None:
    party = Party()
    running = party.fill(1, MAX_UPLOADS)
    greedy, modest = party.ask(1), party.ask(2)
    assert greedy
    assert modest
    party.queue.remove(running[0])
    assert party.grant() == [modest]


def test_between_equal_peers_the_address_with_fewer_goes_first() -> None:
    party = Party()
    running = [party.fill(peer, 1)[0] for peer in range(MAX_UPLOADS)]
    crowd, lonely = party.ask(50, HERE), party.ask(51, THERE)
    assert crowd
    assert lonely
    party.queue.remove(running[0])
    assert party.grant() == [lonely]


def test_who_waits_too_long_gets_the_oldest_slot_of_the_greediest() -> None:
    party = Party()
    modest = party.fill(2, 2)
    greedy = party.fill(1, MAX_UPLOADS - 2)
    assert party.ask(3, at=10.0)
    assert party.queue.overdue(now=10.0 + UPLOAD_FAIR_WAIT_S - 0.01) is None
    assert party.queue.overdue(now=10.0 + UPLOAD_FAIR_WAIT_S) is greedy[0]
    assert modest


def test_no_slot_is_taken_from_who_has_hardly_more() -> None:
    party = Party()
    for peer in range(MAX_UPLOADS):
        party.fill(peer, 1)
    assert party.ask(50)
    assert party.queue.overdue(now=100.0) is None


def test_who_waits_for_its_own_slots_takes_none_from_itself() -> None:
    party = Party()
    party.fill(1, MAX_UPLOADS)
    party.ask(1)
    assert party.queue.overdue(now=100.0) is None


def test_many_ids_at_one_address_do_not_keep_others_out() -> None:
    party = Party()
    running = [party.fill(peer, 1, HERE)[0] for peer in range(MAX_UPLOADS)]
    assert party.ask(50, THERE)
    assert party.queue.overdue(now=100.0) is running[0]


def test_a_peer_without_a_slot_gets_one_that_is_hardly_used() -> None:
    party = Party()
    running = crowd(party)
    assert party.ask(50, at=1.0)
    for upload in running:
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=1.0)
    party.queue.slice_began(running[0], UPLOAD_SLICE_BYTES, now=1.0)
    assert party.queue.overdue(now=1.0 + SLOW_SLICE_S - 0.01) is None
    party.queue.slice_began(running[1], UPLOAD_SLICE_BYTES, now=4.0)
    # Neither the one that has most to lose, nor the one that is fast enough.
    assert party.queue.overdue(now=1.0 + SLOW_SLICE_S) is running[2]


def test_slow_ones_lose_their_slots_one_by_one() -> None:
    party = Party()
    for upload in crowd(party):
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=0.0)
    assert party.ask(50)
    victim = party.queue.overdue(now=100.0)
    assert victim
    party.queue.remove(victim)
    party.grant()
    assert party.ask(51)
    assert party.queue.overdue(now=100.5) is None
    assert party.queue.overdue(now=101.0)


def test_a_slow_one_keeps_its_slot_while_nobody_has_fewer() -> None:
    party = Party()
    for upload in crowd(party):
        party.queue.slice_began(upload, UPLOAD_SLICE_BYTES, now=0.0)
    assert party.ask(3)
    assert party.queue.overdue(now=100.0) is None


def test_who_gave_its_slot_up_for_others_may_wait_again_though_the_queue_is_full() -> None:
    party = Party()
    running = party.fill(1, MAX_UPLOADS)
    for peer in range(2, 2 + MAX_QUEUED_UPLOADS):
        assert party.ask(peer, f"192.0.2.{peer}")
    party.queue.remove(running[0])
    party.grant()
    assert party.ask(99, "192.0.2.99")
    assert not party.queue.add(Upload(peer_id(1), HERE, 0.0))
    assert party.queue.add(Upload(peer_id(1), HERE, 0.0), goes_on=True)


def crowd(party: Party) -> list[Upload]:
    """One running upload of each of many peers, at three addresses."""
    return [party.fill(peer, 1, f"192.0.2.{peer % 3}")[0] for peer in range(MAX_UPLOADS)]


def test_peers_that_wait_all_end_up_with_equal_shares() -> None:
    party = Party()
    party.fill(1, MAX_UPLOADS)
    counts = {1: MAX_UPLOADS, 2: 0, 3: 0}
    for _ in range(100):
        for peer in (2, 3):
            party.ask(peer)
        victim = party.queue.overdue(now=100.0)
        if victim is None:
            break
        party.queue.remove(victim)
        for granted in party.grant():
            counts[int(granted.peer_id == peer_id(3)) + 2] += 1
            counts[1] -= 1
    assert max(counts.values()) - min(counts.values()) <= 2
