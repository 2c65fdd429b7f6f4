"""From scored videos to figures: every one with its 95 % interval by group, null where it can't be computed. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from unmask.evaluate.videos import Video
from worker.training import metrics
from worker.training.metrics import Array, Labels

Found = dict[str, float] | None
DIGITS = 6
RANKING = ("auc", "ap", "eer", "tpr_at_1fpr", "tpr_at_5fpr")
PROBE_LEAST = 5  # videos of each class, below which a fit is the accident of its folds
SUSPICIOUS = ("suspect", "fake")


def evaluate(videos: Sequence[Video]) -> dict[str, Any]:
    """All figures of a set of videos, then those of each source and of each kind of manipulation in it."""
    reals = [video for video in videos if not video.item.label]
    sources = sorted({video.item.source for video in videos})
    by_source = {name: _source([v for v in videos if v.item.source == name], reals) for name in sources}
    by_kind = {
        kind: {"against": "all reals", **figures(fakes, reals)}
        for kind in sorted({video.item.kind for video in videos if video.item.label})
        if (fakes := [video for video in videos if video.item.kind == kind])
    }
    return {**figures(videos), "unsure": unsure(videos), "by_source": by_source, "by_kind": by_kind}


def _source(own: Sequence[Video], reals: Sequence[Video]) -> dict[str, Any]:
    """A source's figures; one that has only fakes is told apart from the real videos of all sources."""
    alone = not any(not video.item.label for video in own)
    return {"against": "all reals" if alone else "own", **figures(own, reals if alone else ())}


def figures(own: Sequence[Video], against: Sequence[Video] = ()) -> dict[str, Any]:
    """`own` and `against` told apart; coverage, verdicts and counts are those of `own` alone."""
    faces = [video for video in (*own, *against) if video.score is not None]
    return {
        "video": _ranking(faces),
        "frame": {"auc": _frame_auc(faces)},
        "ece": _ece(faces),
        "shortcut_probe": {"auc": _probe(faces)},
        "coverage": _share([video.covered for video in own], [video.item.group for video in own]),
        **_verdicts(own),
        "counts": counts(own),
    }


def counts(videos: Sequence[Video]) -> dict[str, int]:
    """How much the figures rest on; frames are those of the main faces."""
    return {
        "videos": len(videos),
        "real": sum(not video.item.label for video in videos),
        "fake": sum(video.item.label for video in videos),
        "groups": len({video.item.group for video in videos}),
        "windows": sum(len(video.scores) for video in videos),
        "frames": sum(len(video.frames) for video in videos),
        "no_face": sum(video.score is None for video in videos),
    }


def listed(video: Video) -> dict[str, Any]:
    """One video's line in the output."""
    item = video.item
    return {
        "file": item.file,
        **({"part": item.part} if item.part else {}),
        "label": "fake" if item.label else "real",
        "source": item.source,
        "kind": item.kind or None,
        "score": _rounded(video.score),
        "p_fake": _rounded(video.p_fake),
        "verdict": video.verdict,
        "windows": len(video.scores),
        "sure_windows": sum(score.verdict != "unsure" for score in video.scores),
    }


def unsure(videos: Sequence[Video]) -> dict[str, Any]:
    """Whether `unsure` is said of the right windows: their error beside that of the others, p_fake cut at 0.5."""
    rows = [(score, video) for video in videos for score in video.scores]
    doubted = [score.verdict == "unsure" for score, _ in rows]

    def part(wanted: bool) -> dict[str, Any]:
        some = [row for row, doubt in zip(rows, doubted, strict=True) if doubt == wanted]
        wrong = [(score.p_fake >= 0.5) != bool(video.item.label) for score, video in some]
        groups = [video.item.group for _, video in some]
        logits = np.array([score.logit for score, _ in some])
        return {
            "windows": len(some),
            "error": _share(wrong, groups),
            "auc": _auc(logits, np.array([video.item.label for _, video in some], np.int64), groups),
        }

    reasons = Counter(score.reason.split(" (")[0] for score, _ in rows if score.reason)
    short = sum(count for reason, count in reasons.items() if reason.startswith("only "))
    kept = {reason: count for reason, count in reasons.most_common() if not reason.startswith("only ")}
    return {
        "share": _share(doubted, [video.item.group for _, video in rows]),
        "sure": part(False),
        "unsure": part(True),
        "reasons": {**kept, **({"too few frames": short} if short else {})},
    }


def arrays(videos: Sequence[Video]) -> tuple[Array, Array, Labels, list[str]]:
    """Scores, p_fake, labels and groups of the videos that have a score."""
    faces = [video for video in videos if video.score is not None]
    scores, p = np.array([video.score for video in faces], float), np.array([video.p_fake for video in faces], float)
    return scores, p, np.array([v.item.label for v in faces], np.int64), [video.item.group for video in faces]


def _ranking(faces: Sequence[Video]) -> dict[str, Found]:
    scores, _, labels, groups = arrays(faces)
    if len(set(labels)) < 2:
        return dict.fromkeys(RANKING)
    return {name: plain(figure) for name, figure in metrics.ranking(scores, labels, groups).items()}


def _auc(scores: Array, labels: Labels, groups: Sequence[str]) -> Found:
    return plain(metrics.auc_figure(scores, labels, groups, metrics.DRAWS)) if len(set(labels)) == 2 else None


def _frame_auc(faces: Sequence[Video]) -> Found:
    owners = [video for video in faces for _ in video.frames]
    logits = np.array([logit for video in faces for logit in video.frames])
    return _auc(logits, np.array([v.item.label for v in owners], np.int64), [v.item.group for v in owners])


def _ece(faces: Sequence[Video]) -> Found:
    _, p, labels, groups = arrays(faces)
    return plain(metrics.ece_figure(p, labels, groups)) if len(p) else None


def _probe(faces: Sequence[Video]) -> Found:
    """AUC of the shortcut probe, each video scored by a fit that saw none of its group."""
    _, _, labels, groups = arrays(faces)
    features = np.array([video.shortcuts for video in faces], float)
    if min(np.bincount(labels, minlength=2)) < PROBE_LEAST or len(set(groups)) < PROBE_LEAST:
        return None
    return _auc(metrics.probe_scores(features, labels, groups), labels, groups)


def _verdicts(own: Sequence[Video]) -> dict[str, dict[str, Found]]:
    """Shares of videos with a face, and of windows, that got a verdict: false_ of real ones, true_ of fakes."""
    found = {}
    for label, word in ((0, "false"), (1, "true")):
        videos = [video for video in own if video.item.label == label and video.score is not None]
        groups = [video.item.group for video in videos]
        windows = [(score.verdict, video.item.group) for video in videos for score in video.scores]
        for least, verdicts in (("fake", SUSPICIOUS[1:]), ("suspect", SUSPICIOUS)):
            found[f"{word}_{least}"] = {
                "videos": _share([video.verdict in verdicts for video in videos], groups),
                "windows": _share([verdict in verdicts for verdict, _ in windows], [group for _, group in windows]),
            }
    return found


def _share(hits: Sequence[bool], groups: Sequence[str]) -> Found:
    return plain(metrics.share_figure(np.array(hits, np.bool_), groups, metrics.DRAWS)) if hits else None


def plain(figure: metrics.Figure) -> Found:
    """As JSON has it; None where it is not finite."""
    if not all(map(math.isfinite, (figure.value, figure.lo, figure.hi))):
        return None
    return {"value": round(figure.value, DIGITS), "lo": round(figure.lo, DIGITS), "hi": round(figure.hi, DIGITS)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
