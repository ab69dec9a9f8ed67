//===- GgufMixes.cpp - the named mixes of GGUF's formats ------------------===//
//
// What llama.cpp's quantizer gives each weight of a dense model without an
// importance matrix. A mix that llama.cpp calls by the name of its main format
// is called `_mix` here: the bare name is that format for every weight.
//
//===----------------------------------------------------------------------===//

#include "dialects/lq/formats/Mix.h"

#include "llvm/ADT/STLExtras.h"

using namespace lq;
using Place = WeightPlace;

static bool always(const Place &) { return true; }
/// The first and the last eighth of the layers, and every third between.
static bool inMoreBits(const Place &place) {
  int64_t eighth = place.layers / 8;
  return place.layer < eighth || place.layer >= 7 * place.layers / 8 ||
         (place.layer - eighth) % 3 == 2;
}
static bool inFirstSixteenth(const Place &place) {
  return place.layer < place.layers / 16;
}
static bool inFirstEighth(const Place &place) {
  return place.layer < place.layers / 8;
}
template <int64_t count> static bool inFirst(const Place &place) {
  return place.layer < count;
}
/// Few weights serve many heads.
static bool isShared(const Place &place) { return place.headsPerKey >= 4; }

using Role = WeightRole;

static constexpr MixRule q2Rules[] = {
    {Role::Output, always, "q6_k"},          {Role::Value, isShared, "q4_k"},
    {Role::Value, always, "q3_k"},           {Role::Down, always, "q3_k"},
    {Role::AttentionOutput, always, "q3_k"},
};
static constexpr MixRule outputRules[] = {
    {Role::Output, always, "q6_k"},
};
static constexpr MixRule q3MediumRules[] = {
    {Role::Output, always, "q6_k"},
    {Role::Value, inFirst<2>, "q5_k"},
    {Role::Value, always, "q4_k"},
    {Role::FusedAttention, always, "q4_k"},
    {Role::Down, inFirstSixteenth, "q5_k"},
    {Role::Down, always, "q4_k"},
    {Role::AttentionOutput, always, "q4_k"},
};
static constexpr MixRule q3LargeRules[] = {
    {Role::Output, always, "q6_k"},          {Role::Value, always, "q5_k"},
    {Role::FusedAttention, always, "q4_k"},  {Role::Down, always, "q5_k"},
    {Role::AttentionOutput, always, "q5_k"},
};
static constexpr MixRule q4SmallRules[] = {
    {Role::Output, always, "q6_k"},
    {Role::Value, inFirst<4>, "q5_k"},
    {Role::Down, inFirstEighth, "q5_k"},
};
static constexpr MixRule q4MediumRules[] = {
    {Role::Output, always, "q6_k"},
    {Role::Value, inMoreBits, "q6_k"},
    {Role::FusedAttention, always, "q5_k"},
    {Role::Down, inMoreBits, "q6_k"},
};
static constexpr MixRule q5MediumRules[] = {
    {Role::Output, always, "q6_k"},
    {Role::Value, inMoreBits, "q6_k"},
    {Role::FusedAttention, always, "q6_k"},
    {Role::Down, inMoreBits, "q6_k"},
};
static constexpr MixRule iq4Rules[] = {
    {Role::Output, always, "q6_k"},
    {Role::Value, isShared, "q5_k"},
    {Role::Down, inFirstEighth, "q5_k"},
};

static constexpr FormatMix mixes[] = {
    {"q2_k_mix", "q2_k", q2Rules},      {"q3_k_s", "q3_k", outputRules},
    {"q3_k_m", "q3_k", q3MediumRules},  {"q3_k_l", "q3_k", q3LargeRules},
    {"q4_k_s", "q4_k", q4SmallRules},   {"q4_k_m", "q4_k", q4MediumRules},
    {"q5_k_s", "q5_k", outputRules},    {"q5_k_m", "q5_k", q5MediumRules},
    {"iq4_xs_mix", "iq4_xs", iq4Rules},
};

llvm::ArrayRef<FormatMix> lq::listMixes() { return mixes; }

const FormatMix *lq::lookupMix(llvm::StringRef name) {
  const FormatMix *mix = llvm::find_if(
      mixes, [&](const FormatMix &each) { return each.name == name; });
  return mix == std::end(mixes) ? nullptr : mix;
}

llvm::StringRef FormatMix::formatOf(const WeightPlace &place) const {
  for (const MixRule &rule : rules)
    if (rule.role == place.role && rule.applies(place))
      return rule.format;
  return base;
}
