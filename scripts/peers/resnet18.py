"""Writes resnet18.pt, the frozen TorchScript file that every server of the comparison serves, and resnet18-auto.pt, the same
before freezing, whose weights can still be converted. Random weights: speed is the same."""

import sys
from pathlib import Path

import torch
import torchvision

torch.manual_seed(7)
model = torchvision.models.resnet18(weights=None).eval()
traced = torch.jit.trace(model, torch.zeros(1, 3, 224, 224))
traced.save(str(Path(sys.argv[1]) / "resnet18-auto.pt"))
torch.jit.freeze(traced).save(str(Path(sys.argv[1]) / "resnet18.pt"))
