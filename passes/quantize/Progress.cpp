//===- Progress.cpp - how far a long pass is ------------------------------===//

#include "passes/quantize/Progress.h"

#include "llvm/Support/raw_ostream.h"

using namespace llvm;

lq::ProgressCallback lq::printProgress() {
  return [shown = int64_t(-1)](StringRef action, StringRef weight, int64_t done,
                               int64_t total) mutable {
    bool terminal = errs().is_displayed();
    int64_t percent = total > 0 ? done * 100 / total : 100;
    int64_t step = terminal ? percent : percent / 10;
    if (step == shown)
      return;
    shown = step;
    if (!terminal) {
      errs() << action << ": " << percent << "%\n";
      return;
    }
    errs() << '\r' << action << ": " << percent << "% " << weight.take_front(60)
           << "\x1b[K" << (done == total ? "\n" : "");
    errs().flush();
  };
}
