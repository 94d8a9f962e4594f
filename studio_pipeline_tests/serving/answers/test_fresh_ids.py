import time
import uuid

from serving.answers.replies import fresh_id


def test_an_id_is_a_uuid_of_now() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(fresh_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000


def test_ids_differ_and_stand_in_the_order_of_time() -> None:
    first = [fresh_id() for _ in range(1000)]
    time.sleep(0.002)
    later = [fresh_id() for _ in range(1000)]
    assert len({*first, *later}) == 2000
    assert max(first) < min(later)
    assert len(fresh_id()) == len(str(uuid.uuid4()))
