"""A task of one's own, changed between two runs of a bench."""

from __future__ import annotations

import pandas as pd

OWN = """
[classes]
good = ["nv", "bkl", "df", "vasc", "akiec"]
bad = ["mel", "bcc"]
"""


def test_a_task_that_changes_is_measured_anew_and_trained_anew_only_where_labels_change(skineval_program, tmp_path):
    task = tmp_path / "own.toml"
    tiny = ("--data=synthetic:images=100", "--models=cnn:width=4", "--imbalance=none", "--image-size=16", "--epochs=1")
    command = ("bench", *tiny, "--explainers=", "--replicates=1000", f"--task={task}", "--out=out", "--format=csv")

    def run(text: str) -> tuple[pd.DataFrame, set[str]]:
        task.write_text(text, encoding="utf-8")
        done = skineval_program(*command)
        assert done.returncode == 0, done.stderr
        return pd.read_csv(tmp_path / "out/results.csv"), set(pd.read_csv(tmp_path / "out/cells.csv")["run_id"])

    results, cells = run(OWN)
    assert "malignancy_auc" not in set(results["metric"])
    results, same = run(f'malignant = ["bad"]\nsought = "bad"\n{OWN}')
    assert same == cells
    assert "malignancy_auc" in set(results["metric"])
    _, others = run(OWN.replace(', "bcc"', "").replace('"nv",', '"nv", "bcc",'))
    assert not others & cells
