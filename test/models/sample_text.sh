#!/usr/bin/env bash
# Prints the King James Bible as plain text, a verse a line and an empty line between
# chapters: with tinyshakespeare.txt, what the sample model is trained on.
# Needs Debian's package bible-kjv.
set -euo pipefail

command -v bible >/dev/null || {
  echo "sample_text: no program 'bible', install the package bible-kjv" >&2
  exit 1
}
# Lines are "Ge1:2 And the earth ...": book and chapter, verse, text. Assigning to $1
# also makes one space of several.
bible -f gen1:1-rev22:21 </dev/null 2>/dev/null | awk '
  { split($1, reference, ":") }
  reference[1] != chapter { if (NR > 1) print ""; chapter = reference[1] }
  { $1 = ""; sub(/^ /, ""); print }'
