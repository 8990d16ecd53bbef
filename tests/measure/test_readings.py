"""Predictions that are no table of probabilities: answers, scores of one class, logits; classes that count as one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from skineval.base.errors import DataError, UsageError
from skineval.data.synthetic import synthetic
from skineval.measure.class_columns import Reading
from skineval.measure.predictions import read_predictions
from skineval.measure.references import read_reference, refer, reference_of
from skineval.measure.submissions import read_submission, task_of
from skineval.values.task import BINARY, DIAGNOSES
from tests.measure.samples import classifier
from tests.measure.test_submissions import METADATA, ONE_HOT, SUBMISSION, table


def read(text, reading=Reading(), truth=None):  # noqa: B008 - it is frozen
    found = read_submission(table(text), reading)
    found = found if truth is None else refer(found, read_reference(table(truth, "t.csv"), reading))
    (cell,) = read_predictions(found.table, classes=found.classes, scores=truth is not None)
    return found, cell


def test_answers_without_scores_are_one_for_the_class_of_the_answer():
    found, cell = read("image,prediction,target\na,Melanoma,nv\nb,nv,nv")
    assert found.answers_only
    assert found.classes == DIAGNOSES
    assert cell.probabilities[0].tolist() == [float(name == "mel") for name in DIAGNOSES]
    assert cell.probabilities.sum() == 2
    assert "prediction has answers without scores" in " ".join(found.remarks)
    assert read("image,pred,target\na,1,0\nb,0,0", Reading(("cat", "dog")))[1].classes == ("cat", "dog")
    with pytest.raises(DataError, match=r"p.csv, row 3: prediction is empty"):
        read("image,prediction,target\na,mel,nv\nb,,nv")


@pytest.mark.parametrize(
    ("text", "reading", "classes"),
    [
        ("image,target,malignant\na,nv,0.25\nb,mel,0.75", Reading(), ("benign", "malignant")),
        ("image,target,P(malignant)\na,0,0.25\nb,1,0.75", Reading(), ("benign", "malignant")),
        ("image,target,score\na,0,0.25\nb,1,0.75", Reading(("benign", "malignant")), ("benign", "malignant")),
        ("image,target,score\na,good,0.25\nb,bad,0.75", Reading(("good", "bad")), ("good", "bad")),
    ],
)
def test_scores_of_one_class_leave_the_rest_to_the_other(text, reading, classes):
    found, cell = read(text, reading)
    assert found.classes == classes
    assert cell.targets.tolist() == [0, 1]
    assert cell.probabilities.tolist() == [[0.75, 0.25], [0.25, 0.75]]
    assert "taken for scores of" in found.remarks[0]


def test_scores_of_a_diagnosis_set_it_against_all_others():
    found, cell = read("image,mel\ni1,0.75\ni2,0.25\ni9,0.5", truth=METADATA)
    assert set(found.classes) == {"mel", "other"}
    assert [cell.classes[target] for target in cell.targets] == ["mel", "other", "other"]
    assert not found.foreign


def test_only_diagnoses_are_other_than_one_that_is_scored():
    found, _ = read("image,mel,target\na,0.75,mel\nb,0.25,bkl")
    assert found.table.frame["target"].tolist() == ["mel", "other"]
    with pytest.raises(DataError, match=r"p\.csv, row 3: 'wart' is not a class"):
        read("image,mel,target\na,0.75,mel\nb,0.25,wart")
    with pytest.raises(DataError, match=r"i9 is df in t\.csv, and no column has its scores"):
        read("image,score\ni1,0.75\ni2,0.25\ni9,0.5", Reading(("nv", "mel")), METADATA)


def test_marks_are_a_truth_where_their_classes_have_scores():
    with pytest.raises(DataError, match=r"lacks the column target"):
        read("image,mel,nv,is_right,is_sure\na,0.3,0.7,1,0\nb,0.3,0.7,0,1")


@pytest.mark.parametrize("header", ["mel,nv,true_mel,true_nv", "y_pred_mel,y_pred_nv,y_true_mel,y_true_nv"])
def test_a_column_a_class_may_say_the_truth_beside_the_scores(header):
    _, cell = read(f"image,{header}\na,0.3,0.7,1,0\nb,0.3,0.7,0,1")
    assert [cell.classes[target] for target in cell.targets] == ["mel", "nv"]
    with pytest.raises(DataError, match=r"p.csv, row 3: b has not exactly one class"):
        read("image,mel,nv,true_mel,true_nv\na,0.3,0.7,1,0\nb,0.3,0.7,1,1")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("image,target,mel,nv\na,nv,0.7,0.6\nb,mel,0,0.9", "all scores are from 0 to 1"),
        ("image,target,mel,nv\na,nv,0.7,0.300001\nb,mel,-0.0000001,1", "all scores are from 0 to 1"),
        ("image,target,mel,nv\na,nv,70,30\nb,mel,1,99", "none is below 0, and an image has about 100 in all"),
        ("image,target,mel,nv\na,nv,178,76\nb,mel,2,252", "none is below 0, and an image has about 254 in all"),
        ("image,target,malignant\na,nv,0.2\nb,mel,0.9", "all scores are from 0 to 1"),
    ],
)
def test_what_are_no_logits_are_not_taken_for_them(text, what):
    with pytest.raises(DataError, match=what) as caught:
        read(text, Reading(logits=True))
    assert "Leave --logits out" in caught.value.hint


def test_logits_of_one_class_may_be_alike():
    _, cell = read("image,target,malignant\na,nv,3\nb,mel,3.1", Reading(logits=True))
    assert cell.probabilities[:, 1] == pytest.approx(1 / (1 + np.exp([-3, -3.1])))


@pytest.mark.parametrize("numbered", [(), BINARY])
@pytest.mark.parametrize("targets", ["01", ("benign", "malignant")], ids=["numbers", "names"])
def test_scores_of_benign_are_those_of_benign_whatever_is_named_last(numbered, targets):
    _, cell = read(f"image,target,benign\na,{targets[1]},.1\nb,{targets[0]},.9", Reading(numbered))
    assert cell.classes == BINARY
    assert cell.targets.tolist() == [1, 0]
    assert cell.probabilities[:, 1] == pytest.approx([0.9, 0.1])


def test_how_sure_an_answer_is_is_no_score_of_malignant():
    rows = ["a,malignant,malignant,.9", "b,benign,benign,.95", "c,malignant,benign,.6"]
    with pytest.raises(
        DataError, match="probability is no score of malignant, for it does not follow the answers in pr"
    ):
        read("\n".join(["image,target,predicted_label,probability", *rows]), Reading(BINARY))
    followed = ["a,malignant,malignant,.9", "b,benign,benign,.05", "c,malignant,benign,.4"]
    _, cell = read("\n".join(["image,target,predicted_label,probability", *followed]), Reading(BINARY))
    assert cell.probabilities[:, 1] == pytest.approx([0.9, 0.05, 0.4])
    with pytest.raises(DataError, match=r"y_pred is \.9, which is a score and no class"):
        read("image,target,y_pred,y_pred_label\na,1,.9,1\nb,0,.2,0", Reading(BINARY))


@pytest.mark.parametrize("rows", [["a,1,1,.5", "b,0,0,.5"], ["a,1,mel,.9", "b,0,nv,.8"]], ids=["constant", "diagnoses"])
def test_what_is_the_same_for_all_answers_or_stands_beside_diagnoses_is_no_score_of_malignant(rows):
    with pytest.raises(DataError, match="threshold is no score of malignant"):
        read("\n".join(["image,target,predicted_label,threshold", *rows]), Reading(BINARY))


@pytest.mark.parametrize(
    ("header", "rows", "numbered"),
    [
        ("prediction,probability", ("akiec,.9", "nv,.8"), ()),
        ("label", ("akiec", "nv"), ()),
        ("label", ("0", "5"), DIAGNOSES),
        ("label,score", ("AKIEC,.9", "Melanocytic nevi,.8"), ()),
        ("prediction", ("class 0", "class 5"), DIAGNOSES),
        ("prediction,tta", ("class_0,1", "class_5,2"), DIAGNOSES),
    ],
)
def test_answers_are_known_by_what_they_say_and_what_stands_beside_them_is_not_read(header, rows, numbered):
    truth = "image_id,dx\na,akiec\nb,nv"
    found, cell = read(f"image,{header}\na,{rows[0]}\nb,{rows[1]}", Reading(numbered), truth)
    assert found.answers_only
    assert [found.classes[k] for k in cell.probabilities.argmax(axis=1)] == ["akiec", "nv"]
    other = header.partition(",")[2]
    assert not other or f"Not read, as no scores of a class: {other}." in found.remarks


def test_answers_that_are_true_or_false_are_the_last_and_the_first_of_two_classes():
    found, cell = read("image,prediction,target\na,True,True\nb,False,True", Reading(BINARY))
    assert found.classes == BINARY
    assert cell.probabilities[:, 1].tolist() == [1, 0]
    assert cell.targets.tolist() == [1, 1]
    truth = read_reference(table("image,mel,nv\na,True,False\nb,False,True", "t.csv"))
    assert truth.frame["target"].tolist() == ["mel", "nv"]


def test_weights_beside_the_marks_of_a_truth_are_no_classes():
    truth = read_reference(table("image,MEL,NV,UNK,score_weight,validation_weight\na,1,0,0,1,0\nb,0,1,0,1,1", "t.csv"))
    assert truth.classes == {"mel", "nv", "UNK"}


def test_diagnoses_are_no_answers_about_malignancy_until_it_is_said_which_are_which():
    text = "image,target,predicted_label\na,malignant,mel\nb,benign,nv\nc,benign,bcc"
    with pytest.raises(DataError, match="classes of two tasks"):
        read(text)
    found, cell = read(text, Reading.of(merges="benign=nv+bkl+df+vasc,malignant=mel+bcc+akiec"))
    assert found.classes == BINARY
    assert cell.probabilities[:, 1].tolist() == [1, 0, 1]


def test_names_that_differ_in_their_letters_case_are_one_class():
    found, cell = read("image,target,prediction\na,Wart,Wart\nb,Wart,wart\nc,mole,Mole")
    assert found.classes == ("Wart", "mole")
    assert (cell.probabilities.argmax(axis=1) == cell.targets).all()


@pytest.mark.parametrize("logits", [False, True])
def test_percentages_of_one_class_are_told_by_their_own_name(logits):
    with pytest.raises(DataError, match=r"malignant.*99\.9") as caught:
        read("image,target,malignant\na,1,99.9\nb,0,3.5", Reading(logits=logits))
    assert "percentages" in caught.value.hint
    assert "benign" not in caught.value.message


def test_a_class_may_be_summed_into_itself():
    _, cell = read("image,target,mel,nv,bkl\na,mel,.2,.3,.5\nb,nv,.1,.8,.1", Reading.of(merges="bkl=bkl+nv"))
    assert cell.probabilities[0].tolist() == pytest.approx([0.8, 0.2])


def test_scores_of_one_diagnosis_have_no_others_that_could_be_merged():
    with pytest.raises(DataError, match="has scores of mel alone, and --map says what other is"):
        read("image,mel\ni1,.7\ni9,.1", Reading.of(merges="other=bkl+df+vasc"), METADATA)


def test_whoever_says_what_is_malignant_says_it_of_every_diagnosis_that_is():
    truth = "image_id,dx\na,mel\nb,nv"
    with pytest.raises(DataError, match="--map says what malignant is, and nothing of akiec"):
        read("image,malignant\na,.7\nb,.1", Reading.of(merges="malignant=mel+bcc"), truth)
    _, cell = read("image,malignant\na,.7\nb,.1", Reading.of(merges="malignant=mel+bcc+akiec"), truth)
    assert cell.targets.tolist() == [1, 0]


def test_a_list_is_no_answer():
    with pytest.raises(DataError, match=r"row 2: prediction is \[0.1 0.9\], which is a list and no class") as caught:
        read("image,target,prediction\na,mel,[0.1 0.9]\nb,nv,[0.8 0.2]")
    with pytest.raises(DataError, match=r"row 2: probs is \[0.1 0.9\], which is a list"):
        read("image,target,probs\na,mel,[0.1 0.9]\nb,nv,[0.8 0.2]", Reading(("mel", "nv")))
    assert "a column of its scores" in caught.value.hint


def test_a_column_that_is_spelt_otherwise_than_the_truth_is_to_be_renamed():
    with pytest.raises(DataError, match="and no column has its scores") as caught:
        read("image,mel,nv,Basalzellkarzinom\na,.1,.8,.1\nb,.1,.1,.8", truth="image_id,dx\na,nv\nb,bcc")
    assert "If it is one of Basalzellkarzinom, call it as the truth does." in caught.value.hint


def test_answers_and_targets_that_are_spelt_otherwise_are_asked_about():
    text = "image,target,predicted_label\na,Melanom,mel\nb,Basalzellkarzinom,bcc\nc,nv,nv"
    with pytest.raises(
        DataError, match="Basalzellkarzinom in target is the answer of no image, and bcc in predicted_lab"
    ):
        read(text)
    _, cell = read(text, Reading(("bcc", "Basalzellkarzinom", "mel", "nv")))
    assert cell.targets.tolist() == [cell.classes.index(name) for name in ("mel", "Basalzellkarzinom", "nv")]


def test_of_logits_the_softmax_is_meant_where_it_is_asked_for():
    text = "image,target,mel,nv,bcc\na,nv,-1,3.5,0\nb,mel,2,0.5,-4"
    with pytest.raises(DataError, match=r"mel is -1, not a number from 0 to 1") as caught:
        read(text)
    assert "--logits" in caught.value.hint
    _, cell = read(text, Reading(logits=True))
    expected = softmax([[0, -1, 3.5], [-4, 2, 0.5]], axis=1)
    np.testing.assert_allclose(cell.probabilities, expected, rtol=1e-12)
    with pytest.raises(DataError, match="holds no logits: all scores are from 0 to 1") as caught:
        read("image,target,mel,nv\na,nv,0.5,0.5", Reading(logits=True))
    assert "--logits" in caught.value.hint
    with pytest.raises(DataError, match=r"row 2: nv is no number"):
        read("image,target,mel,nv\na,nv,0.5,x", Reading(logits=True))


def test_a_logit_of_one_class_is_that_of_a_logistic_regression():
    _, cell = read("image,target,malignant\na,nv,-2\nb,mel,3", Reading(logits=True))
    np.testing.assert_allclose(cell.probabilities[:, 1], 1 / (1 + np.exp([2, -3])), rtol=1e-12)


def test_classes_that_count_as_one_have_the_sum_of_their_scores_and_their_images():
    merged = Reading.of(merges="other=bkl+df+VASC")
    found, cell = read("image,mel,nv,bkl,df,vasc\ni1,.1,.2,.3,.15,.25\ni9,0,1,0,0,0", merged, METADATA)
    assert set(found.classes) == {"mel", "nv", "other"}
    assert cell.probabilities[0].tolist() == pytest.approx([0.1, 0.2, 0.7])
    assert [cell.classes[target] for target in cell.targets] == ["mel", "other"]
    assert task_of(found, merged).malignant == ("mel",)
    assert task_of(found, Reading.of(merges="other=bkl+bcc")).malignant is None  # neither benign nor malignant
    # Where the file has them as one, the truth alone has to follow.
    _, alike = read("image,mel,nv,other\ni1,.1,.2,.7\ni9,0,1,0", merged, METADATA)
    assert alike.targets.tolist() == cell.targets.tolist()


@pytest.mark.parametrize("text", ["bkl+df", "other=", "=bkl", "a=bkl,b=bkl", "a=bkl,a=df", "a=b,b=c", "mel=bkl+df"])
def test_merges_that_mean_nothing_are_refused(text):
    with pytest.raises(UsageError, match="--map has"):
        Reading.of(merges=text)


def test_a_truth_that_has_classes_as_one_already_needs_no_parts_of_them():
    merges = "malignant=mel+bcc+akiec,benign=nv+bkl+df+vasc"
    scores = "image,mel,nv,bcc,akiec,bkl,df,vasc\ni1,.5,.1,.3,0,.1,0,0\ni2,0,.6,0,.1,.3,0,0"
    found, cell = read(scores, Reading.of(merges=merges), "image_id,dx\ni1,malignant\ni2,benign")
    assert set(found.classes) == {"benign", "malignant"}
    assert [cell.classes[target] for target in cell.targets] == ["malignant", "benign"]


def test_rounded_probabilities_sum_to_one_once_they_are_merged():
    """Of seven classes of two decimals, whose sums are 1.03 and .98: none of two is above 1 afterwards."""
    scores = "image,mel,nv,bcc,akiec,bkl,df,vasc\ni1,.31,.03,.29,.40,0,0,0\ni2,0,.5,0,.1,.3,.04,.04"
    merges = "malignant=mel+bcc+akiec,benign=nv+bkl+df+vasc"
    found, cell = read(scores, Reading.of(merges=merges), "image_id,dx\ni1,malignant\ni2,benign")
    assert cell.classes == ("benign", "malignant")
    np.testing.assert_allclose(cell.probabilities, [[0.03 / 1.03, 1.0 / 1.03], [0.88 / 0.98, 0.1 / 0.98]], atol=1e-12)
    assert "divided by their sum, which is 1 but for rounding, of up to 0.03." in " ".join(found.remarks)


def test_one_answer_alone_says_not_which_classes_there_are():
    with pytest.raises(DataError, match="has one answer alone, scc"):
        read_submission(table("image,prediction\na,scc\nb,scc"))


def test_what_is_merged_exists_and_leaves_two_classes():
    with pytest.raises(DataError, match=r"--map merges wart into other, and t\.csv has no such class"):
        read_reference(table(METADATA, "t.csv"), Reading.of(merges="other=wart"))
    with pytest.raises(DataError, match=r"--map merges blk into other; p\.csv has no such class"):
        read_submission(table("image,target,mel,nv,bkl\na,nv,0,1,0"), Reading.of(merges="other=blk+mel"))
    with pytest.raises(DataError, match="has scores of other already"):
        read_submission(table("image,target,mel,nv,bkl,other\na,nv,0,1,0,0"), Reading.of(merges="other=bkl"))
    with pytest.raises(DataError, match="all classes would be one"):
        read_submission(table("image,target,mel,nv\na,nv,0,1"), Reading.of(merges="other=mel+nv"))


def test_what_one_side_lacks_is_left_out_where_that_is_allowed():
    reference = read_reference(table(ONE_HOT, "t.csv"))
    given = read_submission(table(SUBMISSION + "i7,1,0,0,0,0,0,0"))
    with pytest.raises(DataError, match=r"i7 is not in t\.csv") as caught:
        refer(given, reference)
    assert "--allow-missing" in caught.value.hint
    found = refer(given, reference, allow_missing=True)
    assert found.table.frame["image_id"].tolist() == ["i1", "i2"]
    assert "1 image is not in t.csv, and left out: i7." in found.remarks
    one = replace(given, table=given.table.having(given.table.frame.iloc[:1]))
    assert "1 of 2 images of t.csv have no scores" in " ".join(refer(one, reference, allow_missing=True).remarks)


def test_a_data_set_knows_what_its_images_are_and_which_show_one_lesion():
    data = synthetic.load(images=70)
    reference = reference_of(data)
    rows = "".join(f"img/{id_}.jpg{',0.1' * 6},0.4\n" for id_ in data.frame["image_id"][:20])
    found = refer(read_submission(table(f"file,{','.join(DIAGNOSES)}\n{rows}")), reference)
    assert found.table.frame["target"].tolist() == data.frame["dx"][:20].tolist()
    assert found.table.frame["lesion_id"].tolist() == data.frame["lesion_id"][:20].tolist()
    spelt = replace(data, frame=data.frame.replace({"dx": {"mel": "melanoma"}}), labels=("melanoma", *data.labels))
    assert reference_of(spelt).frame["target"].tolist() == reference.frame["target"].tolist()
    assert {reference.groups[lesion] for lesion in data.frame["lesion_id"]} == set(data.frame["group"])


def test_predictions_in_memory_are_merged_as_those_of_files_are():
    cell = classifier(30)
    merges = Reading.of(merges="other=bkl+df+vasc").merges
    found = cell.merged(merges)
    assert found.classes == ("akiec", "bcc", "other", "mel", "nv")
    assert found.malignant == ("akiec", "bcc", "mel")
    _, read_back = read(cell.to_frame().to_csv(index=False), Reading((), merges))
    expected = read_back.with_classes(found.classes)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-12)
    assert found.targets.tolist() == expected.targets.tolist()
    assert cell.merged({"x": ("mel", "nv")}).malignant is None
    assert cell.merged({}).probabilities.tolist() == cell.probabilities.tolist()
