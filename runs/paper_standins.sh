#!/usr/bin/env bash
# The paper's experiments on stand-ins from photos to results/ and docs/paper.md, in as many processes as there are cores to give.
#     runs/paper_standins.sh PHOTOS WEIGHTS OUT [KEPT]
# PHOTOS: portraits (congress). WEIGHTS: a folder with vgg16.safetensors of runs/imagenet_weights.py. OUT: the report's folder.
# KEPT: where what has been judged is kept small (megabytes for all), without checkpoints: taken from there first, and put there
# by `runs/paper_standins.sh --keep OUT KEPT`. Stopped at any moment, it goes on; hours on two cores, `tamperlens paper --plan` says.
# PYTHON, TAMPERLENS: the programs, if not those of .venv/bin.
set -euo pipefail
if [ $# -lt 3 ]; then sed -n 2,7p "$0"; exit 2; fi
put() { # FOLDER FILE...: files into a folder, each whole or not at all, and a new folder only with all of them
  local part
  part=$(dirname "$1")/.part
  rm -rf "$part" && mkdir -p "$part"
  cp "${@:2}" "$part"
  if [ -d "$1" ]; then mv "$part"/* "$1" && rmdir "$part"; else mv "$part" "$1"; fi
}
keep() { # FROM TO HOW: of runs that were trained to the end, what the report needs; HOW: all, or new: those that TO has not
  for results in "$1"/results/*/; do
    run=$(basename "$results")
    if [ ! -f "$1/models/$run/best.json" ] || [ ! -f "$results/own.npz" ]; then continue; fi
    if [ "$3" = new ] && [ -d "$2/models/$run" ]; then continue; fi
    put "$2/results/$run" "$results"*.npz
    put "$2/models/$run" "$1/models/$run/best.json" "$1/models/$run/log.csv"
  done
}
if [ "$1" = --keep ]; then
  keep "$2" "$3" all
  # Of the file with a network's first weights the name is kept: where it lay concerns nobody.
  find "$3" -name best.json -exec sed -i 's#"init": ".*/#"init": "#' {} +
  exit
fi
photos=$(realpath "$1") weights=$(realpath "$2") out=$(realpath -m "$3") kept=${4:+$(realpath -m "$4")}
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python} tamperlens=${TAMPERLENS:-.venv/bin/tamperlens}
mkdir -p "$out"
if [ -n "$kept" ] && [ -d "$kept/results" ]; then keep "$kept" "$out" new; fi
command=("$tamperlens" paper "$photos" --config runs/paper-standins.toml --imagenet "$weights" --out "$out")
seg_cls() { for network in "$@"; do echo -n "$network-seg,$network-cls,"; done | sed 's/,$//'; }
"${command[@]}" --workers "$(nproc)" --models mesoinception4-seg,mesoinception4-cls # makes the stores, too
"${command[@]}" --models "$(seg_cls unet8x unet4x vgg8 vgg3)" > "$out/second.log" 2>&1 & # about half of the work
second=$!
trap 'kill "$second" 2>/dev/null || true' EXIT # or it would go on alone where this script is stopped
"${command[@]}" --models "$(seg_cls fn3 vgg5 xception)"
wait "$second"
"${command[@]}" # the report of all
"$python" runs/paper_results.py "$out"
