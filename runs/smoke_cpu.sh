#!/usr/bin/env bash
# From real photos or clips to a checked, masked dataset, in minutes: synthesize -> doctor -> prepare -> show.
#   runs/smoke_cpu.sh PHOTOS_OR_CLIPS [OUT]
set -euo pipefail
SOURCES=${1:?give a folder of real photos or clips, one person each}
OUT=${2:-runs/out/smoke}
BIN=${BIN:-.venv/bin/tamperlens}

"$BIN" synthesize "$SOURCES" --out "$OUT/tree" --people 8 --frames 12
"$BIN" doctor "$OUT/tree" --methods sDF,sF2F,sFS,sNT --compression raw --splits "$OUT/tree/splits" || test $? -eq 1
"$BIN" prepare "$OUT/tree" --out "$OUT/store" --methods sDF,sF2F,sFS,sNT --compression raw --recipe absdiff-exact \
  --splits "$OUT/tree/splits" --allow-custom-split --workers 2
"$BIN" show "$OUT/store"
