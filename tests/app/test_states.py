"""The state machine: final means final."""

from __future__ import annotations

from app.jobs import states


def test_final_states_lead_only_to_the_tombstone() -> None:
    for status in ("succeeded", "failed", "canceled"):
        assert states.NEXT[status] == {"expired"}  # type: ignore[index]
    assert states.NEXT["expired"] == frozenset()


def test_every_state_can_be_reached_from_queued() -> None:
    reached, left = {"queued"}, ["queued"]
    while left:
        for status in states.NEXT[left.pop()] - reached:  # type: ignore[index]
            reached.add(status)
            left.append(status)
    assert reached == set(states.STATUSES)


def test_before_is_the_inverse_of_next() -> None:
    for target in states.STATUSES:
        assert set(states.before(target)) == {s for s in states.STATUSES if target in states.NEXT[s]}
