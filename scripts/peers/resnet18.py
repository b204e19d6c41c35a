"""Writes resnet18.pt, the TorchScript file that every server of the comparison serves. Random weights: speed is the same."""

import sys
from pathlib import Path

import torch
import torchvision

torch.manual_seed(7)
model = torchvision.models.resnet18(weights=None).eval()
traced = torch.jit.trace(model, torch.zeros(1, 3, 224, 224))
torch.jit.freeze(traced).save(str(Path(sys.argv[1]) / "resnet18.pt"))
