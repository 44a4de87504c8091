"""Ratings: ids become numbers and come back, the last rating of a pair wins."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpcfl.data import h5
from hpcfl.data.convert import Options, convert, ratings
from hpcfl.errors import DataError

few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def made(tmp_path, text, name="r.csv", **options):
    (tmp_path / name).write_text(text)
    convert(tmp_path / name, tmp_path / "out.h5", Options(task="ratings", **options), overwrite=True)
    return h5.read(tmp_path / "out.h5")


def triples(arrays):
    names = [[v.decode() if isinstance(v, bytes) else v for v in arrays[f"{w}_id"]] for w in ("user", "item")]
    return [
        (names[0][u], names[1][i], r) for u, i, r in zip(arrays["user"], arrays["item"], arrays["rating"], strict=True)
    ]


@few
@given(
    rows=st.lists(
        st.tuples(st.integers(-3, 4), st.sampled_from(["a", "07", "ü", "9"]), st.floats(-1e9, 1e9)),
        min_size=1,
        max_size=40,
    ),
    block=st.integers(1, 9),
)
def test_the_last_rating_of_each_pair_is_kept_in_order(tmp_path, monkeypatch, rows, block):
    monkeypatch.setattr(ratings, "ROWS", block)
    text = "userId,movieId,rating\n" + "".join(f"{u},{i},{r!r}\n" for u, i, r in rows)
    arrays, attrs = made(tmp_path, text)
    last = {(u, i): n for n, (u, i, _) in enumerate(rows)}
    kept = [rows[n] for n in sorted(last.values())]
    whole = all(i == "9" for _, i, _ in rows)
    assert triples(arrays) == [(u, int(i) if whole else i, r) for u, i, r in kept]
    assert attrs["duplicates"] == len(rows) - len(kept)
    assert arrays["user_id"].tolist() == sorted({u for u, _, _ in rows})
    assert (attrs["users"], attrs["items"]) == (len({u for u, _, _ in rows}), len({i for _, i, _ in rows}))


@pytest.mark.parametrize(
    ("name", "text", "stamped"),
    [
        ("u.data", "196\t242\t3\t881250949\n22\t242\t1\t891717742\n196\t9\t5\t1\n", True),
        (
            "ratings.csv",
            "userId,movieId,rating,timestamp\n196,242,3.0,881250949\n22,242,1.0,891717742\n196,9,5,1\n",
            True,
        ),
        ("ratings.dat", "196::242::3::881250949\n22::242::1::891717742\n196::9::5::1\n", True),
        ("other.tsv", "rating\titem_id\tuser_id\n3\t242\t196\n1\t242\t22\n5\t9\t196\n", False),
    ],
)
def test_formats_of_ratings(tmp_path, name, text, stamped):
    arrays, attrs = made(tmp_path, text, name)
    assert triples(arrays) == [(196, 242, 3), (22, 242, 1), (196, 9, 5)]
    assert arrays["user_id"].tolist() == [22, 196]
    assert attrs["task"] == "ratings"
    assert arrays["rating"].dtype == "float32"
    assert ("timestamp" in arrays) == stamped
    assert not stamped or arrays["timestamp"].tolist() == [881250949, 891717742, 1]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1,2,3\n1,3,x\n", "line 2, column 'column2': 'x' is no rating"),
        ("1,2,3\n,3,4\n", "line 2, column 'column0': '' is no id"),
        ("1,2,3\n2,3,\n", "line 2, column 'column2': '' is no rating"),
        ("1,2,3\n1,3,-inf\n", "line 2, column 'column2': '-inf' is not finite; mend it, or remove the row"),
        ("user,item,rating\n1,2,3\n1,3,1e999\n", "line 3, column 'rating': '1e999' is not finite"),
        ("1,2,3,4\n2,3,1,soon\n", "line 2, column 'column3': 'soon' is no whole number"),
        ("1,2\n2,3\n", "2 columns; user, item and rating"),
    ],
)
def test_bad_ratings_are_refused_with_their_line(tmp_path, text, what):
    with pytest.raises(DataError, match=what):
        made(tmp_path, text)
