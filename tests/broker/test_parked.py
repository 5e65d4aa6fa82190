"""Parked jobs come back when their time comes, in order, at the rate at which capacity returns."""

from __future__ import annotations

from collections import Counter

import pytest
import redis
from parking import FAR_MS, Parking

from pool_client import redis_keys as shared_keys
from pool_client.scripts import Scripts
from pool_worker import redis_keys

MINUTE_MS = 60_000
JOBS = [f"job{number:03}" for number in range(300)]


@pytest.fixture
def parking(redis_client: redis.Redis) -> Parking:
    return Parking(redis_client)


def test_a_job_comes_back_when_it_is_due_and_not_before(parking: Parking) -> None:
    parking.begin_and_park("job", due_in_ms=300)
    record = shared_keys.job("job")
    assert parking.client.hmget(record, "state", "wait_reason", "due_ms") == ["parked", "no quota", str(parking.now_ms + 300)]
    assert parking.release() == (0, 300)
    parking.now_ms += 299
    assert parking.release() == (0, 1)
    parking.now_ms += 1
    assert parking.release()[0] == 1
    assert parking.client.hmget(record, "state", "wait_reason", "due_ms") == ["queued", None, None]
    assert parking.client.zcard(redis_keys.PARKED) == 0
    assert parking.take() == ["job"]


def test_nobody_sleeps_longer_than_a_second(parking: Parking) -> None:
    assert parking.release() == (0, 1000)
    parking.begin_and_park("job", due_in_ms=MINUTE_MS)
    assert parking.release() == (0, 1000)


def test_whoever_parks_the_next_that_is_due_is_told(parking: Parking) -> None:
    for job_id, due_in_ms, answer in [("a", 500, 2), ("b", 900, 1), ("c", 100, 2)]:
        parking.begin(job_id)
        assert parking.park(job_id, due_in_ms) == answer
    assert parking.park("lost", 0) == 0


def test_who_was_parked_first_comes_first(parking: Parking) -> None:
    for job_id, due_in_ms in [("z", 200), ("b", 200), ("late", 300), ("a", 200), ("first", 100)]:
        parking.begin_and_park(job_id, due_in_ms=due_in_ms)
    parking.now_ms += 300
    order = []
    while taken := parking.let_go(within_ms=1000):
        parking.succeed(*taken)
        order += taken
    assert order == ["z", "b", "late", "a", "first"]


def test_the_most_urgent_comes_first_when_capacity_is_scarce(parking: Parking) -> None:
    parking.begin_and_park("normal", "other")
    parking.begin_and_park("low", priority=9)
    parking.now_ms += 1
    parking.begin_and_park("critical", priority=0)
    assert parking.let_go() == ["critical"]


def all_let_go(parking: Parking) -> list[str]:
    """Everybody finds capacity; who came after whom."""
    order: list[str] = []
    while taken := parking.let_go(within_ms=1000):
        parking.succeed(*taken)
        order += taken
    return order


def test_whoever_has_many_jobs_does_not_hold_up_the_others(parking: Parking) -> None:
    parking.begin_and_park(*(f"many{number}" for number in range(100)), agent="many")
    parking.begin_and_park("a", "b", agent="few")
    assert {"a", "b"} < set(all_let_go(parking)[:5])


def test_agents_share_a_lane_by_their_weights(parking: Parking) -> None:
    for agent, weight in (("one", 1), ("two", 2), ("four", 4)):
        parking.begin_and_park(*(f"{agent}-{number}" for number in range(80)), agent=agent, weight=weight)
    first = Counter(job_id.partition("-")[0] for job_id in all_let_go(parking)[:70])
    assert first == {"one": 10, "two": 20, "four": 40}


def test_who_comes_later_gets_no_more_than_its_share_for_having_been_away(parking: Parking) -> None:
    parking.begin_and_park(*(f"old-{number}" for number in range(50)), agent="old")
    assert len(all_let_go(parking)) == 50
    parking.begin_and_park(*(f"old-{number}" for number in range(50, 80)), agent="old")
    parking.begin_and_park(*(f"new-{number}" for number in range(30)), agent="new")
    first = Counter(job_id.partition("-")[0] for job_id in all_let_go(parking)[:20])
    assert first == {"old": 10, "new": 10}


def test_jobs_that_were_cancelled_while_they_waited_took_no_turn(parking: Parking) -> None:
    parking.begin_and_park(*(f"many-{number}" for number in range(90)), agent="many")
    cancel = Scripts(parking.client).cancel
    for number in range(90):
        cancel(job_id=f"many-{number}", outcome="{}", now_ms=str(parking.now_ms))
    assert len(all_let_go(parking)) == 90
    parking.begin_and_park(*(f"other-{number}" for number in range(20)), agent="other")
    parking.begin_and_park("many", agent="many")
    assert "many" in all_let_go(parking)[:5]


def test_who_was_turned_away_keeps_its_turn(parking: Parking) -> None:
    parking.begin_and_park("a", agent="one")
    parking.begin_and_park("b", "c", agent="two")
    assert parking.let_go() == ["a"]
    parking.begin_and_park("d", agent="one")
    parking.park("a", 100)
    assert all_let_go(parking)[0] == "a"


def test_an_urgent_lane_has_the_first_turn(parking: Parking) -> None:
    parking.begin_and_park("low-1", "low-2", lane="a lane that would be the first by its name", priority=9)
    parking.begin_and_park("high-1", "high-2", lane="high", priority=3)
    assert parking.let_go() == ["high-1"]
    began_ms = parking.now_ms
    parking.succeed("high-1")
    order = parking.let_go(within_ms=100)
    assert (order, parking.now_ms - began_ms) == (["high-2"], 10)
    parking.succeed("high-2")
    assert parking.let_go(within_ms=100) == ["low-1"]


def test_an_urgent_lane_does_not_hold_up_another_for_long(parking: Parking) -> None:
    parking.begin_and_park(*(f"high-{number}" for number in range(200)), lane="high", priority=0)
    parking.begin_and_park("low", lane="low", priority=9)
    until_ms = parking.now_ms + 100
    while "low" not in (taken := parking.let_go(within_ms=10)):
        parking.succeed(*taken)
        assert parking.now_ms < until_ms


def test_a_lane_lets_go_more_as_long_as_all_find_capacity(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    handfuls = []
    while taken := parking.let_go(within_ms=1000):
        parking.succeed(*taken)
        handfuls.append(len(taken))
    assert handfuls == [1, 1, 2, 3, 5, 7, 11, 17, 25, 38, 57, 64, 64, 5]


def test_nothing_more_is_let_go_until_all_have_found_out(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    for _ in range(4):
        parking.succeed(*parking.let_go(within_ms=1000))
    assert parking.release()[0] == 0
    parking.now_ms += 10
    assert parking.release()[0] == 5
    taken = parking.take(limit=4)
    parking.now_ms += 1000
    assert parking.release()[0] == 0, "one is still in the queue"
    parking.succeed(*taken, *parking.take())
    assert len(parking.let_go(within_ms=200)) == 7


def test_a_handful_that_nobody_takes_is_not_waited_for_for_ever(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    assert parking.release()[0] == 1
    parking.now_ms += 1999
    assert parking.release()[0] == 0
    parking.now_ms += 100
    assert parking.release()[0] == 1


def test_when_capacity_is_gone_a_lane_asks_again_when_it_is_said_to_return(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    while len(taken := parking.let_go(within_ms=100)) < 11:
        parking.succeed(*taken)
    gone_ms = parking.now_ms
    parking.succeed(*taken[:3])
    for job_id in taken[3:]:
        parking.park(job_id, 4000)
    assert parking.let_go(within_ms=3999) == []
    [asks] = parking.let_go(within_ms=10)
    assert (parking.now_ms - gone_ms, asks) == (4000, taken[3]), "who found none has kept its place"


def test_while_capacity_comes_in_a_stream_a_lane_only_slows_down(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    while len(taken := parking.let_go(within_ms=100)) < 11:
        parking.succeed(*taken)
    parking.succeed(*taken[:3])
    for job_id in taken[3:]:
        parking.park(job_id, 50)
    assert len(parking.let_go(within_ms=100)) == 5


def test_one_who_needs_more_does_not_hold_up_a_lane(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    while len(taken := parking.let_go(within_ms=100)) < 11:
        parking.succeed(*taken)
    parking.succeed(*taken[1:])
    parking.park(taken[0], MINUTE_MS)
    assert len(parking.let_go(within_ms=100)) == 5


def test_a_lane_in_which_nothing_fits_for_long_is_asked_every_five_seconds(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    asked = 0
    until_ms = parking.now_ms + MINUTE_MS - 100
    while parking.now_ms < until_ms:
        for job_id in parking.let_go(within_ms=100):
            parking.park(job_id, FAR_MS)
            asked += 1
    assert asked == 12


def test_a_lane_without_capacity_does_not_hold_up_another(parking: Parking) -> None:
    parking.begin_and_park(*JOBS, lane="empty")
    parking.begin_and_park("other", lane="full")
    parking.park(*parking.let_go(), MINUTE_MS, lane="empty")
    assert parking.let_go(within_ms=100) == ["other"]


def test_many_lanes_ask_one_after_the_other(parking: Parking) -> None:
    lanes = [f"lane{number}" for number in range(30)]
    for lane in lanes:
        parking.begin_and_park(f"{lane}-a", f"{lane}-b", lane=lane)
    asked = ask_in_vain(parking, for_ms=1000, told_ms=FAR_MS)
    assert 5 <= len(asked) <= 10
    assert len(set(asked)) == len(asked), "each has its turn"


def ask_in_vain(parking: Parking, *, for_ms: int, told_ms: int) -> list[str]:
    """Nobody finds capacity for so long, and each is told when to ask again; the lanes that asked."""
    asked: list[str] = []
    until_ms = parking.now_ms + for_ms
    while parking.now_ms < until_ms:
        for job_id in parking.let_go(within_ms=10):
            lane, _, _ = job_id.partition("-")
            parking.park(job_id, told_ms, lane=lane)
            asked.append(lane)
    return asked


def test_lanes_take_turns_at_asking(parking: Parking) -> None:
    for lane in ("lane3", "lane1", "lane2"):
        parking.begin_and_park(f"{lane}-a", lane=lane)
    asked = ask_in_vain(parking, for_ms=3000, told_ms=15)
    assert len(asked) >= 15
    assert all({*three} == {"lane1", "lane2", "lane3"} for three in zip(asked, asked[1:], asked[2:], strict=False))


def test_once_one_finds_capacity_the_others_ask_sooner(parking: Parking) -> None:
    for lane in ("lane1", "lane2", "lane3"):
        parking.begin_and_park(f"{lane}-a", lane=lane)
    ask_in_vain(parking, for_ms=2000, told_ms=100)
    [lucky] = parking.let_go(within_ms=1000)
    parking.succeed(lucky)
    [in_vain] = parking.let_go(within_ms=100)
    lost_ms = parking.now_ms
    parking.park(in_vain, FAR_MS, lane=in_vain.partition("-")[0])
    [_] = parking.let_go(within_ms=1000)
    assert parking.now_ms - lost_ms == 40


def test_a_rest_says_nothing_about_capacity(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    for _ in range(3):
        for job_id in parking.let_go(within_ms=100):
            parking.park(job_id, 4000, rests=True)
    assert len(parking.let_go(within_ms=100)) == 3


def test_several_workers_do_not_multiply_the_pace(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    assert parking.release(worker="one")[0] == 1
    parking.succeed(*parking.take())
    parking.now_ms += 10
    released, wait_ms = parking.release(worker="two")
    assert (released, wait_ms) == (0, 50), "one is about to come back"
    assert parking.release(worker="one")[0] == 1


def test_another_worker_takes_over_when_the_one_that_lets_go_is_gone(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    parking.release(worker="one")
    parking.succeed(*parking.take())
    _, wait_ms = parking.release(worker="two")
    parking.now_ms += wait_ms
    assert parking.release(worker="two")[0] == 1


def test_a_deadline_needs_no_capacity(parking: Parking) -> None:
    parking.begin_and_park(*JOBS)
    parking.begin("hurried")
    parking.park("hurried", 10, deadline_in_ms=700)
    parking.begin("in a hurry from the start")
    parking.park("in a hurry from the start", MINUTE_MS, deadline_in_ms=800)
    parking.park(*parking.let_go(), MINUTE_MS)
    began_ms = parking.now_ms
    assert parking.let_go(within_ms=1000) == ["hurried"]
    assert parking.now_ms - began_ms == 700
    assert parking.let_go(within_ms=1000) == ["in a hurry from the start"]
    assert parking.now_ms - began_ms == 800


def test_a_worker_whose_clock_is_behind_does_not_get_the_job_back_at_once(parking: Parking) -> None:
    parking.begin("job")
    parking.park("job", MINUTE_MS, deadline_in_ms=-1)
    assert parking.release() == (0, 250)


def test_a_cancelled_job_goes_at_once(parking: Parking) -> None:
    parking.begin_and_park("job", due_in_ms=FAR_MS)
    parking.begin_and_park(*JOBS)
    parking.park(*parking.let_go(), MINUTE_MS)
    cancel = Scripts(parking.client).cancel
    assert cancel(job_id="job", outcome="{}", now_ms=str(parking.now_ms)) == "cancelled"
    assert cancel(job_id=JOBS[50], outcome="{}", now_ms=str(parking.now_ms)) == "cancelled"
    assert parking.release()[0] == 2
    assert parking.client.hget(shared_keys.job("job"), "state") == "cancelled"
    assert {*parking.take()} == {"job", JOBS[50]}


def test_a_message_whose_record_has_gone_is_not_kept_for_ever(parking: Parking) -> None:
    parking.begin_and_park("job", due_in_ms=100)
    parking.client.delete(shared_keys.job("job"))
    parking.now_ms += 100
    assert parking.release()[0] == 1
    assert not parking.client.exists(shared_keys.job("job"))


def test_a_clock_that_goes_back_stops_nobody(parking: Parking) -> None:
    parking.now_ms += FAR_MS
    parking.begin_and_park("job", *JOBS)
    parking.park(*parking.let_go(), MINUTE_MS)
    parking.release(worker="gone")
    parking.now_ms -= FAR_MS
    assert len(parking.let_go(within_ms=2000)) == 1


def test_empty_lanes_leave_only_what_ends_by_itself(parking: Parking) -> None:
    parking.begin_and_park(*JOBS[:20])
    while taken := parking.let_go(within_ms=1000):
        parking.succeed(*taken)
    left = {name for name in parking.client.scan_iter("pool:parked*") if parking.client.pttl(name) == -1}
    assert left == {redis_keys.PARKED_PACE}


def test_a_provider_that_is_well_before_its_time_has_its_jobs_looked_at_now(parking: Parking) -> None:
    parking.begin_and_park(*JOBS, due_in_ms=MINUTE_MS, lane="all")
    parking.begin("other")
    parking.park("other", MINUTE_MS, lane="others", providers="groq2 mistral")
    assert parking.let_go(within_ms=1000) == []
    assert parking.hasten("groq") == len(JOBS)
    assert parking.hasten("groq") == 0
    assert parking.client.hget(shared_keys.job(JOBS[0]), "due_ms") == str(parking.now_ms)
    taken = []
    while some := parking.let_go(within_ms=1000):
        parking.succeed(*some)
        taken += some
    assert taken == JOBS
    assert parking.parked() == {"other"}


def test_a_lane_that_had_asked_in_vain_asks_at_once_when_its_provider_is_well(parking: Parking) -> None:
    parking.begin_and_park(*JOBS[:3])
    assert parking.let_go(within_ms=1000) == JOBS[:1]
    parking.park(JOBS[0], MINUTE_MS)
    assert parking.let_go(within_ms=3000) == []
    parking.hasten("groq")
    assert parking.let_go(within_ms=200) == JOBS[:1]
