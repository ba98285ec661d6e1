#!/usr/bin/env bash
# The paper from a FaceForensics++ tree: check it, cut it, train and measure all sixteen models, write Tables 1-4 and Figures 1, 5, 6.
#     runs/reproduce_paper.sh FACEFORENSICS_ROOT SPLITS OUT [options of `tamperlens paper`, such as --imagenet DIR]
# SPLITS is the folder of FaceForensics++'s train.json, val.json and test.json. Every step goes on where it was stopped.
# Needs a GPU for the paper's own number of steps; on two cores, runs/paper-cpu.toml as --config shows the way in an hour or two.
set -euo pipefail
if [ $# -lt 3 ]; then sed -n 2,5p "$0"; exit 2; fi
root=$1 splits=$2 out=$3
shift 3
mkdir -p "$out"
tamperlens doctor "$root" --methods DF,F2F,FS,NT --compression raw --splits "$splits" || [ $? -eq 1 ] # 1: warnings only
tamperlens prepare "$root" --out "$out/store" --methods DF,F2F,FS,NT --compression raw --recipe absdiff-exact --splits "$splits" \
  --workers "$(nproc)"
tamperlens show "$out/store"
tamperlens paper "$out/store" --out "$out/report" "$@"
