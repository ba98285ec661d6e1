#!/usr/bin/env bash
# From real photos or clips to a checked, masked dataset, in minutes: synthesize -> doctor -> prepare -> show.
#     runs/smoke_cpu.sh PHOTOS_OR_CLIPS [OUT]
# TAMPERLENS: the program, if not .venv/bin/tamperlens. In close-ups nothing is left to measure noise on, which the doctor calls an
# error; these clips are lossless, so there is none in their masks, and prepare is told to take them. It refuses all other errors.
set -euo pipefail
sources=${1:?give a folder of real photos or clips, one person each}
out=${2:-runs/out/smoke}
tamperlens=${TAMPERLENS:-.venv/bin/tamperlens}

"$tamperlens" synthesize "$sources" --out "$out/tree" --people 8 --frames 12 --compressions raw
"$tamperlens" doctor "$out/tree" || true
"$tamperlens" prepare "$out/tree" --out "$out/store" --allow-custom-split --accept noise-floor,noise-unknown --workers 2
"$tamperlens" show "$out/store"
