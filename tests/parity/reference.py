"""What torchvision (and timm) compute, for tests/it/vision/parity.rs.

Reads one line after the other on standard input, `<kind> <name> <folder>`, writes a model folder with random weights and
random statistics, the picture and the expected numbers into <folder>, and answers with one line: `ok` or `no <reason>`.
Needs torch and torchvision; timm only for the kind that is named so.
"""

import json
import pathlib
import struct
import sys

import numpy
import torch
import torchvision

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
SIDES = {"inception_v3": 299, "alexnet": 224, "densenet121": 200, "resnet18": 192}
CLASSES = 100


def randomise(model):
    """Weights that keep the numbers of a deep network in range, and statistics that a normalisation must really use."""
    generator = torch.Generator().manual_seed(7)
    # How large the numbers are depends on the layers before: a pass over noise in training mode measures them.
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
        elif isinstance(module, torch.nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.3, 0.3, generator=generator)
        elif isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (1.5 / fan) ** 0.5, generator=generator)
            if module.bias is not None:
                module.bias.data.uniform_(-0.2, 0.2, generator=generator)
    for module in model.modules():
        # What a residual block adds is small in trained networks. At full gain each block amplifies the rounding of those
        # before it: torchvision's ResNet-101 is then 4e-5 off its own float64, which says nothing about who computes it.
        last = getattr(module, "bn3", getattr(module, "bn2", None)) if hasattr(module, "downsample") else None
        if last is not None:
            last.weight.data *= 0.3
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            parameter.data.uniform_(0.1, 0.5, generator=generator)
        elif name.endswith(("class_token", "pos_embedding", "in_proj_bias")):
            parameter.data.normal_(0, 0.3, generator=generator)
    return model


def settle(model, pictures):
    """Running statistics of a pass over pictures, so that no layer's numbers explode or vanish; then a little off them."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    if norms:
        model.train()
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
        with torch.no_grad():
            model(pictures)
        generator = torch.Generator().manual_seed(11)
        for norm in norms:
            norm.running_mean += norm.running_var.sqrt() * torch.empty_like(norm.running_mean).uniform_(-0.2, 0.2, generator=generator)
            norm.running_var *= torch.empty_like(norm.running_var).uniform_(0.7, 1.4, generator=generator)
    return model.eval()


def save(tensors, path):
    """A safetensors file: the length of a JSON header, the header, the numbers."""
    header, offset, parts = {}, 0, []
    for name, tensor in tensors.items():
        data = tensor.detach().contiguous().numpy()
        raw = data.tobytes()
        kind = {"float32": "F32", "int64": "I64", "uint8": "U8"}[str(data.dtype)]
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [offset, offset + len(raw)]}
        offset += len(raw)
        parts.append(raw)
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)))
        file.write(text)
        for raw in parts:
            file.write(raw)


def manifest(folder, task, architecture, weights, side, more=""):
    classes = "" if task == "embed" else "classes = [" + ", ".join(f'"c{i}"' for i in range(CLASSES)) + "]\n"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(
        f'task = "{task}"\narchitecture = "{architecture}"\nweights = "{weights}"\ndescription = "Random weights."\n'
        f'{classes}[input]\nresize = "crop"\nshorter = {side}\nside = {side}\nmean = {MEAN}\nstd = {STD}\n{more}'
    )


def picture(side, count=2):
    """Smooth noise as bytes, `[count, side, side, 3]`, and as the network sees it, channels-last like ours."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, side // 8, side // 8, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(side, side), mode="bilinear")
    rgb = (smooth * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    seen = rgb.permute(0, 3, 1, 2).float() / 255
    seen = (seen - torch.tensor(MEAN).view(1, 3, 1, 1)) / torch.tensor(STD).view(1, 3, 1, 1)
    return rgb, seen


class Headless(torch.nn.Module):
    """The numbers that go into the last layer."""

    def __init__(self, model, last):
        super().__init__()
        self.model, self.last = model, last

    def forward(self, x):
        seen = []
        hook = self.last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        self.model(x)
        hook.remove()
        return seen[0]


def network(kind, name):
    if kind == "timm":
        import timm

        return timm.create_model(name, num_classes=CLASSES)
    more = {"aux_logits": True, "init_weights": False} if name == "inception_v3" else {}
    return torchvision.models.get_model(name, num_classes=CLASSES, **more)


def classifier(kind, name, folder):
    side = SIDES.get(name, 224)
    rgb, seen = picture(side)
    model = settle(randomise(network(kind, name)), torch.cat([seen, seen.flip(3), seen.flip(2)]))
    with torch.no_grad():
        logits = model(seen)
        last = [m for m in model.modules() if isinstance(m, (torch.nn.Linear, torch.nn.Conv2d))][-1]
        features = Headless(model, last)(seen)
        features = features.mean((2, 3)) if features.dim() == 4 else features
    if kind == "torchscript":
        with torch.no_grad():
            torch.jit.trace(model, seen, check_trace=False).save(str(folder / "model.pt"))
        manifest(folder / "classify" / "1", "classify", "torchscript", "model.pt", side)
        (folder / "model.pt").rename(folder / "classify" / "1" / "model.pt")
    else:
        manifest(folder / "classify" / "1", "classify", name, "weights.safetensors", side)
        manifest(folder / "embed" / "1", "embed", name, "weights.safetensors", side)
        save(model.state_dict(), folder / "classify" / "1" / "weights.safetensors")
        (folder / "embed" / "1" / "weights.safetensors").hardlink_to(folder / "classify" / "1" / "weights.safetensors")
    save({"rgb": rgb, "logits": logits, "features": features}, folder / "expected.safetensors")


class Detector(torch.nn.Module):
    """A small detector without suppression, as an operator exports one: boxes in shares, scores before the softmax."""

    def __init__(self, shuffled):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 7, 4, 3), torch.nn.SiLU(), torch.nn.Conv2d(16, 16, 3, 4, 1), torch.nn.SiLU())
        self.out, self.shuffled = torch.nn.Conv2d(16, 4 + 4, 1), shuffled

    def forward(self, x):
        n = x.shape[0]
        y = self.body(x)
        # `view` works on maps in plain order only, as in many exported networks.
        y = self.out(y).view(n, 8, -1) if self.shuffled else self.out(y).flatten(2)
        y = y.transpose(1, 2)
        return {"boxes": y[..., :4].sigmoid(), "scores": y[..., 4:]}


def detector(name, folder):
    torch.manual_seed(5)
    rgb, seen = picture(128)
    model = randomise(Detector(name == "view")).eval()
    with torch.no_grad():
        found = model(seen)
        torch.jit.trace(model, seen, strict=False).save(str(folder / "model.pt"))
    scores, labels = found["scores"].softmax(-1)[..., 1:].max(-1)
    x, y, w, h = (found["boxes"] * 128).unbind(-1)
    boxes = torch.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], -1)
    more = '[output]\nboxes = "boxes"\nscores = "scores"\nformat = "cxcywh"\nunits = "relative"\nactivation = "softmax"\nbackground = 0\n'
    manifest(folder / "detect" / "1", "detect", "torchscript", "model.pt", 128, more)
    text = folder / "detect" / "1" / "model.toml"
    names = "classes = [" + ", ".join(f'"c{i}"' for i in range(CLASSES)) + "]"
    text.write_text(text.read_text().replace(names, 'classes = ["a", "b", "c"]'))
    (folder / "model.pt").rename(folder / "detect" / "1" / "model.pt")
    save({"rgb": rgb, "boxes": boxes, "scores": scores, "labels": labels}, folder / "expected.safetensors")


def hostile(name, folder):
    """TorchScript that loads and does not work: one that raises, one that needs torchvision, one of a wrong size."""

    class Raises(torch.nn.Module):
        def forward(self, x):
            if x.shape[2] == 64:
                raise RuntimeError("no picture of 64 pixels is welcome")
            return x.mean((2, 3))

    class Wrong(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    class Alone(torch.nn.Module):
        def forward(self, x):
            return x.view(1, 3, -1).mean(2).repeat(1, 34)[:, :100]

    class Suppresses(torch.nn.Module):
        def forward(self, x):
            return torchvision.ops.nms(x[0, 0, :, :4], x[0, 0, :, 0], 0.5)

    class Infinite(torch.nn.Module):
        def forward(self, x):
            return x.mean((2, 3)).repeat(1, 34)[:, :100] / 0.0

    module = {"raises": Raises, "wrong": Wrong, "alone": Alone, "nms": Suppresses, "infinite": Infinite}[name]()
    manifest(folder / "hostile" / "1", "classify", "torchscript", "model.pt", 64)
    torch.jit.script(module).save(str(folder / "hostile" / "1" / "model.pt"))


def resized(name, folder):
    """Pillow's resize and torchvision's crop of one picture."""
    from PIL import Image

    width, height, shorter, side = (int(number) for number in name.split("x"))
    generator = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 3, height // 5 + 2, width // 5 + 2, generator=generator)
    rgb = (torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")[0] * 255).to(torch.uint8)
    image = Image.fromarray(rgb.permute(1, 2, 0).numpy())
    steps = [torchvision.transforms.Resize(shorter), torchvision.transforms.CenterCrop(side)]
    cropped = torch.from_numpy(numpy.array(torchvision.transforms.Compose(steps)(image)))
    save({"rgb": rgb.permute(1, 2, 0).contiguous(), "cropped": cropped}, folder / "expected.safetensors")


def main():
    torch.set_num_threads(1)
    for line in sys.stdin:
        kind, name, folder = line.rstrip("\n").split(" ", 2)
        folder = pathlib.Path(folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if kind in ("torchvision", "timm", "torchscript"):
                classifier(kind, name, folder)
            else:
                {"detector": detector, "hostile": hostile, "resized": resized}[kind](name, folder)
            print("ok", flush=True)
        except Exception as error:  # The test decides what a failure means.
            print("no", type(error).__name__, str(error).replace("\n", " ")[:200], flush=True)


main()
