"""What a conversion leaves in its folder, by name."""

HUB = "hub.onnx"
# Beside a target's files: what to load first, and what it calls its inputs and outputs.
CARD = "onnxhub.json"
RESULTS = (HUB, f"{HUB}.data", "samples", "report.json", "report.html")
