"""Quality against cost, and the front that no run beats."""

from hypothesis import given
from hypothesis import strategies as st

from pages._ui.figures.pareto import front

Points = st.lists(st.tuples(st.integers(0, 6).map(float), st.integers(0, 6).map(float)), min_size=1, max_size=12)


@given(Points, st.booleans(), st.booleans())
def test_the_front_is_what_no_other_beats(points, x_higher, y_higher):
    def beats(a, b):
        dx, dy = (a[0] - b[0]) * (1 if x_higher else -1), (a[1] - b[1]) * (1 if y_higher else -1)
        return dx >= 0 and dy >= 0 and (dx > 0 or dy > 0)

    expected = {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
    assert set(front(points, x_higher, y_higher)) == expected
