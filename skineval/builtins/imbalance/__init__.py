"""The remedies for class imbalance that come with skineval, in the order of where they act."""

from __future__ import annotations

from dataclasses import replace

from skineval.builtins.imbalance.drawing import balanced_draws
from skineval.builtins.imbalance.logits import logit_adjustment
from skineval.builtins.imbalance.losses import (
    balanced_softmax,
    class_balanced_focal,
    class_weights,
    effective_number,
    focal,
    logit_adjusted,
    vector_scaling,
)
from skineval.builtins.imbalance.resampling import by_imblearn, with_smote
from skineval.catalog.parameters import Parameter
from skineval.catalog.strategy import ImbalanceStrategy

_POWER = Parameter(1.0, "0 is the natural distribution, 1 the balanced one.", minimum=0.0, maximum=1.0)
_BETA = Parameter(0.999, "0 weighs all classes alike, towards 1 by inverse frequency.", minimum=0.0, maximum=0.999999)
_GAMMA = Parameter(
    2.0, "0 is plain cross-entropy; the higher, the less what is easy counts.", minimum=0.0, maximum=10.0
)
_TAU = Parameter(1.0, "0 changes nothing, 1 takes all classes for equally frequent.", minimum=0.0, maximum=3.0)
_K = Parameter(5, "Neighbours to interpolate between.", minimum=1, maximum=100)
_M = Parameter(10, "Neighbours that say whether an image lies at a border.", minimum=1, maximum=100)
_SMOTED = {"k": _K}
_BORDERED = {"k": _K, "m": _M}

STRATEGIES = (
    ImbalanceStrategy("none", "Train on the classes as frequent as they are."),
    ImbalanceStrategy(
        "class-weights",
        "Weigh the loss by the inverse class frequency.",
        loss=class_weights,
        parameters={"power": _POWER},
        paper="King and Zeng 2001",
    ),
    ImbalanceStrategy(
        "effective-number",
        "Weigh the loss by the inverse effective number of images.",
        loss=effective_number,
        parameters={"beta": _BETA},
        paper="Cui et al. 2019",
    ),
    ImbalanceStrategy(
        "focal",
        "Weigh the loss of an image by how unsure the network is of it.",
        loss=focal,
        parameters={"gamma": _GAMMA},
        paper="Lin et al. 2017",
    ),
    ImbalanceStrategy(
        "cb-focal",
        "Weigh the loss as effective-number and focal do.",
        loss=class_balanced_focal,
        parameters={"beta": _BETA, "gamma": _GAMMA},
        paper="Cui et al. 2019",
    ),
    ImbalanceStrategy(
        "balanced-softmax",
        "Train the logits plus the logarithms of the class counts.",
        loss=balanced_softmax,
        paper="Ren et al. 2020",
    ),
    ImbalanceStrategy(
        "logit-adjusted-loss",
        "Train the logits plus tau times the logarithms of the class shares.",
        loss=logit_adjusted,
        parameters={"tau": _TAU},
        paper="Menon et al. 2021",
    ),
    ImbalanceStrategy(
        "vs",
        "Scale logits by class frequency, and shift them as logit-adjusted-loss does (vector scaling).",
        loss=vector_scaling,
        parameters={
            "gamma": Parameter(0.15, "Power of the class frequency; 0 scales nothing.", minimum=0.0, maximum=1.0),
            "tau": _TAU,
        },
        paper="Kini et al. 2021",
    ),
    ImbalanceStrategy(
        "oversample",
        "Draw train images so that all classes are equally frequent in every epoch.",
        draw_weights=balanced_draws,
        parameters={"power": _POWER},
    ),
    ImbalanceStrategy(
        "crt",
        "Refit the head with images that weigh as if all classes were equally frequent.",
        head_weights=balanced_draws,
        parameters={"power": _POWER},
        paper="Kang et al. 2020",
    ),
    ImbalanceStrategy(
        "smote",
        "Interpolate minority embeddings of the trained network and refit its head on them.",
        resample=by_imblearn("over_sampling.SMOTE", k="k_neighbors"),
        parameters=_SMOTED,
        paper="Chawla et al. 2002",
    ),
    ImbalanceStrategy(
        "borderline-smote",
        "Interpolate minority embeddings that most of their neighbours are no kin of, and refit the head.",
        resample=by_imblearn("over_sampling.BorderlineSMOTE", k="k_neighbors", m="m_neighbors"),
        parameters=_BORDERED,
        paper="Han et al. 2005",
    ),
    ImbalanceStrategy(
        "svm-smote",
        "Interpolate minority embeddings that are support vectors, and refit the head.",
        resample=by_imblearn("over_sampling.SVMSMOTE", k="k_neighbors", m="m_neighbors"),
        parameters=_BORDERED,
        paper="Nguyen et al. 2011",
    ),
    ImbalanceStrategy(
        "kmeans-smote",
        "Interpolate minority embeddings within clusters of them, and refit the head.",
        resample=by_imblearn("over_sampling.KMeansSMOTE", k="k_neighbors"),
        parameters={"k": replace(_K, default=2)},
        paper="Last et al. 2017",
    ),
    ImbalanceStrategy(
        "adasyn",
        "Interpolate the more minority embeddings, the more neighbours are no kin, and refit the head.",
        resample=by_imblearn("over_sampling.ADASYN", k="n_neighbors"),
        parameters=_SMOTED,
        paper="He et al. 2008",
    ),
    ImbalanceStrategy(
        "smote-enn",
        "SMOTE, then drop what not all of the nearest neighbours are kin of, and refit the head.",
        resample=with_smote("combine.SMOTEENN"),
        parameters=_SMOTED,
        paper="Batista et al. 2004",
    ),
    ImbalanceStrategy(
        "smote-tomek",
        "SMOTE, then drop pairs of two classes that are each other's nearest, and refit the head.",
        resample=with_smote("combine.SMOTETomek"),
        parameters=_SMOTED,
        paper="Batista et al. 2004",
    ),
    ImbalanceStrategy(
        "random-over",
        "Copy minority embeddings until all classes are equally frequent, and refit the head.",
        resample=by_imblearn("over_sampling.RandomOverSampler"),
    ),
    ImbalanceStrategy(
        "random-under",
        "Keep as many embeddings of each class as the smallest has, and refit the head.",
        resample=by_imblearn("under_sampling.RandomUnderSampler"),
    ),
    ImbalanceStrategy(
        "near-miss",
        "Keep as many embeddings of each class as the smallest has, those near it, and refit the head.",
        resample=by_imblearn("under_sampling.NearMiss", seeded=False, version="version", k="n_neighbors"),
        parameters={
            "version": Parameter(1, "Near to its nearest (1) or its farthest (2).", choices=(1, 2)),
            "k": Parameter(3, "Images of the smallest class to be near to.", minimum=1, maximum=100),
        },
        paper="Mani and Zhang 2003",
    ),
    ImbalanceStrategy(
        "logit-adjustment",
        "Subtract tau times the logarithms of the class shares from the logits of the trained network.",
        adjust=logit_adjustment,
        parameters={"tau": replace(_TAU, tried=tuple(place / 4 for place in range(9)))},
        paper="Menon et al. 2021",
    ),
)
