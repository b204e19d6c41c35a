"""LitServe with dynamic batches of up to 8, one worker with one thread, as its documentation shows."""

import sys

import litserve as ls
import torch
import torchvision.transforms as transforms
from fastapi import UploadFile
from PIL import Image


class Classifier(ls.LitAPI):
    def setup(self, device):
        torch.set_num_threads(1)
        self.model = torch.jit.load(sys.argv[1]).eval()
        self.prepare = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(224),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def decode_request(self, request: UploadFile):
        return self.prepare(Image.open(request.file).convert("RGB"))

    def batch(self, inputs):
        return torch.stack(inputs)

    def predict(self, batch):
        with torch.inference_mode():
            return self.model(batch).softmax(1)

    def unbatch(self, output):
        return list(output)

    def encode_response(self, scores):
        confidence, index = scores.max(0)
        return {"class_id": int(index), "confidence": float(confidence)}


if __name__ == "__main__":
    api = Classifier(max_batch_size=8, batch_timeout=0.005)
    server = ls.LitServer(api, accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", generate_client_file=False)
