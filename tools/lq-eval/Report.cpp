//===- Report.cpp - what lq-eval found, as a table and as JSON ------------===//

#include "tools/lq-eval/Report.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

using namespace lq;
using Json = nlohmann::ordered_json;

static std::string line(const char *what, const std::string &value) {
  char text[64];
  std::snprintf(text, sizeof(text), "%-28s", what);
  return text + value + "\n";
}

/// Six decimals; a model that is far off may have perplexities of any size.
static std::string number(double value, int width = 12) {
  constexpr double most = 1e9;
  char text[64];
  std::snprintf(text, sizeof(text), std::abs(value) < most ? "%*.6f" : "%*.6g",
                width, value);
  return text;
}

static std::string number(Estimate estimate, double factor = 1) {
  return number(factor * estimate.value) + " +- " +
         number(factor * estimate.standardError, 0);
}

static double bitsPerWeight(const EvalResult &result) {
  return result.weights ? 8 * static_cast<double>(result.weightBytes) /
                              static_cast<double>(result.weights)
                        : 0;
}

static std::string comparisonText(const Comparison &found) {
  return line("reference's perplexity", number(found.referencePerplexity)) +
         line("perplexity / reference's", number(found.perplexityRatio)) +
         "\n" + line("KL divergence, mean", number(found.meanDivergence)) +
         line("               median", number(found.medianDivergence)) +
         line("               90 %", number(found.divergence90)) +
         line("               99 %", number(found.divergence99)) +
         line("               99.9 %", number(found.divergence999)) +
         line("               largest", number(found.maxDivergence)) + "\n" +
         line("same likeliest token, %", number(found.sameTop, 100)) +
         line("of 5 likeliest shared, %", number(found.commonTop, 100)) +
         line("difference of p, mean, %",
              number(found.meanProbabilityDifference, 100)) +
         line("                 rms, %",
              number(found.rmsProbabilityDifference, 100));
}

std::string lq::evalText(const EvalResult &result) {
  char settings[128];
  std::snprintf(settings, sizeof(settings),
                "%zu chunks of %zu tokens, %zu tokens scored", result.chunks,
                result.context, result.summary.tokens);
  std::string out = line("model", result.model);
  if (!result.reference.empty())
    out += line("reference", result.reference);
  out += line("text", result.text) + line("", settings);
  out += line("bits per weight", number(bitsPerWeight(result))) + "\n";
  out += line("perplexity", number(result.summary.perplexity));
  if (result.summary.comparison)
    out += comparisonText(*result.summary.comparison);
  return out;
}

static Json json(Estimate estimate) {
  return {{"value", estimate.value},
          {"standard_error", estimate.standardError}};
}

static Json comparisonJson(const Comparison &found) {
  return {{"reference_perplexity", json(found.referencePerplexity)},
          {"perplexity_ratio", json(found.perplexityRatio)},
          {"kl_divergence",
           {{"mean", json(found.meanDivergence)},
            {"median", found.medianDivergence},
            {"p90", found.divergence90},
            {"p99", found.divergence99},
            {"p99_9", found.divergence999},
            {"max", found.maxDivergence}}},
          {"top1_agreement", json(found.sameTop)},
          {"top5_agreement", json(found.commonTop)},
          {"probability_difference",
           {{"mean", json(found.meanProbabilityDifference)},
            {"rms", json(found.rmsProbabilityDifference)}}}};
}

std::string lq::evalJson(const EvalResult &result) {
  Json out = {{"model", result.model},
              {"reference", nullptr},
              {"text", result.text},
              {"context", result.context},
              {"first_scored", result.firstScored},
              {"chunks", result.chunks},
              {"tokens", result.summary.tokens},
              {"weights", result.weights},
              {"weight_bytes", result.weightBytes},
              {"bits_per_weight", bitsPerWeight(result)},
              {"seconds", result.seconds},
              {"perplexity", json(result.summary.perplexity)}};
  if (!result.reference.empty())
    out["reference"] = result.reference;
  if (result.summary.comparison)
    out["comparison"] = comparisonJson(*result.summary.comparison);
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}
