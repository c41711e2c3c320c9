"""How far samples are from training images, and which classes they fall into."""

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig

from gan_cli.data.source import Data
from gan_cli.metrics.classifier import classify, histogram, total_variation, train_classifier
from gan_cli.metrics.neighbors import nearest, quantiles
from gan_cli.runs.load import load_trained
from gan_cli.training.device import pick_device

# Samples, and test images, whose distances to the training set are told.
COMPARED = 1000


def compare(
    cfg: DictConfig, source: Any, data: Data, generators: Mapping[str, DictConfig]
) -> dict[str, Any]:
    """Return how far samples are from training images, and which classes they fall into.

    Classes are told where all images have one.
    """
    device = pick_device(cfg.device)
    train, test = (source.to_model(part.x).to(device) for part in (data.train, data.test))
    drawn = {
        name: load_trained(asked).samples(cfg.n_samples, cfg.seed).to(device)
        for name, asked in generators.items()
    }
    compared = {"test images": test, **drawn}
    near = {name: quantiles(nearest(x[:COMPARED], train)[0]) for name, x in compared.items()}
    # TFD has unlabelled images, of class -1.
    known = [y for y in (data.train.y, data.test.y) if y is not None and y.min() >= 0]
    if len(known) < 2:
        return {"neighbors": near}
    classes = int(max(y.max() for y in known)) + 1
    labels = known[1].to(device)
    classifier = train_classifier(train, known[0].to(device), cfg.seed)
    truth = histogram(labels, classes)
    shares = {name: histogram(classify(classifier, x), classes) for name, x in drawn.items()}
    return {
        "neighbors": near,
        "classes": {
            "accuracy": (classify(classifier, test) == labels).float().mean().item(),
            "test images": truth,
            "samples": {
                name: {"shares": share, "total_variation": total_variation(share, truth)}
                for name, share in shares.items()
            },
        },
    }
