"""Models that cannot be trained as asked are refused before anything is."""

from __future__ import annotations

import pytest

from tests.conftest import TINY


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--models=vit_b_16", "--image-size=100"], ["--image-size is 100, and vit_b_16 needs a multiple of 16", "96"]),
        (["--models=densenet121", "--image-size=28"], ["densenet121 needs at least 29 pixels", "Use --image-size 29"]),
        (["--models=cnn+convnext_tiny", "--image-size=24"], ["cnn+convnext_tiny needs at least 32 pixels"]),
        (["--models=swin_t+vit_b_16", "--image-size=40"], ["swin_t+vit_b_16 needs a multiple of 16 pixels"]),
        (["--models=resnet50:head=foo"], ["resnet50:head is 'foo'", "linear, conv, mlp"]),
        (["--models=cnn+desnet121"], ["In the hybrid 'cnn+desnet121'", "Did you mean densenet121"]),
        (["--weights=imagenet"], ["there are no ImageNet weights of cnn", "use --weights none"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_they_are_refused_with_what_to_do(skineval_program, tmp_path, arguments, said):
    given = [*TINY, *arguments]  # the last of two options counts
    done = skineval_program("bench", *given, "--out=out")
    assert done.returncode == 2
    for text in said:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()
