"""FastAPI + torch as tutorials build it: the image is opened, transformed and classified inside the route."""

import io
import sys

import torch
import torchvision.transforms as transforms
import uvicorn
from fastapi import FastAPI, Request
from PIL import Image

torch.set_num_threads(1)
model = torch.jit.load(sys.argv[1]).eval()
prepare = transforms.Compose(
    [
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
)
app = FastAPI()


@app.get("/health")
def health():
    return "ok"


@app.post("/predict")
async def predict(request: Request):
    image = Image.open(io.BytesIO(await request.body())).convert("RGB")
    with torch.inference_mode():
        scores = model(prepare(image).unsqueeze(0)).softmax(1)[0]
    confidence, index = scores.max(0)
    return {"class_id": int(index), "confidence": float(confidence)}


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")
