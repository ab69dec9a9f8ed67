//===- WeightPass.h - what passes that encode weights share -----*- C++ -*-===//

#ifndef LQ_PASSES_QUANTIZE_WEIGHTPASS_H
#define LQ_PASSES_QUANTIZE_WEIGHTPASS_H

#include "passes/quantize/Passes.h"
#include "passes/quantize/WeightEncoder.h"

namespace lq {

/// The options and counts of a pass that Passes.td declares as a WeightPass; `Base` is
/// what TableGen makes of that.
template <typename Base> struct WeightPass : Base {
  using Base::Base;
  template <typename Options>
  WeightPass(Options options, ProgressCallback callback)
      : Base(std::move(options)), callback(std::move(callback)) {}

protected:
  ProgressCallback shownProgress() const {
    return callback ? callback : progressIf(this->progress);
  }

  EncodingOptions encodingOptions() {
    return {this->format,     this->archive,    this->include,  this->exclude,
            this->embeddings, this->requantize, shownProgress()};
  }

  void count(const EncodedTotals &totals) {
    this->encodedWeights += totals.weights;
    this->fallbackWeights += totals.fallbacks;
    this->elements += totals.elements;
    this->storageBytes += totals.bytes;
  }

private:
  ProgressCallback callback;
};

} // namespace lq

#endif // LQ_PASSES_QUANTIZE_WEIGHTPASS_H
