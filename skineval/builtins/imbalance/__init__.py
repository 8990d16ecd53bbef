"""The remedies for class imbalance that come with skineval, in the order of where they act."""

from __future__ import annotations

from dataclasses import replace

from skineval.builtins.imbalance.batches import cmo, minority_augment, minority_partners, remix
from skineval.builtins.imbalance.drawing import (
    balanced_draws,
    length_of_undersampled,
    progressive_draws,
    square_root_draws,
    undersampled,
)
from skineval.builtins.imbalance.heads import nearest_means, rescaled, tau_normalised
from skineval.builtins.imbalance.logits import logit_adjustment
from skineval.builtins.imbalance.losses import (
    LDAM_SCALE,
    balanced_softmax,
    class_balanced_focal,
    class_weights,
    deferred,
    effective_number,
    focal,
    label_aware_smoothing,
    ldam,
    logit_adjusted,
    ratio_of_class_weights,
    ratio_of_deferred,
    ratio_of_effective_numbers,
    vector_scaling,
)
from skineval.builtins.imbalance.resampling import by_imblearn, neighbours_there, support_vectors, with_smote
from skineval.catalog.parameters import Parameter
from skineval.catalog.strategy import ImbalanceStrategy

_POWER = Parameter(1.0, "0 is the natural distribution, 1 the balanced one.", minimum=0.0, maximum=1.0)
_BETA = Parameter(0.999, "0 weighs all classes alike, towards 1 by inverse frequency.", minimum=0.0, maximum=0.999999)
_GAMMA = Parameter(
    2.0, "0 is plain cross-entropy; the higher, the less what is easy counts.", minimum=0.0, maximum=10.0
)
_TAU = Parameter(1.0, "0 changes nothing, 1 takes all classes for equally frequent.", minimum=0.0, maximum=3.0)
_TAUS = tuple(place / 4 for place in range(9))
_AFTER = Parameter(
    0.8, "Share of the epochs after which classes weigh by their rarity; 1 is never.", minimum=0.0, maximum=1.0
)
_RARITY = replace(_BETA, default=0.9999)
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
        tells=ratio_of_class_weights,
        parameters={"power": _POWER},
        paper="King and Zeng 2001",
        balances=True,
        balances_unless={"power": 0.0},
    ),
    ImbalanceStrategy(
        "effective-number",
        "Weigh the loss by the inverse effective number of images.",
        loss=effective_number,
        tells=ratio_of_effective_numbers,
        parameters={"beta": _BETA},
        paper="Cui et al. 2019",
        balances=True,
        balances_unless={"beta": 0.0},
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
        tells=ratio_of_effective_numbers,
        parameters={"beta": _BETA, "gamma": _GAMMA},
        paper="Cui et al. 2019",
        balances=True,
        balances_unless={"beta": 0.0},
    ),
    ImbalanceStrategy(
        "balanced-softmax",
        "Train the logits plus the logarithms of the class counts.",
        loss=balanced_softmax,
        paper="Ren et al. 2020",
        balances=True,
    ),
    ImbalanceStrategy(
        "logit-adjusted-loss",
        "Train the logits plus tau times the logarithms of the class shares; tau 1 is balanced-softmax.",
        loss=logit_adjusted,
        parameters={"tau": _TAU},
        paper="Menon et al. 2021",
        balances=True,
        balances_unless={"tau": 0.0},
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
        balances=True,
        balances_unless={"tau": 0.0},
    ),
    ImbalanceStrategy(
        "label-aware-smoothing",
        "Smooth labels, the more the more frequent their class.",
        loss=label_aware_smoothing,
        parameters={
            "head": Parameter(0.4, "Share of the largest class's labels that others get.", minimum=0.0, maximum=0.9),
            "tail": Parameter(0.1, "The same for the smallest class.", minimum=0.0, maximum=0.9),
        },
        paper="Zhong et al. 2021",
    ),
    ImbalanceStrategy(
        "drw",
        "Weigh the loss by rarity in the last epochs only (deferred re-weighting).",
        loss=deferred,
        tells=ratio_of_deferred,
        parameters={"after": _AFTER, "beta": _RARITY},
        paper="Cao et al. 2019",
        per_epoch=True,
        balances=True,
        balances_unless={"after": 1.0},
    ),
    ImbalanceStrategy(
        "ldam",
        "Train cosines with a margin that is the larger, the rarer the class; after=0.8 is LDAM-DRW.",
        loss=ldam,
        parameters={
            "margin": Parameter(0.5, "That of the rarest class, as a cosine.", minimum=0.0, maximum=1.0),
            "after": replace(_AFTER, default=1.0),
            "beta": _RARITY,
        },
        paper="Cao et al. 2019",
        per_epoch=True,
        cosine_scale=LDAM_SCALE,
        balances=True,
        balances_unless={"after": 1.0},
    ),
    ImbalanceStrategy(
        "oversample",
        "Draw train images so that all classes are equally frequent in every epoch.",
        draw_weights=balanced_draws,
        parameters={"power": _POWER},
        balances=True,
        balances_unless={"power": 0.0},
    ),
    ImbalanceStrategy(
        "undersample",
        "Draw as many train images of each class as the smallest has, others in every epoch.",
        draw=undersampled,
        tells=length_of_undersampled,
        balances=True,
    ),
    ImbalanceStrategy(
        "square-root",
        "Draw train images so that classes are as frequent as the square roots of their counts.",
        draw_weights=square_root_draws,
        paper="Mahajan et al. 2018",
        balances=True,
    ),
    ImbalanceStrategy(
        "progressive",
        "Draw train images nearly as frequent as they are at first, and all classes alike in the last epoch.",
        draw_weights=progressive_draws,
        paper="Kang et al. 2020",
        per_epoch=True,
        balances=True,
    ),
    ImbalanceStrategy(
        "minority-augment",
        "Turn, mirror, zoom and shift images of rare classes once more, and further.",
        augment=minority_augment,
        parameters={
            "below": Parameter(
                0.1, "Rare are classes with less than this share of the largest.", minimum=0.0, maximum=1.0
            ),
            "strength": Parameter(1.0, "1 zooms by up to 50 % and shifts by a quarter.", minimum=0.0, maximum=2.0),
        },
    ),
    ImbalanceStrategy(
        "cmo",
        "Paste rectangles of images of rare classes into others.",
        mix=cmo,
        partner_weights=minority_partners,
        parameters={
            "power": _POWER,
            "off": Parameter(
                0.1, "Share of the epochs without it, at the beginning and at the end.", minimum=0.0, maximum=0.5
            ),
        },
        paper="Park et al. 2022",
        per_epoch=True,
    ),
    ImbalanceStrategy(
        "remix",
        "Blend images, and give the label to the rarer class where it shows enough.",
        mix=remix,
        parameters={
            "kappa": Parameter(3.0, "How many times as frequent the other class is.", minimum=1.0, maximum=100.0),
            "tau": Parameter(0.5, "Share of an image below which its label does not count.", minimum=0.0, maximum=1.0),
        },
        paper="Chou et al. 2020",
    ),
    ImbalanceStrategy(
        "crt",
        "Refit the head with images that weigh as if all classes were equally frequent.",
        head_weights=balanced_draws,
        parameters={"power": _POWER},
        paper="Kang et al. 2020",
        balances=True,
        balances_unless={"power": 0.0},
    ),
    ImbalanceStrategy(
        "smote",
        "Interpolate minority embeddings of the trained network and refit its head on them.",
        resample=by_imblearn("over_sampling.SMOTE", k="k_neighbors"),
        parameters=_SMOTED,
        paper="Chawla et al. 2002",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "borderline-smote",
        "Interpolate minority embeddings that most of their neighbours are no kin of, and refit the head.",
        resample=by_imblearn("over_sampling.BorderlineSMOTE", k="k_neighbors", m="m_neighbors"),
        parameters=_BORDERED,
        paper="Han et al. 2005",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "svm-smote",
        "Interpolate minority embeddings that are support vectors, and refit the head.",
        resample=by_imblearn("over_sampling.SVMSMOTE", more=support_vectors, k="k_neighbors", m="m_neighbors"),
        parameters=_BORDERED,
        paper="Nguyen et al. 2011",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "kmeans-smote",
        "Interpolate minority embeddings within clusters of them, and refit the head.",
        resample=by_imblearn(
            "over_sampling.KMeansSMOTE",
            k="k_neighbors",
            clusters="kmeans_estimator",
            share="cluster_balance_threshold",
        ),
        # By default imbalanced-learn makes 8, each to hold 8 % of a class of seven: of HAM10000's rarest none does.
        parameters={
            "k": replace(_K, default=2),
            "clusters": Parameter(50, "Clusters of all train embeddings.", minimum=1, maximum=1000),
            "share": Parameter(
                0.02, "Of a class in a cluster, from which on it is interpolated there.", minimum=0.0, maximum=1.0
            ),
        },
        paper="Last et al. 2017",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "adasyn",
        "Interpolate the more minority embeddings, the more neighbours are no kin, and refit the head.",
        resample=by_imblearn("over_sampling.ADASYN", k="n_neighbors"),
        parameters=_SMOTED,
        paper="He et al. 2008",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "smote-enn",
        "SMOTE, then drop what not all of the nearest neighbours are kin of, and refit the head.",
        resample=with_smote("combine.SMOTEENN"),
        parameters=_SMOTED,
        paper="Batista et al. 2004",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "smote-tomek",
        "SMOTE, then drop pairs of two classes that are each other's nearest, and refit the head.",
        resample=with_smote("combine.SMOTETomek"),
        parameters=_SMOTED,
        paper="Batista et al. 2004",
        tells=neighbours_there,
        balances=True,
    ),
    ImbalanceStrategy(
        "random-over",
        "Copy minority embeddings until all classes are equally frequent, and refit the head.",
        resample=by_imblearn("over_sampling.RandomOverSampler"),
        balances=True,
    ),
    ImbalanceStrategy(
        "random-under",
        "Keep as many embeddings of each class as the smallest has, and refit the head.",
        resample=by_imblearn("under_sampling.RandomUnderSampler"),
        balances=True,
    ),
    ImbalanceStrategy(
        "near-miss",
        "Keep as many embeddings of each class as the smallest has, those near it, and refit the head.",
        resample=by_imblearn(
            "under_sampling.NearMiss", seeded=False, of_others=True, version="version", k="n_neighbors"
        ),
        parameters={
            "version": Parameter(1, "Near to its nearest (1) or its farthest (2).", choices=(1, 2)),
            "k": Parameter(3, "Images of the smallest class to be near to.", minimum=1, maximum=100),
        },
        paper="Mani and Zhang 2003",
        balances=True,
    ),
    ImbalanceStrategy(
        "lws",
        "Multiply the logit of each class by a factor that is learnt with all classes alike.",
        refit=rescaled,
        paper="Kang et al. 2020",
        balances=True,
        heeds=True,
    ),
    ImbalanceStrategy(
        "tau-norm",
        "Divide the logit of each class by the length of its weights to the power tau.",
        refit=tau_normalised,
        parameters={"tau": replace(_TAU, summary="0 changes nothing, 1 makes all lengths 1.", tried=_TAUS)},
        paper="Kang et al. 2020",
        balances=True,
        balances_unless={"tau": 0.0},
    ),
    ImbalanceStrategy(
        "nearest-mean",
        "Call an image by the class whose mean embedding is nearest.",
        refit=nearest_means,
        paper="Kang et al. 2020",
        chooses_temperature=True,
        balances=True,
        heeds=True,
    ),
    ImbalanceStrategy(
        "logit-adjustment",
        "Subtract tau times the logarithms of the class shares from the logits of the trained network.",
        adjust=logit_adjustment,
        parameters={"tau": replace(_TAU, tried=_TAUS)},
        paper="Menon et al. 2021",
        balances=True,
        balances_unless={"tau": 0.0},
    ),
    ImbalanceStrategy(
        "thresholds",
        "Add to the logits of each class what is best for the balanced accuracy of the validation part.",
        paper="Lachiche and Flach 2003",
        chooses_offsets=True,
        balances=True,
    ),
    ImbalanceStrategy(
        "prior-em",
        "Estimate the shares of the classes in each set that is predicted, without its labels, and adjust to them.",
        paper="Saerens et al. 2002",
        estimates_prior=True,
    ),
    ImbalanceStrategy(
        "temperature",
        "Divide all logits by what is best for the likelihood of the validation part.",
        paper="Guo et al. 2017",
        chooses_temperature=True,
    ),
)
