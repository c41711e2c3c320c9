"""The feature space of published FIDs: that of Inception-v3 (Heusel et al., 2017)."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from gan_cli.errors import UserError
from gan_cli.metrics.views import View

# The weights that published numbers are by, and the first digits of their SHA-256.
FILE = "weights-inception-2015-12-05-6726825d.pth"
DIGEST = "6726825d"
# Images at a time, always as many: the bits of a float32 product may depend on it.
CHUNK = 50


class InceptionSpace:
    """The space of the 2048 pooled features of Inception-v3, of the weights in a file at `path`.

    torch-fidelity has the network, and scales images to 299 x 299 pixels as the published numbers
    have it; grey images are taken as colours. Raises UserError where it is not installed, or the
    file is another one.
    """

    key, accuracy = DIGEST, None

    def __init__(self, path: Path, device: torch.device) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
        except ImportError as error:
            raise UserError(
                "features=inception needs torch-fidelity, which is not installed; "
                "`pip install -e '.[inception]'` brings it."
            ) from error
        if not path.is_file():
            raise UserError(f"path is {path}, which is no file; it must be that of {FILE}.")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if not digest.startswith(DIGEST):
            raise UserError(
                f"path is {path}, which is not {FILE}: its SHA-256 begins with {digest[:8]}, and "
                f"should begin with {DIGEST}."
            )
        try:
            # torch-fidelity unpickles the file whole, and a few digits of a digest can be forged.
            torch.load(path, weights_only=True)
        except Exception as error:  # whatever a file made to deceive does to the parsers
            raise UserError(f"path is {path}, which is not {FILE}: it holds no weights.") from error
        self.name = f"features of Inception-v3 ({DIGEST})"
        self.network = FeatureExtractorInceptionV3("inception", ["2048"], str(path)).to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> View:
        """Return the view of uint8 images (n, C, H, W), C being 1 or 3."""
        parts = pixels.expand(-1, 3, -1, -1).split(CHUNK)
        features = [self.network(part.to(self.device))[0].cpu() for part in parts]
        return View(torch.cat(features), None)
