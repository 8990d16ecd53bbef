"""Predictions and truth files as people write them: what is read, what is refused, and how the refusal reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from skineval.base.errors import DataError
from skineval.base.terms import UNSCORED
from skineval.data import tables
from skineval.data.tables import GivenTable
from skineval.measure.class_columns import Reading
from skineval.measure.predictions import read_predictions
from skineval.measure.references import read_reference, refer
from skineval.measure.submissions import read_submission
from skineval.values.task import DIAGNOSES

SUBMISSION = """
    image,MEL,NV,BCC,AKIEC,BKL,DF,VASC
    i1,1.0,0.0,0.9,0.0,0.0,0.0,0.0
    i2,0.0,0.5,0.0,0.25,0.25,0.0,0.0
"""
ONE_HOT = """
    image,VASC,DF,BKL,AKIEC,BCC,NV,MEL
    i2,0,0,0,0,0,1,0
    i1,0,0,0,0,0,0,1
"""
METADATA = """
    lesion_id,image_id,dx,age
    L1,i1,mel,50
    L1,i2,nv,50
    L9,i9,df,20
"""
OWN = """
    image_id,lesion_id,fold,seed,part,target,mel,nv
    i1,L1,0,0,test,mel,0.9,0.1
    i2,L1,0,0,test,nv,0.25,0.75
    i9,L9,0,0,validation,nv,0.2,0.8
"""


def table(text, name="p.csv"):
    return tables.read("\n".join(line.strip() for line in text.strip().splitlines()).encode(), name)


def read(text, classes=(), part="test"):
    """Predictions with a target of their own."""
    found = read_submission(table(text), Reading(tuple(classes))).select(part)
    (cell,) = read_predictions(found.table, classes=found.classes)
    return cell


def referred(scores=SUBMISSION, truth=ONE_HOT, classes=(), part="test"):
    given = read_submission(table(scores, "s.csv"), Reading(tuple(classes))).select(part)
    return refer(given, read_reference(table(truth, "t.csv"), Reading(tuple(classes))))


def submission(scores=SUBMISSION, truth=ONE_HOT, **options):
    found = referred(scores, truth, **options)
    (cell,) = read_predictions(found.table, classes=found.classes, scores=True)
    return cell


def test_submissions_join_the_reference_standard():
    found = submission()
    assert found.classes == DIAGNOSES
    assert [DIAGNOSES[t] for t in found.targets] == ["mel", "nv"]
    assert found.probabilities[0].tolist() == [0, 0.9, 0, 0, 1, 0, 0]
    assert found.groups.tolist() == ["i1", "i2"]
    assert not found.normalised
    assert found.take(np.array([1])).normalised


def test_metadata_gives_lesions_and_may_hold_more_images():
    found = submission(truth=METADATA)
    assert [DIAGNOSES[t] for t in found.targets] == ["mel", "nv"]
    assert found.lesion_ids.tolist() == ["L1", "L1"]


def test_a_ground_truth_is_covered_in_full_by_predictions_that_name_no_parts():
    one = SUBMISSION.replace("    i1,1.0,0.0,0.9,0.0,0.0,0.0,0.0\n", "")
    with pytest.raises(DataError, match=r"s.csv: no scores for i1 \(1 of 2 images of t.csv missing\)"):
        submission(one)
    assert submission(one.replace("image,", "part,image,").replace("i2", "Test,i2")).image_ids.tolist() == ["i2"]


def test_the_image_that_isic_excludes_is_not_scored():
    found = submission(SUBMISSION + "    ISIC_0035068,0,1,0,0,0,0,0\n")
    assert found.image_ids.tolist() == ["i1", "i2"]
    found = submission(SUBMISSION, ONE_HOT + "    ISIC_0035068,0,0,0,0,0,1,0\n")
    assert found.image_ids.tolist() == ["i1", "i2"]


@pytest.mark.parametrize(
    ("scores", "truth", "message"),
    [
        (SUBMISSION.replace("1.0", "1.5"), ONE_HOT, "s.csv, row 2: mel is 1.5, not a number from 0 to 1"),
        (SUBMISSION.replace("i2", "x/i1.jpg"), METADATA, "s.csv, row 3: i1 is there a second time, after row 2"),
        (SUBMISSION.replace("i2", "i3"), ONE_HOT, "s.csv, row 3: i3 is not in t.csv"),
        (SUBMISSION, ONE_HOT.replace("0,1,0", "0,1,1"), "t.csv, row 2: i2 has not exactly one class"),
        (SUBMISSION, ONE_HOT.replace("i2", "i1.jpg"), "t.csv, row 3: i1 is there a second time, after row 2"),
        (SUBMISSION, METADATA.replace("nv", "scc"), "s.csv, row 3: i2 is scc in t.csv, and no column has its scores"),
        (SUBMISSION, METADATA.replace("nv", ""), "t.csv, row 3: dx is empty"),
        (SUBMISSION, METADATA.replace("nv", "5"), "t.csv, row 3: dx is the number 5, and nothing says which class"),
        (SUBMISSION, "image_id,label\ni1,malignant\ni2,Benign", "s.csv, row 2: i1 is malignant in t.csv, and no"),
        (SUBMISSION, METADATA.replace("L9", "nan"), "t.csv, row 4: lesion_id is empty"),
        (SUBMISSION, "image_id,age\ni1,50\ni2,50", r"t.csv says no classes \(it has image_id, age\)"),
        (SUBMISSION, "id_of_image,dx\ni1,mel", r"t.csv lacks the column image_id \(it has id_of_image, dx\)"),
        (OWN, METADATA.replace("i2,nv", "i2,mel"), "s.csv, row 3: target of i2 is nv, and mel in t.csv"),
        (OWN, METADATA.replace("L1,i2", "L7,i2"), "s.csv, row 3: lesion_id of i2 is L1, and L7 in t.csv"),
    ],
)  # fmt: skip
def test_refusals_with_a_truth_file(scores, truth, message):
    with pytest.raises(DataError, match=message) as caught:
        submission(scores, truth)
    assert caught.value.hint


def test_a_truth_file_is_read_as_people_write_it():
    wanted = submission()
    for text in (
        ONE_HOT.replace("i1", "a/b/i1.JPG").replace("i2", "a\\i2.png").replace(",", ";"),
        ONE_HOT.replace("MEL", "Melanoma").replace("NV", "melanocytic_nevi"),
        "Image,Label\ni1,Melanoma\ni2,NV\ni3,SCC",
        "filename,class\ni1,MEL\ni2,nevus",
    ):
        np.testing.assert_array_equal(submission(truth=text).targets, wanted.targets)


def test_a_truth_file_leaves_parts_and_lesions_to_the_predictions():
    found = submission(OWN, ONE_HOT + "    i9,0,0,0,0,0,1,0\n")
    assert found.image_ids.tolist() == ["i1", "i2"]
    assert found.lesion_ids.tolist() == ["L1", "L1"]
    assert submission(OWN, METADATA.replace("df", "nv"), part="validation").image_ids.tolist() == ["i9"]


def test_a_class_that_the_truth_does_not_know_stays_a_class():
    scc = SUBMISSION.replace("VASC", "VASC,SCC").replace("0.0\n", "0.0,0.95\n")
    found = referred(scc)
    assert found.foreign == ("SCC",)
    assert submission(scc).classes == (*DIAGNOSES, "SCC")
    assert submission(scc).probabilities[:, 7].tolist() == [0.95, 0.95]
    with_scc = ONE_HOT.replace("MEL", "MEL,SCC").replace("0\n", "0,0\n").replace("1\n", "1,0\n")
    assert referred(scc, with_scc).foreign == ()


def test_own_predictions_name_classes_that_no_diagnosis_and_no_target_is():
    text = OWN.replace("mel,nv\n", "mel,nv,UNK\n").replace("0.1\n", "0.1,0\n").replace("75\n", "75,0\n")
    assert read_submission(table(text.replace("0.8\n", "0.8,0\n"))).foreign == ("UNK",)
    text = "image,target,first,second\na,First,0.9,0.1\nb,SECOND,0.2,0.8"
    assert read_submission(table(text)).foreign == ()
    assert read(text).targets.tolist() == [0, 1]


@pytest.mark.parametrize(
    "header",
    [
        "target,mel,nv", "Target,MEL,NV", "dx,Melanoma,Melanocytic nevi", "true_label,prob_mel,prob_nv",
        "y_true,melanoma_probability,nevus_score", "diagnosis,P_MEL,p_nv", "dx,score.mel,score.nv",
        "targets,mel_mean,nv_mean", "dx,y_pred_mel,y_pred_nv", "dx,mel (%),nv [%]", "y_true,y_hat_mel,y_hat_nv",
    ],
)  # fmt: skip
def test_classes_are_known_by_code_and_name_in_any_letter_case(header):
    found = read(f"image,{header}\nx/a.jpg,Melanoma,0.9,0.1\nb,NV,0.25,0.75")
    assert found.classes == ("mel", "nv")
    assert found.image_ids.tolist() == ["a", "b"]
    assert found.targets.tolist() == [0, 1]


@pytest.mark.parametrize("header", ["Malignant,Benign", "benign,malignant", "BENIGN,prob_malignant"])
def test_the_malignant_task_is_known_in_any_order(header):
    scores = "0.9,0.1" if header.startswith("M") else "0.1,0.9"
    found = read(f"image,target,{header}\na,malignant,{scores}\nb,Benign,0.5,0.5")
    assert found.classes == ("benign", "malignant")
    assert found.probabilities[0].tolist() == [0.1, 0.9]
    assert found.targets.tolist() == [1, 0]
    with_unknown = referred(f"image,{header},UNK\ni1,{scores},0\ni2,0.5,0.3,0.2", METADATA)
    assert (with_unknown.foreign, with_unknown.table.frame["target"].tolist()) == (("UNK",), ["malignant", "benign"])
    by_diagnosis = submission(f"image,{header}\ni1,{scores}\ni2,0.5,0.5", METADATA)
    assert by_diagnosis.targets.tolist() == [1, 0]


@pytest.mark.parametrize("first", [0, 1])
def test_numbered_classes_are_known_once_they_are_named(first):
    text = f"filename,true_label,predicted_label,class_{first},class_{first + 1}\na.jpg,{first + 1},{first},0.9,0.1"
    with pytest.raises(DataError, match=rf"p.csv numbers its classes \(class_{first}, .*nothing says which") as caught:
        read(text)
    assert "--classes" in caught.value.hint
    with pytest.raises(DataError, match="and 3 are named: mel, nv, bcc"):
        read(text, ("mel", "nv", "bcc"))
    found = read(text, ("Nevus", "MEL"))
    assert found.classes == ("mel", "nv")
    assert found.probabilities.tolist() == [[0.1, 0.9]]
    assert found.targets.tolist() == [0]


def test_numbers_that_targets_bear_too_are_names():
    assert read("image,target,type1,type2\na,type2,0.9,0.1").classes == ("type1", "type2")


def test_numbered_targets_beside_named_classes_are_known_once_the_order_is():
    text = "image,target,nv,mel\na,1,0.9,0.1\nb,0,0.9,0.1"
    with pytest.raises(DataError, match="row 2: target is the number 1, and nothing says which class it means"):
        read(text)
    for written in (text, text.replace(",1,", ",1.0,")):
        found = read(written, ("nv", "mel"))
        assert [found.classes[target] for target in found.targets] == ["mel", "nv"]
    with pytest.raises(DataError, match="row 2: target is the number 2, and 2 classes are named"):
        read(text.replace("a,1", "a,2"), ("nv", "mel"))
    with pytest.raises(DataError, match="has the classes nv, mel, and --classes names nv, bcc"):
        read(text, ("nv", "bcc"))


THREE = ("akiec", "bcc", "bkl")


@pytest.mark.parametrize(
    ("numbers", "wanted"), [((0, 1, 1), (0, 1, 1)), ((1, 2, 3), (0, 1, 2)), ((1, 2, 1), None), ((1, 1, 1), None)]
)
def test_numbers_that_do_not_say_whether_they_count_from_0_or_1_are_refused(numbers, wanted):
    rows = "".join(f"{'abc'[k]},{number},0.2,0.3,0.5\n" for k, number in enumerate(numbers))
    truth = GivenTable(pd.DataFrame({"image_id": list("abc"), "label": list(map(str, numbers))}), "t.csv")
    if wanted is None:
        with pytest.raises(DataError, match=r"target holds numbers from 1 to \d of 3 classes, counted from 0"):
            read(f"image,target,akiec,bcc,bkl\n{rows}", THREE)
        with pytest.raises(DataError, match="label holds numbers from 1 to"):
            read_reference(truth, Reading(THREE))
        return
    found = read_submission(table(f"image,target,akiec,bcc,bkl\n{rows}"), Reading(THREE))
    assert [THREE.index(name) for name in found.table.frame["target"]] == list(wanted)
    assert found.remarks == (
        f"Classes by number: {', '.join(f'{k + min(numbers)} is {name}' for k, name in enumerate(THREE))}.",
    )
    assert read_reference(truth, Reading(THREE)).frame["target"].tolist() == found.table.frame["target"].tolist()


@pytest.mark.parametrize("name", ["max_score", "mel.1", "is_malignant", "epoch", "mel_std"])
def test_a_column_without_which_probabilities_sum_to_one_is_no_class(name):
    with pytest.raises(DataError, match=f"p.csv: {name} cannot be scores of a class"):
        read(f"image,target,mel,nv,{name}\na,nv,0.3,0.7,0.9\nb,mel,0.6,0.4,12")
    submission = read_submission(table(f"image,mel,nv,{name}\na,0.3,0.7,0.9\nb,0.6,0.4,1"))
    reference = read_reference(table("image_id,dx\na,nv\nb,mel", "t.csv"))
    with pytest.raises(DataError, match=f"p.csv: {name} cannot be scores of a class"):
        refer(submission, reference)


def test_what_is_not_scored_is_said():
    rows = f"image,mel,nv,Max Prob\na,0.3,0.7,0.7\n{UNSCORED},0.6,0.4,0.6"
    reference = read_reference(table(f"image_id,dx\na,nv\nb,mel\n{UNSCORED},nv", "t.csv"))
    found = refer(read_submission(table(rows)), reference)
    assert found.remarks == (
        "Not read, as no scores of a class: Max Prob.",
        f"{UNSCORED} is left out, as in ISIC 2018.",
        "1 of 2 images of t.csv have no scores, and are not in any figure.",
    )


@pytest.mark.parametrize("header", ["Image ID", "image-id", "Image_Name", "id"])
def test_headers_are_read_however_they_are_spelt(header):
    found = read_submission(table(f"{header},True Label,P(mel),output_nv\na,nv,0.3,0.7"))
    assert found.table.frame[["image_id", "target"]].to_numpy().tolist() == [["a", "nv"]]
    assert found.classes == ("mel", "nv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("image,target,mel,Melanoma,nv\na,nv,0,0,1", "p.csv has two columns of the class mel: 'mel' and 'Melanoma'"),
        ("image,target,mel,nv,Benign\na,nv,0,1,0", "p.csv has classes of two tasks: mel, nv, benign"),
        ("image,target,mel,nv,note\na,nv,0,1,x\nb,nv,0,1,1", "p.csv, row 2: note is x, not a number from 0 to 1"),
        ('image,target,mel,nv\na,nv,"0\nx",1', "p.csv, row 2: mel is 0 x, not a number from 0 to 1"),
        ("image,target,mel,nv\na,nv,3%,97%", "p.csv, row 2: mel is 3%, not a number from 0 to 1"),
        ("image,dx,class,probability\na,nv,mel,0.1\na,nv,nv,0.9", "p.csv has a row for each image and class: a has s"),
        ("image_name,target\na,0.25\nb,0.5", "p.csv, row 2: target is 0.25, which is a score and no class"),
        ("image,target,prediction\na,mel,0.93", "p.csv, row 2: prediction is 0.93, which is a score and no class"),
        ("image,label,pred\na,1,1\nb,0,0.5", "p.csv, row 3: pred is 0.5, which is a score and no class"),
        ("image,target,mel,nv\na,nv,0,1\nb,nv,0", "p.csv: 1 row does not have the 4 fields of the header: row 3"),
        ("image,label,mel,nv\na,nv,0,1", r"p.csv lacks the column target \(it has image_id, label, mel, nv\)"),
            ("image,label,prob\na,1,.7", "p.csv has the column label, and nothing says whether it is what images are"),
        ("image,lesion_id,target,mel,nv\na,nan,nv,0,1", "p.csv, row 2: lesion_id is empty"),
        ("image,target,mel,nv\na,NA,0,1", "p.csv, row 2: target is empty"),
        ("image,target,mel,nv\na,xyz,0,1", r"p.csv, row 2: 'xyz' is not a class"),
        ("image,target,mel,nv\n,nv,0,1", "p.csv, row 2: image is empty"),
        ("image,part,target,mel,nv\na,Val,nv,0,1", r"p.csv holds no rows of part 'test' \(it has validation\)"),
        ("image,target,mel,nv", "p.csv has a header and no rows"),
        ("image,dx,age\na,mel,50", "p.csv wants columns of probabilities, one a class, and has none"),
        ("image,score\na,0.3", "p.csv has scores of one class, in the column 'score', and does not say of which"),
        ("image,part,target,mel,nv\na,test,nv,0,1\nb,,nv,0,1", "p.csv, row 3: part is empty"),
        ("image,target,mel,nv\n\nb.jpg,nv,0,1\n\nb.JPG,nv,0,1", "row 5: b is there a second time, after row 3"),
    ],
)  # fmt: skip
def test_refusals_of_predictions(text, message):
    with pytest.raises(DataError, match=message) as caught:
        read(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("image,target,mel,nv\na,nv,3%,97%", "They are percentages: divide them by 100"),
        ("image,target,mel,nv\na,nv,0.1,0.88", "divide those of an image by their sum"),
        ("image,target,mel,nv\na,nv,0,1\nb,nv,0", "The file may end too early"),
        ("image,target,mel,nv\na,nv,0\nb,nv,0,1", "Put quotes around text"),
        ("image target mel nv\na nv 0 1\nb mel 1 0", "Write a comma between them"),
        ("who,target,mel,nv\na,nv,0,1", "Call the column that names images so"),
        ("image,model,target,mel,nv\na,vit,nv,0,1\na,cnn,nv,1,0", "each model a file"),
    ],
)
def test_hints_are_about_what_is_wrong(text, hint):
    with pytest.raises(DataError) as caught:
        read(text)
    assert hint in caught.value.hint


def test_who_tells_two_classes_apart_may_have_the_truth_of_the_archive():
    text = "image,benign_malignant,malignant\na,benign,0.25\nb,malignant,0.9"
    assert read(text).targets.tolist() == [0, 1]
    with pytest.raises(DataError, match="lacks the column target"):
        read("image,benign_malignant,mel,nv\na,benign,0.25,0.75")


def test_rows_of_other_parts_are_counted():
    rows = "a,nv,test,0.25,0.75\nb,mel,val,0.9,0.1\nc,mel,train,0.9,0.1"
    found = read_submission(table(f"image,target,split,mel,nv\n{rows}")).select("test")
    assert found.remarks == ("2 rows are of other parts (validation, train): --part names another.",)
    assert len(found.table.frame) == 1


def test_scores_of_one_class_number_none():
    found = read_submission(table("image,target,mel\na,mel,0.75\nb,other,0.25"))
    assert found.remarks == ("mel is taken for scores of mel: what is left of 1 are those of other.",)


def test_messages_end_whatever_the_columns_and_cells_of_a_table_hold():
    many = ",".join(f"feature_{place}" for place in range(2048))
    with pytest.raises(DataError, match=r"it has who, feature_0, .*, feature_18, \.\.\.\)\.") as caught:
        read(f"who,{many}\na{',0' * 2048}")
    assert len(caught.value.message) < 400
    with pytest.raises(DataError, match=r"row 2: 'xxx.* is not a class") as caught:
        read(f"image,target,mel,nv\na,{'x' * 5000},0,1")
    assert len(caught.value.message) < 200


def test_text_is_no_score_and_is_said_not_to_be_read():
    found = read_submission(table("image,target,mel,nv,note,SCC\na,nv,0,1,seen twice,0\nb,mel,1,0,,0"))
    assert found.classes == ("mel", "nv", "SCC")
    assert found.remarks == ("Not read, as no scores of a class: note.",)
    with pytest.raises(DataError, match="SCC is NA, not a number"):
        read("image,target,mel,nv,SCC\na,nv,0,1,NA")


@pytest.mark.parametrize("header", ["predicted,label", "pred,true", "y_pred,y", "prediction,class"])
def test_beside_answers_a_label_is_the_reference_standard(header):
    found = read_submission(table(f"image,{header}\na,nv,mel\nb,nv,nv"))
    assert found.table.frame["target"].tolist() == ["mel", "nv"]
    assert f"{header.partition(',')[2]} is taken for the reference standard." in found.remarks
    numbered = read_submission(table(f"image,{header}\na,1,0\nb,0,1"), Reading(("mel", "nv")))
    assert numbered.table.frame["target"].tolist() == ["mel", "nv"]


def test_where_the_truth_knows_no_image_both_spellings_are_named():
    reference = read_reference(table(METADATA, "t.csv"))
    with pytest.raises(DataError, match=r"No image of s\.csv is in t\.csv: there is no 1, but i1\."):
        refer(read_submission(table("image,mel,nv\n1,0,1\n2,0,1", "s.csv")), reference)


def test_frames_are_read_as_files_are():
    frame = pd.DataFrame({"image": [1, 2], "target": ["mel", "nv"], "mel": [0.9, 0.2], "nv": np.float32([0.1, 0.8])})
    found = read_submission(GivenTable(frame, "the data frame"))
    assert read_predictions(found.table, classes=found.classes)[0].image_ids.tolist() == ["1", "2"]
    assert found.table.frame.index.tolist() == [2, 3]
