"""Files of embeddings as programs write them: read to the last bit, or refused with the row."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from skineval.base.errors import DataError, UsageError
from skineval.data.embedding_file import read_embeddings, write_embeddings
from skineval.values.embeddings import Embeddings
from skineval.values.learnt import UNKNOWN, Learnt

IDS = np.array(["ISIC_1", "ISIC_2", "ISIC_3"])
VALUES = np.array([[0.1, -2.0], [1e-30, 3.5], [7.25, 0.0]], dtype=np.float32)


@pytest.fixture
def file(tmp_path):
    """Writes arrays to an npz file and returns its path."""

    def write(name="made.npz", **arrays_):
        np.savez(tmp_path / name, **arrays_)
        return tmp_path / name

    return write


def same(found):
    assert found.ids.tolist() == IDS.tolist()
    np.testing.assert_array_equal(found.values, VALUES)
    assert found.values.dtype == np.float32
    return True


@pytest.mark.parametrize(
    "arrays_",
    [
        {"ids": IDS, "embeddings": VALUES},
        {"image_id": np.char.add(IDS, ".jpg"), "features": VALUES},
        {"ids": np.char.add("images/", IDS).astype("S"), "embeddings": VALUES.astype(np.float64)},
    ],
)
def test_arrays_are_read_by_their_usual_names(file, arrays_):
    found = read_embeddings(file(**arrays_))
    assert same(found)
    assert found.learnt == UNKNOWN


@pytest.mark.parametrize(
    ("part", "learnt"),
    [
        (["", "", ""], UNKNOWN),
        (["none", "val", ""], Learnt({"ISIC_2"}, known={"ISIC_1", "ISIC_2"})),
        (["none", "val", "test"], Learnt({"ISIC_2"}, known=set(IDS))),
    ],
)
def test_where_no_part_is_said_nobody_knows(file, part, learnt):
    assert read_embeddings(file(ids=IDS, embeddings=VALUES, part=part)).learnt == learnt


def test_a_class_token_is_no_answer(tmp_path):
    (tmp_path / "made.csv").write_text("image_id,class_token_0,class_token_1\na,1,0\nb,2,3\n")
    assert read_embeddings(tmp_path / "made.csv").width == 2


def test_an_array_has_its_ids_beside_it(tmp_path):
    np.save(tmp_path / "made.npy", VALUES)
    with pytest.raises(DataError, match=r"without ids, and there is no made.ids.txt"):
        read_embeddings(tmp_path / "made.npy")
    (tmp_path / "made.ids.txt").write_text("ISIC_1.jpg\nISIC_2\n\nISIC_3\n")
    assert same(read_embeddings(tmp_path / "made.npy"))


@pytest.mark.parametrize(
    "text",
    [
        "image_id,e0,e1\nISIC_1,0.1,-2\nISIC_2,1e-30,3.5\nISIC_3,7.25,0\n",
        "\ufeffImage;e0;e1\r\nISIC_1.JPG;0,1;-2\r\nISIC_2.JPG;1e-30;3,5\r\nISIC_3.JPG;7,25;0\r\n",
        ",filename,e0,e1\n0,a/ISIC_1,0.1,-2\n1,a/ISIC_2,1e-30,3.5\n2,a/ISIC_3,7.25,0\n",
        "image_id\te0\te1\tpart\nISIC_1\t0.1\t-2\tTraining\nISIC_2\t1e-30\t3.5\t\nISIC_3\t7.25\t0\tval\n",
    ],
)
def test_tables_are_read_in_their_dialects(tmp_path, text):
    (tmp_path / "made.csv").write_text(text, encoding="utf-8")
    found = read_embeddings(tmp_path / "made.csv")
    assert same(found)
    assert found.learnt == (Learnt({"ISIC_1", "ISIC_3"}, known={"ISIC_1", "ISIC_3"}) if "part" in text else UNKNOWN)


@pytest.mark.parametrize("shape", ["columns", "lists"])
def test_parquet_holds_a_column_a_dimension_or_one_of_lists(tmp_path, shape):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(VALUES.astype(float), columns=["e0", "e1"])
    frame = frame if shape == "columns" else pd.DataFrame({"embedding": VALUES.astype(float).tolist()})
    frame.assign(image_id=IDS).to_parquet(tmp_path / "made.parquet")
    assert same(read_embeddings(tmp_path / "made.parquet"))


def test_without_a_package_for_parquet_that_is_said(tmp_path, monkeypatch):
    def missing(path):
        raise ImportError("no pyarrow")

    monkeypatch.setattr(pd, "read_parquet", missing)
    (tmp_path / "made.parquet").write_bytes(b"PAR1")
    with pytest.raises(UsageError, match="pip install pyarrow"):
        read_embeddings(tmp_path / "made.parquet")


@pytest.mark.parametrize(
    ("arrays_", "message"),
    [
        ({"ids": IDS}, r"lacks the array embeddings \(it holds: ids\)"),
        ({"ids": IDS.astype(object), "embeddings": VALUES}, r"pickled Python objects"),
        ({"ids": IDS[:2], "embeddings": VALUES}, r"has 2 ids, and embeddings of shape \(3, 2\)"),
        ({"ids": IDS, "embeddings": VALUES[:, 0]}, r"has 3 ids, and embeddings of shape \(3,\)"),
        ({"ids": IDS, "embeddings": VALUES[:, :0]}, r"shape \(3, 0\)"),
        ({"ids": np.array(["a", "b", "a.png"]), "embeddings": VALUES}, r"row 3: a is there a second time, after row 1"),
        ({"ids": np.array(["a", "", "b"]), "embeddings": VALUES}, r"row 2: image_id is empty"),
        ({"ids": IDS, "embeddings": np.where(VALUES > 5, np.nan, VALUES)}, r"row 3: the embedding of ISIC_3 is not fi"),
        ({"ids": IDS, "embeddings": VALUES.astype(np.float64) * 1e300}, r"row 1: the embedding of ISIC_1 is not"),
        ({"ids": IDS, "embeddings": np.ones((3, 2))}, r"all images have the same embedding"),
        ({"ids": IDS, "embeddings": VALUES.astype(str)}, r"embeddings are <U32, which are no numbers"),
        ({"ids": VALUES, "embeddings": VALUES}, r"ids are float32 of shape \(3, 2\)"),
        ({"ids": IDS, "embeddings": VALUES, "part": IDS == "a"}, r"part are bool of shape \(3,\)"),
        ({"ids": IDS, "embeddings": VALUES, "part": ["train", "test"]}, r"has 3 ids, and 2 of part"),
        ({"ids": IDS, "embeddings": VALUES, "part": ["none", "val", "seen"]}, r"row 3: the part of ISIC_3 is 'seen'"),
    ],
)
def test_what_is_wrong_with_arrays_is_named(file, arrays_, message):
    with pytest.raises(DataError, match=message):
        read_embeddings(file(**arrays_))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e0,e1\n1,2\n", r"lacks a column image_id \(it has e0, e1\)"),
        ("image_id,e0,dx\na,1,nv\n", r"has the column dx, which is called like what is known of an image"),
        ("image_id,e0,label\na,1,5\n", r"has the column label"),
        ("image_id,e0,is_melanoma\na,1,0\n", r"has the column is_melanoma"),
        ("image_id,e0,MEL,NV\na,1,0,1\n", r"has the column MEL"),
        ("image_id,e0,diagnosis_1\na,1,0\n", r"has the column diagnosis_1"),
        ("image_id,e0,split\na,1,2\n", r"the part of a is '2'"),
        ("", r"cannot be read: No columns|is empty"),
        ("image_id,e0\n", r"has a header and no rows"),
        ("image_id,e0,e1\na,1,2\nb,1,many\n", r"row 3: e1 is 'many', which is no number"),
        ("image_id,e0,e1\na,1,2\nb,1\n", r"row 3: the embedding of b is not finite"),
        ("image_id,e0\na,1,2\nb,3,4\n", r"rows have more fields than the header"),
        ("image_id,e0,e1\na,1,2\nb,1,2,3\n", r"cannot be read: .*line 3"),
    ],
)
def test_what_is_wrong_with_a_table_is_named(tmp_path, text, message):
    (tmp_path / "made.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_embeddings(tmp_path / "made.csv")


def test_other_files_are_refused(tmp_path):
    with pytest.raises(UsageError, match=r"ends in '.pkl'"):
        read_embeddings(tmp_path / "made.pkl")
    with pytest.raises(UsageError, match="is a folder"):
        read_embeddings(tmp_path)
    with pytest.raises(DataError, match="cannot be read: No such file"):
        read_embeddings(tmp_path / "made.npz")
    (tmp_path / "made.npz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="no npz file that can be read"):
        read_embeddings(tmp_path / "made.npz")


@pytest.mark.parametrize("suffix", [".npz", ".csv"])
@settings(max_examples=30, deadline=None)
@given(
    values=arrays(
        np.float32,
        st.tuples(st.integers(2, 5), st.integers(1, 4)),
        elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
    ),
    learnt=st.sets(st.integers(0, 1)),
    known=st.sets(st.integers(0, 1)),
)
def test_what_is_written_is_read_to_the_last_bit(tmp_path_factory, suffix, values, learnt, known):
    values[0, 0] = np.float32(1.5) if values[1, 0] != 1.5 else np.float32(2.5)  # not all are alike
    ids = np.array([f"ISIC_{place:07d}" for place in range(len(values))])
    said = Learnt(frozenset(ids[list(learnt)].tolist()), known=frozenset(ids[list(learnt | known)].tolist()))
    path = tmp_path_factory.mktemp("made") / f"made{suffix}"
    made = Embeddings("made", ids, values, said, "a network" if learnt else "")
    write_embeddings(path, made, replace=False)
    found = read_embeddings(path)
    assert found.ids.tolist() == ids.tolist()
    assert found.values.tobytes() == values.tobytes()
    assert (found.learnt, found.made_by, found.fingerprint) == (said, made.made_by, made.fingerprint)


def test_a_fingerprint_knows_neither_order_nor_file():
    made = Embeddings("a", IDS, VALUES)
    assert Embeddings("b", IDS[::-1], VALUES[::-1]).fingerprint == made.fingerprint
    assert Embeddings("a", IDS, VALUES[::-1]).fingerprint != made.fingerprint


def test_images_without_an_embedding_are_named():
    made = Embeddings("made.npz", IDS, VALUES)
    np.testing.assert_array_equal(made.of(["ISIC_3", "ISIC_1"], "it"), VALUES[[2, 0]])
    with pytest.raises(DataError, match=r"no embeddings of 1 of the 2 images of it: ISIC_9") as caught:
        made.of(["ISIC_1", "ISIC_9"], "it")
    assert caught.value.image_ids == {"ISIC_9"}
    with pytest.raises(DataError, match="Not one of its ids is known there"):
        made.of(["1", "2"], "it")
    assert made.besides({"ISIC_1"}) == ["ISIC_2", "ISIC_3"]
