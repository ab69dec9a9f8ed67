//===- Progress.cpp - how far a long pass is ------------------------------===//

#include "passes/quantize/Progress.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>

using namespace llvm;

using Clock = std::chrono::steady_clock;

/// ", 2:05 left", if the rest takes as long as what was done; empty where that
/// says nothing.
static std::string spellRest(Clock::time_point start, int64_t done,
                             int64_t total) {
  // The first weights or samples say little.
  if (done * 50 < total || done >= total)
    return "";
  double seconds = std::chrono::duration<double>(Clock::now() - start).count() *
                   static_cast<double>(total - done) /
                   static_cast<double>(done);
  auto rest = static_cast<int64_t>(seconds);
  // Shorter ones are over before they are read.
  if (rest < 10)
    return "";
  std::string text;
  raw_string_ostream stream(text);
  if (rest >= 3600)
    stream << format(", %d:%02d h left", static_cast<int>(rest / 3600),
                     static_cast<int>(rest / 60 % 60));
  else
    stream << format(", %d:%02d left", static_cast<int>(rest / 60),
                     static_cast<int>(rest % 60));
  return text;
}

lq::ProgressCallback lq::printProgress() {
  return [shown = int64_t(-1),
          start = Clock::now()](StringRef action, StringRef weight,
                                int64_t done, int64_t total) mutable {
    bool terminal = errs().is_displayed();
    int64_t percent = total > 0 ? done * 100 / total : 100;
    int64_t step = terminal ? percent : percent / 10;
    if (step == shown)
      return;
    shown = step;
    if (!terminal) {
      errs() << action << ": " << percent << "%"
             << spellRest(start, done, total) << "\n";
      return;
    }
    errs() << '\r' << action << ": " << percent << "%"
           << spellRest(start, done, total) << " " << weight.take_front(60)
           << "\x1b[K" << (done == total ? "\n" : "");
    errs().flush();
  };
}
