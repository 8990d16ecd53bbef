"""The tutorial plugin, installed, does what its README says."""

import subprocess
import sys

import numpy as np
import pandas as pd
import torch
from skineval_tutorial import build, plain_gradient, square_root_draws


def skineval(*arguments, cwd):
    return subprocess.run([sys.executable, "-m", "skineval", *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_network_maps_images_to_logits():
    assert build(7, weights=None, width=4)(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_rare_classes_are_drawn_more_often_than_they_occur_but_less_than_the_frequent_ones():
    labels = np.repeat([0, 1], [100, 4])
    weights = square_root_draws(labels)
    share = weights[labels == 1].sum() / weights.sum()
    assert 4 / 104 < share < 1 / 2


def test_a_gradient_is_zero_where_the_network_does_not_look():
    class Corner(torch.nn.Module):
        def forward(self, images):
            corner = images[:, :, :2, :2].mean(dim=(1, 2, 3))
            return torch.stack([corner, -corner], dim=1)

    maps = plain_gradient(Corner(), torch.rand(3, 3, 8, 8), torch.zeros(3, dtype=torch.long), architecture=None)
    assert maps.shape == (3, 8, 8)
    assert (maps[:, :2, :2] > 0).all()
    assert maps.sum() == maps[:, :2, :2].sum()


def test_it_is_listed_with_its_package(tmp_path):
    listed = skineval("plugins", "list", "--format", "csv", cwd=tmp_path)
    assert listed.returncode == 0
    assert any("tutorial" in line and "skineval-tutorial 0.1.0" in line for line in listed.stdout.splitlines())
    assert "set aside" not in listed.stdout + listed.stderr


def test_it_is_benched_and_appears_in_the_report(tmp_path):
    done = skineval(
        "bench",
        "--models=tutorial-cnn:width=4",
        "--imbalance=none,brier,sqrt-oversample,halve,rare-first,rare-first:bonus=validation",
        "--explainers=plain-gradient",
        "--data=synthetic:images=150",
        "--image-size=32",
        "--epochs=1",
        "--jobs=2",
        "--out=runs/tutorial",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    cells = pd.read_csv(tmp_path / "runs/tutorial/cells.csv")
    assert list(cells["status"]) == ["done"] * 6, cells["reason"].tolist()
    assert len(list((tmp_path / "runs/tutorial/networks").iterdir())) == 3  # none, halve and rare-first share theirs
    report = (tmp_path / "runs/tutorial/report.md").read_text()
    assert "tutorial-cnn:width=4" in report
    for strategy in cells["imbalance"]:
        assert strategy in report
    panels = list((tmp_path / "runs/tutorial/cells").glob("*/explanations/plain-gradient/*.svg"))
    assert panels
