"""Figures that go beyond those of scikit-learn's `classification_report`, each by its definition, image by image.

They take targets (n,), probabilities (n, C) and the columns of malignant classes; an image counts once.
"""

from __future__ import annotations

import numpy as np
import sklearn.metrics as sk
from imblearn.metrics import geometric_mean_score


def decided(p):
    """The predicted class, C where the largest probability is tied."""
    return np.array([row.argmax() if sum(row == row.max()) == 1 else len(row) for row in p])


def npv(t, p, malignant):
    said = decided(p)
    return [sk.precision_score(t != c, said != c, zero_division=np.nan) for c in range(p.shape[1])]


def ap(t, p, malignant):
    found = [(t == c, p[:, c]) for c in range(p.shape[1])]
    return [sk.average_precision_score(*one) if 0 < sum(one[0]) < len(t) else np.nan for one in found]


def macro_ap(t, p, malignant):
    return np.nanmean(ap(t, p, malignant))


def worst_recall(t, p, malignant):
    said = decided(p)
    return min(np.mean(said[t == c] == c) for c in set(t))


def gmean(t, p, malignant):
    return geometric_mean_score(t, decided(p), labels=np.unique(t), average="multiclass", correction=0)


def top2_accuracy(t, p, malignant):
    return np.mean([sum(q >= row[c] for k, q in enumerate(row) if k != c) < 2 for c, row in zip(t, p, strict=True)])


def of_malignancy(figure):
    """A figure of which images are malignant and how they score, which is undefined where all are alike."""

    def found(t, p, malignant):
        is_so, score = np.isin(t, malignant), p[:, malignant].sum(axis=1)
        return figure(is_so, score) if 0 < sum(is_so) < len(t) else np.nan

    return found


@of_malignancy
def malignancy_pauc(is_so, score):
    """As the challenge has it (kaggle.com/code/metric/isic-pauc-abovetpr), with -score in place of 1 - score."""
    most = abs(1 - 0.8)
    scaled = sk.roc_auc_score(~is_so, -score, max_fpr=most)
    return 0.5 * most**2 + (most - 0.5 * most**2) / (1 - 0.5) * (scaled - 0.5)


def sensitivity_at(least):
    @of_malignancy
    def found(is_so, score):
        false_positive, true_positive, _ = sk.roc_curve(is_so, score, drop_intermediate=False)
        return true_positive[1 - false_positive >= least - 1e-12].max()

    return found


def specificity_at(least):
    @of_malignancy
    def found(is_so, score):
        false_positive, true_positive, _ = sk.roc_curve(is_so, score, drop_intermediate=False)
        return 1 - false_positive[true_positive >= least - 1e-12].min()

    return found


def net_benefit(t, p, malignant):
    is_so, suspicious = np.isin(t, malignant), p[:, malignant].sum(axis=1) >= 0.1 - 1e-12
    return np.mean(is_so & suspicious) - np.mean(~is_so & suspicious) * 0.1 / 0.9


def number_needed_to_biopsy(t, p, malignant):
    is_so, score = np.isin(t, malignant), p[:, malignant].sum(axis=1)
    share = sk.precision_score(is_so, score > 0.5, zero_division=np.nan)
    return 1 / share if share > 0 else np.nan


def binned(t, p):
    """The outcomes and the probabilities of the images of each class and bin, with their class."""
    for c in range(p.shape[1]):
        place = np.maximum(np.ceil(p[:, c] * 15 - 1e-12), 1)
        for k in set(place):
            yield c, (t == c)[place == k].astype(float), p[place == k, c]


def brier_reliability(t, p, malignant):
    return sum(len(o) * (o.mean() - f.mean()) ** 2 for _, o, f in binned(t, p)) / len(t)


def brier_resolution(t, p, malignant):
    """Equation 5 of Stephenson et al. 2008, with the components within bins as they stand there."""
    resolution = sum(len(o) * (o.mean() - np.mean(t == c)) ** 2 for c, o, _ in binned(t, p)) / len(t)
    variance = sum(((f - f.mean()) ** 2).sum() for _, _, f in binned(t, p)) / len(t)
    covariance = sum(2 * ((o - o.mean()) * (f - f.mean())).sum() for _, o, f in binned(t, p)) / len(t)
    return resolution - variance + covariance


def brier_uncertainty(t, p, malignant):
    return 1 - sum(np.mean(t == c) ** 2 for c in range(p.shape[1]))


def classwise_ece(t, p, malignant):
    return sum(abs((o - f).sum()) for _, o, f in binned(t, p)) / len(t) / p.shape[1]


def adaptive_ece(t, p, malignant):
    confidence, gaps = p.max(axis=1), {}
    for said, target, sure in zip(decided(p), t, confidence, strict=True):
        place = 15 * sum(confidence < sure) // len(t)
        gaps[place] = gaps.get(place, 0) + (said == target) - sure
    return sum(map(abs, gaps.values())) / len(t)


def aurc(t, p, malignant):
    confidence, wrong = p.max(axis=1), decided(p) != t
    return np.mean([wrong[confidence >= one].mean() for one in confidence])


FURTHER = {
    "macro_ap": macro_ap,
    "malignancy_pauc": malignancy_pauc,
    "worst_recall": worst_recall,
    "gmean": gmean,
    "top2_accuracy": top2_accuracy,
    "sensitivity_at_90_specificity": sensitivity_at(0.90),
    "sensitivity_at_95_specificity": sensitivity_at(0.95),
    "specificity_at_90_sensitivity": specificity_at(0.90),
    "specificity_at_95_sensitivity": specificity_at(0.95),
    "net_benefit": net_benefit,
    "number_needed_to_biopsy": number_needed_to_biopsy,
    "brier_reliability": brier_reliability,
    "brier_resolution": brier_resolution,
    "brier_uncertainty": brier_uncertainty,
    "classwise_ece": classwise_ece,
    "adaptive_ece": adaptive_ece,
    "aurc": aurc,
    "npv": npv,
    "ap": ap,
}


def weighted(figure, malignant):
    """The same of images that count as often as whole weights say."""

    def found(t, p, w):
        rows = np.repeat(np.arange(len(t)), w.astype(int))
        return figure(t[rows], p[rows], malignant)

    return found
